#include "surfaces/progress_line.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "surfaces/number.h"

enum {
    SHOW_AFTER_MS = 500,
    BYTES_FROM = 1 << 20, /* smaller totals count things, larger ones bytes */
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int progress_line_format(char *ret, size_t size, const char *phase, uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
    struct text rate = { 0 };
    int length;

    if (total >= BYTES_FROM && elapsed_ms > 0) {
        number_append_units(&rate, (uint64_t)((double)done * 1000 / (double)elapsed_ms));
        text_puts(&rate, "/s");
    }
    if (total)
        length = snprintf(ret, size, "%s  %u %%  %s", phase, (unsigned)(done >= total ? 100 : (double)done * 100 / (double)total),
                          text_cstr(&rate));
    else
        length = snprintf(ret, size, "%s", phase);
    text_deinit(&rate);
    return length < (int)size ? length : (int)size - 1;
}

static void clear(struct progress_line *line)
{
    if (!atomic_exchange(&line->shown, false)) return;
    fputs("\r\033[K", line->file);
    fflush(line->file);
}

static void report(struct progress *progress, const char *phase, uint64_t done, uint64_t total)
{
    struct progress_line *line = progress->user;
    uint64_t now = now_ms();
    char out[128];

    if (!phase || atomic_load(&line->paused)) {
        clear(line);
        return;
    }
    if (atomic_exchange(&line->phase, phase) != phase) atomic_store(&line->started_ms, now);
    if (now - atomic_load(&line->started_ms) < SHOW_AFTER_MS) return;
    progress_line_format(out, sizeof(out), phase, done, total, now - atomic_load(&line->started_ms));
    fprintf(line->file, "\r\033[K%s", out);
    fflush(line->file);
    atomic_store(&line->shown, true);
}

void progress_line_init(struct progress_line *line, FILE *file, bool wanted)
{
    memset(line, 0, sizeof(*line));
    line->file = file;
    line->enabled = wanted && isatty(fileno(file));
    line->progress.user = line;
    if (line->enabled) line->progress.report = report;
}

void progress_line_pause(struct progress_line *line)
{
    atomic_store(&line->paused, true);
    clear(line);
}

void progress_line_hide(void *line)
{
    progress_line_pause(line);
}

void progress_line_resume(struct progress_line *line)
{
    atomic_store(&line->paused, false);
    atomic_store(&line->phase, NULL);
}

/* A signal handler has no argument; there is one process, and one piece of work in hand. */
static struct progress *_Atomic interrupted;

static void on_interrupt(int number)
{
    struct progress *progress = atomic_load(&interrupted);

    (void)number;
    if (progress) atomic_store(&progress->cancelled, true);
}

void progress_line_catch_interrupt(struct progress_line *line)
{
    /* SA_RESETHAND: the second Ctrl-C meets the default action. */
    struct sigaction action = { .sa_handler = line ? on_interrupt : SIG_DFL, .sa_flags = line ? SA_RESETHAND : 0 };

    atomic_store(&interrupted, line ? &line->progress : NULL);
    sigaction(SIGINT, &action, NULL);
}
