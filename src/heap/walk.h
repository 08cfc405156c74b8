/*
 * The linear walk over the objects of a GC segment.
 *
 *     address -> first word & ~7 = MethodTable -> size = base + count * component size, rounded up to 8 -> next address
 *
 * At the pointer of an allocation context the unused rest of it is jumped over (limit + one minimal object). Where a word is no
 * MethodTable, or a page is missing, the walk looks for the next place from which objects follow each other again, and counts what
 * it skipped.
 */
#ifndef CLRTRAIL_HEAP_WALK_H
#define CLRTRAIL_HEAP_WALK_H

#include "clr/gc_heap.h"
#include "heap/object_types.h"

enum { OBJECT_SIZE_MIN = 24, OBJECT_HEADER_SIZE = 16 /* MethodTable and component count */ };

struct object {
    uint64_t addr;
    uint64_t size; /* as the field reports it: unrounded, at least 24 */
    const struct object_type *type;
};

struct walk {
    const struct memory *memory;
    struct object_types *types;
    const struct gc_heaps *heaps;
    uint64_t addr, end;
    const uint8_t *view; /* byte of view_start */
    uint64_t view_start;
    uint64_t view_limit;   /* a header may start at less than this behind view_start; 0: nowhere */
    size_t context;        /* the next allocation context at or behind addr */
    uint64_t context_ptr;  /* its pointer, UINT64_MAX when there is none in the segment */
    uint64_t skipped;      /* bytes that could not be walked */
    uint64_t broken;       /* how often the chain broke */
    uint64_t first_broken; /* address */
};

void walk_init(struct walk *walk, const struct clr *clr, struct object_types *types, const struct gc_heaps *heaps,
               const struct gc_segment *segment);
/* The general case of walk_next: an edge of memory, an allocation context, a type not seen yet, a broken chain. */
bool walk_next_slow(struct walk *walk, struct object *ret);

/*
 * The next object; false at the end of the segment. In the common case the header lies in the view and its type is in the table:
 * one probe, no call. The header behind it is fetched ahead.
 */
static inline bool walk_next(struct walk *walk, struct object *ret)
{
    uint64_t off = walk->addr - walk->view_start, mt, size, aligned;
    const struct object_type *type;
    const uint8_t *p;

    if (walk->addr >= walk->context_ptr || off >= walk->view_limit) return walk_next_slow(walk, ret);
    p = walk->view + off;
    mt = load_u64(p) & ~UINT64_C(7);
    type = &walk->types->slots[(size_t)map_hash(mt) & walk->types->mask];
    if (type->mt_addr != mt || !type->is_valid) return walk_next_slow(walk, ret);
    size = type->base_size + (type->component_size ? (uint64_t)type->component_size * load_u32(p + 8) : 0);
    if (size < OBJECT_SIZE_MIN) size = OBJECT_SIZE_MIN;
    aligned = (size + 7) & ~UINT64_C(7);
    if (aligned > walk->end - walk->addr) return walk_next_slow(walk, ret);
    __builtin_prefetch(p + aligned);
    *ret = (struct object) { walk->addr, size, type };
    walk->addr += aligned;
    return true;
}

/* Counts the walk's losses as a gap. */
void walk_report(const struct walk *walk, struct gaps *gaps);

#endif
