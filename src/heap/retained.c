#include "heap/retained.h"

#include <stdlib.h>

#include "base/large_array.h"
#include "heap/walk.h"

enum { RING = 32, CANCEL_EVERY = 1 << 16 };

/* The heap's references as a graph over ids: one walk by address. */
struct edge_builder {
    const struct heap_starts *starts;
    const struct dependents *dependents;
    struct reference_types types;
    struct flow_graph graph;
    size_t capacity; /* of graph.targets */
    uint64_t *sizes; /* by id */
    uint32_t source; /* offsets are set up to this id */
    uint32_t from;
    struct pending_edge {
        const struct starts_line *line;
        uint32_t from, bit;
    } ring[RING];
    unsigned ring_at;
    struct error *err;
};

void retained_deinit(struct retained *retained)
{
    free(retained->idoms);
    free(retained->sizes);
    *retained = (struct retained) { 0 };
}

static __attribute__((noinline)) void grow_targets(struct edge_builder *b)
{
    size_t capacity = b->capacity ? b->capacity * 2 : 1 << 16;
    uint32_t *targets;

    if (b->graph.edge_count == UINT32_MAX) {
        b->err = error_create(ERROR_LIMIT, "the heap has more than 2^32 references");
        return;
    }
    if (capacity > UINT32_MAX) capacity = UINT32_MAX;
    targets = realloc(b->graph.targets, capacity * sizeof(*targets));
    if (!targets) {
        b->err = &error_enomem;
        return;
    }
    b->graph.targets = targets;
    b->capacity = capacity;
}

/* The edge's line has arrived: if its target is an object, it becomes the next edge. */
static inline void settle(struct edge_builder *b, const struct pending_edge *edge)
{
    if (!starts_line_has(edge->line, edge->bit) || b->err) return;
    if (b->graph.edge_count == b->capacity) {
        grow_targets(b);
        if (b->err) return;
    }
    while (b->source < edge->from)
        b->graph.offsets[++b->source] = b->graph.edge_count;
    b->graph.targets[b->graph.edge_count++] = starts_line_rank(edge->line, edge->bit);
}

static inline void enter_edge(void *user, uint64_t offset, uint64_t target)
{
    struct edge_builder *b = user;
    const struct heap_chunk *chunk = heap_chunk_at(b->starts, target);
    struct pending_edge *slot = &b->ring[b->ring_at];

    (void)offset;
    if (!chunk || target & 7) return;
    if (slot->line) settle(b, slot);
    slot->line = starts_line_at(b->starts, chunk, target, &slot->bit);
    __builtin_prefetch(slot->line);
    slot->from = b->from;
    b->ring_at = (b->ring_at + 1) % RING;
}

static void settle_all(struct edge_builder *b)
{
    for (unsigned i = 0; i < RING; i++) {
        struct pending_edge *slot = &b->ring[(b->ring_at + i) % RING];

        if (slot->line) settle(b, slot);
        slot->line = NULL;
    }
    while (b->source < b->graph.node_count)
        b->graph.offsets[++b->source] = b->graph.edge_count;
}

static inline void add_object(struct edge_builder *b, uint64_t addr, const uint8_t *bytes)
{
    const struct reference_type *type = reference_types_get(&b->types, load_u64(bytes) & ~UINT64_C(7));
    uint64_t size;

    if (!type) {
        b->err = &error_enomem;
        return;
    }
    size = reference_object_size(type, bytes);
    b->sizes[b->from] = size < OBJECT_SIZE_MIN ? OBJECT_SIZE_MIN : size;
    references_visit(type, bytes, size, enter_edge, b);
    if (!dependents_may_have(b->dependents, addr)) return;
    for (size_t i = dependents_find(b->dependents, addr);
         i < b->dependents->list.count && b->dependents->list.data[i].primary == addr; i++)
        enter_edge(b, REFERENCE_LOADER, b->dependents->list.data[i].secondary);
}

static struct error *build_edges(struct edge_builder *b, struct progress *progress)
{
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    b->graph.node_count = b->starts->object_count;
    b->graph.offsets = large_array((size_t)b->graph.node_count + 1, sizeof(*b->graph.offsets));
    b->sizes = large_array((size_t)b->graph.node_count + 1, sizeof(*b->sizes));
    if (!b->graph.offsets || !b->sizes) return &error_enomem;
    b->graph.offsets[0] = 0;
    heap_starts_begin(b->starts, &it);
    while (!b->err && heap_starts_next(&it, &addr, &chunk)) {
        b->from = it.id - 1;
        add_object(b, addr, heap_chunk_bytes(chunk, addr));
        if (it.id % CANCEL_EVERY) continue;
        progress_add(progress, CANCEL_EVERY);
        if (progress_is_cancelled(progress)) b->err = error_create(ERROR_CANCELLED, "cancelled");
    }
    settle_all(b);
    return b->err;
}

static bool list_roots(const struct heap_starts *starts, const struct gc_heaps *heaps, const struct roots *roots, uint32_t **ret,
                       size_t *count_ret)
{
    VEC(uint32_t) list = { 0 };
    bool ok = true;
    uint32_t id;

    for (size_t i = 0; ok && i < roots->list.count; i++)
        if (roots->list.data[i].kind != ROOT_FINALIZER_QUEUE && heap_starts_id(starts, roots->list.data[i].object, &id))
            ok = vec_push(&list, id);
    for (size_t i = 0; ok && i < starts->chunks.count; i++) {
        struct heap_starts_iterator it;
        const struct heap_chunk *chunk;
        uint64_t addr;

        if (heaps->segments.data[starts->chunks.data[i].segment].generation != GC_FROZEN) continue;
        heap_starts_begin_chunk(starts, i, &it);
        while (ok && heap_starts_next(&it, &addr, &chunk))
            ok = vec_push(&list, it.id - 1);
    }
    *ret = list.data;
    *count_ret = list.count;
    return ok;
}

/* Each object's bytes are added to its dominator's, from the last one met to the first. */
static void add_up(struct retained *ret, const struct dominators *dominators)
{
    uint32_t nobody = ret->starts->object_count;

    for (uint32_t i = dominators->count; i > 0; i--) {
        uint32_t id = dominators->order[i - 1], idom = dominators->idoms[id];

        if (idom != nobody)
            ret->sizes[idom] += ret->sizes[id];
        else
            ret->totals.live_bytes += ret->sizes[id];
    }
    for (uint32_t id = 0; id < nobody; id++)
        if (dominators->idoms[id] == DOMINATOR_NONE) ret->sizes[id] = 0;
    ret->totals.live_count = dominators->count;
}

static struct error *compute(struct retained *ret, struct edge_builder *b, const struct gc_heaps *heaps, const struct roots *roots,
                             struct progress *progress)
{
    struct dominators dominators;
    uint32_t *list = NULL;
    size_t count = 0;
    struct error *err = list_roots(b->starts, heaps, roots, &list, &count) ? NULL : &error_enomem;

    if (!err) err = dominators_init(&dominators, &b->graph, list, count, progress);
    free(list);
    if (err) return err;
    *ret = (struct retained) { .starts = b->starts, .sizes = b->sizes };
    b->sizes = NULL;
    add_up(ret, &dominators);
    ret->idoms = dominators.idoms;
    dominators.idoms = NULL;
    dominators_deinit(&dominators);
    return NULL;
}

static struct error *build(struct retained *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                           const struct roots *roots, const struct dependents *dependents, struct progress *progress)
{
    struct edge_builder builder = { .starts = starts, .dependents = dependents };
    struct error *err = NULL;

    progress_start(progress, "finding dominators", (uint64_t)starts->object_count);
    if (!reference_types_init(&builder.types, clr)) err = &error_enomem;
    if (!err) err = build_edges(&builder, progress);
    if (!err) err = compute(ret, &builder, heaps, roots, progress);
    progress_end(progress);
    flow_graph_deinit(&builder.graph);
    free(builder.sizes);
    reference_types_deinit(&builder.types);
    return err;
}

static bool read_retained(struct retained *ret, uint64_t context, const struct store *store)
{
    size_t count = ret->starts->object_count;

    if (!count || store_size(store, "retained", context) != count * sizeof(*ret->sizes)) return false;
    ret->idoms = large_array(count, sizeof(*ret->idoms));
    ret->sizes = large_array(count, sizeof(*ret->sizes));
    return ret->idoms && ret->sizes && store_read(store, "retained total", context, &ret->totals, sizeof(ret->totals)) &&
           store_read(store, "dominators", context, ret->idoms, count * sizeof(*ret->idoms)) &&
           store_read(store, "retained", context, ret->sizes, count * sizeof(*ret->sizes));
}

static void offer_retained(const struct retained *retained, uint64_t context, struct store *store)
{
    size_t count = retained->starts->object_count;

    store_offer(store, "retained total", context, &retained->totals, sizeof(retained->totals));
    store_offer(store, "dominators", context, retained->idoms, count * sizeof(*retained->idoms));
    store_offer(store, "retained", context, retained->sizes, count * sizeof(*retained->sizes));
}

struct error *retained_init(struct retained *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                            const struct roots *roots, const struct dependents *dependents, struct progress *progress,
                            struct store *store)
{
    uint64_t context = starts->hash ^ roots_hash(roots), missed = gaps_added(clr->gaps);
    struct error *err;

    *ret = (struct retained) { .starts = starts };
    if (read_retained(ret, context, store)) return NULL;
    retained_deinit(ret);
    err = build(ret, clr, heaps, starts, roots, dependents, progress);
    if (!err && gaps_added(clr->gaps) == missed) offer_retained(ret, context, store);
    return err;
}

uint64_t retained_size(const struct retained *retained, uint64_t addr)
{
    uint32_t id;

    return heap_starts_id(retained->starts, addr, &id) ? retained->sizes[id] : 0;
}

uint64_t retained_dominator(const struct retained *retained, uint64_t addr)
{
    uint32_t id;

    if (!heap_starts_id(retained->starts, addr, &id) || retained->idoms[id] == DOMINATOR_NONE) return 0;
    return heap_starts_addr(retained->starts, retained->idoms[id]);
}

bool retained_top_init(struct retained_top *ret, const struct retained *retained, size_t max)
{
    if (max > RETAINED_TOP_MAX) max = RETAINED_TOP_MAX;
    if (max > retained->starts->object_count) max = retained->starts->object_count;
    *ret = (struct retained_top) { .retained = retained, .max = max };
    ret->ids = malloc((max + 1) * sizeof(*ret->ids));
    return ret->ids != NULL;
}

void retained_top_deinit(struct retained_top *top)
{
    free(top->ids);
    *top = (struct retained_top) { 0 };
}

/* Does `a` come behind `b`? */
static bool is_less(const struct retained_top *top, uint32_t a, uint32_t b)
{
    const uint64_t *sizes = top->retained->sizes;

    return sizes[a] != sizes[b] ? sizes[a] < sizes[b] : a > b;
}

static void sink(struct retained_top *top, size_t at, size_t count)
{
    uint32_t id = top->ids[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count) break;
        if (child + 1 < count && is_less(top, top->ids[child + 1], top->ids[child])) child++;
        if (!is_less(top, top->ids[child], id)) break;
        top->ids[at] = top->ids[child];
        at = child;
    }
    top->ids[at] = id;
}

void retained_top_offer(struct retained_top *top, uint32_t id)
{
    size_t at = top->count;

    if (top->count == top->max) {
        if (top->max == 0 || !is_less(top, top->ids[0], id)) return;
        top->ids[0] = id;
        sink(top, 0, top->count);
        return;
    }
    top->count++;
    for (; at > 0 && is_less(top, id, top->ids[(at - 1) / 2]); at = (at - 1) / 2)
        top->ids[at] = top->ids[(at - 1) / 2];
    top->ids[at] = id;
}

void retained_top_sort(struct retained_top *top)
{
    for (size_t left = top->count; left > 1; left--) {
        uint32_t last = top->ids[left - 1];

        top->ids[left - 1] = top->ids[0];
        top->ids[0] = last;
        sink(top, 0, left - 1);
    }
}
