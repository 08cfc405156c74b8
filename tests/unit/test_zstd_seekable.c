#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <zstd.h>

#include "dump/zstd_seekable.h"

/* A seekable file of `size` bytes, each of a value that its place tells. */
struct written {
    uint8_t *content, *file;
    size_t content_size, file_size;
};

static void written_init(struct written *written, size_t size, size_t append_size)
{
    struct zstd_seekable_writer *writer;
    int fd = memfd_create("seekable", MFD_CLOEXEC);

    written->content = malloc(size + 1);
    written->content_size = size;
    for (size_t i = 0; i < size; i++)
        written->content[i] = (uint8_t)(i >> 12) ^ (uint8_t)(i * 7);
    assert_null(zstd_seekable_writer_create(fd, 1, &writer));
    for (size_t off = 0; off < size; off += append_size)
        assert_null(
            zstd_seekable_writer_append(writer, written->content + off, size - off < append_size ? size - off : append_size));
    assert_null(zstd_seekable_writer_finish(writer));
    zstd_seekable_writer_destroy(writer);
    written->file_size = (size_t)lseek(fd, 0, SEEK_END);
    written->file = malloc(written->file_size);
    assert_int_equal(pread(fd, written->file, written->file_size, 0), written->file_size);
    close(fd);
}

static void written_deinit(struct written *written)
{
    free(written->content);
    free(written->file);
}

static struct span file_of(const struct written *written)
{
    return (struct span) { written->file, written->file_size };
}

static void any_zstd_can_read_it(void **state)
{
    struct written written;
    uint8_t *content;
    size_t done = 0;

    (void)state;
    written_init(&written, 5000000, 300007);
    content = malloc(5000000);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = { written.file, written.file_size, 0 };
    ZSTD_outBuffer out = { content, 5000000, 0 };
    while (in.pos < in.size) {
        done = ZSTD_decompressStream(zstd, &out, &in);
        assert_false(ZSTD_isError(done));
    }
    assert_int_equal(done, 0);
    assert_int_equal(out.pos, 5000000);
    assert_memory_equal(content, written.content, 5000000);
    ZSTD_freeDCtx(zstd);
    free(content);
    written_deinit(&written);
}

static void the_table_leads_to_each_frame(void **state)
{
    struct written written;
    struct zstd_seek_table table;
    uint8_t *frame = malloc(ZSTD_SEEKABLE_FRAME);

    (void)state;
    written_init(&written, 5000000, 5000000);
    assert_true(zstd_seek_table_probe(file_of(&written)));
    assert_null(zstd_seek_table_init(&table, file_of(&written)));
    assert_int_equal(table.count, 3);
    assert_int_equal(table.offs[3], 5000000);
    for (uint64_t i = 0; i < table.count; i++) {
        size_t size = table.offs[i + 1] - table.offs[i];
        assert_int_equal(ZSTD_decompress(frame, ZSTD_SEEKABLE_FRAME, written.file + table.stored_offs[i],
                                         table.stored_offs[i + 1] - table.stored_offs[i]),
                         size);
        assert_memory_equal(frame, written.content + table.offs[i], size);
    }
    zstd_seek_table_deinit(&table);
    written_deinit(&written);
    free(frame);
}

static void an_empty_file_has_no_frames(void **state)
{
    struct written written;
    struct zstd_seek_table table;

    (void)state;
    written_init(&written, 0, 1);
    assert_null(zstd_seek_table_init(&table, file_of(&written)));
    assert_int_equal(table.count, 0);
    assert_int_equal(table.offs[0], 0);
    zstd_seek_table_deinit(&table);
    written_deinit(&written);
}

/* With checksums in the table, as zstd's own seekable writer can write it. */
static void entries_with_checksums_are_read(void **state)
{
    static const uint8_t file[] = "FRAME"
                                  "\x5e\x2a\x4d\x18"
                                  "\x15\0\0\0"
                                  "\5\0\0\0"
                                  "\x10\0\0\0"
                                  "sum!"
                                  "\1\0\0\0"
                                  "\x80"
                                  "\xb1\xea\x92\x8f";
    struct zstd_seek_table table;

    (void)state;
    assert_null(zstd_seek_table_init(&table, (struct span) { file, sizeof(file) - 1 }));
    assert_int_equal(table.count, 1);
    assert_int_equal(table.offs[1], 16);
    assert_int_equal(table.stored_offs[1], 5);
    zstd_seek_table_deinit(&table);
}

static void assert_damaged(const uint8_t *file, size_t size)
{
    struct zstd_seek_table table;
    struct error *err = zstd_seek_table_init(&table, (struct span) { file, size });

    assert_non_null(err);
    assert_int_equal(err->code, ERROR_BAD_DATA);
    error_destroy(err);
}

/* Content sizes are free; every other byte of the table must agree with the rest. */
static void every_wrong_byte_of_the_table_is_seen(void **state)
{
    struct written written;
    size_t table_size = 8 + 2 * 8 + 9;

    (void)state;
    written_init(&written, 3000000, 3000000);
    for (size_t i = 0; i < table_size; i++) {
        uint8_t *at = written.file + written.file_size - table_size + i;
        if (i >= 8 && i < 24 && (i - 8) % 8 >= 4) continue;
        if (i == 28) continue; /* flags: two bits are unused */
        *at ^= 0x41;
        assert_damaged(written.file, written.file_size);
        *at ^= 0x41;
    }
    written_deinit(&written);
}

static void every_cut_is_seen(void **state)
{
    struct written written;

    (void)state;
    written_init(&written, 1000, 1000);
    for (size_t size = 0; size < written.file_size; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, written.file + written.file_size - size, size); /* the front is gone: the footer is there */
        assert_damaged(cut, size);
        assert_damaged(written.file, size);
        free(cut);
    }
    written_deinit(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_zstd_can_read_it),
        cmocka_unit_test(the_table_leads_to_each_frame),
        cmocka_unit_test(an_empty_file_has_no_frames),
        cmocka_unit_test(entries_with_checksums_are_read),
        cmocka_unit_test(every_wrong_byte_of_the_table_is_seen),
        cmocka_unit_test(every_cut_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
