/*
 * Accumulation points: where much memory comes together in the tree of dominators.
 *
 *     top ─▶ big object ─▶ ... ─▶ accumulation point ─▶ many children, each small
 *                 one child has nearly all of it        what was collected
 *
 * From every object at the top that retains a part of all live bytes that matters, down as long as one child retains most of what
 * the first one did. Where it stops, several children that matter by themselves are suspects of their own instead. A chain, whose
 * every link retains hardly less than the one before it, is one suspect: its first link. Beside these, types: many small objects at
 * the top that no single object holds.
 */
#ifndef CLRTRAIL_HEAP_SUSPECTS_H
#define CLRTRAIL_HEAP_SUSPECTS_H

#include "heap/dominator_tree.h"

struct suspect {
    uint32_t top;                   /* id where the way down began */
    uint32_t point;                 /* id of the accumulation point; object_count: the objects of a type at the top */
    uint64_t retained;              /* bytes: of the point, or of all objects of the type */
    uint32_t child_count;           /* objects right below the point */
    uint32_t chain_length;          /* links of a chain that the point begins, 0: it begins none */
    uint64_t like_mt;               /* type of most bytes among these */
    uint64_t like_count, like_size; /* its objects and what they retain */
};

struct suspects {
    VEC(struct suspect) list; /* largest first */
};

/* `least`: bytes that matter. Errors: out of memory, cancelled. */
struct error *suspects_init(struct suspects *ret, const struct clr *clr, const struct dominator_tree *tree, uint64_t least,
                            struct progress *progress);
void suspects_deinit(struct suspects *suspects);

#endif
