/*
 * Bytes of the GC heap by generation: objects that are alive, objects that the next full GC would free, and free space between
 * them.
 */
#ifndef CLRTRAIL_HEAP_LIVENESS_H
#define CLRTRAIL_HEAP_LIVENESS_H

#include "heap/graph.h"

struct liveness_sum {
    uint64_t live_count, live_bytes; /* bytes with the padding to the next object */
    uint64_t dead_count, dead_bytes;
    uint64_t free_count, free_bytes;
};

/* By enum gc_generation; every object counts once. Errors: ERROR_NOMEM, ERROR_CANCELLED. */
struct error *heap_liveness(const struct graph *graph, const struct gc_heaps *heaps, struct progress *progress,
                            struct liveness_sum ret[GC_EPHEMERAL + 1]);

#endif
