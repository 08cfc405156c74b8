/*
 * What could not be read. One unreadable word must not end an analysis: it is counted here with its cause, and every surface
 * prints the list. Equal (what, why) pairs are counted together; at most GAPS_MAX different ones are kept, the rest under
 * one line. Thread safe.
 */
#ifndef CLRTRAIL_BASE_GAPS_H
#define CLRTRAIL_BASE_GAPS_H

#include <pthread.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vec.h"

enum { GAPS_MAX = 256 };

struct gap {
    char *what;     /* owned by the list: "module metadata" */
    char *why;      /* "pages not in the dump, file not found: /app/His.dll" */
    uint64_t count; /* how often */
    uint64_t addr;  /* the lowest one's address, 0 if none */
};

struct gaps {
    pthread_mutex_t lock;
    VEC(struct gap) list; /* in the order of what, why */
    uint64_t not_kept;    /* different gaps beyond GAPS_MAX */
    uint64_t added;       /* calls of gaps_add: has anything been missed since? */
};

void gaps_init(struct gaps *gaps);
void gaps_deinit(struct gaps *gaps);
/* Counts `count` more of (what, why). `gaps` may be NULL. */
void gaps_add(struct gaps *gaps, const char *what, uint64_t addr, uint64_t count, const char *why_format, ...)
    __attribute__((format(printf, 5, 6)));
/* How often something was missed so far: equal twice, nothing was in between. */
uint64_t gaps_added(struct gaps *gaps);
/* Counts the error as a gap and destroys it; NULL is ignored. */
void gaps_add_error(struct gaps *gaps, const char *what, struct error *err);

#endif
