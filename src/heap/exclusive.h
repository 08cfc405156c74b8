/*
 * What groups of roots hold alone: which group each object would vanish with.
 *
 *     owners[id]   EXCLUSIVE_NOBODY   dead
 *                  a group            every path from a root to the object begins in this group
 *                  EXCLUSIVE_SHARED   paths begin in several
 *
 * Labels flow from the roots along the references; where two meet, the object is shared, so each object changes twice at most.
 * Exact, unlike sums over dominators: an object that two roots of one group hold together counts for the group. Slots of static
 * fields lie in arrays that handles hold: what such an array holds in a named slot is the field's, not the handle's.
 * Memory: 4 bytes an object, and the list of those whose label changed.
 */
#ifndef CLRTRAIL_HEAP_EXCLUSIVE_H
#define CLRTRAIL_HEAP_EXCLUSIVE_H

#include "heap/graph.h"

#define EXCLUSIVE_NOBODY UINT32_MAX
#define EXCLUSIVE_SHARED (UINT32_MAX - 1)

struct exclusive_group {
    uint64_t count, bytes; /* objects that this group alone keeps alive */
};

/*
 * groups[i]: of root i of the graph's list; EXCLUSIVE_NOBODY: no root (the finalization queue). `frozen`: the group of objects that
 * are never collected. `ret` has group_count + 1 entries, the last one for what is shared.
 * Errors: out of memory, cancelled.
 */
struct error *exclusive_sizes(const struct graph *graph, const struct gc_heaps *heaps, const uint32_t *groups, uint32_t frozen,
                              uint32_t group_count, struct progress *progress, struct exclusive_group *ret);

#endif
