/*
 * The GC's heaps: what GcDacVars leads to.
 *
 *     GcDacVars {version, generation size and count, pointers to the GC's variables}      src/coreclr/gc/gcinterface.dac.h
 *       workstation: generation_table -> generation[5] {allocation context, start segment, ...}
 *       server:      g_heaps[n] -> gc_heap {..., generation_table, ...} by the offsets in gc_heap_field_offsets
 *         generation -> heap_segment -> next -> ...     segments, or regions (offset of allocation start is -1)
 *
 *     heap_segment {allocated 0, committed 8, reserved 16, used 24, mem 32, flags 40, next 48}
 *
 * The objects of a segment lie in [mem, allocated); in the ephemeral segment in [mem, alloc_allocated). Unchanged from 3.1 to 10.
 */
#ifndef CLRTRAIL_CLR_GC_HEAP_H
#define CLRTRAIL_CLR_GC_HEAP_H

#include "clr/clr.h"

enum gc_generation {
    GC_GEN0,
    GC_GEN1,
    GC_GEN2,
    GC_LOH,
    GC_POH,
    GC_FROZEN,
    GC_EPHEMERAL /* 0 and 1 together: segments before regions */
};

struct gc_segment {
    uint64_t addr; /* of the heap_segment */
    uint32_t heap;
    enum gc_generation generation;
    uint64_t start, end;          /* objects lie in [start, end) */
    uint64_t committed, reserved; /* ends */
    uint64_t flags;
    /* Segments before regions, ephemeral only: where generations 1 and 0 begin. */
    uint64_t gen1_start, gen0_start;
};

/* A list of regions kept for later use: committed, but without objects. */
struct gc_free_region {
    uint64_t addr, start, committed, reserved;
    uint32_t heap;
    bool to_decommit; /* on the list of those that will be given back */
};

struct gc_context {
    uint64_t ptr, limit;
};

struct gc_heaps {
    bool is_server, has_regions;
    uint32_t heap_count;
    uint8_t major, minor; /* version of GcDacVars */
    uint32_t generation_count;
    bool in_gc;                      /* gc_structures_invalid_cnt: the dump was taken while a GC was moving things */
    int adaptation_mode;             /* DATAS: dynamic_adaptation_mode, 0 off, 1 to application sizes; -1: not known */
    uint64_t lowest, highest;        /* the GC's reservation, 0 when unknown */
    VEC(struct gc_segment) segments; /* heaps in order, in each generation 0..POH, as chained */
    VEC(struct gc_free_region) free_regions;
    VEC(struct gc_context) contexts;              /* allocation contexts of threads and generations, sorted by ptr */
    uint64_t bookkeeping_start, bookkeeping_size; /* card table, brick table, mark array; 0 when unknown */
    VEC(uint64_t) generation_tables;              /* one a heap */
    VEC(uint64_t) finalize_queues;
    uint64_t handle_table_map;
    uint64_t vars_addr;
};

/* What tells a GcDacVars from other memory, and its form. */
struct gc_vars {
    uint8_t major, minor;
    unsigned shift; /* 8 in the form of 3.1, which has no generation count: what is behind it lies 8 bytes lower */
    uint32_t generation_count;
    uint64_t generation_size;
};
/* Is the thing at `addr` a GcDacVars? Needs no layout: small version bytes, a sane generation, max_gen 2. */
bool gc_vars_check(const struct memory *memory, uint64_t addr, struct gc_vars *ret);

/*
 * Reads the heaps. Errors: no GcDacVars. Segments that cannot be read are gaps.
 * The result is the caller's: gc_heaps_deinit.
 */
struct error *gc_heaps_init(struct clr *clr, struct gc_heaps *ret);
void gc_heaps_deinit(struct gc_heaps *heaps);
/* Equal for equal segments: the context of what a walk over them found. */
uint64_t gc_heaps_hash(const struct gc_heaps *heaps);

const char *gc_generation_name(enum gc_generation generation);

/*
 * Where a segment's memory begins: the page of its first object, in segments before regions the one of its own heap_segment, which
 * lies in front of them.
 */
static inline uint64_t gc_segment_base(const struct gc_segment *segment)
{
    enum { PAGE = 4096, HEADER_MAX = 1 << 16 };
    bool has_header = segment->addr < segment->start && segment->start - segment->addr <= HEADER_MAX;

    return (has_header ? segment->addr : segment->start) & ~(uint64_t)(PAGE - 1);
}

#endif
