#include "surfaces/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "surfaces/command_line.h"
#include "surfaces/help.h"

/* All commands of a run. */
struct batch {
    struct run *run;
    const struct options *options;
    struct command_line *commands;
    size_t count;
};

/* ---- checking ---- */

static struct error *check_options(const struct options *options)
{
    if (options->threads > 1024) return error_create(ERROR_USAGE, "--threads: at most 1024");
    if (options->runtime > 255) return error_create(ERROR_USAGE, "--runtime: at most 255");
    return NULL;
}

static struct error *batch_add_words(struct batch *batch, const char *const *words, size_t count)
{
    return command_line_from_words(&batch->commands[batch->count++], batch->run, batch->options, words, count);
}

/* The command behind TARGET, if any, then those of -c; nothing at all is a diagnosis. */
static struct error *batch_fill(struct batch *batch, const char *const *words, size_t count)
{
    static const char *const diagnose[] = { "diagnose" };
    const struct words *lines = &batch->options->commands;

    batch->commands = calloc(lines->list.count + 1, sizeof(batch->commands[0]));
    if (!batch->commands) return &error_enomem;
    if (count) TRY(batch_add_words(batch, words, count));
    for (size_t i = 0; i < lines->list.count; i++)
        TRY(command_line_from_text(&batch->commands[batch->count++], batch->run, batch->options, lines->list.data[i]));
    return batch->count ? NULL : batch_add_words(batch, diagnose, 1);
}

static void batch_deinit(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        command_line_deinit(&batch->commands[i]);
    free(batch->commands);
}

static bool batch_needs_dump(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (command_line_needs_dump(&batch->commands[i])) return true;
    return false;
}

/* ---- running ---- */

/* As the session takes it. */
static const char *index_folder(const char *option)
{
    if (!option || !strcmp(option, "auto")) return "";
    return strcmp(option, "off") == 0 ? NULL : option;
}

static struct error *open_target(struct run *run, const struct options *options)
{
    struct session_options session_options = { .path = run->target,
                                               .image_dirs = options->images.list.data,
                                               .image_dir_count = options->images.list.count,
                                               .sysroot = options->sysroot,
                                               .threads = (unsigned)options->threads,
                                               .hold = options->stop,
                                               .index = index_folder(options->index),
                                               .runtime = (unsigned)options->runtime,
                                               .any_runtime = !options->runtime_given,
                                               .progress = &run->line.progress };
    struct error *err;

    progress_line_catch_interrupt(&run->line);
    progress_line_resume(&run->line);
    err = session_open(&session_options, &run->session);
    progress_line_pause(&run->line);
    if (err && err->code == ERROR_CANCELLED) return err;
    if (err && strncmp(error_message(err), "cannot open", 11) != 0) err = error_prefix(err, "cannot open '%s'", run->target);
    if (err) {
        /* Whatever it was, it was not the user's command. */
        if (err->code == ERROR_NOT_FOUND || err->code == ERROR_USAGE) err->code = ERROR_IO;
        return err;
    }
    run->gaps = session_gaps(run->session);
    return NULL;
}

/* What the answers of several commands are told apart by. */
static void print_heading(struct run *run, const struct command_line *command, bool first)
{
    struct text line = { 0 };

    text_puts(&line, first ? "> " : "\n> ");
    command_line_append(command, &line);
    text_putc(&line, '\n');
    output_text(&run->output, &line);
    text_deinit(&line);
}

static struct error *run_batch(struct batch *batch)
{
    struct run *run = batch->run;

    for (size_t i = 0; i < batch->count; i++) {
        struct command_line *command = &batch->commands[i];

        if (batch->count > 1 && command->options.format == FORMAT_TEXT) print_heading(run, command, i == 0);
        if (run->session) session_info(run->session, &run->info);
        TRY(command_line_run(command, run));
        if (output_failed(&run->output)) return NULL;
    }
    return NULL;
}

static int finish(struct run *run, const struct options *options, struct error *err)
{
    struct error *flush_err = output_flush(&run->output);
    int status = EXIT_DONE;

    if (!err) {
        err = flush_err;
        flush_err = NULL;
    }
    error_destroy(flush_err);
    run_print_gaps(run);
    if (output_closed(&run->output)) {
        status = EXIT_CLOSED;
    } else if (err) {
        status = run_error_status(err);
        run_print_error(run, err);
    } else if (options->fail_on && run->certainty >= options->fail_on) {
        status = EXIT_FINDINGS;
    } else if (options->strict && run->gaps && run->gaps->list.count) {
        status = EXIT_GAPS;
    }
    error_destroy(err);
    return status;
}

static int run_commands(struct run *run, const struct options *options, const char *const *words, size_t count)
{
    struct batch batch = { .run = run, .options = options };
    struct error *err = check_options(options);
    int status;

    if (!err) err = batch_fill(&batch, words, count);
    if (!err && batch_needs_dump(&batch)) err = open_target(run, options);
    if (!err) err = run_batch(&batch);
    status = finish(run, options, err);
    batch_deinit(&batch);
    session_close(run->session);
    return status;
}

/* ---- what the words mean ---- */

static bool is_command(const struct run *run, const char *word)
{
    for (const struct relation *const *r = run->relations; *r; r++)
        if (relation_is_called(*r, word)) return true;
    return builtin_find(word) != NULL;
}

/* A command that needs no dump, in the place of TARGET. A file of that name is written ./NAME. */
static bool is_targetless(const struct run *run, const char *word)
{
    const struct builtin *builtin = builtin_find(word);
    const struct relation *relation = relation_find(run->relations, word);

    return (builtin && !builtin->needs_dump) || (relation && relation->without_dump);
}

/* The commonest slip: a command without a dump. */
static struct error *check_target(const struct run *run)
{
    const char *word = run->target;

    if (access(word, F_OK) == 0) return NULL;
    if (is_command(run, word))
        return error_create(ERROR_USAGE, "'%s' is a command and needs a dump: clrtrail TARGET %s", word, word);
    return NULL;
}

static int usage(struct run *run)
{
    fputs("usage: clrtrail TARGET [COMMAND [ARGUMENT...]] [OPTION...]\n"
          "clrtrail help lists the commands\n",
          run->err);
    return EXIT_USAGE;
}

static int run_words(struct run *run, const struct options *options, const struct words *words)
{
    static const char *const version[] = { "version" }, *const help[] = { "help" };
    size_t count = words->list.count;
    struct error *err;

    if (options->version) return run_commands(run, options, version, 1);
    if (options->help && count < 2 && (!count || !is_targetless(run, words->list.data[0])))
        return run_commands(run, options, help, 1);
    if (count == 0) return usage(run);
    if (is_targetless(run, words->list.data[0])) return run_commands(run, options, words->list.data, count);
    run->target = words->list.data[0];
    err = options->help ? NULL : check_target(run);
    if (err) return finish(run, options, err);
    return run_commands(run, options, words->list.data + 1, count - 1);
}

static void run_init(struct run *run, const struct cli *cli, const struct options *options)
{
    *run = (struct run) { .relations = cli->relations, .err = cli->err, .verbose = options->verbose };
    /* With --strict the exit status speaks of gaps, so they are named. */
    run->quiet = options->quiet && !options->strict;
    output_init(&run->output, cli->out, options->color, cli->utf8);
    progress_line_init(&run->line, cli->err, !options->no_progress && !options->quiet);
    run->output.before = run->output.terminal ? progress_line_hide : NULL;
    run->output.user = &run->line;
}

int cli_run(const struct cli *cli, const char *const *words, size_t count)
{
    struct options options = { 0 };
    struct words rest = { 0 };
    struct run run;
    struct error *err = options_parse(&options, words, count, false, &rest);
    int status;

    run_init(&run, cli, &options);
    status = err ? finish(&run, &options, err) : run_words(&run, &options, &rest);
    progress_line_catch_interrupt(NULL);
    words_deinit(&rest);
    options_deinit(&options);
    return status;
}
