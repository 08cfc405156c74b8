/*
 * NT's heaps, x64, Windows 7 to 11.
 *
 *     _HEAP          {segment 0, flags, Encoding, ..., VirtualAllocdBlocks, SegmentList, ..., FrontEndHeap}
 *     _HEAP_SEGMENT  {entry, signature, list entry, heap, base, pages, first entry, end, ..., list of uncommitted ranges}
 *     _HEAP_ENTRY    {8 bytes, u16 size, u8 flags, u8 checksum, u16 size of the one before, u8, u8 unused} and its bytes
 *
 * The second word of an entry is XORed with the heap's Encoding; its checksum says whether it was decoded rightly. Sizes are in
 * units of 16. Blocks of the low fragmentation heap lie in groups, each inside one entry, whose bitmap tells which are in use.
 * Source: the types of ntdll's public symbols.
 */
#include "base/span.h"
#include "target/windows_heap_internal.h"

enum {
    SEGMENT_SIGNATURE = 0x10,
    SEGMENT_LIST_ENTRY = 0x18,
    SEGMENT_HEAP = 0x28,
    SEGMENT_BASE = 0x30,
    SEGMENT_PAGES = 0x38,
    SEGMENT_FIRST = 0x40,
    SEGMENT_END = 0x48,
    SEGMENT_UNCOMMITTED = 0x60,
    HEAP_ENCODE_MASK = 0x7c,
    HEAP_ENCODING = 0x88, /* the second word of it */
};
/* _HEAP_UCR_DESCRIPTOR, from its SegmentEntry. */
enum { UNCOMMITTED_ADDR = 0x10, UNCOMMITTED_SIZE = 0x18, UNCOMMITTED_MAX = 1 << 16 };
/* _HEAP_VIRTUAL_ALLOC_ENTRY. */
enum { VIRTUAL_COMMIT = 0x20, VIRTUAL_RESERVE = 0x28 };
/* _HEAP_USERDATA_HEADER of Windows 8 and later. */
enum { GROUP_SIGNATURE = 0x14, GROUP_BIT_COUNT = 0x20, GROUP_BITS = 0x28, GROUP_HEADER = 0x30, GROUP_BLOCKS_MAX = 1 << 16 };
enum { ENTRY_HEADER = 16, ENTRY_BUSY = 1 };

#define SIGNATURE_SEGMENT UINT32_C(0xffeeffee)
#define SIGNATURE_HEAP UINT32_C(0xeeffeeff)
#define SIGNATURE_GROUP UINT32_C(0xf0e0d0c0)

/* Where the builds differ. The first whose signature is in its place and whose lists point back is taken. */
struct nt_layout {
    const char *name;
    uint16_t signature, virtual_blocks, segments;
    uint16_t front_end, front_end_type; /* 0: not looked at */
};

static const struct nt_layout layouts[] = {
    { "Windows 10, 11", 0x98, 0x110, 0x120, 0x198, 0x1a2 },
    { "Windows 8", 0x98, 0x110, 0x120, 0x170, 0x17a },
    { "Windows 7", 0xa0, 0x118, 0x128, 0, 0 },
};

static const char bad_entry[] = "an entry's checksum is wrong", bad_list[] = "the list of its segments is broken",
                  bad_segment[] = "a segment makes no sense";

struct uncommitted {
    uint64_t start, end;
};

typedef VEC(struct uncommitted) uncommitted_list;

/* The _LFH_HEAP is an allocation of its own that names its heap in its first words. */
static bool front_end_of(const struct memory *memory, const struct nt_layout *layout, uint64_t heap, uint64_t *ret)
{
    enum { LOW_FRAGMENTATION = 2, WORDS = 8 };
    uint64_t words[WORDS];
    uint8_t type;

    if (!layout->front_end || !memory_try_u8(memory, heap + layout->front_end_type, &type) || type != LOW_FRAGMENTATION)
        return false;
    if (!memory_try_u64(memory, heap + layout->front_end, ret) || *ret & (WINDOWS_PAGE - 1)) return false;
    if (!memory_try_read(memory, *ret, words, sizeof(words))) return false;
    for (unsigned i = 0; i < WORDS; i++)
        if (words[i] == heap) return true;
    return false;
}

static const struct nt_layout *layout_of(const struct memory *memory, uint64_t heap)
{
    const struct nt_layout *found = NULL;

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        uint64_t next, front_end;
        uint32_t signature;

        if (!memory_try_u32(memory, heap + layouts[i].signature, &signature) || signature != SIGNATURE_HEAP) continue;
        if (!windows_list_next(memory, heap + layouts[i].segments, &next)) continue;
        if (front_end_of(memory, &layouts[i], heap, &front_end)) return &layouts[i];
        if (!found) found = &layouts[i];
    }
    return found;
}

bool windows_heap_is_nt(const struct memory *memory, uint64_t heap)
{
    uint64_t own;

    return memory_try_u64(memory, heap + SEGMENT_HEAP, &own) && own == heap && layout_of(memory, heap);
}

/* ---- entries ---- */

/* The second word of an entry: size, flags, checksum of these three bytes, ... */
static bool word_is_sane(uint64_t word)
{
    uint8_t sum = (uint8_t)(word ^ word >> 8 ^ word >> 16);

    return (uint8_t)(word >> 24) == sum && (word & 0xffff);
}

static bool read_entry(const struct windows_heap_reader *r, uint64_t at, uint64_t encoding, uint64_t *word_ret)
{
    uint64_t word;

    if (!memory_try_u64(r->memory, at + 8, &word)) return false;
    *word_ret = word ^ encoding;
    if (word_is_sane(*word_ret)) return true;
    *word_ret = word; /* an entry that was not encoded */
    return word_is_sane(word);
}

/* The entry at `at` is a group of blocks of one size: adds them up. False when it is none. */
static bool add_group(const struct windows_heap_reader *r, struct windows_heap *heap, uint64_t at, uint64_t size)
{
    uint64_t group = at + ENTRY_HEADER, count, bits, header, stride, busy = 0;
    uint32_t signature;

    if (!memory_try_u32(r->memory, group + GROUP_SIGNATURE, &signature) || signature != SIGNATURE_GROUP) return false;
    if (!memory_try_u64(r->memory, group + GROUP_BIT_COUNT, &count) || !memory_try_u64(r->memory, group + GROUP_BITS, &bits))
        return false;
    if (!count || count > GROUP_BLOCKS_MAX || bits != group + GROUP_HEADER) return false;
    header = ENTRY_HEADER + GROUP_HEADER + (count + 63) / 64 * 8;
    if (header >= size || (stride = (size - header) / count & ~(uint64_t)(WINDOWS_BLOCK - 1)) < WINDOWS_BLOCK) return false;
    for (uint64_t i = 0; i < count; i += 64) {
        uint64_t word;

        if (!memory_try_u64(r->memory, bits + i / 8, &word)) return false;
        if (count - i < 64) word &= (UINT64_C(1) << (count - i)) - 1;
        busy += (uint64_t)__builtin_popcountll(word);
    }
    heap->used.count += busy;
    heap->used.bytes += busy * stride;
    heap->free.count += count - busy;
    heap->free.bytes += size - busy * stride;
    return true;
}

static const struct uncommitted *uncommitted_at(const uncommitted_list *list, uint64_t addr)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->data[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->data[low].start <= addr ? &list->data[low] : NULL;
}

/* Returns where it ended: at `end` when all went well. */
static uint64_t walk_entries(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t encoding, uint64_t at, uint64_t end,
                             const uncommitted_list *holes)
{
    uint64_t before = 0; /* size of the entry before, in units; 0: not known */

    while (at < end) {
        const struct uncommitted *hole = uncommitted_at(holes, at);
        uint64_t word, size;

        if (hole) {
            at = hole->end;
            before = 0;
            continue;
        }
        if (!read_entry(r, at, encoding, &word)) return at;
        size = (word & 0xffff) * WINDOWS_BLOCK;
        if (size > end - at || (before && (word >> 32 & 0xffff) != before)) return at;
        if (!(word >> 16 & ENTRY_BUSY)) {
            heap->free.count++;
            heap->free.bytes += size;
        } else if (!add_group(r, heap, at, size)) {
            heap->used.count++;
            heap->used.bytes += size;
        }
        before = word & 0xffff;
        at += size;
    }
    return at < end ? at : end;
}

/* ---- segments ---- */

static int compare_uncommitted(const void *a, const void *b)
{
    const struct uncommitted *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static void read_uncommitted(struct windows_heap_reader *r, uint64_t segment, uncommitted_list *ret)
{
    uint64_t head = segment + SEGMENT_UNCOMMITTED, at = head, next;

    while (ret->count < UNCOMMITTED_MAX && windows_list_next(r->memory, at, &next) && next != head) {
        struct uncommitted hole;
        uint64_t size;

        if (!memory_try_u64(r->memory, next + UNCOMMITTED_ADDR, &hole.start) ||
            !memory_try_u64(r->memory, next + UNCOMMITTED_SIZE, &size) || !size || hole.start > UINT64_MAX - size)
            break;
        hole.end = hole.start + size;
        if (!vec_push(ret, hole)) {
            r->failed = true;
            break;
        }
        at = next;
    }
    vec_sort(ret, compare_uncommitted);
}

static bool read_segment(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t encoding, uint64_t segment)
{
    uncommitted_list holes = { 0 };
    uint64_t own, base, first, end, at, limit;
    uint32_t signature, pages;

    if (!memory_try_u32(r->memory, segment + SEGMENT_SIGNATURE, &signature) || signature != SIGNATURE_SEGMENT ||
        !memory_try_u64(r->memory, segment + SEGMENT_HEAP, &own) || own != heap->addr)
        return false;
    if (!memory_try_u64(r->memory, segment + SEGMENT_BASE, &base) || !memory_try_u32(r->memory, segment + SEGMENT_PAGES, &pages) ||
        !memory_try_u64(r->memory, segment + SEGMENT_FIRST, &first) || !memory_try_u64(r->memory, segment + SEGMENT_END, &end))
        return false;
    if (base & (WINDOWS_PAGE - 1) || !pages || base > UINT64_MAX - (uint64_t)pages * WINDOWS_PAGE) return false;
    limit = base + (uint64_t)pages * WINDOWS_PAGE;
    if (first < base || first > end || end > limit || first & (WINDOWS_BLOCK - 1)) return false;
    if (!windows_heap_add_part(r, base, limit, false)) return false;
    read_uncommitted(r, segment, &holes);
    at = walk_entries(r, heap, encoding, first, windows_heap_walk_end(r, first, end), &holes);
    windows_heap_walked(r, first, at);
    if (at < end) {
        heap->not_walked += windows_committed(r->target, at, end);
        heap->problem = bad_entry;
    }
    vec_deinit(&holes);
    return true;
}

static void read_virtual(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t head)
{
    uint64_t at = head, next;

    for (uint64_t n = 0; n < r->list_max && windows_list_next(r->memory, at, &next) && next != head; n++) {
        uint64_t commit, reserve;

        if (!memory_try_u64(r->memory, next + VIRTUAL_COMMIT, &commit) ||
            !memory_try_u64(r->memory, next + VIRTUAL_RESERVE, &reserve))
            break;
        if (!commit || commit > reserve || reserve & (WINDOWS_PAGE - 1) || next > UINT64_MAX - reserve) break;
        if (!windows_heap_add_part(r, next & ~(uint64_t)(WINDOWS_PAGE - 1), (next & ~(uint64_t)(WINDOWS_PAGE - 1)) + reserve, true))
            break;
        heap->large.count++;
        heap->large.bytes += commit;
        at = next;
    }
}

/* The low fragmentation heap's own structures, in an allocation of their own where the dump describes allocations. */
static void read_front_end(struct windows_heap_reader *r, struct windows_heap *heap, const struct nt_layout *layout)
{
    const struct dump_range *range;
    uint64_t addr, end, committed;

    if (!front_end_of(r->memory, layout, heap->addr, &addr)) return;
    range = dump_range_at(r->target->dump, addr);
    if (!range || range->allocation_base != addr) return;
    for (end = range->end; (range = dump_range_at(r->target->dump, end)) && range->allocation_base == addr; end = range->end)
        continue;
    if (!windows_heap_add_part(r, addr, end, true)) return;
    committed = windows_committed(r->target, addr, end);
    heap->large.count++;
    heap->large.bytes += committed;
}

void windows_heap_read_nt(struct windows_heap_reader *r)
{
    struct windows_heap *heap = &r->heaps->list.data[r->heaps->list.count - 1];
    const struct nt_layout *layout = layout_of(r->memory, heap->addr);
    uint64_t encoding = 0, head, at, next;
    uint32_t mask;

    if (!layout) return;
    if (memory_try_u32(r->memory, heap->addr + HEAP_ENCODE_MASK, &mask) && mask &&
        !memory_try_u64(r->memory, heap->addr + HEAP_ENCODING, &encoding))
        encoding = 0;
    head = at = heap->addr + layout->segments;
    for (uint64_t n = 0; n < r->list_max; n++) {
        if (!windows_list_next(r->memory, at, &next) || next < SEGMENT_LIST_ENTRY) {
            heap->problem = bad_list;
            break;
        }
        if (next == head) break;
        if (!read_segment(r, heap, encoding, next - SEGMENT_LIST_ENTRY)) {
            heap->problem = bad_segment;
            break;
        }
        at = next;
    }
    read_virtual(r, heap, heap->addr + layout->virtual_blocks);
    read_front_end(r, heap, layout);
}
