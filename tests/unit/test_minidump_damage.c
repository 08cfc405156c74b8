/* Minidumps that are cut, that lie, and that come piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/minidump.h"
#include "support/minidump_opened.h"

static const struct writer_thread threads[] = {
    { .id = 0x24, .teb = 0x67fe0000, .ip = 0x7ffa11112222, .sp = 0x21000, .name = "main" },
    { .id = 0x110, .teb = 0x67fd0000, .ip = 0x7ffa11113333, .sp = 0x31000, .name = "worker" },
};
static const struct writer_module modules[] = {
    { 0x140000000, 0x2d000, 0x6ada0000, "C:\\app\\his.exe", { 1, 0, 0, 0 }, "his.pdb" },
    { 0x7ffa00000000, 0x47a000, 0x6adaee43, "C:\\app\\coreclr.dll", { 10, 0, 1426, 52326 }, "D:\\b\\coreclr.pdb" },
};
static const struct writer_region regions[] = {
    { 0, 0x20000, 0, 0x10000, 0x1, 0 },
    { 0x20000, 0x400, 0x20000, 0x1000, 0x4, 0x20000 },
};
static const struct writer_memory memory[] = { { 0x20000, 0x80, NULL }, { 0x20100, 0x80, NULL } };

static const struct writer_process process = {
    .architecture = 9,
    .pid = 4711,
    .timestamp = 1795319195,
    .flags = 0x61826,
    .threads = threads,
    .thread_count = 2,
    .modules = modules,
    .module_count = 2,
    .regions = regions,
    .region_count = 2,
    .memory = memory,
    .memory_count = 2,
    .exception_thread = 0x110,
};

/* An opened copy of exactly its size, so that the address sanitizer sees each byte read too far. */
struct copy {
    uint8_t *bytes;
    struct minidump_opened o;
};

static void copy_open(struct copy *copy, const struct minidump_writer *w, size_t size)
{
    copy->bytes = malloc(size ? size : 1);
    assert_non_null(copy->bytes);
    memcpy(copy->bytes, w->bytes.data, size);
    minidump_opened_init(&copy->o, (struct span) { copy->bytes, size });
    assert_true(minidump_opened_is_sound(&copy->o));
}

static void copy_close(struct copy *copy)
{
    minidump_opened_deinit(&copy->o);
    free(copy->bytes);
}

/* ---- cut files ---- */

static void dump_cut_in_its_header_is_refused(void **state)
{
    struct minidump_writer w;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    for (size_t size = 0; size < MINIDUMP_HEADER_SIZE + 12; size++) {
        struct copy copy;
        copy_open(&copy, &w, size);
        assert_non_null(copy.o.err);
        assert_int_equal(copy.o.err->code, ERROR_BAD_DATA);
        copy_close(&copy);
    }
    minidump_writer_deinit(&w);
}

static void check_cut(const struct minidump_writer *w, bool refused_ok)
{
    for (size_t size = MINIDUMP_HEADER_SIZE; size < w->bytes.count; size++) {
        struct copy copy;
        copy_open(&copy, w, size);
        if (copy.o.err)
            assert_true(refused_ok && !copy.o.dump.threads.count);
        else
            assert_true(copy.o.dump.truncated && copy.o.gaps.list.count);
        copy_close(&copy);
    }
}

static void dump_cut_at_any_byte_says_so(void **state)
{
    struct writer_process p = process;
    struct minidump_writer w;

    (void)state;
    minidump_writer_dbgcore(&w, &p);
    check_cut(&w, true);
    minidump_writer_deinit(&w);
    minidump_writer_wine(&w, &p);
    check_cut(&w, true);
    minidump_writer_deinit(&w);
    p.flags = 0x41a25;
    minidump_writer_dbgcore(&w, &p);
    check_cut(&w, true);
    minidump_writer_deinit(&w);
}

static void what_lies_before_the_cut_is_read(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_wine(&w, &process);
    copy_open(&copy, &w, w.bytes.count - 0xa0);
    assert_null(copy.o.err);
    assert_int_equal(copy.o.dump.threads.count, 2);
    assert_int_equal(copy.o.dump.modules.count, 2);
    assert_int_equal(copy.o.dump.ranges.data[0].end, 0x20080);
    assert_int_equal(copy.o.dump.ranges.data[0].file_size, 0x60);
    assert_int_equal(copy.o.dump.ranges.data[1].file_size, 0);
    assert_true(minidump_opened_has_gap(&copy.o, "memory of the process"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

/* ---- the directory ---- */

static void directory_entry_at_itself_is_harmless(void **state)
{
    static const uint32_t types[] = { 3, 4, 5, 6, 7, 9, 12, 14, 15, 16, 17, 24 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        struct minidump_writer w;
        struct copy copy;
        minidump_writer_init(&w, MINIDUMP_VERSION, 0x2, 4);
        minidump_writer_entry(&w, types[i], MINIDUMP_HEADER_SIZE, 48);
        minidump_writer_misc_info(&w, 1364, 1);
        copy_open(&copy, &w, w.bytes.count);
        assert_null(copy.o.err);
        copy_close(&copy);
        minidump_writer_deinit(&w);
    }
}

static void directory_over_the_header_is_harmless(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    minidump_writer_patch_u32(&w, 12, 0);
    copy_open(&copy, &w, w.bytes.count);
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

static void directory_longer_than_the_file_is_a_gap(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    minidump_writer_patch_u32(&w, 8, UINT32_MAX);
    copy_open(&copy, &w, w.bytes.count);
    assert_null(copy.o.err);
    assert_int_equal(copy.o.dump.modules.count, 2);
    assert_true(minidump_opened_has_gap(&copy.o, "streams of the minidump"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

static void of_two_streams_of_a_type_the_first_is_read(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 4);
    minidump_writer_entry(&w, MINIDUMP_MISC_INFO, 0, 0);
    minidump_writer_misc_info(&w, 24, 1);
    minidump_writer_misc_info(&w, 24, 2);
    copy_open(&copy, &w, w.bytes.count);
    assert_int_equal(copy.o.dump.pid, 1);
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

static void streams_may_share_their_bytes(void **state)
{
    struct minidump_writer w;
    struct copy copy;
    uint32_t off;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    off = minidump_writer_find(&w, MINIDUMP_MODULE_LIST);
    for (uint32_t entry = 0; entry < w.entries_used; entry++)
        minidump_writer_patch_u32(&w, MINIDUMP_HEADER_SIZE + 12 * entry + 8, off + entry);
    copy_open(&copy, &w, w.bytes.count);
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

static void unknown_version_is_read_and_told(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    minidump_writer_patch_u32(&w, 4, 0x1234);
    copy_open(&copy, &w, w.bytes.count);
    assert_null(copy.o.err);
    assert_int_equal(copy.o.dump.threads.count, 2);
    assert_true(minidump_opened_has_gap(&copy.o, "minidump"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

/* ---- lists that lie ---- */

static void count_that_lies_costs_only_the_lie(void **state)
{
    static const struct {
        uint32_t type, count_off;
        const char *gap; /* NULL: the list is not read when a dump is opened */
    } rows[] = {
        { MINIDUMP_THREAD_LIST, 0, "threads" },
        { MINIDUMP_MODULE_LIST, 0, "modules" },
        { MINIDUMP_THREAD_INFO_LIST, 8, "thread information" },
        { MINIDUMP_THREAD_NAMES, 0, "thread names" },
        { MINIDUMP_MEMORY64_LIST, 4, "list of memory" },
        { MINIDUMP_MEMORY_INFO_LIST, 12, "list of regions" },
        { MINIDUMP_HANDLE_DATA, 8, NULL },
        { MINIDUMP_UNLOADED_MODULE_LIST, 8, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct minidump_writer w;
        struct copy copy;
        minidump_writer_dbgcore(&w, &process);
        minidump_writer_patch_u32(&w, minidump_writer_find(&w, rows[i].type) + rows[i].count_off, UINT32_MAX);
        copy_open(&copy, &w, w.bytes.count);
        assert_null(copy.o.err);
        assert_true(copy.o.dump.threads.count >= 2);
        assert_true(copy.o.dump.modules.count >= 2);
        assert_true(!rows[i].gap || minidump_opened_has_gap(&copy.o, rows[i].gap));
        copy_close(&copy);
        minidump_writer_deinit(&w);
    }
}

static void record_size_that_lies_costs_only_its_list(void **state)
{
    static const uint32_t types[] = { MINIDUMP_MEMORY_INFO_LIST, MINIDUMP_THREAD_INFO_LIST };
    static const uint32_t sizes[] = { 0, 1, 47, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct minidump_writer w;
        struct copy copy;
        minidump_writer_dbgcore(&w, &process);
        minidump_writer_patch_u32(&w, minidump_writer_find(&w, types[i / 4]) + 4, sizes[i % 4]);
        copy_open(&copy, &w, w.bytes.count);
        assert_null(copy.o.err);
        assert_int_equal(copy.o.dump.threads.count, 2);
        assert_true(copy.o.dump.ranges.count >= 2);
        assert_true(copy.o.gaps.list.count > 0);
        copy_close(&copy);
        minidump_writer_deinit(&w);
    }
}

static void records_may_be_longer_than_we_know(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_list list;
    uint32_t off;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 1);
    off = minidump_writer_u32(&w, 24);
    minidump_writer_u32(&w, 56);
    minidump_writer_u64(&w, 2);
    minidump_writer_u64(&w, 0);
    minidump_writer_u64(&w, 0x10000);
    minidump_writer_put(&w, NULL, 48);
    minidump_writer_u64(&w, 0x20000);
    minidump_writer_put(&w, NULL, 48);
    minidump_writer_stream(&w, MINIDUMP_MEMORY_INFO_LIST, off);
    assert_null(minidump_parse(minidump_writer_span(&w), NULL, NULL, &md));
    assert_true(minidump_list(&md, MINIDUMP_MEMORY_INFO_LIST, &list));
    assert_int_equal(list.count, 2);
    assert_int_equal(minidump_memory_info(&list, 1).base, 0x20000);
    minidump_writer_deinit(&w);
}

static void range_size_that_lies_takes_the_bytes_behind_it_away(void **state)
{
    static const uint64_t sizes[] = { 0x100000000, UINT64_MAX, UINT64_MAX - 0x20000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct minidump_writer w;
        struct copy copy;
        minidump_writer_wine(&w, &process);
        minidump_writer_patch_u64(&w, minidump_writer_find(&w, MINIDUMP_MEMORY64_LIST) + 24, sizes[i]);
        copy_open(&copy, &w, w.bytes.count);
        assert_null(copy.o.err);
        assert_true(copy.o.dump.truncated);
        copy_close(&copy);
        minidump_writer_deinit(&w);
    }
}

static void base_of_the_memory_outside_of_the_file_is_a_gap(void **state)
{
    struct minidump_writer w;
    struct copy copy;

    (void)state;
    minidump_writer_wine(&w, &process);
    minidump_writer_patch_u64(&w, minidump_writer_find(&w, MINIDUMP_MEMORY64_LIST) + 8, UINT64_MAX - 8);
    copy_open(&copy, &w, w.bytes.count);
    assert_int_equal(copy.o.dump.ranges.count, 2);
    assert_int_equal(copy.o.dump.ranges.data[0].file_size, 0);
    assert_true(minidump_opened_has_gap(&copy.o, "memory of the process"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

/* ---- strings ---- */

static void string_outside_of_the_file_is_a_gap(void **state)
{
    static const uint32_t offsets[] = { 0, UINT32_MAX, 0x7fffffff };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct minidump_writer w;
        struct copy copy;
        minidump_writer_dbgcore(&w, &process);
        minidump_writer_patch_u32(&w, minidump_writer_find(&w, MINIDUMP_MODULE_LIST) + 4 + 20, offsets[i]);
        copy_open(&copy, &w, w.bytes.count);
        assert_string_equal(copy.o.dump.modules.data[0].path, "");
        assert_string_equal(copy.o.dump.modules.data[1].path, "C:\\app\\coreclr.dll");
        assert_true(minidump_opened_has_gap(&copy.o, "name of a native module"));
        copy_close(&copy);
        minidump_writer_deinit(&w);
    }
}

static void string_longer_than_the_file_is_a_gap(void **state)
{
    struct minidump_writer w;
    struct copy copy;
    uint32_t name;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    name = load_u32(w.bytes.data + minidump_writer_find(&w, MINIDUMP_MODULE_LIST) + 4 + 20);
    minidump_writer_patch_u32(&w, name, UINT32_MAX);
    copy_open(&copy, &w, w.bytes.count);
    assert_string_equal(copy.o.dump.modules.data[0].path, "");
    assert_true(minidump_opened_has_gap(&copy.o, "name of a native module"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

static void odd_string_length_is_rounded_down(void **state)
{
    struct minidump_writer w;
    struct copy copy;
    uint32_t name;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    name = load_u32(w.bytes.data + minidump_writer_find(&w, MINIDUMP_MODULE_LIST) + 4 + 20);
    minidump_writer_patch_u32(&w, name, 5);
    copy_open(&copy, &w, w.bytes.count);
    assert_string_equal(copy.o.dump.modules.data[0].path, "C:");
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

/* 2,000 modules that all name the same 60 KB would be 120 MB of names from a file of 0.3 MB. */
static void shared_strings_cannot_outgrow_the_file(void **state)
{
    enum { COUNT = 2000, LENGTH = 60000 };
    struct minidump_writer w;
    struct copy copy;
    uint32_t list, name;
    size_t total = 0;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 1);
    list = minidump_writer_u32(&w, COUNT);
    minidump_writer_put(&w, NULL, COUNT * 108);
    minidump_writer_stream(&w, MINIDUMP_MODULE_LIST, list);
    name = minidump_writer_u32(&w, LENGTH);
    for (int i = 0; i < LENGTH / 2; i++)
        minidump_writer_u16(&w, 'x');
    for (uint32_t i = 0; i < COUNT; i++)
        minidump_writer_patch_u32(&w, list + 4 + i * 108 + 20, name);
    copy_open(&copy, &w, w.bytes.count);
    assert_int_equal(copy.o.dump.modules.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        total += strlen(copy.o.dump.modules.data[i].path);
    assert_true(total <= w.bytes.count);
    assert_true(minidump_opened_has_gap(&copy.o, "name of a native module"));
    copy_close(&copy);
    minidump_writer_deinit(&w);
}

/* ---- noise, and files that come piece by piece ---- */

static void any_byte_may_be_wrong(void **state)
{
    static const uint8_t values[] = { 0x00, 0x7f, 0xff };
    struct minidump_writer w;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    for (size_t i = 0; i < w.bytes.count; i++) {
        uint8_t kept = w.bytes.data[i];
        for (size_t k = 0; k < sizeof(values); k++) {
            struct copy copy;
            w.bytes.data[i] = values[k];
            copy_open(&copy, &w, w.bytes.count);
            copy_close(&copy);
        }
        w.bytes.data[i] = kept;
    }
    minidump_writer_deinit(&w);
}

struct lazy {
    struct byte_file file;
    struct span all;
    uint8_t *shown;
    bool refuse;
};

/* Bytes read as 0xee until they are asked for. */
static bool lazy_ensure(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct lazy *lazy = file->state;

    if (lazy->refuse && off >= MINIDUMP_HEADER_SIZE + 17 * 12) return false;
    memcpy(lazy->shown + off, lazy->all.data + off, size);
    return true;
}

static void lazy_init(struct lazy *lazy, const struct minidump_writer *w)
{
    *lazy = (struct lazy) { .all = minidump_writer_span(w) };
    lazy->shown = malloc(lazy->all.size);
    assert_non_null(lazy->shown);
    memset(lazy->shown, 0xee, lazy->all.size);
    memcpy(lazy->shown, lazy->all.data, 4);
    lazy->file = (struct byte_file) { .bytes = { lazy->shown, lazy->all.size }, .ensure = lazy_ensure, .state = lazy };
}

static struct error *open_lazy(struct lazy *lazy, struct minidump_opened *opened)
{
    memset(opened, 0, sizeof(*opened));
    opened->dump.file = &lazy->file;
    arena_init(&opened->dump.arena);
    gaps_init(&opened->gaps);
    return dump_format_minidump.open(&opened->dump, &opened->gaps);
}

static void bytes_are_asked_for_before_they_are_read(void **state)
{
    struct minidump_opened o;
    struct minidump_writer w;
    struct lazy lazy;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    lazy_init(&lazy, &w);
    assert_null(open_lazy(&lazy, &o));
    assert_int_equal(o.gaps.list.count, 0);
    assert_int_equal(o.dump.pid, 4711);
    assert_int_equal(o.dump.threads.data[1].ip, 0x7ffa11113333);
    assert_string_equal(o.dump.threads.data[1].name, "worker");
    assert_string_equal(o.dump.modules.data[1].path, "C:\\app\\coreclr.dll");
    assert_int_equal(o.dump.modules.data[1].build_id_size, 20);
    assert_int_equal(lazy.shown[w.bytes.count - 1], 0xee); /* the memory itself is left alone */
    minidump_opened_deinit(&o);
    free(lazy.shown);
    minidump_writer_deinit(&w);
}

static void bytes_that_cannot_be_had_are_gaps(void **state)
{
    struct minidump_opened o;
    struct minidump_writer w;
    struct lazy lazy;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    lazy_init(&lazy, &w);
    lazy.refuse = true;
    assert_null(open_lazy(&lazy, &o));
    assert_int_equal(o.dump.threads.count, 0);
    assert_true(o.gaps.list.count > 0);
    minidump_opened_deinit(&o);
    free(lazy.shown);
    minidump_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump_cut_in_its_header_is_refused),
        cmocka_unit_test(dump_cut_at_any_byte_says_so),
        cmocka_unit_test(what_lies_before_the_cut_is_read),
        cmocka_unit_test(directory_entry_at_itself_is_harmless),
        cmocka_unit_test(directory_over_the_header_is_harmless),
        cmocka_unit_test(directory_longer_than_the_file_is_a_gap),
        cmocka_unit_test(of_two_streams_of_a_type_the_first_is_read),
        cmocka_unit_test(streams_may_share_their_bytes),
        cmocka_unit_test(unknown_version_is_read_and_told),
        cmocka_unit_test(count_that_lies_costs_only_the_lie),
        cmocka_unit_test(record_size_that_lies_costs_only_its_list),
        cmocka_unit_test(records_may_be_longer_than_we_know),
        cmocka_unit_test(range_size_that_lies_takes_the_bytes_behind_it_away),
        cmocka_unit_test(base_of_the_memory_outside_of_the_file_is_a_gap),
        cmocka_unit_test(string_outside_of_the_file_is_a_gap),
        cmocka_unit_test(string_longer_than_the_file_is_a_gap),
        cmocka_unit_test(odd_string_length_is_rounded_down),
        cmocka_unit_test(shared_strings_cannot_outgrow_the_file),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(bytes_are_asked_for_before_they_are_read),
        cmocka_unit_test(bytes_that_cannot_be_had_are_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
