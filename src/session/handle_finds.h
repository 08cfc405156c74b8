/*
 * Who knows the address of each GC handle: all memory of the process is searched for them, once.
 *
 * Chance hits and stale words make the number of words an upper bound; a handle without any can no longer be freed.
 */
#ifndef CLRTRAIL_SESSION_HANDLE_FINDS_H
#define CLRTRAIL_SESSION_HANDLE_FINDS_H

#include "base/map.h"
#include "clr/handle_table.h"
#include "session/ledger.h"

struct heap_starts;
struct session;

/* What was found of one handle's address in memory. */
struct handle_find {
    uint64_t managed, native;
    uint64_t first;      /* the first word: of a managed object if there is one; 0: nobody knows it */
    enum ledger_use use; /* of the memory that it lies in */
    bool first_is_managed;
};

struct handle_finds {
    struct session *session; /* borrowed, as are the next three */
    struct clr *clr;
    const struct handle_table *table;
    const struct heap_starts *starts;
    struct handle_find *list; /* by number in the table */
    struct map index;         /* address of a handle -> its number */
    uint64_t lowest, highest; /* of the handles */
};

/* Errors: out of memory, cancelled; there is no heap or ledger. */
struct error *handle_finds_init(struct handle_finds *ret, struct session *session, const struct handle_table *table);
void handle_finds_deinit(struct handle_finds *finds);

#endif
