/*
 * The tree of dominators, to walk down: for every object the objects right below it.
 *
 *     first[id] .. first[id + 1]    where the children of an object lie in `ids`; object_count is the top: what no object dominates
 *     ids                           by address below each parent
 *
 * Memory: 8 bytes an object, made by two passes over the immediate dominators.
 */
#ifndef CLRTRAIL_HEAP_DOMINATOR_TREE_H
#define CLRTRAIL_HEAP_DOMINATOR_TREE_H

#include "heap/retained.h"

struct dominator_tree {
    const struct retained *retained; /* borrowed */
    uint32_t *first;                 /* object_count + 2 of them */
    uint32_t *ids;
};

/* False: out of memory. */
bool dominator_tree_init(struct dominator_tree *ret, const struct retained *retained);
void dominator_tree_deinit(struct dominator_tree *tree);

static inline uint32_t dominator_tree_top(const struct dominator_tree *tree)
{
    return tree->retained->starts->object_count;
}
static inline const uint32_t *dominator_children(const struct dominator_tree *tree, uint32_t id, uint32_t *count_ret)
{
    *count_ret = tree->first[id + 1] - tree->first[id];
    return tree->ids + tree->first[id];
}

/*
 * For every key the bytes that its objects hold: retained sizes added up, without those of objects that another one of the same key
 * dominates. keys[id] < key_count; bytes_ret has key_count of them. What only several objects of a key hold together is not in it.
 * Errors: out of memory, cancelled.
 */
struct error *dominator_tree_sum(const struct dominator_tree *tree, const uint32_t *keys, uint32_t key_count,
                                 struct progress *progress, uint64_t *bytes_ret);

#endif
