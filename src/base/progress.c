#include "base/progress.h"

#include <time.h>

enum { REPORT_EVERY_MS = 100 };

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void progress_start(struct progress *progress, const char *phase, uint64_t total)
{
    if (!progress) return;
    progress->phase = phase;
    progress->total = total;
    atomic_store(&progress->done, 0);
    atomic_store(&progress->reported_ms, now_ms());
}

void progress_add(struct progress *progress, uint64_t done)
{
    uint64_t now, last;

    if (!progress) return;
    done += atomic_fetch_add(&progress->done, done);
    if (!progress->report) return;
    now = now_ms();
    last = atomic_load(&progress->reported_ms);
    if (now - last < REPORT_EVERY_MS || !atomic_compare_exchange_strong(&progress->reported_ms, &last, now)) return;
    progress->report(progress, progress->phase, done, progress->total);
}

void progress_end(struct progress *progress)
{
    if (progress && progress->report) progress->report(progress, NULL, 0, 0);
}

bool progress_is_cancelled(const struct progress *progress)
{
    return progress && atomic_load(&progress->cancelled);
}
