#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "dump/byte_file.h"
#include "dump/zstd_seekable.h"

/* Content that no container's magic begins: noise, a run of zeros (a hole of the spooled file), noise. */
enum { CONTENT_SIZE = 700001, HOLE_START = 100000, HOLE_END = 500000, STORED_MAX = 2 << 20 };
static uint8_t content[CONTENT_SIZE];

static int make_content(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (size_t i = 0; i < CONTENT_SIZE; i++) {
        random = random * 1664525 + 1013904223;
        content[i] = i >= HOLE_START && i < HOLE_END ? 0 : (uint8_t)(random >> 26);
    }
    content[0] = 'x';
    return 0;
}

/* ---- one encoder a container ---- */

static size_t encode_plain(const uint8_t *from, size_t size, uint8_t *to)
{
    memcpy(to, from, size);
    return size;
}

static size_t encode_zstd(const uint8_t *from, size_t size, uint8_t *to)
{
    return ZSTD_compress(to, STORED_MAX, from, size, 1);
}

static size_t encode_gzip(const uint8_t *from, size_t size, uint8_t *to)
{
    z_stream stream = { .next_in = (Bytef *)from, .avail_in = (uInt)size, .next_out = to, .avail_out = STORED_MAX };

    deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return stream.total_out;
}

static size_t encode_lz4(const uint8_t *from, size_t size, uint8_t *to)
{
    return LZ4F_compressFrame(to, STORED_MAX, from, size, NULL);
}

static size_t encode_xz(const uint8_t *from, size_t size, uint8_t *to)
{
    size_t used = 0;

    lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, from, size, to, &used, STORED_MAX);
    return used;
}

static const struct container {
    const char *name;
    size_t (*encode)(const uint8_t *from, size_t size, uint8_t *to);
} containers[] = {
    { "plain", encode_plain }, { "zstd", encode_zstd }, { "gzip", encode_gzip }, { "lz4", encode_lz4 }, { "xz", encode_xz },
};
enum { CONTAINERS = sizeof(containers) / sizeof(containers[0]) };

/* ---- a file on disk, opened ---- */

struct opened {
    char path[64];
    struct byte_file *file;
    struct gaps gaps;
    struct error *err;
};

static int create_file(char path[64], const uint8_t *stored, size_t size)
{
    int fd;

    strcpy(path, P_tmpdir "/clrtrail-test-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, stored, size), size);
    return fd;
}

static void opened_init(struct opened *opened, const uint8_t *stored, size_t size)
{
    *opened = (struct opened) { 0 };
    gaps_init(&opened->gaps);
    close(create_file(opened->path, stored, size));
    opened->err = byte_file_open(opened->path, &opened->gaps, NULL, &opened->file);
}

static void opened_deinit(struct opened *opened)
{
    unlink(opened->path);
    byte_file_close(opened->file);
    error_destroy(opened->err);
    gaps_deinit(&opened->gaps);
}

static void assert_content(struct byte_file *file, size_t size)
{
    assert_int_equal(file->bytes.size, size);
    assert_true(byte_file_ensure(file, 0, size));
    assert_memory_equal(file->bytes.data, content, size);
}

static void each_container_gives_the_content(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 0; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        opened_init(&opened, stored, size);
        assert_null(opened.err);
        assert_string_equal(opened.file->container, containers[i].name);
        assert_int_equal(opened.file->stored_size, size);
        assert_false(opened.file->truncated);
        assert_int_equal(opened.gaps.list.count, 0);
        assert_content(opened.file, CONTENT_SIZE);
        opened_deinit(&opened);
    }
    free(stored);
}

static void frames_may_follow_each_other(void **state)
{
    uint8_t *stored = malloc(2 * STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, 150000, stored);
        size += containers[i].encode(content + 150000, CONTENT_SIZE - 150000, stored + size);
        opened_init(&opened, stored, size);
        assert_null(opened.err);
        assert_content(opened.file, CONTENT_SIZE);
        assert_int_equal(opened.gaps.list.count, 0);
        opened_deinit(&opened);
    }
    free(stored);
}

/* Zeros are padding of tapes and of xz; anything else is worth a word. */
static void what_follows_the_last_frame_is_ignored(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        memset(stored + size, 0, 8);
        opened_init(&opened, stored, size + 8);
        assert_content(opened.file, CONTENT_SIZE);
        assert_int_equal(opened.gaps.list.count, 0);
        opened_deinit(&opened);
        memcpy(stored + size + 8, "more", 4);
        opened_init(&opened, stored, size + 12);
        assert_content(opened.file, CONTENT_SIZE);
        assert_false(opened.file->truncated);
        assert_int_equal(opened.gaps.list.count, 1);
        opened_deinit(&opened);
    }
    free(stored);
}

static void a_cut_stream_gives_what_there_was(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        for (size_t cut = 1; cut < size - 8 /* the magic stays */; cut += size / 23) {
            struct opened opened;
            opened_init(&opened, stored, size - cut);
            assert_true((opened.err != NULL) != (opened.file != NULL));
            if (opened.file) {
                assert_true(opened.file->truncated);
                assert_int_equal(opened.gaps.list.count, 1);
                assert_content(opened.file, opened.file->bytes.size);
            }
            opened_deinit(&opened);
        }
    }
    free(stored);
}

static void a_cut_near_the_end_loses_little(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        opened_init(&opened, stored, size - 40);
        assert_null(opened.err);
        assert_true(opened.file->bytes.size > CONTENT_SIZE - 150000); /* zstd and lz4 lose a block */
        opened_deinit(&opened);
    }
    free(stored);
}

static void damage_in_the_middle_is_a_gap(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        memset(stored + size * 9 / 10, 0xff, 40);
        opened_init(&opened, stored, size);
        assert_true(opened.err || opened.file->truncated || opened.file->bytes.size == CONTENT_SIZE);
        if (!opened.err && opened.file->truncated) assert_int_equal(opened.gaps.list.count, 1);
        opened_deinit(&opened);
    }
    free(stored);
}

static void damage_at_the_front_is_an_error(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 1; i < CONTAINERS; i++) {
        struct opened opened;
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        memset(stored + 6, 0xff, 40);
        opened_init(&opened, stored, size);
        assert_non_null(opened.err);
        assert_int_equal(opened.err->code, ERROR_BAD_DATA);
        opened_deinit(&opened);
    }
    free(stored);
}

static void an_empty_file_is_empty(void **state)
{
    struct opened opened;

    (void)state;
    opened_init(&opened, content, 0);
    assert_null(opened.err);
    assert_int_equal(opened.file->bytes.size, 0);
    opened_deinit(&opened);
}

/* ---- seekable zstd ---- */

static size_t encode_seekable(uint8_t *to, size_t size)
{
    struct zstd_seekable_writer *writer;
    char path[64];
    int fd = create_file(path, NULL, 0);

    assert_null(zstd_seekable_writer_create(fd, 1, &writer));
    for (size_t off = 0; off < size; off += CONTENT_SIZE)
        assert_null(zstd_seekable_writer_append(writer, content, size - off < CONTENT_SIZE ? size - off : CONTENT_SIZE));
    assert_null(zstd_seekable_writer_finish(writer));
    zstd_seekable_writer_destroy(writer);
    size = (size_t)pread(fd, to, 4 * STORED_MAX, 0);
    close(fd);
    unlink(path);
    return size;
}

enum { SEEKABLE_SIZE = 9 * CONTENT_SIZE }; /* four frames */

static void assert_bytes(const struct byte_file *file, uint64_t off, uint64_t size)
{
    for (uint64_t i = off; i < off + size; i++)
        assert_int_equal(file->bytes.data[i], content[i % CONTENT_SIZE]);
}

static void a_seekable_file_is_decompressed_where_it_is_touched(void **state)
{
    uint8_t *stored = malloc(4 * STORED_MAX);
    struct opened opened;
    const uint64_t edge = 2 * ZSTD_SEEKABLE_FRAME;

    (void)state;
    opened_init(&opened, stored, encode_seekable(stored, SEEKABLE_SIZE));
    assert_null(opened.err);
    assert_string_equal(opened.file->container, "zstd-seekable");
    assert_int_equal(opened.file->bytes.size, SEEKABLE_SIZE);
    assert_true(byte_file_ensure(opened.file, edge - 10, 20));
    assert_bytes(opened.file, edge - 10, 20);
    assert_int_equal(opened.file->bytes.data[0], 0); /* frame 0 was not asked for */
    assert_true(byte_file_ensure(opened.file, 0, SEEKABLE_SIZE));
    assert_bytes(opened.file, 0, SEEKABLE_SIZE);
    assert_true(byte_file_ensure(opened.file, SEEKABLE_SIZE, 0));
    assert_false(byte_file_ensure(opened.file, SEEKABLE_SIZE, 1));
    assert_false(byte_file_ensure(opened.file, 1, UINT64_MAX));
    opened_deinit(&opened);
    free(stored);
}

static void *ensure_everything(void *user)
{
    struct byte_file *file = user;

    for (uint64_t off = 0; off < file->bytes.size; off += 4096) {
        uint64_t size = file->bytes.size - off < 4096 ? file->bytes.size - off : 4096;
        if (!byte_file_ensure(file, off, size)) return file;
        if (file->bytes.data[off] != content[off % CONTENT_SIZE]) return file;
    }
    return NULL;
}

static void many_threads_may_touch_a_seekable_file(void **state)
{
    uint8_t *stored = malloc(4 * STORED_MAX);
    struct opened opened;
    pthread_t threads[4];

    (void)state;
    opened_init(&opened, stored, encode_seekable(stored, SEEKABLE_SIZE));
    assert_null(opened.err);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ensure_everything, opened.file), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    opened_deinit(&opened);
    free(stored);
}

static void a_damaged_frame_costs_that_frame(void **state)
{
    uint8_t *stored = malloc(4 * STORED_MAX);
    struct opened opened;
    size_t size = encode_seekable(stored, SEEKABLE_SIZE);

    (void)state;
    memset(stored + size / 2, 0xff, 30);
    opened_init(&opened, stored, size);
    assert_null(opened.err);
    assert_false(byte_file_ensure(opened.file, 0, SEEKABLE_SIZE));
    assert_false(byte_file_ensure(opened.file, 0, SEEKABLE_SIZE));
    assert_int_equal(opened.gaps.list.count, 1);
    assert_int_equal(opened.gaps.list.data[0].count, 1);
    assert_true(byte_file_ensure(opened.file, 0, 4096));
    assert_bytes(opened.file, 0, 4096);
    opened_deinit(&opened);
    free(stored);
}

static void a_damaged_seek_table_costs_the_laziness(void **state)
{
    uint8_t *stored = malloc(4 * STORED_MAX);
    struct opened opened;
    size_t size = encode_seekable(stored, SEEKABLE_SIZE);

    (void)state;
    stored[size - 9]++; /* the number of frames */
    opened_init(&opened, stored, size);
    assert_null(opened.err);
    assert_string_equal(opened.file->container, "zstd");
    assert_false(opened.file->truncated);
    assert_int_equal(opened.gaps.list.count, 1);
    assert_bytes(opened.file, 0, SEEKABLE_SIZE);
    opened_deinit(&opened);
    free(stored);
}

/* ---- places ---- */

static void a_pipe_is_spooled(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);

    (void)state;
    for (size_t i = 0; i < CONTAINERS; i++) {
        size_t size = containers[i].encode(content, CONTENT_SIZE, stored);
        struct byte_file *file;
        char path[64];
        int ends[2];
        pid_t child;
        assert_int_equal(pipe(ends), 0);
        child = fork();
        if (child == 0) {
            close(ends[0]);
            for (size_t off = 0; off < size; off += 5000)
                if (write(ends[1], stored + off, size - off < 5000 ? size - off : 5000) < 0) _exit(1);
            _exit(0);
        }
        close(ends[1]);
        snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
        assert_null(byte_file_open(path, NULL, NULL, &file));
        assert_string_equal(file->container, containers[i].name);
        assert_int_equal(file->stored_size, size);
        assert_content(file, CONTENT_SIZE);
        byte_file_close(file);
        close(ends[0]);
        waitpid(child, NULL, 0);
    }
    free(stored);
}

static void assert_refused(const char *path, const char *message_part)
{
    struct byte_file *file = NULL;
    struct error *err = byte_file_open(path, NULL, NULL, &file);

    assert_non_null(err);
    assert_non_null(strstr(error_message(err), message_part));
    assert_null(file);
    error_destroy(err);
}

static void errors_say_what_to_do(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);
    char path[64];

    (void)state;
    assert_refused("/", "directory");
    assert_refused("/no/such/file", "No such file");
    close(create_file(path, stored, encode_gzip(content, CONTENT_SIZE, stored)));
    setenv("TMPDIR", "/no/such/folder", 1);
    assert_refused(path, "set TMPDIR");
    unsetenv("TMPDIR");
    unlink(path);
    free(stored);
}

/* Nothing of the spooled content is left behind, and zeros took no room. */
static void the_spooled_file_has_no_name(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);
    char folder[] = P_tmpdir "/clrtrail-test-XXXXXX";
    struct opened opened;

    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("TMPDIR", folder, 1);
    opened_init(&opened, stored, encode_zstd(content, CONTENT_SIZE, stored));
    unsetenv("TMPDIR");
    assert_null(opened.err);
    assert_int_equal(rmdir(folder), 0); /* it is empty while the file is open */
    assert_content(opened.file, CONTENT_SIZE);
    opened_deinit(&opened);
    free(stored);
}

static void cancelling_ends_the_decompression(void **state)
{
    uint8_t *stored = malloc(STORED_MAX);
    struct progress progress = { .cancelled = true };
    struct byte_file *file = NULL;
    struct error *err;
    char path[64];

    (void)state;
    close(create_file(path, stored, encode_gzip(content, CONTENT_SIZE, stored)));
    err = byte_file_open(path, NULL, &progress, &file);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_CANCELLED);
    error_destroy(err);
    unlink(path);
    free(stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_container_gives_the_content),
        cmocka_unit_test(frames_may_follow_each_other),
        cmocka_unit_test(what_follows_the_last_frame_is_ignored),
        cmocka_unit_test(a_cut_stream_gives_what_there_was),
        cmocka_unit_test(a_cut_near_the_end_loses_little),
        cmocka_unit_test(damage_in_the_middle_is_a_gap),
        cmocka_unit_test(damage_at_the_front_is_an_error),
        cmocka_unit_test(an_empty_file_is_empty),
        cmocka_unit_test(a_seekable_file_is_decompressed_where_it_is_touched),
        cmocka_unit_test(many_threads_may_touch_a_seekable_file),
        cmocka_unit_test(a_damaged_frame_costs_that_frame),
        cmocka_unit_test(a_damaged_seek_table_costs_the_laziness),
        cmocka_unit_test(a_pipe_is_spooled),
        cmocka_unit_test(errors_say_what_to_do),
        cmocka_unit_test(the_spooled_file_has_no_name),
        cmocka_unit_test(cancelling_ends_the_decompression),
    };
    return cmocka_run_group_tests(tests, make_content, NULL);
}
