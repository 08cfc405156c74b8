/*
 * Windows 10's segment heap, as far as its segments show.
 *
 *     _SEGMENT_HEAP       {..., signature, ..., LargeAllocMetadata: tree of large blocks, ..., contexts with a list of segments}
 *     _HEAP_PAGE_SEGMENT  {list entry, signature, ...}    1 MB aligned, 16 MB those of the second context
 *     large block         {tree node, address | unused bytes, pages << 12 | flags}, kept in another heap
 *
 * The places of the lists differ from build to build, so they are told by what they lead to: a list whose entries all lie at
 * multiples of 1 MB, and a tree whose nodes name allocations. What lies inside of a segment is encoded with keys of ntdll and is
 * not told apart. Source: the types of ntdll's public symbols.
 */
#include "target/windows_heap_internal.h"

enum { SEGMENT_ALIGN = 1 << 20, SEGMENT_LARGEST = 16 << 20 };
enum { HEADS_FROM = 0x20, HEADS_TO = 0x400 };
enum { NODE_LEFT = 0, NODE_RIGHT = 8, NODE_ADDR = 0x18, NODE_PAGES = 0x20, UNUSED_MASK = 0xffff };

/* _SEGMENT_HEAP.LargeAllocMetadata.Root: 10 1507 and 1607, 10 1709 to 1903, 10 2004 and later. */
static const uint16_t tree_roots[] = { 0x38, 0x50, 0x48 };

static const char not_told_apart[] = "the blocks of a segment heap are not told apart";

/* Address space of a segment: its allocation where the dump tells that, else what it takes at least. */
static uint64_t segment_end(const struct dump *dump, uint64_t segment)
{
    const struct dump_range *range = dump_range_at(dump, segment);
    uint64_t end = segment + SEGMENT_ALIGN;

    if (!range || range->allocation_base != segment) return end;
    for (end = range->end; end - segment < SEGMENT_LARGEST; end = range->end) {
        range = dump_range_at(dump, end);
        if (!range || range->allocation_base != segment) break;
    }
    return end;
}

/* Does a list of segments begin at `head`? */
static bool is_segment_list(const struct windows_heap_reader *r, uint64_t head)
{
    uint64_t at = head, next, n = 0;

    for (; n < r->list_max && windows_list_next(r->memory, at, &next) && next != head; n++) {
        if (!next || next & (SEGMENT_ALIGN - 1)) return false;
        at = next;
    }
    return n && n < r->list_max && next == head;
}

static void read_segments(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t head)
{
    uint64_t at = head, next;

    for (uint64_t n = 0; n < r->list_max && windows_list_next(r->memory, at, &next) && next != head; n++) {
        uint64_t end = segment_end(r->target->dump, next);

        if (!windows_heap_add_part(r, next, end, false)) break;
        heap->not_walked += windows_committed(r->target, next, end);
        at = next;
    }
}

static bool read_large_node(struct windows_heap_reader *r, uint64_t node, uint64_t *addr_ret, uint64_t *size_ret)
{
    const struct dump_range *range;
    uint64_t addr, pages;

    if (!memory_try_u64(r->memory, node + NODE_ADDR, &addr) || !memory_try_u64(r->memory, node + NODE_PAGES, &pages)) return false;
    *addr_ret = addr & ~(uint64_t)UNUSED_MASK;
    *size_ret = pages & ~(uint64_t)(WINDOWS_PAGE - 1);
    range = dump_range_at(r->target->dump, *addr_ret);
    return range && range->start == *addr_ret && *size_ret && *addr_ret <= UINT64_MAX - *size_ret &&
           windows_committed(r->target, *addr_ret, *addr_ret + *size_ret) == *size_ret;
}

/* A tree of large blocks, its nodes in any order. */
static void read_large(struct windows_heap_reader *r, struct windows_heap *heap, uint64_t root)
{
    VEC(uint64_t) open = { 0 };

    if (!vec_push(&open, root)) r->failed = true;
    while (open.count && !r->failed) {
        uint64_t node = open.data[--open.count], addr, size, children[2];

        if (!node || node & 7 || !windows_heap_first_time(r, node | 4) || !read_large_node(r, node, &addr, &size)) continue;
        if (!windows_heap_add_part(r, addr, addr + size, true)) continue;
        heap->large.count++;
        heap->large.bytes += size;
        if (!memory_try_read(r->memory, node + NODE_LEFT, children, sizeof(children))) continue;
        if (!vec_push(&open, children[0]) || !vec_push(&open, children[1])) r->failed = true;
    }
    vec_deinit(&open);
}

void windows_heap_read_segment(struct windows_heap_reader *r)
{
    struct windows_heap *heap = &r->heaps->list.data[r->heaps->list.count - 1];
    const struct dump_range *range = dump_range_at(r->target->dump, heap->addr);
    uint64_t root, addr, size;

    heap->problem = not_told_apart;
    /* The heap's own structures: its allocation, or what is committed of it from there on. */
    if (range && windows_heap_add_part(r, heap->addr, range->end, false))
        heap->not_walked += windows_committed(r->target, heap->addr, range->end);
    for (uint64_t off = HEADS_FROM; off < HEADS_TO; off += 8)
        if (is_segment_list(r, heap->addr + off)) read_segments(r, heap, heap->addr + off);
    for (size_t i = 0; i < sizeof(tree_roots) / sizeof(tree_roots[0]); i++) {
        if (!memory_try_u64(r->memory, heap->addr + tree_roots[i], &root) || !root || root & 7) continue;
        if (!read_large_node(r, root, &addr, &size)) continue;
        read_large(r, heap, root);
        break;
    }
}
