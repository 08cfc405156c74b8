#include "heap/liveness.h"

#include <string.h>

#include "base/span.h"

static void count_object(struct liveness_sum *sum, const struct graph *graph, uint32_t id, bool is_free, uint64_t size)
{
    if (is_free) {
        sum->free_count++;
        sum->free_bytes += size;
    } else if (graph_is_live_id(graph, id)) {
        sum->live_count++;
        sum->live_bytes += size;
    } else {
        sum->dead_count++;
        sum->dead_bytes += size;
    }
}

static struct error *count_objects(const struct graph *graph, const struct gc_heaps *heaps, struct reference_types *types,
                                   struct progress *progress, struct liveness_sum *ret)
{
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    heap_starts_begin(graph->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        const struct reference_type *type = reference_types_get(types, load_u64(bytes) & ~UINT64_C(7));
        uint64_t size;

        if (!type) return &error_enomem;
        size = (reference_object_size(type, bytes) + 7) & ~UINT64_C(7);
        count_object(&ret[heaps->segments.data[chunk->segment].generation], graph, it.id - 1, type->mt_addr == types->free_mt,
                     size);
        if (it.id % 65536 == 0 && progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    return NULL;
}

struct error *heap_liveness(const struct graph *graph, const struct gc_heaps *heaps, struct progress *progress,
                            struct liveness_sum ret[GC_EPHEMERAL + 1])
{
    struct reference_types types;
    struct error *err;

    memset(ret, 0, (GC_EPHEMERAL + 1) * sizeof(*ret));
    if (!reference_types_init(&types, graph->clr)) return &error_enomem;
    err = count_objects(graph, heaps, &types, progress, ret);
    reference_types_deinit(&types);
    return err;
}
