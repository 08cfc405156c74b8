/* The bitmap of starts with its numbers, against a plain list of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "heap/starts.h"
#include "support/mock_heap.h"

enum { FIRST = MOCK_BASE + 0x20000, SECOND = MOCK_BASE + 0x80000, OBJECTS_MAX = 20000 };

struct fixture {
    struct mock_heap heap;
    struct heap_starts starts;
    uint64_t addrs[OBJECTS_MAX];
    uint32_t count;
};

static uint64_t seed = 2463534242u;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % sides);
}

static void put_random(struct fixture *f, uint64_t mt, uint32_t objects, uint32_t largest)
{
    while (objects--) {
        uint32_t length = dice(largest);

        f->addrs[f->count++] = mock_heap_object(&f->heap, mt, length, 24 + length);
    }
}

static void fixture_init(struct fixture *f, uint32_t first, uint32_t second, uint32_t largest)
{
    uint64_t mt;

    f->count = 0;
    mock_heap_init(&f->heap);
    mt = mock_type_of_numbers(&f->heap, 1);
    mock_segment(&f->heap, FIRST, GC_GEN2);
    put_random(f, mt, first, largest);
    mock_segment(&f->heap, SECOND + 8 * dice(8), GC_GEN0);
    put_random(f, mt, second, largest);
    assert_null(heap_starts_init(&f->starts, &f->heap.mock.clr, &f->heap.heaps, 2, NULL, NULL));
}

static void fixture_deinit(struct fixture *f)
{
    heap_starts_deinit(&f->starts);
    mock_heap_deinit(&f->heap);
}

static void check_addresses(struct fixture *f)
{
    uint32_t next = 0, id;
    uint64_t before;

    for (uint64_t at = FIRST - 64; at < MOCK_BASE + MOCK_SIZE; at += 8) {
        bool is_object = next < f->count && f->addrs[next] == at;

        assert_int_equal(heap_starts_id(&f->starts, at, &id), is_object);
        if (is_object) assert_int_equal(id, next++);
        if (!heap_chunk_at(&f->starts, at)) continue;
        assert_true(heap_starts_before(&f->starts, at + dice(8), &before));
        assert_int_equal(before, f->addrs[next - 1]);
    }
    assert_int_equal(next, f->count);
}

static void check_iteration(struct fixture *f)
{
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;
    uint32_t count = 0;

    heap_starts_begin(&f->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        assert_int_equal(addr, f->addrs[count++]);
        assert_int_equal(it.id, count);
        assert_true(addr >= chunk->start && addr < chunk->end);
    }
    assert_int_equal(count, f->count);
}

static void ids_run_by_address_and_lead_back(void **state)
{
    static struct fixture f;

    (void)state;
    for (int i = 0; i < 60; i++) {
        uint32_t largest = 1 + dice(i % 3 ? 40 : 4000);
        uint32_t most = 0x50000 / (largest + 32);

        fixture_init(&f, dice(most), dice(most), largest);
        assert_int_equal(f.starts.object_count, f.count);
        for (uint32_t id = 0; id < f.count; id++)
            assert_int_equal(heap_starts_addr(&f.starts, id), f.addrs[id]);
        assert_int_equal(heap_starts_addr(&f.starts, f.count), 0);
        check_addresses(&f);
        check_iteration(&f);
        fixture_deinit(&f);
    }
}

static void one_chunk_can_be_read_alone(void **state)
{
    static struct fixture f;
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;
    uint32_t count = 0;

    (void)state;
    fixture_init(&f, 700, 300, 60);
    heap_starts_begin_chunk(&f.starts, 1, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        assert_int_equal(addr, f.addrs[700 + count++]);
        assert_int_equal(it.id, 700 + count);
    }
    assert_int_equal(count, 300);
    fixture_deinit(&f);
}

static void unaligned_and_foreign_addresses_are_no_objects(void **state)
{
    static struct fixture f;
    uint32_t id;

    (void)state;
    fixture_init(&f, 3, 3, 10);
    assert_false(heap_starts_id(&f.starts, f.addrs[0] + 1, &id));
    assert_false(heap_starts_id(&f.starts, 0, &id));
    assert_false(heap_starts_id(&f.starts, UINT64_MAX, &id));
    assert_false(heap_starts_id(&f.starts, UINT64_C(1) << 63, &id));
    assert_null(heap_chunk_at(&f.starts, FIRST - 1));
    fixture_deinit(&f);
}

static void empty_heap_has_no_objects(void **state)
{
    struct mock_heap heap;
    struct heap_starts starts;
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;
    uint32_t id;

    (void)state;
    mock_heap_init(&heap);
    assert_null(heap_starts_init(&starts, &heap.mock.clr, &heap.heaps, 1, NULL, NULL));
    assert_false(heap_starts_id(&starts, FIRST, &id));
    heap_starts_begin(&starts, &it);
    assert_false(heap_starts_next(&it, &addr, &chunk));
    heap_starts_deinit(&starts);
    mock_heap_deinit(&heap);
}

static void overlapping_segment_is_left_out_and_said(void **state)
{
    static struct fixture f;
    struct gc_segment again;

    (void)state;
    fixture_init(&f, 50, 50, 20);
    heap_starts_deinit(&f.starts);
    again = f.heap.heaps.segments.data[0];
    again.start += 24;
    assert_true(vec_push(&f.heap.heaps.segments, again));
    assert_null(heap_starts_init(&f.starts, &f.heap.mock.clr, &f.heap.heaps, 1, NULL, NULL));
    assert_int_equal(f.starts.object_count, 100);
    assert_int_not_equal(f.heap.mock.gaps.list.count, 0);
    fixture_deinit(&f);
}

static void segment_larger_than_the_dump_is_refused(void **state)
{
    struct mock_heap heap;
    struct heap_starts starts;

    (void)state;
    mock_heap_init(&heap);
    mock_segment(&heap, FIRST, GC_GEN0);
    heap.heaps.segments.data[0].end = FIRST + (UINT64_C(1) << 45);
    assert_null(heap_starts_init(&starts, &heap.mock.clr, &heap.heaps, 1, NULL, NULL));
    assert_int_equal(starts.object_count, 0);
    assert_int_not_equal(heap.mock.gaps.list.count, 0);
    heap_starts_deinit(&starts);
    mock_heap_deinit(&heap);
}

static void objects_around_a_missing_page_are_found(void **state)
{
    struct mock_heap heap = { 0 };
    struct heap_starts starts;
    uint64_t mt, first, last;
    uint32_t id;

    (void)state;
    mock_clr_init_without_page(&heap.mock, FIRST + 0x2000);
    mt = mock_type_of_numbers(&heap, 1);
    mock_segment(&heap, FIRST, GC_GEN0);
    first = mock_heap_object(&heap, mt, 100, 124);
    mock_heap_object(&heap, mt, 0x3000, 24 + 0x3000);
    last = mock_heap_object(&heap, mt, 10, 34);
    for (int i = 0; i < 8; i++)
        mock_heap_object(&heap, mt, 10, 34);
    assert_null(heap_starts_init(&starts, &heap.mock.clr, &heap.heaps, 1, NULL, NULL));
    assert_true(heap_starts_id(&starts, first, &id));
    assert_true(heap_starts_id(&starts, last, &id));
    assert_int_equal(load_u64(heap_chunk_bytes(heap_chunk_at(&starts, last), last)), mt);
    heap_starts_deinit(&starts);
    mock_heap_deinit(&heap);
}

static void popcount_counts_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = (uint64_t)dice(UINT32_MAX) << 32 | dice(UINT32_MAX);

        assert_int_equal(popcount64(x), __builtin_popcountll(x));
    }
    assert_int_equal(popcount64(UINT64_MAX), 64);
    assert_int_equal(popcount64(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_run_by_address_and_lead_back),
        cmocka_unit_test(one_chunk_can_be_read_alone),
        cmocka_unit_test(unaligned_and_foreign_addresses_are_no_objects),
        cmocka_unit_test(empty_heap_has_no_objects),
        cmocka_unit_test(overlapping_segment_is_left_out_and_said),
        cmocka_unit_test(segment_larger_than_the_dump_is_refused),
        cmocka_unit_test(objects_around_a_missing_page_are_found),
        cmocka_unit_test(popcount_counts_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
