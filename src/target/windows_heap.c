#include "target/windows_heap.h"

#include <string.h>

#include "base/limits.h"
#include "target/windows_heap_internal.h"

/* TEB and PEB, x64. Source: ntdll's public symbols; the same from Windows 7 on, and in wine. */
enum { TEB_PEB = 0x60, PEB_PROCESS_HEAP = 0x30, PEB_HEAP_COUNT = 0xe8, PEB_HEAPS = 0xf0 };
/* _HEAP_SEGMENT.SegmentSignature, of segment 0 in the heap itself; _SEGMENT_HEAP.Signature: both at 16. */
enum { SIGNATURE_OFF = 16 };
#define SIGNATURE_NT UINT32_C(0xffeeffee)
#define SIGNATURE_SEGMENT UINT32_C(0xddeeddee)

enum { HEAPS_MAX = 4096 };

const char *windows_heap_kind_name(enum windows_heap_kind kind)
{
    static const char *const names[] = { "nt", "segment", "wine" };
    return names[kind];
}

bool windows_heap_first_time(struct windows_heap_reader *r, uint64_t addr)
{
    bool added = false;

    if (!map_slot(&r->seen, addr, &added)) r->failed = true;
    return added;
}

bool windows_heap_add_part(struct windows_heap_reader *r, uint64_t start, uint64_t end, bool is_large)
{
    struct windows_heap *heap = &r->heaps->list.data[r->heaps->list.count - 1];
    struct windows_heap_part part = { start, end, (uint32_t)(r->heaps->list.count - 1), is_large };

    if (end <= start || end - start > r->budget || !windows_heap_first_time(r, start | (is_large ? 1 : 0))) return false;
    if (!vec_push(&r->heaps->parts, part)) {
        r->failed = true;
        return false;
    }
    r->budget -= end - start;
    heap->reserved += end - start;
    if (!is_large) heap->segment_count++;
    return true;
}

uint64_t windows_committed(const struct target *target, uint64_t start, uint64_t end)
{
    const struct dump *dump = target->dump;
    uint64_t sum = 0;

    for (size_t i = dump_range_from(dump, start); i < dump->ranges.count && dump->ranges.data[i].start < end; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        uint64_t from = range->start > start ? range->start : start, to = range->end < end ? range->end : end;

        if (range->state == RANGE_COMMIT && to > from) sum += to - from;
    }
    return sum;
}

/* ---- finding ---- */

static bool heap_kind(const struct memory *memory, uint64_t addr, enum windows_heap_kind *ret)
{
    uint32_t signature;

    if (!addr || addr & (WINDOWS_PAGE - 1) || !memory_try_u32(memory, addr + SIGNATURE_OFF, &signature)) return false;
    if (signature == SIGNATURE_SEGMENT) {
        *ret = WINDOWS_HEAP_SEGMENT;
        return true;
    }
    if (signature != SIGNATURE_NT) return false;
    *ret = windows_heap_is_wine(memory, addr) ? WINDOWS_HEAP_WINE : WINDOWS_HEAP_NT;
    return *ret == WINDOWS_HEAP_WINE || windows_heap_is_nt(memory, addr);
}

/* Reads the heap at `addr` unless there is none, or it was read before. */
static bool add_heap(struct windows_heap_reader *r, uint64_t addr)
{
    struct windows_heap heap = { .addr = addr };

    if (r->heaps->list.count >= HEAPS_MAX || !heap_kind(r->memory, addr, &heap.kind)) return false;
    if (!windows_heap_first_time(r, addr | 2)) return false;
    if (!vec_push(&r->heaps->list, heap)) {
        r->failed = true;
        return false;
    }
    switch (heap.kind) {
    case WINDOWS_HEAP_NT:
        windows_heap_read_nt(r);
        break;
    case WINDOWS_HEAP_SEGMENT:
        windows_heap_read_segment(r);
        break;
    case WINDOWS_HEAP_WINE:
        windows_heap_read_wine(r);
        break;
    }
    return true;
}

static uint64_t find_peb(const struct target *target)
{
    for (size_t i = 0; i < target->dump->threads.count; i++) {
        uint64_t teb = target->dump->threads.data[i].tls_base, peb;

        if (teb && memory_try_u64(&target->memory, teb + TEB_PEB, &peb) && peb && !(peb & (WINDOWS_PAGE - 1)) &&
            memory_has(&target->memory, peb, PEB_HEAPS + 8))
            return peb;
    }
    return 0;
}

static void read_listed(struct windows_heap_reader *r, uint64_t peb)
{
    uint64_t addr, array;
    uint32_t count;

    if (memory_try_u64(r->memory, peb + PEB_PROCESS_HEAP, &addr)) add_heap(r, addr);
    if (memory_try_u32(r->memory, peb + PEB_HEAP_COUNT, &count) && memory_try_u64(r->memory, peb + PEB_HEAPS, &array) && array) {
        for (uint32_t i = 0; i < count && i < HEAPS_MAX; i++)
            if (memory_try_u64(r->memory, array + 8ull * i, &addr)) add_heap(r, addr);
    }
    for (size_t i = 0; i < r->heaps->list.count; i++) {
        const struct windows_heap *heap = &r->heaps->list.data[i];

        if (heap->kind == WINDOWS_HEAP_WINE && windows_heap_wine_next(r->memory, heap->addr, &addr)) add_heap(r, addr);
    }
}

/* Without a PEB, or when it is damaged: what looks like a heap where an allocation begins. */
static void read_found(struct windows_heap_reader *r)
{
    const struct dump *dump = r->target->dump;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];

        if (range->state != RANGE_COMMIT || range->type == RANGE_IMAGE || range->start & (WINDOWS_GRANULE - 1)) continue;
        add_heap(r, range->start);
    }
}

static void tell_problems(const struct windows_heaps *heaps, struct gaps *gaps)
{
    for (size_t i = 0; i < heaps->list.count; i++) {
        const struct windows_heap *heap = &heaps->list.data[i];

        if (heap->problem && heap->kind != WINDOWS_HEAP_SEGMENT)
            gaps_add(gaps, "native heap", heap->addr, 1, "a heap cannot be walked to its end: %s", heap->problem);
    }
}

struct error *windows_heaps_init(const struct target *target, struct gaps *gaps, struct windows_heaps *ret)
{
    struct windows_heap_reader r = { .target = target, .memory = &target->memory, .heaps = ret };

    *ret = (struct windows_heaps) { 0 };
    if (!target->is_windows || strcmp(target->dump->arch, "x64") != 0) return NULL;
    map_init(&r.seen);
    for (size_t i = 0; i < target->dump->ranges.count; i++)
        r.budget += target->dump->ranges.data[i].end - target->dump->ranges.data[i].start;
    r.walk = r.budget > UINT64_MAX / 4 ? UINT64_MAX : 4 * r.budget;
    r.list_max = limit_from_size(r.budget, 2 * WINDOWS_BLOCK);
    /* Address space that the dump does not list may belong to heaps as well; it costs nothing to step over. */
    r.budget = r.budget > UINT64_MAX / 64 ? UINT64_MAX : r.budget * 64;
    ret->peb = find_peb(target);
    if (ret->peb) read_listed(&r, ret->peb);
    read_found(&r);
    map_deinit(&r.seen);
    tell_problems(ret, gaps);
    if (!r.failed) return NULL;
    windows_heaps_deinit(ret);
    return &error_enomem;
}

void windows_heaps_deinit(struct windows_heaps *heaps)
{
    vec_deinit(&heaps->list);
    vec_deinit(&heaps->parts);
    *heaps = (struct windows_heaps) { 0 };
}
