#include "heap/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/large_array.h"

void graph_deinit(struct graph *graph)
{
    dependents_deinit(&graph->dependents);
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

/* What is reached only from the finalization queue, apart. */
static struct error *run_weak(struct graph *graph, struct traversal *t)
{
    size_t words = (size_t)graph->starts->object_count / 64 + 1;

    graph->live_count = t->count;
    graph->live_bytes = t->bytes;
    graph->weak = malloc(words * sizeof(*graph->weak));
    if (!graph->weak) return &error_enomem;
    memcpy(graph->weak, t->reached, words * sizeof(*graph->weak));
    seed_roots(graph, t, ROOT_FINALIZER_QUEUE);
    TRY(traversal_run(t));
    for (size_t i = 0; i < words; i++)
        graph->weak[i] ^= t->reached[i];
    graph->weak_count = t->count - graph->live_count;
    graph->weak_bytes = t->bytes - graph->live_bytes;
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

struct error *graph_init(struct graph *ret, struct clr *clr, const struct gc_heaps *heaps, const struct heap_starts *starts,
                         const struct roots *roots, const struct handle_table *handles, struct progress *progress)
{
    static const struct handle_table no_handles;
    struct traversal traversal;
    struct error *err;

    *ret = (struct graph) { .clr = clr, .starts = starts, .roots = roots };
    if (roots->list.count >= GRAPH_UNREACHED - 1 - starts->object_count)
        return error_create(ERROR_LIMIT, "more objects and roots than can be numbered: 2^32");
    ret->parents = large_array((size_t)starts->object_count + 1, sizeof(*ret->parents));
    if (!ret->parents) return &error_enomem;
    memset(ret->parents, 0xff, ((size_t)starts->object_count + 1) * sizeof(*ret->parents));
    err = dependents_init(&ret->dependents, handles ? handles : &no_handles);
    if (!err) err = traversal_init(&traversal, clr, starts, &ret->dependents, ret->parents, progress);
    if (err) {
        graph_deinit(ret);
        return err;
    }
    progress_start(progress, "following references from the roots", starts->object_count);
    err = run_all(ret, heaps, &traversal);
    progress_end(progress);
    traversal_deinit(&traversal);
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

struct error *graph_reachable_size(const struct graph *graph, const uint64_t *addrs, size_t count, struct progress *progress,
                                   uint64_t *count_ret, uint64_t *bytes_ret)
{
    struct traversal traversal;
    struct error *err = traversal_init(&traversal, graph->clr, graph->starts, &graph->dependents, NULL, progress);

    if (err) return err;
    progress_start(progress, "following references", graph->starts->object_count);
    for (size_t i = 0; i < count; i++)
        traversal_seed(&traversal, addrs[i], 0);
    err = traversal_run(&traversal);
    progress_end(progress);
    if (!err) {
        *count_ret = traversal.count;
        *bytes_ret = traversal.bytes;
    }
    traversal_deinit(&traversal);
    return err;
}
