/* What the ledger knows of Windows: its heaps, thread environment blocks, stacks, and what the system maps into each process. */
#include <string.h>

#include "base/span.h"
#include "formats/pe.h"
#include "session/ledger_claims.h"
#include "session/session.h"
#include "target/target.h"

enum { GRANULE = 64 << 10, PAGE = 4096 };

/* ---- heaps ---- */

static void claim_heaps(struct claims *claims, const struct windows_heaps *heaps)
{
    for (size_t i = 0; i < heaps->parts.count; i++) {
        const struct windows_heap_part *part = &heaps->parts.data[i];
        enum ledger_use use = part->is_large ? USE_MALLOC_MAPPED : USE_MALLOC_USED;

        claims_add(claims, use, part->start, part->end);
        claims->reserved[use] += part->end - part->start;
    }
}

static bool has_wine(const struct windows_heaps *heaps)
{
    return heaps->list.count && heaps->list.data[0].kind == WINDOWS_HEAP_WINE;
}

/* ---- threads ---- */

/*
 * Behind StackLimit a stack has its guard pages, and memory that it has used before. Under wine the stack of its system calls, one
 * more MB, lies behind StackBase. The environment blocks of threads lie side by side, and with them those of threads that ended.
 * Source: ntdll's public symbols, _NT_TIB and _TEB; wine's dlls/ntdll/unix/virtual.c, virtual_alloc_thread_stack.
 */
static void claim_thread(struct claims *claims, const struct dump_thread *thread, bool wine)
{
    enum { STACK_BASE = 8, DEALLOCATION_STACK = 0x1478, WINE_STACK = 1 << 20 };
    const struct target *target = claims->target;
    const struct dump_range *range;
    uint64_t base, bottom;

    if (!thread->tls_base || !memory_try_u64(&target->memory, thread->tls_base + STACK_BASE, &base)) return;
    if (memory_try_u64(&target->memory, thread->tls_base + DEALLOCATION_STACK, &bottom) && bottom && bottom < base)
        claims_extend(claims, USE_STACK, bottom, base);
    range = wine ? dump_range_at(target->dump, base) : NULL;
    if (range && range->start == base && range->end - base == WINE_STACK) claims_extend(claims, USE_STACK, base, range->end);
    range = dump_range_at(target->dump, thread->tls_base);
    if (range && range->end - range->start <= (target->dump->threads.count + 4) * GRANULE)
        claims_extend(claims, USE_THREAD_LOCAL, range->start, range->end);
}

/* ---- what the system maps ---- */

/* Tables that the environment block of the process names. Source: ntdll's public symbols, _PEB. */
static void claim_tables(struct claims *claims, uint64_t peb)
{
    static const uint16_t tables[] = {
        0x68, /* ApiSetMap */
        0x88, /* ReadOnlySharedMemoryBase */
        0xa0, /* AnsiCodePageData */
        0xa8, /* OemCodePageData */
        0xb0, /* UnicodeCaseTableData */
        0xf8, /* GdiSharedHandleTable */
    };
    const struct target *target = claims->target;
    const uint64_t user_shared_data = 0x7ffe0000; /* KUSER_SHARED_DATA, and what the system has beside it */

    claims_add(claims, USE_MAPPED_FILE, user_shared_data, user_shared_data + GRANULE);
    if (!peb) return;
    claims_extend(claims, USE_THREAD_LOCAL, peb, peb + PAGE);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct dump_range *range;
        uint64_t addr;

        if (!memory_try_u64(&target->memory, peb + tables[i], &addr) || !addr) continue;
        range = dump_range_at(target->dump, addr);
        if (range) claims_add(claims, USE_MAPPED_FILE, range->start, range->end);
    }
}

/* Do four numbers from `off` on rise, all of them offsets into the file? */
static bool are_offsets(const uint8_t *bytes, unsigned off, uint64_t size)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t this = load_u32(bytes + off + 4 * i);
        if (!this || this >= size || (i && this <= load_u32(bytes + off + 4 * i - 4))) return false;
    }
    return true;
}

/* Is it one of the tables of national language support: a code page, sort keys, locales, normalization (*.nls, *.nlp)? */
static bool is_language_table(const uint8_t *bytes, uint64_t range_size)
{
    enum { CODE_PAGE_HEADER = 13, SORT_HEADER = 16, LOCALE_HEADER = 32, LARGEST_CHAR = 4 };
    static const char normalization[] = "n\0o\0r\0m\0"; /* UTF-16 */

    if (load_u16(bytes) == CODE_PAGE_HEADER && load_u16(bytes + 4) && load_u16(bytes + 4) <= LARGEST_CHAR) return true;
    if (load_u32(bytes) == SORT_HEADER && are_offsets(bytes, 0, range_size)) return true;
    if (load_u32(bytes) == LOCALE_HEADER && are_offsets(bytes, 16, range_size)) return true;
    return !memcmp(bytes, normalization, sizeof(normalization) - 1);
}

/* What a range is by its first bytes, where the dump does not say whether it is private: images loaded as data, tables. */
static void claim_by_content(struct claims *claims, const struct dump_range *range)
{
    const struct target *target = claims->target;
    uint64_t size;
    const uint8_t *bytes = memory_view_dumped(&target->memory, range->start, PAGE, &size);
    struct span span = { bytes, size };

    if (!bytes || size < PAGE) return;
    if (is_language_table(bytes, range->end - range->start)) {
        claims_add(claims, USE_MAPPED_FILE, range->start, range->end);
    } else if (pe_probe(span) && !target_module_at(target, range->start)) {
        struct pe pe;
        struct error *err = pe_open(span, PE_LAYOUT_FLAT, &pe);

        if (!err)
            claims_add(claims, pe.directories[PE_DIRECTORY_CLI].rva ? USE_MANAGED_IMAGE : USE_NATIVE_IMAGE, range->start,
                       range->end);
        error_destroy(err);
    }
}

void claims_of_windows(struct claims *claims, const struct windows_heaps *heaps)
{
    const struct dump *dump = claims->target->dump;

    if (!claims->target->is_windows) return;
    claim_heaps(claims, heaps);
    claim_tables(claims, heaps->peb);
    for (size_t i = 0; i < dump->threads.count; i++)
        claim_thread(claims, &dump->threads.data[i], has_wine(heaps));
    for (size_t i = 0; !dump->has_memory_info && i < dump->ranges.count; i++)
        if (!(dump->ranges.data[i].start & (GRANULE - 1))) claim_by_content(claims, &dump->ranges.data[i]);
}

/* ---- rows ---- */

/* The heaps' memory by what their blocks are. */
void ledger_split_windows_heaps(struct ledger *ledger)
{
    struct windows_heap_sum used = { 0 }, free = { 0 };
    uint64_t not_walked = 0, large = 0;

    for (size_t i = 0; i < ledger->windows.list.count; i++) {
        const struct windows_heap *heap = &ledger->windows.list.data[i];

        used.count += heap->used.count;
        used.bytes += heap->used.bytes;
        free.count += heap->free.count;
        not_walked += heap->not_walked;
        large += heap->large.count;
    }
    ledger->rows[USE_MALLOC_USED].count = used.count;
    ledger->rows[USE_MALLOC_FREE].count = free.count;
    ledger->rows[USE_MALLOC_MAPPED].count = large;
    ledger_move(ledger, USE_MALLOC_USED, USE_NATIVE_HEAP, not_walked);
    if (ledger->rows[USE_MALLOC_USED].committed > used.bytes)
        ledger_move(ledger, USE_MALLOC_USED, USE_MALLOC_FREE, ledger->rows[USE_MALLOC_USED].committed - used.bytes);
}

static bool is_zero(const struct target *target, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t size;
        const uint8_t *bytes = memory_view_dumped(&target->memory, start, end - start, &size);

        if (!bytes || bytes[0] || memcmp(bytes, bytes + 1, size - 1) != 0) return false;
        start += size;
    }
    return true;
}

void ledger_name_untouched(struct ledger *ledger, const struct target *target)
{
    for (size_t i = 0; i < ledger->pieces.count; i++) {
        struct ledger_piece *piece = &ledger->pieces.data[i];

        if (piece->use != USE_OTHER || !is_zero(target, piece->start, piece->end)) continue;
        ledger->rows[USE_UNTOUCHED].count++;
        ledger_move(ledger, USE_OTHER, USE_UNTOUCHED, piece->end - piece->start);
        piece->use = USE_UNTOUCHED;
    }
}
