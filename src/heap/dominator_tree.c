#include "heap/dominator_tree.h"

#include <stdlib.h>

enum { CANCEL_EVERY = 1 << 16 };

bool dominator_tree_init(struct dominator_tree *ret, const struct retained *retained)
{
    uint32_t count = retained->starts->object_count;

    *ret = (struct dominator_tree) { .retained = retained };
    ret->first = calloc((size_t)count + 3, sizeof(*ret->first));
    ret->ids = malloc(((size_t)count + 1) * sizeof(*ret->ids));
    if (!ret->first || !ret->ids) {
        dominator_tree_deinit(ret);
        return false;
    }
    /* Counted two places up, so that filling moves each start to where it belongs. */
    for (uint32_t id = 0; id < count; id++)
        if (retained->idoms[id] != DOMINATOR_NONE) ret->first[(size_t)retained->idoms[id] + 2]++;
    for (size_t i = 2; i < (size_t)count + 3; i++)
        ret->first[i] += ret->first[i - 1];
    for (uint32_t id = 0; id < count; id++)
        if (retained->idoms[id] != DOMINATOR_NONE) ret->ids[ret->first[(size_t)retained->idoms[id] + 1]++] = id;
    return true;
}

void dominator_tree_deinit(struct dominator_tree *tree)
{
    free(tree->first);
    free(tree->ids);
    *tree = (struct dominator_tree) { 0 };
}

/* A node that is being walked, and the next of its children in tree->ids. */
struct open_node {
    uint32_t id, next;
};

struct sum_walk {
    const struct dominator_tree *tree;
    const uint32_t *keys;
    uint32_t *open; /* by key: objects of it on the way down from the top */
    uint64_t *bytes;
    VEC(struct open_node) stack;
};

static bool enter(struct sum_walk *walk, uint32_t id)
{
    uint32_t key = walk->keys[id];

    if (!walk->open[key]++) walk->bytes[key] += walk->tree->retained->sizes[id];
    return vec_push(&walk->stack, (struct open_node) { id, walk->tree->first[id] });
}

/* Depth first; the stack is ours, for a tree may be as deep as the heap has objects. */
static struct error *sum_below(struct sum_walk *walk, uint32_t id, struct progress *progress)
{
    const struct dominator_tree *tree = walk->tree;
    uint64_t steps = 0;

    if (!enter(walk, id)) return &error_enomem;
    while (walk->stack.count) {
        struct open_node *node = &walk->stack.data[walk->stack.count - 1];

        if (++steps % CANCEL_EVERY == 0 && progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if (node->next < tree->first[node->id + 1]) {
            if (!enter(walk, tree->ids[node->next++])) return &error_enomem;
            continue;
        }
        walk->open[walk->keys[node->id]]--;
        walk->stack.count--;
    }
    return NULL;
}

struct error *dominator_tree_sum(const struct dominator_tree *tree, const uint32_t *keys, uint32_t key_count,
                                 struct progress *progress, uint64_t *bytes_ret)
{
    struct sum_walk walk = { .tree = tree, .keys = keys, .bytes = bytes_ret };
    uint32_t top_count;
    const uint32_t *tops = dominator_children(tree, dominator_tree_top(tree), &top_count);
    struct error *err = NULL;

    for (uint32_t i = 0; i < key_count; i++)
        bytes_ret[i] = 0;
    walk.open = calloc((size_t)key_count + 1, sizeof(*walk.open));
    if (!walk.open) return &error_enomem;
    for (uint32_t i = 0; i < top_count && !err; i++) {
        if (i % CANCEL_EVERY == 0 && progress_is_cancelled(progress)) err = error_create(ERROR_CANCELLED, "cancelled");
        if (!err) err = sum_below(&walk, tops[i], progress);
    }
    vec_deinit(&walk.stack);
    free(walk.open);
    return err;
}
