/*
 * The address space of a minidump: what its lists of memory hold, laid over what its MemoryInfoList says of each region.
 */
#ifndef CLRTRAIL_DUMP_MINIDUMP_MEMORY_H
#define CLRTRAIL_DUMP_MINIDUMP_MEMORY_H

#include "dump/dump.h"
#include "formats/minidump.h"

/*
 * Fills dump->ranges and has_memory_info. What the file promises but does not hold is a gap and sets dump->truncated.
 * Errors: ERROR_NOMEM.
 */
struct error *minidump_read_memory(struct dump *dump, const struct minidump *md, struct gaps *gaps);

#endif
