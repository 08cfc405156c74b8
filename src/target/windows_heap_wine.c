/*
 * wine's heaps (8.0), which borrow no more than the signature from NT:
 *
 *     heap      {..., entry in the ring of heaps, list of regions, list of large blocks, ..., "HEAP", ..., region 0}
 *     region    {16 bytes, size of its blocks, bytes committed behind its header, list entry, value, first block}
 *     block     {u16 size, u8 flags, u8 unused bytes (of a free one: size, high), u16 place in the region, u16 type} and its bytes
 *     large     {16 bytes, list entry, bytes asked for, bytes taken, value, block}
 *
 * Sizes are in units of 16. Source: wine's dlls/ntdll/heap.c, and dumps made with 8.0.
 */
#include <string.h>

#include "base/span.h"
#include "target/windows_heap_internal.h"

enum { HEAP_RING = 0x78, HEAP_REGIONS = 0x88, HEAP_LARGE = 0x98, HEAP_MAGIC = 0xb8 };
enum { REGION_BLOCKS_SIZE = 0x10, REGION_COMMITTED = 0x18, REGION_LIST = 0x20, REGION_FIRST = 0x38, REGION_HEADER = 0x40 };
enum { LARGE_LIST = 0x10, LARGE_SIZE = 0x28, LARGE_HEADER = 0x40 };
enum { BLOCK_FREE = 1, TYPE_USED = 0x5355 /* "US" */, TYPE_FREE = 0x5246 /* "FR" */ };

static const char bad_block[] = "a block's header makes no sense", bad_list[] = "a list of its regions is broken";

bool windows_heap_is_wine(const struct memory *memory, uint64_t heap)
{
    uint64_t next;
    char magic[4];

    return memory_try_read(memory, heap + HEAP_MAGIC, magic, sizeof(magic)) && !memcmp(magic, "HEAP", 4) &&
           windows_list_next(memory, heap + HEAP_RING, &next) && windows_list_next(memory, heap + HEAP_REGIONS, &next);
}

/* The first heap is no list head of its own: the ring goes through all of them. */
bool windows_heap_wine_next(const struct memory *memory, uint64_t heap, uint64_t *ret)
{
    uint64_t next;

    if (!windows_list_next(memory, heap + HEAP_RING, &next) || next < HEAP_RING) return false;
    *ret = next - HEAP_RING;
    return true;
}

/* Blocks of [at, end); the last one, a free one, may reach beyond what is committed. Returns where it ended. */
static uint64_t walk_blocks(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t at, uint64_t end, uint64_t limit)
{
    while (at < end && end - at >= 8) {
        uint64_t word, size;
        unsigned flags, type;

        if (!memory_try_u64(r->memory, at, &word)) return at;
        flags = word >> 16 & 0xff;
        type = (unsigned)(word >> 48);
        size = word & 0xffff;
        if (flags & BLOCK_FREE) size |= (word >> 24 & 0xff) << 16;
        size *= WINDOWS_BLOCK;
        if (!size || size > limit - at || type != (flags & BLOCK_FREE ? TYPE_FREE : TYPE_USED)) return at;
        if (!(flags & BLOCK_FREE)) {
            heap->used.count++;
            heap->used.bytes += size;
        } else {
            heap->free.count++;
            heap->free.bytes += size < end - at ? size : end - at;
        }
        at += size;
    }
    return at;
}

static bool read_region(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t region)
{
    uint64_t base = region & ~(uint64_t)(WINDOWS_GRANULE - 1), blocks, committed, first = region + REGION_FIRST, at, end;

    if (!memory_try_u64(r->memory, region + REGION_BLOCKS_SIZE, &blocks) ||
        !memory_try_u64(r->memory, region + REGION_COMMITTED, &committed))
        return false;
    if (blocks > UINT64_MAX - first || committed > blocks || region + REGION_HEADER > UINT64_MAX - committed) return false;
    if (!windows_heap_add_part(r, base, first + blocks, false)) return false;
    end = region + REGION_HEADER + committed;
    at = walk_blocks(r, heap, first, windows_heap_walk_end(r, first, end), first + blocks);
    windows_heap_walked(r, first, at);
    /* The last 8 bytes of a region are no block: headers lie 8 bytes in front of multiples of 16. */
    if (at < end && end - at > 8) {
        heap->not_walked += end - at;
        heap->problem = bad_block;
    }
    return true;
}

static void read_large(struct windows_heap_reader *r, struct windows_heap *heap)
{
    uint64_t head = heap->addr + HEAP_LARGE, at = head, next, size;

    for (uint64_t n = 0; n < r->list_max && windows_list_next(r->memory, at, &next) && next != head && next >= LARGE_LIST; n++) {
        uint64_t block = next - LARGE_LIST;

        if (!memory_try_u64(r->memory, block + LARGE_SIZE, &size) || size < LARGE_HEADER || block > UINT64_MAX - size) break;
        if (!windows_heap_add_part(r, block, block + size, true)) break;
        heap->large.count++;
        heap->large.bytes += size;
        at = next;
    }
}

void windows_heap_read_wine(struct windows_heap_reader *r)
{
    struct windows_heap *heap = &r->heaps->list.data[r->heaps->list.count - 1];
    uint64_t head = heap->addr + HEAP_REGIONS, at = head, next;

    for (uint64_t n = 0; n < r->list_max; n++) {
        if (!windows_list_next(r->memory, at, &next) || next < REGION_LIST) {
            heap->problem = bad_list;
            break;
        }
        if (next == head) break;
        if (!read_region(r, heap, next - REGION_LIST)) {
            heap->problem = bad_list;
            break;
        }
        at = next;
    }
    read_large(r, heap);
}
