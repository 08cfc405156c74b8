/*
 * The parts of byte_file.c: how each container becomes bytes.
 */
#ifndef CLRTRAIL_DUMP_BYTE_FILE_INTERNAL_H
#define CLRTRAIL_DUMP_BYTE_FILE_INTERNAL_H

#include "dump/byte_file.h"

enum decode_status {
    DECODE_MORE,    /* within a frame */
    DECODE_ENDED,   /* a frame ended; another may follow */
    DECODE_DAMAGED, /* `why` says what is wrong */
};

struct decode_output {
    uint8_t *data;
    size_t size, used;
};

/* A streaming decoder; its memory is bounded by what the format allows as a window. */
struct decoder {
    const char *container;
    uint8_t magic[6];
    uint8_t magic_size;
    bool (*may_start)(uint8_t first); /* may a further frame begin with this byte? */
    void *(*create)(void);            /* NULL: no memory */
    void (*destroy)(void *state);
    /* Takes from `in` and fills `out`, advancing both. Called again at DECODE_ENDED it begins a frame. */
    enum decode_status (*decode)(void *state, struct span *in, struct decode_output *out, const char **why);
};

/* By the first bytes; the plain decoder, which copies, when no container is known by them. */
const struct decoder *decoder_for(struct span head);
bool decoder_is_plain(const struct decoder *decoder);

/* An empty one; the caller sets the rest. */
struct error *byte_file_create(const char *path, struct byte_file **ret);
/* Maps `fd` whole: sets bytes and close, guarded against SIGBUS. */
struct error *byte_file_map(struct byte_file *file, int fd, uint64_t size);
/*
 * Decodes all that comes from `fd` into an unlinked file in $TMPDIR and maps that. Sets container, stored_size, truncated. What is
 * damaged or cut off is a gap as long as anything could be decoded.
 */
struct error *byte_file_spool(struct byte_file *file, int fd, struct gaps *gaps, struct progress *progress);
/* Maps the seekable zstd file `fd` and reserves room for its content. Errors: as of zstd_seek_table_init, ERROR_IO. */
struct error *byte_file_open_seekable(struct byte_file *file, int fd, struct gaps *gaps);

#endif
