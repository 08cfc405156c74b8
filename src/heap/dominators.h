/*
 * Dominators of a graph with several roots: who is passed by every path from the roots to a node.
 *
 * Semi-NCA (Georgiadis, Tarjan, Werneck, "Finding Dominators in Practice", 2006): a depth-first numbering, semidominators from
 * the highest number down over a forest with path compression, then for each node up from its parent to the first that is not
 * above its semidominator. No recursion: chains of a million nodes are normal. All arrays are of 32-bit numbers.
 */
#ifndef CLRTRAIL_HEAP_DOMINATORS_H
#define CLRTRAIL_HEAP_DOMINATORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"

/* Edges by source: those of node i are targets[offsets[i] .. offsets[i + 1]). Arrays are released with free(). */
struct flow_graph {
    uint32_t node_count, edge_count;
    uint32_t *offsets; /* node_count + 1 */
    uint32_t *targets;
};
void flow_graph_deinit(struct flow_graph *graph);

#define DOMINATOR_NONE UINT32_MAX /* the node cannot be reached */

struct dominators {
    uint32_t count;  /* of nodes that can be reached */
    uint32_t *order; /* these, each behind its dominator; owned */
    uint32_t *idoms; /* by node: its immediate dominator; node_count: only the roots together; DOMINATOR_NONE; owned */
};

/*
 * `graph` is consumed: its arrays are released as soon as they are not needed any more, also on error. Roots may repeat. Targets
 * must be below node_count. Memory at the peak: 12 bytes a node, 24 more
 * for one with edges, and at most 8 an edge, the graph included.
 * Errors: out of memory, cancelled.
 */
struct error *dominators_init(struct dominators *ret, struct flow_graph *graph, const uint32_t *roots, size_t root_count,
                              struct progress *progress);
void dominators_deinit(struct dominators *dominators);

#endif
