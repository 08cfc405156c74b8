/*
 * The GC's finalization queues: objects with a finalizer.
 *
 *     CFinalize {fill pointers[generations + 2], array, end of array}
 *       array: objects of the highest generation, ..., of generation 0, then those found dead: critical ones, others
 *       fill pointer i: end of the i-th part
 *
 * Objects found dead wait for the finalizer thread and are kept alive until it has run (f-reachable); the others are only known.
 * Source: class CFinalize, src/coreclr/gc/gcpriv.h.
 */
#ifndef CLRTRAIL_CLR_FINALIZER_H
#define CLRTRAIL_CLR_FINALIZER_H

#include "clr/gc_heap.h"

struct finalizable {
    uint64_t slot_addr, object;
    uint32_t heap;
    uint8_t generation; /* number of the part: 0, 1, 2, 3 (LOH), 4 (POH) */
    bool is_f_reachable, is_critical;
};

struct finalizables {
    VEC(struct finalizable) list; /* by heap, in the order of the array */
};

/* Errors: out of memory. What cannot be read is a gap. */
struct error *finalizables_init(struct clr *clr, const struct gc_heaps *heaps, struct finalizables *ret);
void finalizables_deinit(struct finalizables *finalizables);

#endif
