/*
 * Loader heaps and code heaps: memory in which the runtime keeps types, methods, stubs and jitted code.
 *
 *     LoaderAllocator -> LoaderHeap {first block, alloc pointer, end of committed, end of reserved}
 *       block {next, address, reserved size} -> ...   newest first; only the newest one is committed in part
 *     LoaderAllocator -> VirtualCallStubManager -> indirection cell heap, cache entry heap
 *     EEJitManager -> list of CodeHeaps: LoaderCodeHeap (a loader heap inside), HostCodeHeap (dynamic methods)
 *
 * Collectible LoaderAllocators use one heap under several names; each block is listed once, under the first.
 * Source: src/coreclr/inc/loaderheap.h, src/coreclr/vm/loaderallocator.hpp, codeman.h.
 */
#ifndef CLRTRAIL_CLR_LOADER_HEAP_H
#define CLRTRAIL_CLR_LOADER_HEAP_H

#include "clr/clr.h"
#include "clr/loader.h"

struct loader_heap_block {
    uint64_t allocator_addr;
    const char *kind; /* "LowFrequencyHeap", ...; static */
    uint64_t start;
    uint64_t reserved_size, committed_size;
    bool is_collectible;
};

struct loader_heap_blocks {
    VEC(struct loader_heap_block) list; /* by allocator, kind, newest block first */
    size_t allocator_count;
};

/* Errors: out of memory, the module list cannot be read. Broken chains are gaps. */
struct error *loader_heap_blocks_init(struct clr *clr, struct loader_heap_blocks *ret);
void loader_heap_blocks_deinit(struct loader_heap_blocks *blocks);

struct code_heap {
    uint64_t addr;
    const char *kind; /* "LoaderCodeHeap", "HostCodeHeap", "CodeHeap" when the vtable is not known */
    uint64_t start;
    uint64_t reserved_size, committed_size;
    bool committed_known;
};

struct code_heaps {
    VEC(struct code_heap) list;
};

struct error *code_heaps_init(struct clr *clr, struct code_heaps *ret);
void code_heaps_deinit(struct code_heaps *heaps);

#endif
