/*
 * The bytes of a dump file as one read-only mapping, whatever container they lie in.
 *
 *   plain            mapped as it is; bytes stay in the page cache
 *   seekable zstd    a reservation of the decompressed size, filled frame by frame on the first touch (byte_file_ensure)
 *   zstd, gz, lz4, xz  decompressed once into an unlinked file in $TMPDIR, mapped
 *   live process     a reservation filled from the process (dump/live_linux.c)
 *
 * A file that shrinks under the map (SIGBUS) reads as zeros from there on and is counted in `lost_pages`.
 */
#ifndef CLRTRAIL_DUMP_BYTE_FILE_H
#define CLRTRAIL_DUMP_BYTE_FILE_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/gaps.h"
#include "base/progress.h"
#include "base/span.h"

struct byte_file {
    char *path;            /* as given; owned */
    const char *container; /* "plain", "zstd", "zstd-seekable", "gzip", "lz4", "xz", "live" */
    struct span bytes;     /* the whole (decompressed) content */
    uint64_t stored_size;  /* size of the file on disk */
    bool truncated;        /* the compressed stream ended early: `bytes` is what there was */
    atomic_uint_fast64_t lost_pages;
    /* Makes bytes [off, off + size) valid; NULL when all of them always are. Thread safe. False: they cannot be had. */
    bool (*ensure)(struct byte_file *file, uint64_t off, uint64_t size);
    /* Gives the memory behind the bytes back where it can; they are read again when next ensured. May be NULL. */
    void (*release)(struct byte_file *file, uint64_t off, uint64_t size);
    void (*close)(struct byte_file *file); /* releases `state` and `bytes` */
    void *state;
};

/*
 * Opens `path` ("-" is standard input, spooled into $TMPDIR). `gaps` and `progress` may be NULL and must outlive the file.
 * Errors: ERROR_IO with what to do, ERROR_BAD_DATA for a damaged container, ERROR_LIMIT where there is no room.
 */
struct error *byte_file_open(const char *path, struct gaps *gaps, struct progress *progress, struct byte_file **ret);
void byte_file_close(struct byte_file *file);
/* A file that is already in memory, for tests: `bytes` is borrowed and must outlive it. */
struct error *byte_file_from_memory(struct span bytes, struct byte_file **ret);

/* For one that reads a whole file once: nobody may hold on to bytes of [off, off + size). */
static inline void byte_file_release(struct byte_file *file, uint64_t off, uint64_t size)
{
    if (file->release) file->release(file, off, size);
}

/* Gives back the memory behind [off, off + size), which must be all zeros; it still reads as zeros. */
void byte_file_forget_zeros(struct byte_file *file, uint64_t off, uint64_t size);

static inline bool byte_file_ensure(struct byte_file *file, uint64_t off, uint64_t size)
{
    return !file->ensure || file->ensure(file, off, size);
}

#endif
