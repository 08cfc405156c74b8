#include "heap/exclusive.h"

#include <stdlib.h>
#include <string.h>

#include "heap/walk.h"

enum { CANCEL_EVERY = 1 << 16 };

struct labelled {
    uint64_t addr;
    uint32_t id;
};

struct labels {
    const struct graph *graph;
    struct reference_types types;
    uint32_t *owners;
    VEC(struct labelled) changed;
    struct map slots;  /* addresses of static fields that are roots of their own */
    struct map arrays; /* objects that have such slots */
    uint64_t from_addr;
    uint32_t label; /* of the object whose references are being read */
    bool from_has_slots, failed;
};

static inline void give(struct labels *labels, uint64_t addr, uint32_t label)
{
    uint32_t id, *owner;

    if (!heap_starts_id(labels->graph->starts, addr, &id)) return;
    owner = &labels->owners[id];
    if (*owner == label || *owner == EXCLUSIVE_SHARED) return;
    *owner = *owner == EXCLUSIVE_NOBODY ? label : EXCLUSIVE_SHARED;
    if (!vec_push(&labels->changed, (struct labelled) { addr, id })) labels->failed = true;
}

static inline void follow_edge(void *user, uint64_t offset, uint64_t target)
{
    struct labels *labels = user;
    uint64_t ignored;

    if (labels->from_has_slots && map_get(&labels->slots, labels->from_addr + offset, &ignored)) return;
    give(labels, target, labels->label);
}

static void follow_object(struct labels *labels, const struct labelled *item)
{
    const struct heap_chunk *chunk = heap_chunk_at(labels->graph->starts, item->addr);
    const struct dependents *dependents = labels->graph->dependents;
    const uint8_t *bytes = heap_chunk_bytes(chunk, item->addr);
    const struct reference_type *type = reference_types_get(&labels->types, load_u64(bytes) & ~UINT64_C(7));
    uint64_t ignored;

    if (!type) {
        labels->failed = true;
        return;
    }
    labels->from_addr = item->addr;
    labels->label = labels->owners[item->id];
    labels->from_has_slots = type->component_size == 8 && map_get(&labels->arrays, item->addr, &ignored);
    references_visit(type, bytes, reference_object_size(type, bytes), follow_edge, labels);
    if (!dependents_may_have(dependents, item->addr)) return;
    for (size_t i = dependents_find(dependents, item->addr);
         i < dependents->list.count && dependents->list.data[i].primary == item->addr; i++)
        give(labels, dependents->list.data[i].secondary, labels->label);
}

static struct error *follow_all(struct labels *labels, struct progress *progress)
{
    for (uint64_t steps = 0; labels->changed.count && !labels->failed; steps++) {
        struct labelled item = labels->changed.data[--labels->changed.count];

        follow_object(labels, &item);
        if (steps % CANCEL_EVERY) continue;
        progress_add(progress, CANCEL_EVERY);
        if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    return labels->failed ? &error_enomem : NULL;
}

/* Slots of fields that lie in an object of the heap, and these objects. */
static bool find_slots(struct labels *labels)
{
    const struct roots *roots = labels->graph->roots;

    for (size_t i = 0; i < roots->list.count; i++) {
        const struct root *root = &roots->list.data[i];
        uint64_t array;

        if ((root->kind != ROOT_STATIC && root->kind != ROOT_THREAD_STATIC) || !root->addr) continue;
        if (!heap_starts_before(labels->graph->starts, root->addr, &array)) continue;
        if (!map_put(&labels->slots, root->addr, 0) || !map_put(&labels->arrays, array, 0)) return false;
    }
    return true;
}

static void label_roots(struct labels *labels, const struct gc_heaps *heaps, const uint32_t *groups, uint32_t frozen)
{
    const struct heap_starts *starts = labels->graph->starts;
    const struct roots *roots = labels->graph->roots;

    for (size_t i = 0; i < roots->list.count; i++)
        if (groups[i] != EXCLUSIVE_NOBODY) give(labels, roots->list.data[i].object, groups[i]);
    for (size_t i = 0; i < starts->chunks.count; i++) {
        struct heap_starts_iterator it;
        const struct heap_chunk *chunk;
        uint64_t addr;

        if (heaps->segments.data[starts->chunks.data[i].segment].generation != GC_FROZEN) continue;
        heap_starts_begin_chunk(starts, i, &it);
        while (heap_starts_next(&it, &addr, &chunk))
            give(labels, addr, frozen);
    }
}

static struct error *add_up(struct labels *labels, uint32_t group_count, struct exclusive_group *ret)
{
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    heap_starts_begin(labels->graph->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        uint32_t owner = labels->owners[it.id - 1];
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        const struct reference_type *type;
        uint64_t size;

        if (owner == EXCLUSIVE_NOBODY) continue;
        type = reference_types_get(&labels->types, load_u64(bytes) & ~UINT64_C(7));
        if (!type) return &error_enomem;
        size = reference_object_size(type, bytes);
        if (owner > group_count) owner = group_count;
        ret[owner].count++;
        ret[owner].bytes += size < OBJECT_SIZE_MIN ? OBJECT_SIZE_MIN : size;
    }
    return NULL;
}

struct error *exclusive_sizes(const struct graph *graph, const struct gc_heaps *heaps, const uint32_t *groups, uint32_t frozen,
                              uint32_t group_count, struct progress *progress, struct exclusive_group *ret)
{
    struct labels labels = { .graph = graph };
    size_t size = ((size_t)graph->starts->object_count + 1) * sizeof(*labels.owners);
    struct error *err = NULL;

    memset(ret, 0, ((size_t)group_count + 1) * sizeof(*ret));
    map_init(&labels.slots);
    map_init(&labels.arrays);
    progress_start(progress, "finding what roots hold alone", graph->totals.live_count);
    labels.owners = malloc(size);
    if (!labels.owners || !reference_types_init(&labels.types, graph->clr) || !find_slots(&labels)) err = &error_enomem;
    if (!err) {
        memset(labels.owners, 0xff, size);
        label_roots(&labels, heaps, groups, frozen);
        err = follow_all(&labels, progress);
    }
    if (!err) err = add_up(&labels, group_count, ret);
    progress_end(progress);
    vec_deinit(&labels.changed);
    map_deinit(&labels.slots);
    map_deinit(&labels.arrays);
    reference_types_deinit(&labels.types);
    free(labels.owners);
    return err;
}
