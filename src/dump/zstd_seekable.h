/*
 * The seekable zstd container: independent frames, then a table of their sizes in a frame that any zstd skips.
 *
 *     frame | frame | ... | 0x184d2a5e, size | count x { u32 stored size, u32 size [, u32 checksum] } | u32 count, u8 flags, u32
 * 0x8f92eab1
 *
 * Source: facebook/zstd contrib/seekable_format/zstd_seekable_compression_format.md. That library is in no distribution, and the
 * format is small, so both sides are here.
 */
#ifndef CLRTRAIL_DUMP_ZSTD_SEEKABLE_H
#define CLRTRAIL_DUMP_ZSTD_SEEKABLE_H

#include "base/error.h"
#include "base/span.h"

enum { ZSTD_SEEKABLE_FRAME = 2 << 20 }; /* bytes of content that the writer puts in a frame */

/* Frame i is stored at [stored_offs[i], stored_offs[i + 1]) of the file and holds content [offs[i], offs[i + 1]). */
struct zstd_seek_table {
    uint64_t count;
    uint64_t *stored_offs, *offs; /* count + 1 each; owned */
};

/* True when the file ends like a seekable one. */
bool zstd_seek_table_probe(struct span file);
/* Errors: ERROR_BAD_DATA when the table does not describe this file, ERROR_NOMEM. */
struct error *zstd_seek_table_init(struct zstd_seek_table *table, struct span file);
void zstd_seek_table_deinit(struct zstd_seek_table *table);

/* Writes such a file. Content checksums go into the frames. */
struct zstd_seekable_writer;

/* `fd` is borrowed, written from where it stands; `level` as of zstd(1). */
struct error *zstd_seekable_writer_create(int fd, int level, struct zstd_seekable_writer **ret);
void zstd_seekable_writer_destroy(struct zstd_seekable_writer *writer);
struct error *zstd_seekable_writer_append(struct zstd_seekable_writer *writer, const void *data, size_t size);
/* Writes the last frame and the table; nothing may be appended afterwards. */
struct error *zstd_seekable_writer_finish(struct zstd_seekable_writer *writer);

#endif
