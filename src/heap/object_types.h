/*
 * What a walk over the heap needs of each MethodTable, in one probe of a small hash table: built for one look-up per object and a
 * few thousand types, so that it stays in the second-level cache. Each thread has its own; results are added up at the end.
 */
#ifndef CLRTRAIL_HEAP_OBJECT_TYPES_H
#define CLRTRAIL_HEAP_OBJECT_TYPES_H

#include "clr/clr.h"
#include "clr/method_table.h"

/* 32 bytes, two a cache line: what a walk needs of a type, and what it counts. */
struct object_type {
    uint64_t mt_addr; /* 0: free slot */
    uint32_t base_size;
    uint16_t component_size;
    bool is_valid; /* false: the word is no MethodTable; kept, so that it is not looked at again */
    bool is_free;  /* the free object's */
    uint64_t count, bytes;
};

struct object_types {
    const struct clr *clr;
    uint64_t free_mt;
    struct object_type *slots;
    size_t mask, count;
};

bool object_types_init(struct object_types *types, const struct clr *clr);
void object_types_deinit(struct object_types *types);
/* Slow path: adds what is not there yet. NULL: out of memory. */
struct object_type *object_types_add(struct object_types *types, uint64_t mt_addr);

/* The type of an object's first word (mark bits removed); NULL only when memory is exhausted. Valid until the next look-up. */
static inline struct object_type *object_types_get(struct object_types *types, uint64_t mt_addr)
{
    size_t i;

    for (i = (size_t)map_hash(mt_addr) & types->mask; types->slots[i].mt_addr; i = (i + 1) & types->mask)
        if (types->slots[i].mt_addr == mt_addr) return &types->slots[i];
    return object_types_add(types, mt_addr);
}

#endif
