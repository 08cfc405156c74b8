/*
 * Where a core that we write goes: a new file of mode 0600, or standard output; as it is, or as seekable zstd.
 *
 * A file is written under the name FILE.partial and gets its own when it is whole, so that what a kill or a full disk leaves behind
 * is named for what it is. Nothing that exists is overwritten, no symbolic link is followed.
 */
#ifndef CLRTRAIL_DUMP_CORE_OUTPUT_H
#define CLRTRAIL_DUMP_CORE_OUTPUT_H

#include "base/error.h"
#include "base/span.h"

struct zstd_seekable_writer;

struct core_output {
    const char *path; /* borrowed; "-": standard output */
    char *partial;    /* owned; NULL for standard output */
    int fd;
    struct zstd_seekable_writer *zstd; /* NULL: as it is */
    uint64_t size;                     /* written so far, before compression */
    uint64_t stored_size;              /* after finishing: bytes of the file; 0 when unknown (a pipe) */
};

/* Compressed when `path` ends in .zst or is "-". Errors: ERROR_IO (exists already, no right, a terminal). */
struct error *core_output_open(struct core_output *output, const char *path, int level);
struct error *core_output_append(struct core_output *output, const void *data, size_t size);
/* `size` zeros; a hole in a plain file. */
struct error *core_output_zeros(struct core_output *output, uint64_t size);
/* Writes what is left and gives the file its name. */
struct error *core_output_finish(struct core_output *output);
/* Closes; removes the file unless it was finished. */
void core_output_close(struct core_output *output);

#endif
