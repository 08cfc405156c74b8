#include "surfaces/run.h"

#include <stdarg.h>
#include <string.h>

#include "surfaces/number.h"

enum { GAP_LINES = 20 }; /* unless --verbose */

static void print_safe(const struct run *run, const char *prefix, const char *message)
{
    struct text line = { 0 };

    text_puts(&line, prefix);
    text_append_safe(&line, message, strlen(message));
    text_putc(&line, '\n');
    if (line.failed) { /* the message is one that needs none */
        fputs(prefix, run->err);
        fputs("out of memory\n", run->err);
    } else {
        fputs(text_cstr(&line), run->err);
    }
    text_deinit(&line);
}

void run_print_error(const struct run *run, const struct error *err)
{
    print_safe(run, "clrtrail: ", error_message(err));
}

void run_print_note(const struct run *run, const char *format, ...)
{
    struct text note = { 0 };
    va_list args;

    if (run->quiet) return;
    va_start(args, format);
    text_vprintf(&note, format, args);
    va_end(args);
    print_safe(run, "", text_cstr(&note));
    text_deinit(&note);
}

static void print_gap(const struct run *run, const struct gap *gap)
{
    struct text line = { 0 };

    text_printf(&line, "%s (", gap->what);
    number_append_grouped(&line, gap->count);
    text_printf(&line, "): %s", gap->why);
    print_safe(run, "gap: ", text_cstr(&line));
    text_deinit(&line);
}

void run_print_gaps(struct run *run)
{
    size_t printed = 0;

    if (!run->gaps || run->quiet) return;
    pthread_mutex_lock(&run->gaps->lock);
    for (; run->gaps_shown < run->gaps->list.count && (run->verbose || printed < GAP_LINES); printed++)
        print_gap(run, &run->gaps->list.data[run->gaps_shown++]);
    if (run->gaps_shown < run->gaps->list.count)
        fprintf(run->err, "gap: %zu other kinds: --verbose lists them\n", run->gaps->list.count - run->gaps_shown);
    if (run->gaps->not_kept)
        fprintf(run->err, "gap: %llu others: only the first %d different ones are kept\n", (unsigned long long)run->gaps->not_kept,
                GAPS_MAX);
    run->gaps_shown = run->gaps->list.count;
    pthread_mutex_unlock(&run->gaps->lock);
}

int run_error_status(const struct error *err)
{
    switch (err->code) {
    case ERROR_USAGE:
    case ERROR_NOT_FOUND:
        return EXIT_USAGE;
    case ERROR_CANCELLED:
        return EXIT_CANCELLED;
    default:
        return EXIT_UNREADABLE;
    }
}

const struct session_info *run_info(const struct run *run)
{
    return run->session ? &run->info : NULL;
}
