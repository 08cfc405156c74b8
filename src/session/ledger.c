#include "session/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clr/clr.h"
#include "clr/executable_memory.h"
#include "clr/gc_heap.h"
#include "clr/loader_heap.h"
#include "session/session.h"
#include "target/stack.h"
#include "target/target.h"

static const char *const use_names[USE_COUNT] = {
    [USE_OTHER] = "other",
    [USE_NATIVE_HEAP] = "native heap",
    [USE_MAPPED_FILE] = "mapped files",
    [USE_EXECUTABLE] = "executable memory, other",
    [USE_DOUBLE_MAPPED] = "second views of executable memory",
    [USE_NATIVE_IMAGE] = "native images",
    [USE_MANAGED_IMAGE] = "managed images",
    [USE_STACK] = "thread stacks",
    [USE_GC_BOOKKEEPING] = "GC bookkeeping",
    [USE_CODE_HEAP] = "jitted code",
    [USE_LOADER_HEAP] = "loader heaps",
    [USE_GC_FREE] = "GC heap, kept free",
    [USE_GC_GEN0] = "GC heap gen0",
    [USE_GC_GEN1] = "GC heap gen1",
    [USE_GC_GEN2] = "GC heap gen2",
    [USE_GC_EPHEMERAL] = "GC heap gen0+gen1",
    [USE_GC_LOH] = "GC heap LOH",
    [USE_GC_POH] = "GC heap POH",
    [USE_GC_FROZEN] = "GC heap frozen",
};

const char *ledger_use_name(enum ledger_use use)
{
    return use_names[use];
}

bool ledger_use_is_gc(enum ledger_use use)
{
    return use >= USE_GC_FREE;
}

/* Start or end of a claim. `committed` events belong to the dump's ranges, the others to uses. */
struct event {
    uint64_t addr;
    int16_t delta; /* +1 start, -1 end */
    int16_t use;   /* -1: a committed range */
};

struct accountant {
    struct session *session;
    struct target *target;
    struct ledger *ledger;
    VEC(struct event) events;
    bool failed;
};

static void add_interval(struct accountant *a, uint64_t start, uint64_t end, int use)
{
    struct event from = { start, 1, (int16_t)use }, to = { end, -1, (int16_t)use };

    if (end <= start) return;
    if (!vec_push(&a->events, from) || !vec_push(&a->events, to)) a->failed = true;
}

static void claim(struct accountant *a, enum ledger_use use, uint64_t start, uint64_t end)
{
    add_interval(a, start, end, (int)use);
    a->ledger->rows[use].count++;
}

static bool ends_with(const char *s, const char *suffix)
{
    size_t length = strlen(s), tail = strlen(suffix);
    return length >= tail && !strcasecmp(s + length - tail, suffix);
}

/* What a mapped file is, by its name and the image found there. */
static enum ledger_use file_use(const struct target *target, const struct dump_file_map *map)
{
    const struct target_module *module = target_module_at(target, map->start);

    if (strstr(map->path, "memfd:")) return USE_EXECUTABLE;
    if (ends_with(map->path, ".dll") || ends_with(map->path, ".exe") || (module && module->is_pe)) return USE_MANAGED_IMAGE;
    return module ? USE_NATIVE_IMAGE : USE_MAPPED_FILE;
}

static enum ledger_use range_use(const struct target *target, const struct dump_range *range)
{
    if (range->type == RANGE_IMAGE) return USE_NATIVE_IMAGE;
    if (range->type == RANGE_MAPPED) return range->protection & (PROTECTION_EXEC | PROTECTION_WRITE) ? USE_EXECUTABLE : USE_MAPPED_FILE;
    if (range->protection & PROTECTION_EXEC) return USE_EXECUTABLE;
    if (range->protection & PROTECTION_WRITE || (target->is_windows && !target->dump->has_memory_info)) return USE_NATIVE_HEAP;
    return USE_OTHER;
}

static void claim_ranges(struct accountant *a)
{
    const struct dump *dump = a->target->dump;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];

        if (range->state != RANGE_COMMIT) continue;
        add_interval(a, range->start, range->end, -1);
        claim(a, range_use(a->target, range), range->start, range->end);
    }
    for (size_t i = 0; i < dump->file_maps.count; i++) {
        const struct dump_file_map *map = &dump->file_maps.data[i];
        claim(a, file_use(a->target, map), map->start, map->end);
    }
    /* An image's .bss is anonymous memory behind its file. On Windows a module is managed when its name says so: PE is common to both. */
    for (size_t i = 0; i < a->target->modules.count; i++) {
        const struct target_module *module = &a->target->modules.data[i];
        claim(a, module->is_pe && !a->target->is_windows ? USE_MANAGED_IMAGE : USE_NATIVE_IMAGE, module->base, module->end);
    }
}

static void claim_stacks(struct accountant *a)
{
    const struct dump *dump = a->target->dump;

    for (size_t i = 0; i < dump->threads.count; i++) {
        uint64_t start, end;

        if (target_stack(a->target, &dump->threads.data[i], &start, &end)) claim(a, USE_STACK, start, end);
    }
}

static enum ledger_use generation_use(enum gc_generation generation)
{
    static const enum ledger_use uses[] = { USE_GC_GEN0, USE_GC_GEN1, USE_GC_GEN2, USE_GC_LOH, USE_GC_POH, USE_GC_FROZEN, USE_GC_EPHEMERAL };
    return uses[generation];
}

static void claim_gc(struct accountant *a, const struct gc_heaps *heaps)
{
    enum { PAGE = 4096 };

    for (size_t i = 0; i < heaps->segments.count; i++) {
        const struct gc_segment *segment = &heaps->segments.data[i];
        enum ledger_use use = generation_use(segment->generation);
        uint64_t start = segment->start & ~(uint64_t)(PAGE - 1);

        claim(a, use, start, segment->committed > segment->end ? segment->committed : segment->end);
        if (segment->reserved > start && segment->generation != GC_FROZEN) a->ledger->rows[use].reserved += segment->reserved - start;
    }
    for (size_t i = 0; i < heaps->free_regions.count; i++) {
        const struct gc_free_region *region = &heaps->free_regions.data[i];

        claim(a, USE_GC_FREE, region->start & ~(uint64_t)(PAGE - 1), region->committed);
        if (region->reserved > region->start) a->ledger->rows[USE_GC_FREE].reserved += region->reserved - (region->start & ~(uint64_t)(PAGE - 1));
    }
    /* Committed memory inside the GC's reservation that is in no segment: still the GC's. */
    if (heaps->bookkeeping_size)
        claim(a, USE_GC_BOOKKEEPING, heaps->bookkeeping_start, heaps->bookkeeping_start + heaps->bookkeeping_size);
}

static void claim_loader(struct accountant *a, const struct loader_heap_blocks *blocks)
{
    for (size_t i = 0; i < blocks->list.count; i++) {
        const struct loader_heap_block *block = &blocks->list.data[i];

        claim(a, USE_LOADER_HEAP, block->start, block->start + block->committed_size);
        a->ledger->rows[USE_LOADER_HEAP].reserved += block->reserved_size;
    }
}

static void claim_code(struct accountant *a, const struct code_heaps *heaps)
{
    for (size_t i = 0; i < heaps->list.count; i++) {
        const struct code_heap *heap = &heaps->list.data[i];

        claim(a, USE_CODE_HEAP, heap->start, heap->start + (heap->committed_known ? heap->committed_size : heap->reserved_size));
        a->ledger->rows[USE_CODE_HEAP].reserved += heap->reserved_size;
    }
}

static void claim_executable(struct accountant *a, struct clr *clr)
{
    struct executable_memory memory;

    if (!executable_memory_init(clr, &memory)) return;
    for (size_t i = 0; i < memory.blocks.count; i++)
        claim(a, USE_EXECUTABLE, memory.blocks.data[i].start, memory.blocks.data[i].end);
    for (size_t i = 0; i < memory.views.count; i++)
        claim(a, USE_DOUBLE_MAPPED, memory.views.data[i].start, memory.views.data[i].end);
    executable_memory_deinit(&memory);
}

/* Each part of the CLR on its own: what one lacks the others still tell. */
static void claim_clr(struct accountant *a)
{
    struct gaps *gaps = session_gaps(a->session);
    struct clr *clr;
    const struct gc_heaps *heaps;
    const struct loader_heap_blocks *blocks;
    const struct code_heaps *code;
    struct error *err = session_clr(a->session, &clr);

    if (err) {
        gaps_add_error(gaps, "CLR", err);
        return;
    }
    err = session_gc_heaps(a->session, &heaps);
    if (!err) claim_gc(a, heaps);
    gaps_add_error(gaps, "GC heap", err);
    err = session_loader_heaps(a->session, &blocks);
    if (!err) claim_loader(a, blocks);
    gaps_add_error(gaps, "loader heaps", err);
    err = session_code_heaps(a->session, &code);
    if (!err) claim_code(a, code);
    gaps_add_error(gaps, "jitted code", err);
    claim_executable(a, clr);
}

static int compare_events(const void *a, const void *b)
{
    const struct event *left = a, *right = b;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

/* Hands every committed byte to the strongest claim over it. */
static void sweep(struct accountant *a)
{
    uint32_t open[USE_COUNT] = { 0 };
    uint32_t committed = 0;
    uint64_t at = 0;

    vec_sort(&a->events, compare_events);
    for (size_t i = 0; i < a->events.count; i++) {
        const struct event *event = &a->events.data[i];

        if (event->addr > at && committed) {
            int use = USE_COUNT - 1;

            while (use > 0 && !open[use])
                use--;
            a->ledger->rows[use].committed += event->addr - at;
        }
        at = event->addr;
        if (event->use < 0)
            committed += (uint32_t)event->delta;
        else
            open[event->use] += (uint32_t)event->delta;
    }
}

static void finish(struct accountant *a)
{
    struct ledger *ledger = a->ledger;

    for (size_t i = 0; i < USE_COUNT; i++)
        ledger->rows[i].use = (enum ledger_use)i;
    ledger->not_counted = ledger->rows[USE_DOUBLE_MAPPED].committed;
    ledger->rows[USE_DOUBLE_MAPPED].committed = 0;
    for (size_t i = 0; i < USE_COUNT; i++) {
        struct ledger_row *row = &ledger->rows[i];

        ledger->committed += row->committed;
        if (row->reserved && row->reserved < row->committed) row->reserved = row->committed;
    }
}

struct error *ledger_build(struct session *session, struct ledger *ret)
{
    struct accountant a = { .session = session, .target = session_target(session), .ledger = ret };

    *ret = (struct ledger){ 0 };
    claim_ranges(&a);
    claim_stacks(&a);
    claim_clr(&a);
    if (!a.failed) {
        sweep(&a);
        finish(&a);
    }
    vec_deinit(&a.events);
    return a.failed ? &error_enomem : NULL;
}
