#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dump/minidump_overlay.h"
#include "formats/minidump.h"
#include "support/minidump_opened.h"

enum { COMMIT = 0x1000, RESERVE = 0x2000, FREE = 0x10000, PRIVATE = 0x20000, MAPPED = 0x40000, IMAGE = 0x1000000 };

/* ---- ranges made flat ---- */

static uint32_t random_below(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % bound;
}

enum { SPACE = 512, RANGES = 60 };

/* For every address the first range that holds it, -1 if none. */
static void plain_flatten(const struct overlay_range *ranges, size_t count, int owner[SPACE])
{
    for (int addr = 0; addr < SPACE; addr++) {
        owner[addr] = -1;
        for (size_t i = 0; i < count && owner[addr] < 0; i++)
            if (ranges[i].start <= (uint64_t)addr && (uint64_t)addr < ranges[i].end) owner[addr] = (int)i;
    }
}

static void check_parts(const struct overlay_parts *parts, const int owner[SPACE])
{
    uint64_t addr = 0;

    for (size_t i = 0; i < parts->count; i++) {
        for (; addr < parts->data[i].start; addr++)
            assert_int_equal(owner[addr], -1);
        for (; addr < parts->data[i].end; addr++)
            assert_int_equal(owner[addr], parts->data[i].source);
    }
    for (; addr < SPACE; addr++)
        assert_int_equal(owner[addr], -1);
}

static void flat_ranges_equal_a_plain_array(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct overlay_range ranges[RANGES];
        struct overlay_parts parts;
        int owner[SPACE];
        uint32_t random = seed;
        size_t count = random_below(&random, RANGES);
        for (size_t i = 0; i < count; i++) {
            uint64_t start = random_below(&random, SPACE - 1), room = SPACE - start;
            ranges[i] = (struct overlay_range) { .start = start,
                                                 .end = start + 1 + random_below(&random, room < 40 ? (uint32_t)room : 40) };
        }
        plain_flatten(ranges, count, owner);
        assert_null(overlay_flatten(ranges, count, &parts));
        assert_true(parts.count <= 2 * count);
        check_parts(&parts, owner);
        vec_deinit(&parts);
    }
}

static void flat_ranges_reach_both_ends_of_the_address_space(void **state)
{
    static const struct overlay_range ranges[] = { { 10, UINT64_MAX, 0, 0 }, { 0, 20, 0, 0 } };
    struct overlay_parts parts;

    (void)state;
    assert_null(overlay_flatten(ranges, 2, &parts));
    assert_int_equal(parts.count, 2);
    assert_int_equal(parts.data[0].start, 0);
    assert_int_equal(parts.data[0].end, 10);
    assert_int_equal(parts.data[0].source, 1);
    assert_true(parts.data[1].end == UINT64_MAX);
    vec_deinit(&parts);
}

/* ---- regions and content ---- */

struct expected {
    uint64_t start, end, file_size;
    uint8_t state;
};

struct fixture {
    struct minidump_writer w;
    struct minidump_opened o;
};

static void open_memory(struct fixture *f, uint64_t flags, const struct writer_region *regions, size_t region_count,
                        const struct writer_memory *memory, size_t memory_count)
{
    struct writer_process process = { .architecture = 9,
                                      .flags = flags,
                                      .regions = regions,
                                      .region_count = region_count,
                                      .memory = memory,
                                      .memory_count = memory_count };

    minidump_writer_dbgcore(&f->w, &process);
    minidump_opened_init(&f->o, minidump_writer_span(&f->w));
    assert_null(f->o.err);
    assert_true(minidump_opened_is_sound(&f->o));
}

static void close_memory(struct fixture *f)
{
    minidump_opened_deinit(&f->o);
    minidump_writer_deinit(&f->w);
}

static void check_ranges(const struct fixture *f, const struct expected *expected, size_t count)
{
    assert_int_equal(f->o.dump.ranges.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct dump_range *range = &f->o.dump.ranges.data[i];
        assert_int_equal(range->start, expected[i].start);
        assert_int_equal(range->end, expected[i].end);
        assert_int_equal(range->file_size, expected[i].file_size);
        assert_int_equal(range->state, expected[i].state);
    }
}
#define CHECK_RANGES(f, expected) check_ranges((f), (expected), sizeof(expected) / sizeof((expected)[0]))

static const uint8_t *content(const struct fixture *f, uint64_t addr)
{
    for (size_t i = 0; i < f->o.dump.ranges.count; i++) {
        const struct dump_range *range = &f->o.dump.ranges.data[i];
        if (addr >= range->start && addr - range->start < range->file_size)
            return f->o.file.bytes.data + range->file_off + (addr - range->start);
    }
    return NULL;
}

static void region_is_split_where_its_content_begins(void **state)
{
    static const struct writer_region regions[] = { { 0x10000, 0x5000, 0x10000, COMMIT, 4, PRIVATE } };
    static const uint8_t bytes[0x800] = "a";
    static const struct writer_memory memory[] = { { 0x11000, 0x800, bytes }, { 0x13000, 0x1000, NULL } };
    static const struct expected expected[] = { { 0x10000, 0x11000, 0, RANGE_COMMIT },
                                                { 0x11000, 0x13000, 0x800, RANGE_COMMIT },
                                                { 0x13000, 0x15000, 0x1000, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41a25, regions, 1, memory, 2);
    CHECK_RANGES(&f, expected);
    assert_int_equal(*content(&f, 0x11000), 'a');
    assert_null(content(&f, 0x11800));
    close_memory(&f);
}

static void content_over_two_regions_is_cut_between_them(void **state)
{
    static const struct writer_region regions[] = { { 0x10000, 0x1000, 0x10000, COMMIT, 4, PRIVATE },
                                                    { 0x11000, 0x1000, 0x10000, COMMIT, 2, PRIVATE } };
    static const struct writer_memory memory[] = { { 0x10000, 0x2000, NULL } };
    static const struct expected expected[] = { { 0x10000, 0x11000, 0x1000, RANGE_COMMIT },
                                                { 0x11000, 0x12000, 0x1000, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x61826, regions, 2, memory, 1);
    CHECK_RANGES(&f, expected);
    assert_int_equal(f.o.dump.ranges.data[1].file_off, f.o.dump.ranges.data[0].file_off + 0x1000);
    assert_int_equal(f.o.dump.ranges.data[1].protection, PROTECTION_READ);
    close_memory(&f);
}

static void ranges_of_a_full_dump_join_inside_their_region(void **state)
{
    static const struct writer_region regions[] = { { 0x10000, 0x3000, 0x10000, COMMIT, 4, PRIVATE } };
    static const struct writer_memory memory[] = { { 0x10000, 0x1000, NULL }, { 0x11000, 0x1000, NULL } };
    static const struct expected expected[] = { { 0x10000, 0x13000, 0x2000, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x61826, regions, 1, memory, 2);
    CHECK_RANGES(&f, expected);
    close_memory(&f);
}

static void content_outside_of_all_regions_is_kept(void **state)
{
    static const struct writer_region regions[] = { { 0x10000, 0x1000, 0x10000, COMMIT, 4, PRIVATE } };
    static const struct writer_memory memory[] = { { 0xf000, 0x1800, NULL }, { 0x20000, 0x100, NULL } };
    static const struct expected expected[] = { { 0xf000, 0x10000, 0x1000, RANGE_COMMIT },
                                                { 0x10000, 0x11000, 0x800, RANGE_COMMIT },
                                                { 0x20000, 0x20100, 0x100, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x61826, regions, 1, memory, 2);
    CHECK_RANGES(&f, expected);
    assert_int_equal(f.o.dump.ranges.data[0].type, RANGE_UNKNOWN);
    assert_int_equal(f.o.dump.ranges.data[1].type, RANGE_PRIVATE);
    close_memory(&f);
}

static void regions_without_content_are_listed(void **state)
{
    static const struct writer_region regions[] = { { 0, 0x10000, 0, FREE, 1, 0 },
                                                    { 0x10000, 0x1000, 0x10000, COMMIT, 0x104, PRIVATE },
                                                    { 0x11000, 0xf000, 0x10000, RESERVE, 0, PRIVATE },
                                                    { 0x20000, 0x1000, 0x20000, COMMIT, 0x20, IMAGE },
                                                    { 0x21000, 0x1000, 0x21000, COMMIT, 0x40, MAPPED } };
    static const struct expected expected[] = { { 0, 0x10000, 0, RANGE_FREE },
                                                { 0x10000, 0x11000, 0, RANGE_COMMIT },
                                                { 0x11000, 0x20000, 0, RANGE_RESERVE },
                                                { 0x20000, 0x21000, 0, RANGE_COMMIT },
                                                { 0x21000, 0x22000, 0, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41a25, regions, 5, NULL, 0);
    CHECK_RANGES(&f, expected);
    assert_true(f.o.dump.has_memory_info);
    assert_int_equal(f.o.dump.ranges.data[1].protection, PROTECTION_READ | PROTECTION_WRITE | PROTECTION_GUARD);
    assert_int_equal(f.o.dump.ranges.data[2].allocation_base, 0x10000);
    assert_int_equal(f.o.dump.ranges.data[3].type, RANGE_IMAGE);
    assert_int_equal(f.o.dump.ranges.data[4].type, RANGE_MAPPED);
    close_memory(&f);
}

static void protections_are_translated(void **state)
{
    enum { R = PROTECTION_READ, W = PROTECTION_WRITE, X = PROTECTION_EXEC, C = PROTECTION_COPY };
    static const struct {
        uint32_t windows;
        uint8_t ours;
    } rows[] = {
        { 0x01, 0 },
        { 0x02, R },
        { 0x04, R | W },
        { 0x08, R | W | C },
        { 0x10, X },
        { 0x20, R | X },
        { 0x40, R | W | X },
        { 0x80, R | W | X | C },
        { 0x404, R | W },
        { 0x102, R | PROTECTION_GUARD },
        { 0xffffffff, PROTECTION_GUARD },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct writer_region region = { 0x10000, 0x1000, 0x10000, COMMIT, rows[i].windows, PRIVATE };
        struct fixture f;
        open_memory(&f, 0x41a25, &region, 1, NULL, 0);
        assert_int_equal(f.o.dump.ranges.data[0].protection, rows[i].ours);
        close_memory(&f);
    }
}

static void regions_that_overlap_or_lie_are_made_flat(void **state)
{
    static const struct writer_region regions[] = { { 0x30000, 0x1000, 0, COMMIT, 4, PRIVATE },
                                                    { 0x10000, 0x30000, 0, RESERVE, 0, PRIVATE },
                                                    { 0x20000, 0, 0, COMMIT, 4, PRIVATE },
                                                    { 0x50000, UINT64_MAX, 0, FREE, 1, 0 } };
    static const struct expected expected[] = { { 0x10000, 0x30000, 0, RANGE_RESERVE },
                                                { 0x30000, 0x31000, 0, RANGE_COMMIT },
                                                { 0x31000, 0x40000, 0, RANGE_RESERVE },
                                                { 0x50000, UINT64_MAX, 0, RANGE_FREE } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41a25, regions, 4, NULL, 0);
    CHECK_RANGES(&f, expected);
    close_memory(&f);
}

/* ---- without a MemoryInfoList ---- */

static void ranges_of_a_memory64_list_stay_apart(void **state)
{
    static const struct writer_memory memory[] = { { 0x21000, 0x1000, NULL },
                                                   { 0x22000, 0x1000, NULL },
                                                   { 0x10000, 0x1000, NULL } };
    static const struct expected expected[] = { { 0x10000, 0x11000, 0x1000, RANGE_COMMIT },
                                                { 0x21000, 0x22000, 0x1000, RANGE_COMMIT },
                                                { 0x22000, 0x23000, 0x1000, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41827, NULL, 0, memory, 3);
    CHECK_RANGES(&f, expected);
    assert_false(f.o.dump.has_memory_info);
    assert_int_equal(f.o.dump.ranges.data[0].protection, PROTECTION_READ);
    assert_int_equal(f.o.dump.ranges.data[0].allocation_base, 0);
    close_memory(&f);
}

static void pieces_of_a_memory_list_join(void **state)
{
    static const struct writer_memory memory[] = { { 0x10000, 8, NULL }, { 0x10008, 8, NULL }, { 0x10018, 8, NULL } };
    static const struct expected expected[] = { { 0x10000, 0x10010, 16, RANGE_COMMIT }, { 0x10018, 0x10020, 8, RANGE_COMMIT } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41a25, NULL, 0, memory, 3);
    CHECK_RANGES(&f, expected);
    close_memory(&f);
}

static void of_two_copies_the_first_listed_is_read(void **state)
{
    static const struct writer_memory memory[] = { { 0x10008, 8, "BBBBBBBB" },
                                                   { 0x10000, 16, "aaaaaaaaaaaaaaaa" },
                                                   { 0x10008, 8, "CCCCCCCC" } };
    struct fixture f;

    (void)state;
    open_memory(&f, 0x41a25, NULL, 0, memory, 3);
    for (uint64_t i = 0; i < 16; i++)
        assert_int_equal(*content(&f, 0x10000 + i), i < 8 ? 'a' : 'B');
    close_memory(&f);
}

static void stack_that_only_the_thread_list_names_is_memory(void **state)
{
    struct writer_thread thread = { .id = 1, .sp = 0x40000 };
    struct writer_process process = { .architecture = 9, .threads = &thread, .thread_count = 1 };
    struct fixture f;
    uint32_t record;

    (void)state;
    minidump_writer_wine(&f.w, &process);
    record = minidump_writer_find(&f.w, MINIDUMP_THREAD_LIST) + 4;
    minidump_writer_patch_u32(&f.w, record + 36, minidump_writer_put(&f.w, "stack", 0x5));
    minidump_writer_patch_u32(&f.w, record + 32, 5);
    minidump_opened_init(&f.o, minidump_writer_span(&f.w));
    assert_memory_equal(content(&f, 0x40000), "stack", 5);
    close_memory(&f);
}

static void hundred_thousand_overlapping_pieces_are_fast(void **state)
{
    enum { COUNT = 100000 };
    struct writer_memory *memory = calloc(COUNT, sizeof(*memory));
    uint32_t random = 7;
    struct fixture f;
    clock_t begin;

    (void)state;
    assert_non_null(memory);
    for (size_t i = 0; i < COUNT; i++)
        memory[i] = (struct writer_memory) { 0x10000 + random_below(&random, COUNT), 8, "12345678" };
    begin = clock();
    open_memory(&f, 0x41a25, NULL, 0, memory, COUNT);
    /* Some 50 ms with sanitizers; the square of the count would take minutes. */
    assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
    assert_true(f.o.dump.ranges.count > 1000);
    close_memory(&f);
    free(memory);
}

/* Each range lies in the one listed behind it: all of them hold the middle, and each shows at both of its ends. */
static void nested_ranges_are_fast(void **state)
{
    enum { COUNT = 100000 };
    struct overlay_range *ranges = calloc(COUNT, sizeof(*ranges));
    struct overlay_parts parts;
    clock_t begin = clock();

    (void)state;
    assert_non_null(ranges);
    for (size_t i = 0; i < COUNT; i++)
        ranges[i] = (struct overlay_range) { .start = COUNT - i, .end = COUNT + i + 1 };
    assert_null(overlay_flatten(ranges, COUNT, &parts));
    assert_int_equal(parts.count, 2 * COUNT - 1);
    assert_int_equal(parts.data[0].source, COUNT - 1);
    assert_int_equal(parts.data[COUNT - 1].source, 0);
    assert_true(clock() - begin < 10 * CLOCKS_PER_SEC);
    vec_deinit(&parts);
    free(ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_ranges_equal_a_plain_array),
        cmocka_unit_test(flat_ranges_reach_both_ends_of_the_address_space),
        cmocka_unit_test(region_is_split_where_its_content_begins),
        cmocka_unit_test(content_over_two_regions_is_cut_between_them),
        cmocka_unit_test(ranges_of_a_full_dump_join_inside_their_region),
        cmocka_unit_test(content_outside_of_all_regions_is_kept),
        cmocka_unit_test(regions_without_content_are_listed),
        cmocka_unit_test(protections_are_translated),
        cmocka_unit_test(regions_that_overlap_or_lie_are_made_flat),
        cmocka_unit_test(ranges_of_a_memory64_list_stay_apart),
        cmocka_unit_test(pieces_of_a_memory_list_join),
        cmocka_unit_test(of_two_copies_the_first_listed_is_read),
        cmocka_unit_test(stack_that_only_the_thread_list_names_is_memory),
        cmocka_unit_test(hundred_thousand_overlapping_pieces_are_fast),
        cmocka_unit_test(nested_ranges_are_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
