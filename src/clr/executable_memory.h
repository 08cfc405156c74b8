/*
 * The executable allocator (W^X, .NET 7 and later): one memfd, mapped executable, with short-lived writable second views of parts
 * of it.
 *
 *     ExecutableAllocator {RX blocks, free RX blocks, RW blocks, fd, max size, next free offset, ...}
 *       BlockRX {next, base, size, offset in the memfd}       BlockRW {next, RW base, RX base, size, references}
 *
 * It is a heap object that one static pointer of the runtime leads to; found by its shape. Source:
 * src/coreclr/inc/executableallocator.h.
 */
#ifndef CLRTRAIL_CLR_EXECUTABLE_MEMORY_H
#define CLRTRAIL_CLR_EXECUTABLE_MEMORY_H

#include "clr/clr.h"

struct executable_range {
    uint64_t start, end;
};

struct executable_memory {
    VEC(struct executable_range) blocks; /* mapped executable, or loader heap data: each address once */
    VEC(struct executable_range) views;  /* second views: the same bytes again */
};

/* False when the runtime has none (W^X off, before .NET 7) or it cannot be found; nothing is then held. */
bool executable_memory_init(const struct clr *clr, struct executable_memory *ret);
void executable_memory_deinit(struct executable_memory *memory);

#endif
