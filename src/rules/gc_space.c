#include "rules/gc_space.h"

#include "clr/handle_table.h"
#include "heap/histogram.h"
#include "heap/walk.h"
#include "session/session.h"

static void walk_segment(struct clr *clr, struct object_types *types, const struct gc_heaps *heaps, struct gc_space *space)
{
    struct object object;
    struct walk walk;

    walk_init(&walk, clr, types, heaps, space->segment);
    while (walk_next(&walk, &object)) {
        if (!object.type->is_free) {
            space->object_count++;
            space->object_bytes += object.size;
            continue;
        }
        space->free_count++;
        space->free_bytes += object.size;
        if (object.size > space->largest_free) space->largest_free = object.size;
    }
}

static int compare_starts(const void *a, const void *b)
{
    const struct gc_space *left = a, *right = b;

    return left->segment->start < right->segment->start ? -1 : left->segment->start > right->segment->start;
}

static struct gc_space *space_at(const gc_spaces *spaces, uint64_t addr)
{
    size_t low = 0, high = spaces->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (spaces->data[middle].segment->end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spaces->count && addr >= spaces->data[low].segment->start ? &spaces->data[low] : NULL;
}

static struct error *count_pinned(struct session *session, gc_spaces *spaces)
{
    const struct handle_table *handles;

    TRY(session_handles(session, &handles));
    for (size_t i = 0; i < handles->list.count; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct gc_space *space;

        if (handle->kind != HANDLE_PINNED && handle->kind != HANDLE_ASYNC_PINNED) continue;
        space = space_at(spaces, handle->object);
        if (space) space->pinned_count++;
    }
    return NULL;
}

struct error *gc_spaces_read(struct session *session, unsigned generations, gc_spaces *ret)
{
    const struct gc_heaps *heaps;
    struct object_types types;
    struct clr *clr;
    struct error *err = NULL;

    TRY(session_clr(session, &clr));
    TRY(session_gc_heaps(session, &heaps));
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct gc_space space = { .segment = &heaps->segments.data[i] };

        if (!(generations & 1u << space.segment->generation)) continue;
        walk_segment(clr, &types, heaps, &space);
        if (!vec_push(ret, space)) err = &error_enomem;
    }
    object_types_deinit(&types);
    vec_sort(ret, compare_starts);
    return err ? err : count_pinned(session, ret);
}

struct error *gc_free_bytes(struct session *session, uint64_t *ret)
{
    const struct histogram *histogram;

    TRY(session_histogram(session, &histogram));
    *ret = histogram->free_bytes;
    return NULL;
}
