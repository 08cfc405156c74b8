/*
 * GC handles.
 *
 *     map {buckets, next map}                                   chained; the first one is named by GcDacVars
 *       bucket {HandleTable *tables[heaps], u32 index}
 *         HandleTable {u32 flags of each type, ..., first segment}
 *           segment, 64 KiB:  header of 4096 bytes, then 120 blocks of 64 handles, a word each
 *             header: per block its type and the block that holds its handles' extra words (secondaries of dependent handles)
 *
 * A word that is not null is a handle in use. Source: src/coreclr/gc/handletablepriv.h (struct _TableSegmentHeader, packed),
 * objecthandle.cpp (HandleTableMap), gcinterface.h (HandleType).
 */
#ifndef CLRTRAIL_CLR_HANDLE_TABLE_H
#define CLRTRAIL_CLR_HANDLE_TABLE_H

#include "clr/gc_heap.h"

enum handle_kind {
    HANDLE_WEAK_SHORT,
    HANDLE_WEAK_LONG,
    HANDLE_STRONG,
    HANDLE_PINNED,
    HANDLE_VARIABLE,
    HANDLE_REF_COUNTED,
    HANDLE_DEPENDENT,
    HANDLE_ASYNC_PINNED,
    HANDLE_SIZED_REF,
    HANDLE_WEAK_NATIVE_COM,
    HANDLE_WEAK_INTERIOR, /* a pointer of the runtime into the object is adjusted when it moves: statics of collectible types (8.0
                             on) */
    HANDLE_CROSS_REFERENCE,
    HANDLE_KIND_COUNT /* kinds that we have a name for; a table may have further ones */
};

struct clr_handle {
    uint64_t addr;      /* of the handle's word */
    uint64_t object;    /* what it holds */
    uint64_t dependent; /* secondary of a dependent handle, 0 when there is none */
    uint32_t heap;      /* slot of the bucket: the GC heap of a server GC */
    uint8_t kind;       /* enum handle_kind, or a number beyond it */
};

struct handle_table {
    VEC(struct clr_handle) list; /* in the order of buckets, heaps, segments and blocks */
    VEC(uint64_t) segments;      /* all that were read, empty ones too; 64 KiB each, committed as far as was needed */
    uint32_t type_count;         /* kinds that this runtime has, its own internal one included */
};

/* Errors: out of memory, the table's root is not known. What cannot be read is a gap. */
struct error *handle_table_init(struct clr *clr, const struct gc_heaps *heaps, struct handle_table *ret);
void handle_table_deinit(struct handle_table *table);

/* "weak_short", "strong", ...; "kind 12" of a kind that is new to us. */
const char *handle_kind_name(unsigned kind);
/* Does such a handle keep its object alive by itself? */
bool handle_kind_is_strong(unsigned kind);

#endif
