#include "dump/zstd_seekable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "base/vec.h"

#define SKIPPABLE_MAGIC UINT32_C(0x184d2a5e)
#define FOOTER_MAGIC UINT32_C(0x8f92eab1)

enum { SKIPPABLE_HEADER = 8, FOOTER_SIZE = 9, FLAGS_CHECKSUM = 0x80, FLAGS_RESERVED = 0x7c, FRAMES_MAX = 0x8000000 };
/* No content of more bytes could be mapped: half of the 47 bits that a process has on x64. */
#define CONTENT_MAX (UINT64_C(1) << 46)

bool zstd_seek_table_probe(struct span file)
{
    return file.size >= SKIPPABLE_HEADER + FOOTER_SIZE && load_u32(file.data + file.size - 4) == FOOTER_MAGIC;
}

/* The entries of the table, and the size of one. */
static struct error *find_entries(struct span file, struct span *entries_ret, uint64_t *count_ret, uint64_t *entry_size_ret)
{
    const uint8_t *footer = file.data + file.size - FOOTER_SIZE;
    uint64_t count = load_u32(footer), entry_size = footer[4] & FLAGS_CHECKSUM ? 12 : 8;
    uint64_t size = count * entry_size + FOOTER_SIZE; /* behind the skippable frame's header */
    struct span table;

    if (footer[4] & FLAGS_RESERVED) return error_create(ERROR_BAD_DATA, "seek table with unknown flags %02x", footer[4]);
    if (count > FRAMES_MAX || !span_slice(file, file.size - size - SKIPPABLE_HEADER, size + SKIPPABLE_HEADER, &table))
        return error_create(ERROR_BAD_DATA, "seek table of %llu frames is larger than the file", (unsigned long long)count);
    if (load_u32(table.data) != SKIPPABLE_MAGIC || load_u32(table.data + 4) != size)
        return error_create(ERROR_BAD_DATA, "seek table does not begin where its length says");
    *entries_ret = span_from(table, SKIPPABLE_HEADER);
    *count_ret = count;
    *entry_size_ret = entry_size;
    return NULL;
}

static struct error *sum_entries(struct zstd_seek_table *table, struct span entries, uint64_t entry_size, uint64_t stored_size)
{
    uint64_t stored = 0, content = 0;

    /* 2^27 frames of less than 2^32 bytes each: the sums have room in 64 bits. */
    for (uint64_t i = 0; i < table->count; i++) {
        table->stored_offs[i] = stored;
        table->offs[i] = content;
        stored += load_u32(entries.data + i * entry_size);
        content += load_u32(entries.data + i * entry_size + 4);
    }
    table->stored_offs[table->count] = stored;
    table->offs[table->count] = content;
    if (stored != stored_size)
        return error_create(ERROR_BAD_DATA, "seek table describes %llu bytes of frames, the file has %llu",
                            (unsigned long long)stored, (unsigned long long)stored_size);
    if (content > CONTENT_MAX) return error_create(ERROR_BAD_DATA, "seek table promises %llu bytes", (unsigned long long)content);
    return NULL;
}

struct error *zstd_seek_table_init(struct zstd_seek_table *table, struct span file)
{
    struct zstd_seek_table made = { 0 };
    struct span entries = { 0 };
    uint64_t entry_size = 0;
    struct error *err;

    if (!zstd_seek_table_probe(file)) return error_create(ERROR_BAD_DATA, "no seek table");
    TRY(find_entries(file, &entries, &made.count, &entry_size));
    made.stored_offs = calloc(made.count + 1, sizeof(uint64_t));
    made.offs = calloc(made.count + 1, sizeof(uint64_t));
    err = made.stored_offs && made.offs
              ? sum_entries(&made, entries, entry_size, (uint64_t)(entries.data - file.data) - SKIPPABLE_HEADER)
              : &error_enomem;
    if (err) {
        zstd_seek_table_deinit(&made);
        return err;
    }
    *table = made;
    return NULL;
}

void zstd_seek_table_deinit(struct zstd_seek_table *table)
{
    free(table->stored_offs);
    free(table->offs);
    *table = (struct zstd_seek_table) { 0 };
}

struct frame_sizes {
    uint32_t stored, content;
};

struct zstd_seekable_writer {
    int fd;
    ZSTD_CCtx *zstd;
    uint8_t *content; /* ZSTD_SEEKABLE_FRAME bytes, `used` of them taken */
    size_t used;
    uint8_t *stored;
    size_t stored_capacity;
    VEC(struct frame_sizes) frames;
};

struct error *zstd_seekable_writer_create(int fd, int level, struct zstd_seekable_writer **ret)
{
    struct zstd_seekable_writer *writer = calloc(1, sizeof(*writer));

    if (!writer) return &error_enomem;
    writer->fd = fd;
    writer->zstd = ZSTD_createCCtx();
    writer->stored_capacity = ZSTD_compressBound(ZSTD_SEEKABLE_FRAME);
    writer->content = malloc(ZSTD_SEEKABLE_FRAME);
    writer->stored = malloc(writer->stored_capacity);
    if (!writer->zstd || !writer->content || !writer->stored) {
        zstd_seekable_writer_destroy(writer);
        return &error_enomem;
    }
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
    *ret = writer;
    return NULL;
}

void zstd_seekable_writer_destroy(struct zstd_seekable_writer *writer)
{
    if (!writer) return;
    ZSTD_freeCCtx(writer->zstd);
    free(writer->content);
    free(writer->stored);
    vec_deinit(&writer->frames);
    free(writer);
}

static struct error *write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return error_create(ERROR_IO, "cannot write: %s", strerror(errno));
        data += written;
        size -= (size_t)written;
    }
    return NULL;
}

static struct error *write_frame(struct zstd_seekable_writer *writer)
{
    size_t size;

    if (writer->used == 0) return NULL;
    if (writer->frames.count >= FRAMES_MAX) return error_create(ERROR_LIMIT, "a seek table holds %d frames at most", FRAMES_MAX);
    size = ZSTD_compress2(writer->zstd, writer->stored, writer->stored_capacity, writer->content, writer->used);
    if (ZSTD_isError(size)) return error_create(ERROR_IO, "cannot compress: %s", ZSTD_getErrorName(size));
    TRY(write_all(writer->fd, writer->stored, size));
    if (!vec_push(&writer->frames, (struct frame_sizes) { (uint32_t)size, (uint32_t)writer->used })) return &error_enomem;
    writer->used = 0;
    return NULL;
}

struct error *zstd_seekable_writer_append(struct zstd_seekable_writer *writer, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size > 0) {
        size_t part = ZSTD_SEEKABLE_FRAME - writer->used;
        if (part > size) part = size;
        memcpy(writer->content + writer->used, from, part);
        writer->used += part;
        from += part;
        size -= part;
        if (writer->used == ZSTD_SEEKABLE_FRAME) TRY(write_frame(writer));
    }
    return NULL;
}

static void store_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, 4);
}

struct error *zstd_seekable_writer_finish(struct zstd_seekable_writer *writer)
{
    size_t size, table_size;
    struct error *err;
    uint8_t *table;

    TRY(write_frame(writer));
    size = writer->frames.count * 8 + FOOTER_SIZE;
    table_size = SKIPPABLE_HEADER + size;
    table = calloc(1, table_size);
    if (!table) return &error_enomem;
    store_u32(table, SKIPPABLE_MAGIC);
    store_u32(table + 4, (uint32_t)size);
    for (size_t i = 0; i < writer->frames.count; i++) {
        store_u32(table + SKIPPABLE_HEADER + i * 8, writer->frames.data[i].stored);
        store_u32(table + SKIPPABLE_HEADER + i * 8 + 4, writer->frames.data[i].content);
    }
    store_u32(table + table_size - FOOTER_SIZE, (uint32_t)writer->frames.count);
    store_u32(table + table_size - 4, FOOTER_MAGIC);
    err = write_all(writer->fd, table, table_size);
    free(table);
    return err;
}
