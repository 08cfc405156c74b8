/*
 * A dump, or a live process, written as a core: streamed in one pass, with memory for a few chunks.
 */
#ifndef CLRTRAIL_DUMP_CORE_WRITE_H
#define CLRTRAIL_DUMP_CORE_WRITE_H

#include "dump/core_output.h"
#include "dump/dump.h"

struct core_write_options {
    bool everything;  /* keep all; else what an analysis needs (dump/core_keep.h) */
    const char *kind; /* what the core calls itself; NULL: readers find out as for any core */
};

struct core_write_result {
    uint64_t memory_size;   /* bytes of memory in the file */
    uint64_t left_out_size; /* bytes that the dump has and the file has not */
};

/*
 * Writes `dump` to `output`, which is left unfinished on error. Pages that went meanwhile are zeros and a gap. `progress` may be
 * NULL. Borrowed bytes of the dump are invalid afterwards. Errors: ERROR_IO, ERROR_CANCELLED.
 */
struct error *core_write(struct dump *dump, const struct core_write_options *options, struct core_output *output, struct gaps *gaps,
                         struct progress *progress, struct core_write_result *ret);
/* A dump file as it is, byte for byte, into another container. */
struct error *core_repack(struct dump *dump, struct core_output *output, struct gaps *gaps, struct progress *progress,
                          struct core_write_result *ret);

#endif
