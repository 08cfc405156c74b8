/*
 * Objects by type: one pass over the heap, parallel by segment, several segments interleaved in each thread so that one's cache
 * miss hides behind the others' work. Private memory is the table of types, whatever the size of the heap.
 */
#ifndef CLRTRAIL_HEAP_HISTOGRAM_H
#define CLRTRAIL_HEAP_HISTOGRAM_H

#include "base/progress.h"
#include "heap/store.h"
#include "heap/walk.h"

struct histogram_row {
    uint64_t mt_addr;
    uint64_t count, bytes;
    bool is_free;
};

struct histogram {
    VEC(struct histogram_row) rows; /* by mt_addr */
    uint64_t object_count, object_bytes;
    uint64_t free_count, free_bytes; /* part of the above */
};

/* The whole heap's, from the store if it is there. `store` may be NULL. */
struct error *histogram_of_heap(struct histogram *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                                struct progress *progress, struct store *store);
/* `take` tells which segments count; NULL: all. Errors: out of memory, cancelled. */
struct error *histogram_init(struct histogram *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                             struct progress *progress, bool (*take)(const void *user, const struct gc_segment *segment),
                             const void *user);
void histogram_deinit(struct histogram *histogram);

#endif
