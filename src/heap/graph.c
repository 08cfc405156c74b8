#include "heap/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/large_array.h"

void graph_deinit(struct graph *graph)
{
    vec_deinit(&graph->watchers);
    free(graph->parents);
    free(graph->weak);
    *graph = (struct graph) { 0 };
}

static void seed_roots(const struct graph *graph, struct traversal *t, enum root_kind kind)
{
    for (size_t i = 0; i < graph->roots->list.count; i++)
        if (graph->roots->list.data[i].kind == kind)
            traversal_seed(t, graph->roots->list.data[i].object, graph->starts->object_count + (uint32_t)i);
}

/* Objects of frozen segments are never collected. */
static void seed_frozen(const struct graph *graph, const struct gc_heaps *heaps, struct traversal *t)
{
    for (size_t i = 0; i < graph->starts->chunks.count; i++) {
        struct heap_starts_iterator it;
        const struct heap_chunk *chunk;
        uint64_t addr;

        if (heaps->segments.data[graph->starts->chunks.data[i].segment].generation != GC_FROZEN) continue;
        heap_starts_begin_chunk(graph->starts, i, &it);
        while (heap_starts_next(&it, &addr, &chunk))
            traversal_seed(t, addr, graph->starts->object_count + (uint32_t)graph->roots->list.count);
    }
}

static size_t weak_words(const struct graph *graph)
{
    return (size_t)graph->starts->object_count / 64 + 1;
}

/* What is reached only from the finalization queue, apart. */
static struct error *run_weak(struct graph *graph, struct traversal *t)
{
    size_t words = weak_words(graph);

    graph->totals.live_count = t->count;
    graph->totals.live_bytes = t->bytes;
    memcpy(graph->weak, t->reached, words * sizeof(*graph->weak));
    seed_roots(graph, t, ROOT_FINALIZER_QUEUE);
    TRY(traversal_run(t));
    for (size_t i = 0; i < words; i++)
        graph->weak[i] ^= t->reached[i];
    graph->totals.weak_count = t->count - graph->totals.live_count;
    graph->totals.weak_bytes = t->bytes - graph->totals.live_bytes;
    return NULL;
}

static struct error *run_all(struct graph *graph, const struct gc_heaps *heaps, struct traversal *t)
{
    for (enum root_kind kind = ROOT_STATIC; kind < ROOT_FINALIZER_QUEUE; kind++)
        seed_roots(graph, t, kind);
    TRY(traversal_run(t));
    seed_frozen(graph, heaps, t);
    TRY(traversal_run(t));
    return run_weak(graph, t);
}

/* What the numbers of roots mean, too. */
static uint64_t context_of(const struct graph *graph)
{
    return graph->starts->hash ^ roots_hash(graph->roots);
}

static bool read_graph(struct graph *graph, const struct store *store)
{
    uint64_t context = context_of(graph);

    return store_read(store, "live", context, &graph->totals, sizeof(graph->totals)) &&
           store_read(store, "weak", context, graph->weak, weak_words(graph) * sizeof(*graph->weak)) &&
           store_read(store, "parents", context, graph->parents, graph->starts->object_count * sizeof(*graph->parents));
}

static void offer_graph(const struct graph *graph, struct store *store)
{
    uint64_t context = context_of(graph);

    store_offer(store, "live", context, &graph->totals, sizeof(graph->totals));
    store_offer(store, "weak", context, graph->weak, weak_words(graph) * sizeof(*graph->weak));
    store_offer(store, "parents", context, graph->parents, graph->starts->object_count * sizeof(*graph->parents));
}

static struct error *follow(struct graph *graph, const struct gc_heaps *heaps, struct progress *progress, struct store *store)
{
    uint64_t missed = gaps_added(graph->clr->gaps);
    struct traversal traversal;
    struct error *err;

    memset(graph->parents, 0xff, ((size_t)graph->starts->object_count + 1) * sizeof(*graph->parents));
    TRY(traversal_init(&traversal, graph->clr, graph->starts, graph->dependents, graph->parents, progress));
    traversal.watched = graph->watched;
    progress_start(progress, "following references from the roots", graph->starts->object_count);
    err = run_all(graph, heaps, &traversal);
    progress_end(progress);
    vec_move(&graph->watchers, &traversal.watchers);
    traversal_deinit(&traversal);
    if (!err && gaps_added(graph->clr->gaps) == missed) offer_graph(graph, store);
    return err;
}

struct error *graph_init(struct graph *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                         const struct roots *roots, const struct dependents *dependents, uint64_t watched,
                         struct progress *progress, struct store *store)
{
    struct error *err = NULL;

    *ret = (struct graph) { .clr = clr, .starts = starts, .roots = roots, .dependents = dependents, .watched = watched };
    if (roots->list.count >= GRAPH_UNREACHED - 1 - starts->object_count)
        return error_create(ERROR_LIMIT, "more objects and roots than can be numbered: 2^32");
    ret->parents = large_array((size_t)starts->object_count + 1, sizeof(*ret->parents));
    ret->weak = malloc(weak_words(ret) * sizeof(*ret->weak));
    if (!ret->parents || !ret->weak) err = &error_enomem;
    if (!err && read_graph(ret, store))
        ret->watched = 0; /* no edge was looked at */
    else if (!err)
        err = follow(ret, heaps, progress, store);
    if (err) graph_deinit(ret);
    return err;
}

bool graph_is_live_id(const struct graph *graph, uint32_t id)
{
    if (id >= graph->starts->object_count || graph->parents[id] == GRAPH_UNREACHED) return false;
    return !(graph->weak[id / 64] >> (id % 64) & 1);
}

bool graph_is_live(const struct graph *graph, uint64_t addr)
{
    uint32_t id;

    return heap_starts_id(graph->starts, addr, &id) && graph_is_live_id(graph, id);
}
