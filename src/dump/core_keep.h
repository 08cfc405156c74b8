/*
 * What of a process's memory an analysis needs, and what can stay behind.
 *
 *     no file, memfd             all: heaps, stacks, the runtime's own memory
 *     private, writable          all: data of images
 *     managed images (.dll)      all: metadata and IL
 *     the runtime, the program   all: a single-file program is its own runtime and holds its assemblies
 *     other native images        read-only data up to 1 MiB (headers, build-id, symbols, unwind tables); of code the first page, or
 * all where a thread stands in it other files                the first page
 */
#ifndef CLRTRAIL_DUMP_CORE_KEEP_H
#define CLRTRAIL_DUMP_CORE_KEEP_H

#include "dump/dump.h"

/* A part of a range that lies in one file, or in none; the first `keep_size` bytes of it are kept. */
struct core_piece {
    uint64_t start, end;
    uint64_t file_off; /* in the dump file */
    uint64_t keep_size;
    uint8_t protection;
};

struct core_pieces {
    VEC(struct core_piece) list;
    uint64_t kept_size, left_out_size;
};

/* `everything`: keep all that the dump has. Errors: ERROR_NOMEM. */
struct error *core_pieces_init(struct core_pieces *pieces, const struct dump *dump, bool everything);
void core_pieces_deinit(struct core_pieces *pieces);

#endif
