/*
 * Dominators and retained sizes of the heap's objects.
 *
 * An object's immediate dominator is the last object that every path from the roots to it passes; the retained size of an object
 * is what a GC would free if it vanished: its own bytes and those of all that it dominates.
 *
 * Kept: 12 bytes an object. Dead objects, and those that only the finalization queue knows, have neither.
 */
#ifndef CLRTRAIL_HEAP_RETAINED_H
#define CLRTRAIL_HEAP_RETAINED_H

#include "heap/dominators.h"
#include "heap/graph.h"

struct retained {
    const struct heap_starts *starts; /* borrowed */
    uint32_t *idoms;                  /* by id; object_count: no single object; DOMINATOR_NONE: dead */
    uint64_t *sizes;                  /* by id: bytes; 0: dead */
    struct retained_totals {
        uint64_t live_count, live_bytes;
    } totals;
};

/* `store` may be NULL. Errors: out of memory, cancelled, ERROR_LIMIT (2^32 references). */
struct error *retained_init(struct retained *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                            const struct roots *roots, const struct dependents *dependents, struct progress *progress,
                            struct store *store);
void retained_deinit(struct retained *retained);

/* Retained bytes of the object at `addr`, 0 when it is dead or there is none. */
uint64_t retained_size(const struct retained *retained, uint64_t addr);
/* Its immediate dominator, 0 when there is none. */
uint64_t retained_dominator(const struct retained *retained, uint64_t addr);

/* The ids with the largest retained sizes among those that are offered. */
struct retained_top {
    const struct retained *retained;
    uint32_t *ids; /* a heap, the smallest on top, until sorted; owned */
    size_t count, max;
};
/* False: out of memory. `max` is at most RETAINED_TOP_MAX. */
enum { RETAINED_TOP_MAX = 1 << 20 };
bool retained_top_init(struct retained_top *ret, const struct retained *retained, size_t max);
void retained_top_deinit(struct retained_top *top);
void retained_top_offer(struct retained_top *top, uint32_t id);
/* Largest first, equal ones by address. */
void retained_top_sort(struct retained_top *top);

#endif
