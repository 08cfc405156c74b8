/* Handle tables in the memory of a mock runtime: maps, buckets, segments, blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clr/finalizer.h"
#include "clr/handle_table.h"
#include "support/mock_clr.h"

enum {
    TYPES = 13, /* of .NET 10 */
    SEGMENT = MOCK_BASE + 0x40000,
    SECOND = MOCK_BASE + 0x60000,
    BLOCK_TYPE = 1560,
    USER_DATA = 1680,
    NEXT = 1920 + 6 * TYPES,
    OWNER = NEXT + 8,
    FIRST_HANDLE = 4096,
    BLOCK = 64 * 8,
};

struct fixture {
    struct mock_clr mock;
    struct gc_heaps heaps;
    struct handle_table handles;
    uint64_t table;
};

static void put_byte(struct fixture *f, uint64_t addr, uint8_t value)
{
    f->mock.bytes[addr - MOCK_BASE] = value;
}

static void put_segment(struct fixture *f, uint64_t segment, uint64_t next)
{
    memset(f->mock.bytes + (segment - MOCK_BASE) + BLOCK_TYPE, 0xff, 240);
    mock_u64(&f->mock, segment + NEXT, next);
    mock_u64(&f->mock, segment + OWNER, f->table);
}

static void put_handle(struct fixture *f, uint64_t segment, unsigned block, enum handle_kind kind, unsigned index, uint64_t object)
{
    put_byte(f, segment + BLOCK_TYPE + block, (uint8_t)kind);
    mock_u64(&f->mock, segment + FIRST_HANDLE + block * BLOCK + 8 * index, object);
}

/* One map with two buckets, of which the first has a table for one heap. */
static void fixture_start(struct fixture *f)
{
    uint64_t map = mock_alloc(&f->mock, 24), buckets = mock_alloc(&f->mock, 16), bucket = mock_alloc(&f->mock, 16),
             tables = mock_alloc(&f->mock, 8);

    f->handles = (struct handle_table) { 0 };
    f->heaps = (struct gc_heaps) { .heap_count = 1, .handle_table_map = map };
    f->table = mock_alloc(&f->mock, 128);
    mock_u64(&f->mock, map, buckets);
    mock_u32(&f->mock, map + 16, 2);
    mock_u64(&f->mock, buckets, bucket);
    mock_u64(&f->mock, bucket, tables);
    mock_u64(&f->mock, tables, f->table);
    mock_u64(&f->mock, f->table + (uint64_t)f->mock.clr.layout.offset[FIELD_HandleTable_SegmentList], SEGMENT);
    put_segment(f, SEGMENT, 0);
}

static void fixture_init(struct fixture *f)
{
    mock_clr_init(&f->mock);
    fixture_start(f);
}

static void fixture_deinit(struct fixture *f)
{
    handle_table_deinit(&f->handles);
    mock_clr_deinit(&f->mock);
}

static void read_all(struct fixture *f)
{
    assert_null(handle_table_init(&f->mock.clr, &f->heaps, &f->handles));
}

static void handles_have_kind_object_and_address(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    put_handle(&f, SEGMENT, 0, HANDLE_STRONG, 3, 0x1234);
    put_handle(&f, SEGMENT, 119, HANDLE_WEAK_SHORT, 63, 0x5678);
    read_all(&f);
    assert_int_equal(f.handles.list.count, 2);
    assert_int_equal(f.handles.list.data[0].kind, HANDLE_STRONG);
    assert_int_equal(f.handles.list.data[0].object, 0x1234);
    assert_int_equal(f.handles.list.data[0].addr, SEGMENT + FIRST_HANDLE + 24);
    assert_int_equal(f.handles.list.data[1].kind, HANDLE_WEAK_SHORT);
    assert_int_equal(f.handles.type_count, TYPES);
    fixture_deinit(&f);
}

static void dependent_handle_has_its_secondary(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    put_handle(&f, SEGMENT, 2, HANDLE_DEPENDENT, 5, 0x1111);
    put_byte(&f, SEGMENT + USER_DATA + 2, 7);
    put_handle(&f, SEGMENT, 7, (enum handle_kind)(TYPES - 1), 5, 0x2222); /* the table's own data */
    put_handle(&f, SEGMENT, 3, HANDLE_DEPENDENT, 0, 0x3333);              /* has no block of secondaries */
    read_all(&f);
    assert_int_equal(f.handles.list.count, 2);
    assert_int_equal(f.handles.list.data[0].dependent, 0x2222);
    assert_int_equal(f.handles.list.data[1].dependent, 0);
    fixture_deinit(&f);
}

static void all_segments_are_read_and_a_cycle_ends(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    put_segment(&f, SEGMENT, SECOND);
    put_segment(&f, SECOND, SEGMENT);
    put_handle(&f, SEGMENT, 0, HANDLE_STRONG, 0, 0x1111);
    put_handle(&f, SECOND, 0, HANDLE_PINNED, 0, 0x2222);
    read_all(&f);
    assert_int_equal(f.handles.list.count, 2);
    assert_int_equal(f.handles.list.data[1].kind, HANDLE_PINNED);
    fixture_deinit(&f);
}

static void another_number_of_types_is_found_by_the_owner(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u64(&f.mock, SEGMENT + OWNER, 0);
    mock_u64(&f.mock, SEGMENT + NEXT, 0);
    mock_u64(&f.mock, SEGMENT + 1920 + 6 * 12 + 8, f.table);
    put_handle(&f, SEGMENT, 0, HANDLE_WEAK_INTERIOR, 0, 0x1111);
    put_handle(&f, SEGMENT, 1, (enum handle_kind)11, 0, 0x2222); /* with 12 types the last one is the table's own */
    read_all(&f);
    assert_int_equal(f.handles.type_count, 12);
    assert_int_equal(f.handles.list.count, 1);
    fixture_deinit(&f);
}

static void segment_of_somebody_else_is_a_gap(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u64(&f.mock, SEGMENT + OWNER, 0xdead);
    put_handle(&f, SEGMENT, 0, HANDLE_STRONG, 0, 0x1111);
    read_all(&f);
    assert_int_equal(f.handles.list.count, 0);
    assert_int_equal(f.mock.gaps.list.count, 1);
    fixture_deinit(&f);
}

static void block_on_a_missing_page_is_a_gap(void **state)
{
    struct fixture f;

    (void)state;
    mock_clr_init_without_page(&f.mock, SEGMENT + FIRST_HANDLE + 0x1000);
    fixture_start(&f);
    put_handle(&f, SEGMENT, 0, HANDLE_STRONG, 0, 0x1111);
    put_handle(&f, SEGMENT, 8, HANDLE_STRONG, 0, 0x2222); /* on the page that is not there */
    put_handle(&f, SEGMENT, 16, HANDLE_STRONG, 0, 0x3333);
    read_all(&f);
    assert_int_equal(f.handles.list.count, 2);
    assert_int_equal(f.handles.list.data[1].object, 0x3333);
    assert_int_equal(f.mock.gaps.list.count, 1);
    fixture_deinit(&f);
}

static void map_that_claims_too_much_is_a_gap(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u32(&f.mock, f.heaps.handle_table_map + 16, UINT32_MAX);
    read_all(&f);
    assert_int_equal(f.handles.list.count, 0);
    assert_int_equal(f.mock.gaps.list.count, 1);
    fixture_deinit(&f);
}

static void no_map_is_an_error(void **state)
{
    struct fixture f;
    struct error *err;

    (void)state;
    fixture_init(&f);
    f.heaps.handle_table_map = 0;
    err = handle_table_init(&f.mock.clr, &f.heaps, &f.handles);
    assert_non_null(err);
    error_destroy(err);
    fixture_deinit(&f);
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++)
        assert_true(handle_kind_name(kind)[0] != '\0');
    assert_true(handle_kind_is_strong(HANDLE_STRONG));
    assert_false(handle_kind_is_strong(HANDLE_WEAK_LONG));
    assert_false(handle_kind_is_strong(HANDLE_DEPENDENT));
    assert_false(handle_kind_is_strong(HANDLE_WEAK_INTERIOR));
}

/* CFinalize of five generations: seven fill pointers, the array's start and end. */
static uint64_t put_queue(struct mock_clr *mock, const unsigned *ends, unsigned capacity)
{
    uint64_t queue = mock_alloc(mock, 9 * 8), array = mock_alloc(mock, 8 * capacity);

    for (unsigned i = 0; i < 7; i++)
        mock_u64(mock, queue + 8 * i, array + 8 * ends[i]);
    mock_u64(mock, queue + 56, array);
    mock_u64(mock, queue + 64, array + 8 * capacity);
    for (unsigned i = 0; i < capacity; i++)
        mock_u64(mock, array + 8 * i, 0x100 + i);
    return queue;
}

static void finalization_queue_is_read_by_its_parts(void **state)
{
    static const unsigned ends[] = { 0, 1, 3, 3, 4, 5, 7 };
    struct mock_clr mock;
    struct gc_heaps heaps = { .generation_count = 5 };
    struct finalizables list;

    (void)state;
    mock_clr_init(&mock);
    assert_true(vec_push(&heaps.finalize_queues, put_queue(&mock, ends, 16)));
    assert_null(finalizables_init(&mock.clr, &heaps, &list));
    assert_int_equal(list.list.count, 7);
    assert_int_equal(list.list.data[0].generation, 3);
    assert_int_equal(list.list.data[1].generation, 2);
    assert_int_equal(list.list.data[3].generation, 0);
    assert_true(list.list.data[4].is_f_reachable && list.list.data[4].is_critical);
    assert_true(list.list.data[6].is_f_reachable && !list.list.data[6].is_critical);
    assert_int_equal(list.list.data[6].object, 0x106);
    finalizables_deinit(&list);
    vec_deinit(&heaps.finalize_queues);
    mock_clr_deinit(&mock);
}

static void queue_with_parts_out_of_order_is_a_gap(void **state)
{
    static const unsigned ends[] = { 0, 3, 1, 3, 4, 5, 7 };
    struct mock_clr mock;
    struct gc_heaps heaps = { .generation_count = 5 };
    struct finalizables list;

    (void)state;
    mock_clr_init(&mock);
    assert_true(vec_push(&heaps.finalize_queues, put_queue(&mock, ends, 16)));
    assert_null(finalizables_init(&mock.clr, &heaps, &list));
    assert_int_equal(list.list.count, 3);
    assert_int_equal(mock.gaps.list.count, 1);
    finalizables_deinit(&list);
    vec_deinit(&heaps.finalize_queues);
    mock_clr_deinit(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_have_kind_object_and_address),
        cmocka_unit_test(dependent_handle_has_its_secondary),
        cmocka_unit_test(all_segments_are_read_and_a_cycle_ends),
        cmocka_unit_test(another_number_of_types_is_found_by_the_owner),
        cmocka_unit_test(segment_of_somebody_else_is_a_gap),
        cmocka_unit_test(block_on_a_missing_page_is_a_gap),
        cmocka_unit_test(map_that_claims_too_much_is_a_gap),
        cmocka_unit_test(no_map_is_an_error),
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(finalization_queue_is_read_by_its_parts),
        cmocka_unit_test(queue_with_parts_out_of_order_is_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
