#include "surfaces/snapshot.h"

#include <string.h>

#include "surfaces/number.h"

/* The words behind the command. */
struct arguments {
    const char *process; /* "4711" or "pid:4711" */
    const char *output;
    bool heap, port, proc;
};

static struct error *parse(const struct words *words, bool wants_process, struct arguments *ret)
{
    static const struct {
        const char *name;
        size_t off;
    } switches[] = { { "--heap", offsetof(struct arguments, heap) },
                     { "--port", offsetof(struct arguments, port) },
                     { "--proc", offsetof(struct arguments, proc) } };

    *ret = (struct arguments) { 0 };
    for (size_t i = 1; i < words->list.count; i++) {
        const char *word = words->list.data[i];
        size_t k = 0;
        while (k < ARRAY_COUNT(switches) && strcmp(word, switches[k].name) != 0)
            k++;
        if (!strcmp(word, "-o") && i + 1 < words->list.count)
            ret->output = words->list.data[++i];
        else if (k < ARRAY_COUNT(switches) && wants_process)
            *(bool *)((char *)ret + switches[k].off) = true;
        else if (*word != '-' && wants_process && !ret->process)
            ret->process = word;
        else
            return error_create(ERROR_USAGE, "'%s' is nothing that %s understands", word, words->list.data[0]);
    }
    if (!ret->output) return error_create(ERROR_USAGE, "%s needs -o FILE, or -o - for standard output", words->list.data[0]);
    if (wants_process && !ret->process)
        return error_create(ERROR_USAGE, "snapshot needs the number of a process; `clrtrail ps` lists them");
    if (ret->port && ret->proc) return error_create(ERROR_USAGE, "--port and --proc exclude each other");
    return NULL;
}

static void print_written(struct run *run, const struct arguments *arguments, const struct session_written *written)
{
    struct text line = { 0 };

    number_append_units(&line, written->memory_size);
    text_puts(&line, " of memory");
    if (written->stored_size) {
        text_puts(&line, " in ");
        number_append_units(&line, written->stored_size);
    }
    if (strcmp(arguments->output, "-") != 0) text_printf(&line, ": %s", arguments->output);
    if (written->left_out_size) {
        text_puts(&line, "; left out ");
        number_append_units(&line, written->left_out_size);
        text_puts(&line, " that an analysis does not need");
    }
    if (written->by_port) text_puts(&line, "; dumped by its own runtime, through the diagnostics port");
    if (written->held_ms) text_printf(&line, "; the process was held for at most %llu ms", (unsigned long long)written->held_ms);
    run_print_note(run, "%s", text_cstr(&line));
    text_deinit(&line);
}

static struct error *target_of(const char *process, struct text *ret)
{
    text_printf(ret, "%s%s", strncmp(process, "pid:", 4) ? "pid:" : "", process);
    return ret->failed ? &error_enomem : NULL;
}

static void print_gaps(struct run *run, struct gaps *gaps)
{
    struct gaps *own = run->gaps;
    size_t shown = run->gaps_shown;

    run->gaps = gaps;
    run->gaps_shown = 0;
    run_print_gaps(run);
    run->gaps = own;
    run->gaps_shown = shown;
}

struct error *run_snapshot(struct run *run, const struct options *options, const struct words *words)
{
    struct snapshot_options how = { .run_on = options->no_stop, .progress = &run->line.progress };
    struct session_written written = { 0 };
    struct arguments arguments;
    struct text target = { 0 };
    struct gaps gaps;
    struct error *err;

    TRY(parse(words, true, &arguments));
    TRY(target_of(arguments.process, &target));
    how.target = text_cstr(&target);
    how.output = arguments.output;
    how.heap_only = arguments.heap;
    how.source = arguments.port ? SNAPSHOT_BY_PORT : arguments.proc ? SNAPSHOT_BY_READING : SNAPSHOT_BY_ANY;
    gaps_init(&gaps);
    progress_line_catch_interrupt(&run->line);
    err = session_snapshot(&how, &gaps, &written);
    if (err && err->code == ERROR_NOT_FOUND) err->code = ERROR_IO; /* it is no word of the command that is wrong */
    progress_line_pause(&run->line);
    print_gaps(run, &gaps);
    if (!err) print_written(run, &arguments, &written);
    gaps_deinit(&gaps);
    text_deinit(&target);
    return err;
}

struct error *run_slim(struct run *run, const struct options *options, const struct words *words)
{
    struct session_written written = { 0 };
    struct arguments arguments;

    (void)options;
    TRY(parse(words, false, &arguments));
    TRY(session_slim(run->session, arguments.output, &written));
    print_written(run, &arguments, &written);
    return NULL;
}
