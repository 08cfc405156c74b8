#include "session/ledger_claims.h"

#include <string.h>
#include <strings.h>

#include "clr/clr.h"
#include "clr/executable_memory.h"
#include "clr/gc_heap.h"
#include "clr/handle_table.h"
#include "clr/loader_heap.h"
#include "formats/pe.h"
#include "session/session.h"
#include "target/stack.h"
#include "target/target.h"

void claims_extend(struct claims *claims, enum ledger_use use, uint64_t start, uint64_t end)
{
    struct claim claim = { start, end, use };

    if (end > start && !vec_push(&claims->list, claim)) claims->failed = true;
}

void claims_add(struct claims *claims, enum ledger_use use, uint64_t start, uint64_t end)
{
    if (end <= start) return;
    claims->count[use]++;
    claims_extend(claims, use, start, end);
}

/* ---- ranges, files, images ---- */

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

/* Of private memory that can be written and that nobody else claims: whose is it? */
static enum ledger_use private_use(const struct target *target, const struct ledger *ledger)
{
    if (target->is_windows) return ledger->windows.list.count ? USE_OTHER : USE_NATIVE_HEAP;
    return ledger->malloc.foreign || !ledger->malloc.heaps.count ? USE_NATIVE_HEAP : USE_OTHER;
}

static enum ledger_use range_use(const struct target *target, const struct ledger *ledger, const struct dump_range *range)
{
    if (range->type == RANGE_IMAGE) return USE_NATIVE_IMAGE;
    if (range->type == RANGE_MAPPED)
        return range->protection & (PROTECTION_EXEC | PROTECTION_WRITE) ? USE_EXECUTABLE : USE_MAPPED_FILE;
    if (range->protection & PROTECTION_EXEC) return USE_EXECUTABLE;
    if (range->protection & PROTECTION_WRITE || (target->is_windows && !target->dump->has_memory_info))
        return private_use(target, ledger);
    return USE_OTHER;
}

/* PE is common to both: a managed image has IL, and a directory that says so. */
static bool is_managed(const struct target *target, const struct target_module *module)
{
    enum { HEADERS = 4096 };
    uint64_t size;
    const uint8_t *bytes;
    struct error *err;
    struct pe pe;

    if (!module->is_pe || !target->is_windows) return module->is_pe;
    bytes = memory_view(&target->memory, module->base, HEADERS, &size);
    if (!bytes) return false;
    err = pe_open((struct span) { bytes, size }, PE_LAYOUT_MAPPED, &pe);
    if (!err) return pe.directories[PE_DIRECTORY_CLI].rva;
    error_destroy(err);
    return false;
}

static void claim_modules(struct claims *claims)
{
    const struct target *target = claims->target;

    for (size_t i = 0; i < target->modules.count; i++) {
        const struct target_module *module = &target->modules.data[i];
        claims_add(claims, is_managed(target, module) ? USE_MANAGED_IMAGE : USE_NATIVE_IMAGE, module->base, module->end);
    }
}

/* The kernel's library in the process. Source: AT_SYSINFO_EHDR of the auxiliary vector. */
static void claim_vdso(struct claims *claims)
{
    enum { AT_SYSINFO_EHDR_ = 33 };
    const struct dump *dump = claims->target->dump;

    for (uint64_t off = 0; span_holds(dump->auxv, off, 16); off += 16) {
        const struct dump_range *range;

        if (load_u64(dump->auxv.data + off) != AT_SYSINFO_EHDR_) continue;
        range = dump_range_at(dump, load_u64(dump->auxv.data + off + 8));
        if (range && !(range->protection & PROTECTION_WRITE)) claims_add(claims, USE_NATIVE_IMAGE, range->start, range->end);
        return;
    }
}

void claims_of_ranges(struct claims *claims, const struct ledger *ledger)
{
    const struct dump *dump = claims->target->dump;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        if (range->state == RANGE_COMMIT) claims_add(claims, range_use(claims->target, ledger, range), range->start, range->end);
    }
    for (size_t i = 0; i < dump->file_maps.count; i++) {
        const struct dump_file_map *map = &dump->file_maps.data[i];
        claims_add(claims, file_use(claims->target, map), map->start, map->end);
    }
    claim_modules(claims);
    claim_vdso(claims);
}

/* ---- threads ---- */

static bool is_anonymous(const struct target *target, const struct dump_range *range)
{
    return range->state == RANGE_COMMIT && range->protection & PROTECTION_WRITE && !(range->protection & PROTECTION_EXEC) &&
           !dump_file_map_at(target->dump, range->start);
}

/* A thread environment block, or the mapping that ld.so made for the main thread's struct pthread and variables. */
static void claim_thread_local(struct claims *claims, const struct dump_thread *thread)
{
    enum { TEB_SIZE = 8 << 10, LARGEST = 64 << 10 };
    const struct dump_range *range;

    if (!thread->tls_base) return;
    range = dump_range_at(claims->target->dump, thread->tls_base);
    if (!range) return;
    if (claims->target->is_windows)
        claims_add(claims, USE_THREAD_LOCAL, thread->tls_base, thread->tls_base + TEB_SIZE);
    else if (is_anonymous(claims->target, range) && range->end - range->start <= LARGEST)
        claims_add(claims, USE_THREAD_LOCAL, range->start, range->end);
}

void claims_of_threads(struct claims *claims)
{
    const struct target *target = claims->target;

    for (size_t i = 0; i < target->dump->threads.count; i++) {
        const struct dump_thread *thread = &target->dump->threads.data[i];
        uint64_t start, end;

        if (target_stack(target, thread, &start, &end)) {
            claims_add(claims, USE_STACK, start, end);
            claims->stack_touched += target_stack_touched(target, start, end);
            claims->reserved[USE_STACK] += target_stack_reserved(target, thread, end);
        }
        if (target_signal_stack(target, thread, &start, &end)) claims_add(claims, USE_SIGNAL_STACK, start, end);
        claim_thread_local(claims, thread);
    }
}

/* ---- the CLR ---- */

static enum ledger_use generation_use(enum gc_generation generation)
{
    static const enum ledger_use uses[] = { USE_GC_GEN0, USE_GC_GEN1,   USE_GC_GEN2,     USE_GC_LOH,
                                            USE_GC_POH,  USE_GC_FROZEN, USE_GC_EPHEMERAL };
    return uses[generation];
}

static void claim_gc(struct claims *claims, const struct gc_heaps *heaps)
{
    enum { PAGE = 4096 };

    for (size_t i = 0; i < heaps->segments.count; i++) {
        const struct gc_segment *segment = &heaps->segments.data[i];
        enum ledger_use use = generation_use(segment->generation);
        uint64_t start = gc_segment_base(segment);

        if (segment->generation == GC_FROZEN && segment->committed > segment->end) {
            claims_add(claims, use, start, segment->committed);
        } else {
            claims_add(claims, use, start, segment->end);
            claims_add(claims, USE_GC_UNUSED, segment->end > start ? segment->end : start, segment->committed);
        }
        if (segment->reserved > start && segment->generation != GC_FROZEN) claims->reserved[use] += segment->reserved - start;
    }
    for (size_t i = 0; i < heaps->free_regions.count; i++) {
        const struct gc_free_region *region = &heaps->free_regions.data[i];
        uint64_t start = region->start & ~(uint64_t)(PAGE - 1);

        enum ledger_use use = region->to_decommit ? USE_GC_DECOMMIT : USE_GC_FREE;

        claims_add(claims, use, start, region->committed);
        if (region->reserved > start) claims->reserved[use] += region->reserved - start;
    }
    if (heaps->bookkeeping_size) {
        claims_add(claims, USE_GC_BOOKKEEPING, heaps->bookkeeping_start, heaps->bookkeeping_start + heaps->bookkeeping_size);
        claims->reserved[USE_GC_BOOKKEEPING] += heaps->bookkeeping_size;
    }
}

static void claim_loader(struct claims *claims, const struct loader_heap_blocks *blocks)
{
    for (size_t i = 0; i < blocks->list.count; i++) {
        const struct loader_heap_block *block = &blocks->list.data[i];

        claims_add(claims, USE_LOADER_HEAP, block->start, block->start + block->committed_size);
        claims->reserved[USE_LOADER_HEAP] += block->reserved_size;
    }
}

static void claim_code(struct claims *claims, const struct code_heaps *heaps)
{
    for (size_t i = 0; i < heaps->list.count; i++) {
        const struct code_heap *heap = &heaps->list.data[i];

        claims_add(claims, USE_CODE_HEAP, heap->start,
                   heap->start + (heap->committed_known ? heap->committed_size : heap->reserved_size));
        claims->reserved[USE_CODE_HEAP] += heap->reserved_size;
    }
}

/* A segment of a handle table is 64 KiB, aligned, and committed as far as it was needed. */
static void claim_handles(struct claims *claims, const struct handle_table *handles)
{
    enum { SEGMENT = 64 << 10 };

    for (size_t i = 0; i < handles->segments.count; i++) {
        claims_add(claims, USE_HANDLES, handles->segments.data[i], handles->segments.data[i] + SEGMENT);
        claims->reserved[USE_HANDLES] += SEGMENT;
    }
}

static void claim_executable(struct claims *claims, struct clr *clr)
{
    struct executable_memory memory;

    if (!executable_memory_init(clr, &memory)) return;
    for (size_t i = 0; i < memory.blocks.count; i++)
        claims_add(claims, USE_EXECUTABLE, memory.blocks.data[i].start, memory.blocks.data[i].end);
    for (size_t i = 0; i < memory.views.count; i++)
        claims_add(claims, USE_DOUBLE_MAPPED, memory.views.data[i].start, memory.views.data[i].end);
    executable_memory_deinit(&memory);
}

void claims_of_runtime(struct claims *claims)
{
    struct gaps *gaps = session_gaps(claims->session);
    struct clr *clr;
    const struct gc_heaps *heaps;
    const struct loader_heap_blocks *blocks;
    const struct code_heaps *code;
    const struct handle_table *handles;
    struct error *err = session_clr(claims->session, &clr);

    if (err) {
        gaps_add_error(gaps, "CLR", err);
        return;
    }
    err = session_gc_heaps(claims->session, &heaps);
    if (!err) claim_gc(claims, heaps);
    gaps_add_error(gaps, "GC heap", err);
    err = session_loader_heaps(claims->session, &blocks);
    if (!err) claim_loader(claims, blocks);
    gaps_add_error(gaps, "loader heaps", err);
    err = session_code_heaps(claims->session, &code);
    if (!err) claim_code(claims, code);
    gaps_add_error(gaps, "jitted code", err);
    err = session_handles(claims->session, &handles);
    if (!err) claim_handles(claims, handles);
    gaps_add_error(gaps, "GC handles", err);
    claim_executable(claims, clr);
}

/* ---- malloc ---- */

void claims_of_malloc(struct claims *claims, const struct glibc_malloc *malloc)
{
    for (size_t i = 0; i < malloc->heaps.count; i++)
        claims_add(claims, USE_MALLOC_USED, malloc->heaps.data[i].start, malloc->heaps.data[i].end);
    for (size_t i = 0; i < malloc->mapped.count; i++)
        claims_add(claims, USE_MALLOC_MAPPED, malloc->mapped.data[i].addr,
                   malloc->mapped.data[i].addr + malloc->mapped.data[i].size);
}
