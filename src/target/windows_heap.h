/*
 * The heaps of a Windows process, read from outside.
 *
 *     PEB.ProcessHeaps -> _HEAP           NT's: {segment 0, encoding, lists}; segments of entries; large blocks of their own
 *                         _SEGMENT_HEAP   Windows 10's other one: segments of 1 MB and large blocks; blocks are not told apart
 *     PEB.ProcessHeap  -> wine's          a ring of heaps, each with regions of blocks and a list of large ones
 *
 * Nothing is believed because a pointer says so: list entries point back, an entry's checksum is right, a walk ends where its
 * segment does. Sources: the types of ntdll's public symbols (Windows 7, 8 to 11); wine's dlls/ntdll/heap.c (8.0).
 */
#ifndef CLRTRAIL_TARGET_WINDOWS_HEAP_H
#define CLRTRAIL_TARGET_WINDOWS_HEAP_H

#include "base/gaps.h"
#include "base/vec.h"
#include "target/target.h"

enum windows_heap_kind { WINDOWS_HEAP_NT, WINDOWS_HEAP_SEGMENT, WINDOWS_HEAP_WINE };

struct windows_heap_sum {
    uint64_t count, bytes; /* bytes with the blocks' headers */
};

/* Address space of a heap: a segment, or a large block. What of it is committed the dump's ranges say. */
struct windows_heap_part {
    uint64_t start, end;
    uint32_t heap; /* index */
    bool is_large;
};

struct windows_heap {
    uint64_t addr;
    enum windows_heap_kind kind;
    uint32_t segment_count;
    uint64_t reserved;                   /* address space of its segments and large blocks */
    struct windows_heap_sum used, large; /* large: blocks with memory of their own */
    struct windows_heap_sum free;        /* between used ones; of the low fragmentation heap, too */
    uint64_t not_walked;                 /* bytes of segments behind a place that makes no sense, or not told apart */
    const char *problem;                 /* static; NULL: walked to its end */
};

struct windows_heaps {
    VEC(struct windows_heap) list; /* as the process lists them */
    VEC(struct windows_heap_part) parts;
    uint64_t peb; /* 0: not found */
};

/* Finds and sums up all heaps. What cannot be walked is a gap. Errors: ERROR_NOMEM. Nothing but on Windows x64. */
struct error *windows_heaps_init(const struct target *target, struct gaps *gaps, struct windows_heaps *ret);
void windows_heaps_deinit(struct windows_heaps *heaps);

/* Bytes of [start, end) that the dump says are committed. */
uint64_t windows_committed(const struct target *target, uint64_t start, uint64_t end);

const char *windows_heap_kind_name(enum windows_heap_kind kind);

#endif
