/*
 * Progress and cancellation of long work. The work counts, a surface may print; nothing here knows how.
 * `report` is called at most ten times a second, from whichever thread counts.
 */
#ifndef CLRTRAIL_BASE_PROGRESS_H
#define CLRTRAIL_BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    void (*report)(struct progress *progress, const char *phase, uint64_t done, uint64_t total);
    void *user;
    const char *phase; /* borrowed, static text */
    uint64_t total;    /* bytes or steps, 0 when unknown */
    atomic_uint_fast64_t done;
    atomic_uint_fast64_t reported_ms;
    atomic_bool cancelled;
};

/* `progress` may be NULL in all of these. */
void progress_start(struct progress *progress, const char *phase, uint64_t total);
void progress_add(struct progress *progress, uint64_t done);
void progress_end(struct progress *progress);
bool progress_is_cancelled(const struct progress *progress);

#endif
