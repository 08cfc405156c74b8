/*
 * One measurement of a running process for `watch`.
 *
 * What is cheap is taken each time. The account of all memory reads every block that malloc ever gave, so it is taken as often as
 * the whole watch stays within a thousandth of a processor, or each time when it is asked for.
 */
#ifndef CLRTRAIL_SURFACES_WATCH_SAMPLE_H
#define CLRTRAIL_SURFACES_WATCH_SAMPLE_H

#include "surfaces/run.h"
#include "surfaces/watch_store.h"

enum { WATCH_TYPES_MAX = 50 };

struct watch_sample {
    struct watch_store *store; /* borrowed */
    bool with_ledger;
    unsigned type_count; /* so many of the largest types; 0: the heap is not walked */
    /* What was measured, for those that decide by it. */
    void (*seen)(void *user, const char *metric, uint64_t value);
    void *user;
    bool store_failed;
    uint64_t pid, started;
    struct text command;
    uint64_t limit; /* bytes that the process may have; 0: not known */
    char limit_of[16];
};

/* First: whose process `run->session` is. False: it has ended. */
struct error *watch_sample_identify(struct run *run, struct watch_sample *sample, bool *alive_ret);
/* Puts all metrics of `run->session`. What cannot be read now is left out. Errors: of the store, ERROR_CANCELLED, ERROR_NOMEM. */
struct error *watch_sample_take(struct run *run, struct watch_sample *sample);

#endif
