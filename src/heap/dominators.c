#include "heap/dominators.h"

#include <stdlib.h>
#include <string.h>

#include "base/large_array.h"
#include "base/vec.h"

enum { AHEAD = 24, CANCEL_EVERY = 1 << 20 };

/*
 * Numbers: 0 is the root above all roots, 1 .. count the nodes in the order in which the depth-first search met them.
 *
 * Leaves, nodes without edges (about half of a heap: strings, arrays of bytes), dominate nothing but themselves. They take no part:
 * when the others' dominators are known, a leaf's is the nearest one common to all that refer to it.
 */
struct search {
    struct flow_graph *graph;
    const uint32_t *roots;
    size_t root_count;
    struct progress *progress;
    uint32_t count;                /* highest number */
    uint64_t *leaves;              /* bit by node */
    uint32_t *number;              /* by node; DOMINATOR_NONE: not met; of a leaf: the number of its dominator */
    uint32_t *node;                /* by number */
    uint32_t *parent;              /* by number: the number that it was met from; later the ancestor in the compressed forest */
    uint32_t *pred_offsets;        /* by number, of `preds` */
    uint32_t *preds;               /* numbers of predecessors but the parent */
    uint32_t *semi, *label, *idom; /* by number */
    VEC(uint32_t) path;            /* of one compression */
};

void flow_graph_deinit(struct flow_graph *graph)
{
    free(graph->offsets);
    free(graph->targets);
    *graph = (struct flow_graph) { 0 };
}

void dominators_deinit(struct dominators *dominators)
{
    free(dominators->order);
    free(dominators->idoms);
    *dominators = (struct dominators) { 0 };
}

static void release(uint32_t **array)
{
    free(*array);
    *array = NULL;
}

static void search_deinit(struct search *s)
{
    flow_graph_deinit(s->graph);
    free(s->leaves);
    s->leaves = NULL;
    release(&s->number);
    release(&s->node);
    release(&s->parent);
    release(&s->pred_offsets);
    release(&s->preds);
    release(&s->semi);
    release(&s->label);
    release(&s->idom);
    vec_deinit(&s->path);
}

static struct error *check_cancelled(const struct search *s)
{
    return progress_is_cancelled(s->progress) ? error_create(ERROR_CANCELLED, "cancelled") : NULL;
}

struct pending {
    uint32_t node, parent;
};
typedef VEC(struct pending) pending_stack;

static inline bool is_leaf(const struct search *s, uint32_t node)
{
    return s->leaves[node / 64] >> (node % 64) & 1;
}

static bool find_leaves(struct search *s)
{
    const uint32_t *offsets = s->graph->offsets;

    s->leaves = large_array_zeroed((size_t)s->graph->node_count / 64 + 1, sizeof(*s->leaves));
    if (!s->leaves) return false;
    for (uint32_t i = 0; i < s->graph->node_count; i++)
        s->leaves[i / 64] |= (uint64_t)(offsets[i] == offsets[i + 1]) << i % 64;
    return true;
}

/* Puts the node's children that were not met yet on the stack: the last one is met next, as a recursive search would. */
static bool push_children(const struct search *s, pending_stack *stack, uint32_t node, uint32_t number)
{
    const uint32_t *offsets = s->graph->offsets, *targets = s->graph->targets;
    uint32_t start = offsets[node], end = offsets[node + 1];

    if (!vec_reserve(stack, stack->count + (end - start))) return false;
    for (uint32_t e = start; e < end; e++) {
        uint32_t child = targets[e];

        if (e + AHEAD < end && !is_leaf(s, targets[e + AHEAD])) __builtin_prefetch(&s->number[targets[e + AHEAD]]);
        if (is_leaf(s, child) || s->number[child] != DOMINATOR_NONE) continue;
        __builtin_prefetch(&offsets[child]);
        stack->data[stack->count++] = (struct pending) { child, number };
    }
    return true;
}

/* Meets the nodes that can be reached from one root. */
static struct error *search_from(struct search *s, pending_stack *stack, uint32_t root)
{
    struct pending first = { root, 0 };

    if (is_leaf(s, root) || s->number[root] != DOMINATOR_NONE) return NULL;
    if (!vec_push(stack, first)) return &error_enomem;
    while (stack->count) {
        struct pending at = stack->data[--stack->count];

        /* What comes up next: its edges' place has arrived by now. */
        if (stack->count) __builtin_prefetch(&s->graph->targets[s->graph->offsets[stack->data[stack->count - 1].node]]);
        if (s->number[at.node] != DOMINATOR_NONE) continue;
        s->number[at.node] = ++s->count;
        s->node[s->count] = at.node;
        s->parent[s->count] = at.parent;
        if (!push_children(s, stack, at.node, s->count)) return &error_enomem;
        if (s->count % CANCEL_EVERY == 0) TRY(check_cancelled(s));
    }
    return NULL;
}

static struct error *number_nodes(struct search *s)
{
    size_t nodes = s->graph->node_count;
    pending_stack stack = { 0 };
    struct error *err = NULL;

    s->number = large_array(nodes + 1, sizeof(*s->number));
    s->node = large_array(nodes + 1, sizeof(*s->node));
    s->parent = large_array(nodes + 1, sizeof(*s->parent));
    if (!s->number || !s->node || !s->parent || !find_leaves(s)) return &error_enomem;
    memset(s->number, 0xff, (nodes + 1) * sizeof(*s->number));
    for (size_t i = 0; !err && i < s->root_count; i++)
        if (s->roots[i] < nodes) err = search_from(s, &stack, s->roots[i]);
    vec_deinit(&stack);
    return err;
}

/* Every edge between met nodes that are no leaves, but those of the tree: the parent counts without being listed. */
static inline __attribute__((always_inline)) void each_cross_edge(struct search *s,
                                                                  void (*visit)(struct search *s, uint32_t from, uint32_t to))
{
    const struct flow_graph *graph = s->graph;

    for (uint32_t i = 0; i < graph->node_count; i++) {
        uint32_t from = s->number[i];

        if (from == DOMINATOR_NONE) continue;
        for (uint32_t e = graph->offsets[i]; e < graph->offsets[i + 1]; e++) {
            uint32_t to;

            if (e + AHEAD < graph->edge_count && !is_leaf(s, graph->targets[e + AHEAD]))
                __builtin_prefetch(&s->number[graph->targets[e + AHEAD]]);
            if (is_leaf(s, graph->targets[e])) continue;
            to = s->number[graph->targets[e]];
            if (s->parent[to] != from) visit(s, from, to);
        }
    }
}

static inline void count_predecessor(struct search *s, uint32_t from, uint32_t to)
{
    (void)from;
    s->pred_offsets[to + 1]++;
}

/* Moves the start of the list to its end, which is the start of the next one. */
static inline void add_predecessor(struct search *s, uint32_t from, uint32_t to)
{
    s->preds[s->pred_offsets[to]++] = from;
}

static struct error *list_predecessors(struct search *s)
{
    uint32_t total = 0;
    size_t slots = (size_t)s->count + 2;

    s->pred_offsets = large_array_zeroed(slots, sizeof(*s->pred_offsets));
    if (!s->pred_offsets) return &error_enomem;
    each_cross_edge(s, count_predecessor);
    TRY(check_cancelled(s));
    for (size_t i = 0; i < slots; i++)
        total = s->pred_offsets[i] += total;
    s->preds = large_array((size_t)total + 1, sizeof(*s->preds));
    if (!s->preds) return &error_enomem;
    each_cross_edge(s, add_predecessor);
    memmove(s->pred_offsets + 1, s->pred_offsets, (slots - 1) * sizeof(*s->pred_offsets));
    s->pred_offsets[0] = 0;
    return NULL;
}

/*
 * The smallest semidominator on the way from `v` up to the last node that was linked (those from `linked` on are). Compresses the
 * way: each node on it then points to the end of it.
 */
static uint32_t evaluate(struct search *s, uint32_t v, uint32_t linked, bool *failed)
{
    uint32_t above, best;

    if (v < linked) return v;
    if (s->parent[v] < linked) return s->label[v];
    s->path.count = 0;
    for (uint32_t at = v; at >= linked; at = s->parent[at])
        if (!vec_push(&s->path, at)) {
            *failed = true;
            return 0;
        }
    above = s->parent[s->path.data[s->path.count - 1]];
    best = s->label[s->path.data[s->path.count - 1]];
    for (size_t i = s->path.count - 1; i > 0; i--) {
        uint32_t at = s->path.data[i - 1];

        if (s->label[at] < best)
            best = s->label[at];
        else
            s->label[at] = best;
        s->parent[at] = above;
    }
    return best;
}

/* label[v]: smallest semidominator found on v's way up, v's own at first. */
static struct error *find_semidominators(struct search *s)
{
    bool failed = false;

    for (uint32_t w = s->count; w >= 1; w--) {
        uint32_t semi = s->semi[w] ? s->parent[w] : 0;

        for (uint32_t e = s->pred_offsets[w]; e < s->pred_offsets[w + 1]; e++) {
            uint32_t found = evaluate(s, s->preds[e], w + 1, &failed);

            if (found < semi) semi = found;
        }
        s->semi[w] = semi;
        s->label[w] = semi;
        if (failed) return &error_enomem;
        if (w % CANCEL_EVERY == 0) TRY(check_cancelled(s));
    }
    return NULL;
}

/* What a root holds has the number 0 among its predecessors. */
static void mark_roots(struct search *s)
{
    memset(s->semi, 0xff, ((size_t)s->count + 1) * sizeof(*s->semi));
    for (size_t i = 0; i < s->root_count; i++)
        if (s->roots[i] < s->graph->node_count && !is_leaf(s, s->roots[i])) s->semi[s->number[s->roots[i]]] = 0;
}

/*
 * Up from each node's parent to the first node that is not above its semidominator, in the tree of dominators as far as it is
 * known. That way can be long for each of many nodes (a list whose links all hold something that its head holds too), so nodes
 * have a second pointer further up, laid out so that any ancestor is a logarithmic number of steps away (Myers, "An applicative
 * random-access stack", 1983).
 */
static void find_idoms(struct search *s, uint32_t *jump, uint32_t *depth)
{
    s->idom[0] = jump[0] = depth[0] = 0;
    for (uint32_t v = 1; v <= s->count; v++) {
        uint32_t at = s->idom[v], semi = s->semi[v], far;

        while (at > semi)
            at = jump[at] > semi ? jump[at] : s->idom[at];
        s->idom[v] = at;
        far = jump[at];
        depth[v] = depth[at] + 1;
        jump[v] = depth[at] - depth[far] == depth[far] - depth[jump[far]] ? jump[far] : at;
    }
}

/* The nearest number that dominates both: up to the same depth, then up together; far pointers of one depth lead to one depth. */
static uint32_t common_dominator(const struct search *s, const uint32_t *jump, const uint32_t *depth, uint32_t a, uint32_t b)
{
    if (depth[a] < depth[b]) {
        uint32_t swap = a;

        a = b;
        b = swap;
    }
    while (depth[a] > depth[b])
        a = depth[jump[a]] >= depth[b] ? jump[a] : s->idom[a];
    while (a != b) {
        bool far = jump[a] != jump[b];

        a = far ? jump[a] : s->idom[a];
        b = far ? jump[b] : s->idom[b];
    }
    return a;
}

static struct error *place_leaves(struct search *s, const uint32_t *jump, const uint32_t *depth)
{
    const struct flow_graph *graph = s->graph;

    for (size_t i = 0; i < s->root_count; i++)
        if (s->roots[i] < graph->node_count && is_leaf(s, s->roots[i])) s->number[s->roots[i]] = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        uint32_t from = s->number[i];

        if (i % CANCEL_EVERY == 0) TRY(check_cancelled(s));
        if (is_leaf(s, i) || from == DOMINATOR_NONE) continue;
        for (uint32_t e = graph->offsets[i]; e < graph->offsets[i + 1]; e++) {
            uint32_t *at = &s->number[graph->targets[e]];

            if (e + AHEAD < graph->edge_count && is_leaf(s, graph->targets[e + AHEAD]))
                __builtin_prefetch(&s->number[graph->targets[e + AHEAD]]);
            if (!is_leaf(s, graph->targets[e]) || *at == from) continue;
            *at = *at == DOMINATOR_NONE ? from : common_dominator(s, jump, depth, *at, from);
        }
    }
    return NULL;
}

static struct error *find_all(struct search *s)
{
    size_t slots = (size_t)s->count + 1;

    s->semi = large_array(slots, sizeof(*s->semi));
    s->label = large_array(slots, sizeof(*s->label));
    s->idom = large_array(slots, sizeof(*s->idom));
    if (!s->idom || !s->semi || !s->label) return &error_enomem;
    memcpy(s->idom, s->parent, slots * sizeof(*s->idom));
    mark_roots(s);
    TRY(find_semidominators(s));
    release(&s->preds);
    release(&s->pred_offsets);
    find_idoms(s, s->label, s->parent);
    TRY(place_leaves(s, s->label, s->parent));
    flow_graph_deinit(s->graph);
    release(&s->label);
    release(&s->parent);
    release(&s->semi);
    return NULL;
}

/* From numbers back to nodes; the leaves come last. */
static void translate(struct search *s, uint32_t nodes, struct dominators *ret)
{
    memmove(s->node, s->node + 1, s->count * sizeof(*s->node));
    *ret = (struct dominators) { .count = s->count, .order = s->node, .idoms = s->number };
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t idom;

        if (s->number[i] == DOMINATOR_NONE) continue;
        idom = is_leaf(s, i) ? s->number[i] : s->idom[s->number[i]];
        s->number[i] = idom ? s->node[idom - 1] : nodes;
        if (is_leaf(s, i)) ret->order[ret->count++] = i;
    }
    s->node = s->number = NULL;
}

struct error *dominators_init(struct dominators *ret, struct flow_graph *graph, const uint32_t *roots, size_t root_count,
                              struct progress *progress)
{
    struct search search = { .graph = graph, .roots = roots, .root_count = root_count, .progress = progress };
    uint32_t nodes = graph->node_count;
    struct error *err = number_nodes(&search);

    *ret = (struct dominators) { 0 };
    if (!err) err = list_predecessors(&search);
    if (!err) err = find_all(&search);
    if (!err) translate(&search, nodes, ret);
    search_deinit(&search);
    return err;
}
