#include "dump/minidump_overlay.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/vec.h"

/* A sweep over the addresses: `order` by start, `heap` the ranges that hold the current address, first listed on top. */
struct sweep {
    const struct overlay_range *ranges;
    size_t count, next;
    size_t *order;
    size_t *heap;
    size_t heap_count;
};

static void sweep_deinit(struct sweep *sweep)
{
    free(sweep->order);
    free(sweep->heap);
}

static int compare_start(const void *a, const void *b, void *user)
{
    const struct overlay_range *ranges = user;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;

    if (ranges[i].start != ranges[j].start) return ranges[i].start < ranges[j].start ? -1 : 1;
    return i < j ? -1 : i > j;
}

static bool sweep_init(struct sweep *sweep, const struct overlay_range *ranges, size_t count)
{
    *sweep = (struct sweep) { .ranges = ranges, .count = count };
    sweep->order = calloc(count, sizeof(*sweep->order));
    sweep->heap = calloc(count, sizeof(*sweep->heap));
    if (!sweep->order || !sweep->heap) {
        sweep_deinit(sweep);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        sweep->order[i] = i;
    qsort_r(sweep->order, count, sizeof(*sweep->order), compare_start, (void *)ranges);
    return true;
}

static void heap_push(struct sweep *sweep, size_t range)
{
    size_t i = sweep->heap_count++;

    while (i && sweep->heap[(i - 1) / 2] > range) {
        sweep->heap[i] = sweep->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sweep->heap[i] = range;
}

static void heap_pop(struct sweep *sweep)
{
    size_t last = sweep->heap[--sweep->heap_count], i = 0, child;

    while ((child = 2 * i + 1) < sweep->heap_count) {
        if (child + 1 < sweep->heap_count && sweep->heap[child + 1] < sweep->heap[child]) child++;
        if (sweep->heap[child] > last) break;
        sweep->heap[i] = sweep->heap[child];
        i = child;
    }
    sweep->heap[i] = last;
}

/* Start of the next range that the sweep has not reached. */
static uint64_t sweep_next_start(const struct sweep *sweep)
{
    return sweep->next < sweep->count ? sweep->ranges[sweep->order[sweep->next]].start : UINT64_MAX;
}

static void sweep_enter(struct sweep *sweep, uint64_t addr)
{
    while (sweep->next < sweep->count && sweep_next_start(sweep) <= addr)
        heap_push(sweep, sweep->order[sweep->next++]);
}

static void sweep_leave(struct sweep *sweep, uint64_t addr)
{
    while (sweep->heap_count && sweep->ranges[sweep->heap[0]].end <= addr)
        heap_pop(sweep);
}

static bool put_part(struct overlay_parts *parts, uint64_t start, uint64_t end, size_t source)
{
    struct overlay_part *last = parts->count ? &parts->data[parts->count - 1] : NULL;

    if (last && last->end == start && last->source == source) {
        last->end = end;
        return true;
    }
    return vec_push(parts, (struct overlay_part) { start, end, source });
}

static bool sweep_run(struct sweep *sweep, struct overlay_parts *parts)
{
    uint64_t addr = 0;

    for (;;) {
        uint64_t stop = sweep_next_start(sweep), end;
        sweep_leave(sweep, addr);
        if (!sweep->heap_count && sweep->next == sweep->count) return true;
        if (sweep->heap_count) {
            end = sweep->ranges[sweep->heap[0]].end;
            if (end < stop) stop = end;
            if (!put_part(parts, addr, stop, sweep->heap[0])) return false;
        }
        addr = stop;
        sweep_enter(sweep, addr);
    }
}

struct error *overlay_flatten(const struct overlay_range *ranges, size_t count, struct overlay_parts *ret)
{
    struct overlay_parts parts = { 0 };
    struct sweep sweep;
    bool done;

    if (!count) {
        *ret = parts;
        return NULL;
    }
    if (!sweep_init(&sweep, ranges, count)) return &error_enomem;
    sweep_enter(&sweep, 0);
    done = sweep_run(&sweep, &parts);
    sweep_deinit(&sweep);
    if (!done) {
        vec_deinit(&parts);
        return &error_enomem;
    }
    *ret = parts;
    return NULL;
}
