/*
 * What `watch` shows: a table of all that was measured with its course, what grows, when the limit is reached, and what it cost.
 */
#ifndef CLRTRAIL_SURFACES_WATCH_TEXT_H
#define CLRTRAIL_SURFACES_WATCH_TEXT_H

#include "surfaces/output.h"
#include "surfaces/watch_store.h"

struct watch_text {
    const char *command; /* NULL: not known */
    uint64_t pid, limit;
    const char *limit_of;
    uint64_t count;    /* measurements of this run */
    uint64_t accounts; /* of these with the account of all memory */
    double cost;       /* seconds of processor time for all of them */
    double elapsed;    /* seconds since the first began */
};

struct error *watch_text_print(const struct watch_text *shown, struct watch_store *store, struct output *output);

#endif
