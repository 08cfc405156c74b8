/*
 * Who keeps what alive: from all roots over the whole heap, and for every object reached the object (or root) that reaches it on a
 * shortest path.
 *
 *     parents[id]   id of an object                       reached from that object
 *                   object_count + n                      root n of the list
 *                   object_count + number of roots        frozen: lives in a segment that is never collected
 *                   GRAPH_UNREACHED                       dead: the next GC would free it
 *
 * Named static fields are preferred to the handles that hold their arrays, then come other handles, thread statics, stacks,
 * objects that wait for their finalizer. What only the finalization queue knows is dead, but has a path from there.
 * Memory: 4 bytes and a few bits an object.
 */
#ifndef CLRTRAIL_HEAP_GRAPH_H
#define CLRTRAIL_HEAP_GRAPH_H

#include "heap/roots.h"
#include "heap/traverse.h"

#define GRAPH_UNREACHED UINT32_MAX

struct graph {
    struct clr *clr;                  /* borrowed, as are the next two */
    const struct heap_starts *starts; /* ids */
    const struct roots *roots;
    const struct dependents *dependents;
    uint32_t *parents;
    uint64_t watched;       /* address whose referrers are `watchers`; 0: they were not noted */
    VEC(uint32_t) watchers; /* ids of the objects with a path that refer to it, dependent handles included */
    uint64_t *weak;         /* bit by id: reached from the finalization queue only; NULL: no such object */
    struct graph_totals {
        uint64_t live_count, live_bytes;
        uint64_t weak_count, weak_bytes;
    } totals;
};

/* Follows all references, unless the store has what that gave; it may be NULL. Notes on the way who refers to `watched`, when it is
 * not 0. Errors: out of memory, cancelled, ERROR_LIMIT. */
struct error *graph_init(struct graph *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                         const struct roots *roots, const struct dependents *dependents, uint64_t watched,
                         struct progress *progress, struct store *store);
void graph_deinit(struct graph *graph);

/* Would the object at `addr` outlive a full GC? False also when there is no object. */
bool graph_is_live(const struct graph *graph, uint64_t addr);
bool graph_is_live_id(const struct graph *graph, uint32_t id);

#endif
