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

enum { OBJECT_SIZE_MIN = 24 };

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
    uint64_t view_start, view_end;
    size_t context;        /* the next allocation context at or behind addr */
    uint64_t context_ptr;  /* its pointer, UINT64_MAX when there is none in the segment */
    uint64_t skipped;      /* bytes that could not be walked */
    uint64_t broken;       /* how often the chain broke */
    uint64_t first_broken; /* address */
};

void walk_init(struct walk *walk, const struct clr *clr, struct object_types *types, const struct gc_heaps *heaps,
               const struct gc_segment *segment);
/* False at the end of the segment. */
bool walk_next(struct walk *walk, struct object *ret);
/* Counts the walk's losses as a gap. */
void walk_report(const struct walk *walk, struct gaps *gaps);

#endif
