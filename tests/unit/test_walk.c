/* The linear walk over a segment, and the histogram on top of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "heap/histogram.h"
#include "heap/walk.h"
#include "support/mock_clr.h"

struct fixture {
    struct mock_clr mock;
    struct object_types types;
    struct gc_heaps heaps;
    struct gc_segment segment;
    uint64_t plain, array; /* MethodTables: 32 bytes; 24 + 2 per element */
};

enum { SEGMENT_START = MOCK_BASE + 0x40000 };

static void fixture_start(struct fixture *f)
{
    f->heaps = (struct gc_heaps) { 0 };
    f->plain = mock_method_table(&f->mock, 32, 0);
    f->array = mock_method_table(&f->mock, 24, 2);
    f->segment = (struct gc_segment) { .generation = GC_GEN0, .start = SEGMENT_START, .end = SEGMENT_START };
    object_types_init(&f->types, &f->mock.clr);
}

static void fixture_init(struct fixture *f)
{
    mock_clr_init(&f->mock);
    fixture_start(f);
}

static void fixture_deinit(struct fixture *f)
{
    object_types_deinit(&f->types);
    vec_deinit(&f->heaps.segments);
    vec_deinit(&f->heaps.contexts);
    mock_clr_deinit(&f->mock);
}

/* Appends an object and moves the end of the segment behind it. */
static void put(struct fixture *f, uint64_t mt, uint32_t components, uint64_t size)
{
    mock_u64(&f->mock, f->segment.end, mt);
    mock_u32(&f->mock, f->segment.end + 8, components);
    f->segment.end += (size + 7) & ~UINT64_C(7);
}

static size_t walk_all(struct fixture *f, struct walk *walk, uint64_t *bytes_ret)
{
    struct object object;
    size_t count = 0;

    *bytes_ret = 0;
    walk_init(walk, &f->mock.clr, &f->types, &f->heaps, &f->segment);
    while (walk_next(walk, &object)) {
        count++;
        *bytes_ret += object.size;
    }
    return count;
}

static void walk_sizes_objects_by_base_and_components(void **state)
{
    struct fixture f;
    struct walk walk;
    uint64_t bytes;

    (void)state;
    fixture_init(&f);
    put(&f, f.plain, 0, 32);
    put(&f, f.array, 5, 34);
    put(&f, f.array, 0, 24);
    put(&f, f.plain | 3, 0, 32); /* mark bits of a GC */
    assert_int_equal(walk_all(&f, &walk, &bytes), 4);
    assert_int_equal(bytes, 32 + 34 + 24 + 32);
    assert_int_equal(walk.broken, 0);
    fixture_deinit(&f);
}

static void walk_jumps_over_an_allocation_context(void **state)
{
    struct fixture f;
    struct walk walk;
    struct gc_context context;
    uint64_t bytes;

    (void)state;
    fixture_init(&f);
    put(&f, f.plain, 0, 32);
    context = (struct gc_context) { f.segment.end, f.segment.end + 256 - OBJECT_SIZE_MIN };
    assert_true(vec_push(&f.heaps.contexts, context));
    f.segment.end += 256;
    put(&f, f.plain, 0, 32);
    assert_int_equal(walk_all(&f, &walk, &bytes), 2);
    assert_int_equal(walk.broken, 0);
    fixture_deinit(&f);
}

static void walk_goes_on_behind_nonsense(void **state)
{
    struct fixture f;
    struct walk walk;
    uint64_t bytes;

    (void)state;
    fixture_init(&f);
    for (int i = 0; i < 10; i++)
        put(&f, f.plain, 0, 32);
    put(&f, 0x1234567890, 0, 32); /* no MethodTable */
    for (int i = 0; i < 10; i++)
        put(&f, f.plain, 0, 32);
    assert_int_equal(walk_all(&f, &walk, &bytes), 20);
    assert_int_equal(walk.broken, 1);
    assert_int_equal(walk.skipped, 32);
    fixture_deinit(&f);
}

static void walk_distrusts_a_length_beyond_the_segment(void **state)
{
    struct fixture f;
    struct walk walk;
    uint64_t bytes;

    (void)state;
    fixture_init(&f);
    put(&f, f.plain, 0, 32);
    put(&f, f.array, 0xfffffff0, 48);
    for (int i = 0; i < 5; i++)
        put(&f, f.plain, 0, 32);
    assert_int_equal(walk_all(&f, &walk, &bytes), 6);
    assert_int_equal(walk.broken, 1);
    fixture_deinit(&f);
}

static void walk_goes_on_behind_a_missing_page(void **state)
{
    struct fixture f;
    struct walk walk;
    uint64_t bytes;

    (void)state;
    mock_clr_init_without_page(&f.mock, SEGMENT_START + 0x2000);
    fixture_start(&f);
    for (int i = 0; i < 0x4000 / 32; i++)
        put(&f, f.plain, 0, 32);
    assert_int_equal(walk_all(&f, &walk, &bytes), 0x3000 / 32);
    assert_int_equal(walk.skipped, 0x1000);
    fixture_deinit(&f);
}

static void walk_of_an_empty_segment_has_no_objects(void **state)
{
    struct fixture f;
    struct walk walk;
    uint64_t bytes;

    (void)state;
    fixture_init(&f);
    assert_int_equal(walk_all(&f, &walk, &bytes), 0);
    fixture_deinit(&f);
}

static void histogram_is_the_same_for_any_number_of_threads(void **state)
{
    static const unsigned threads[] = { 1, 2, 16 };
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (int s = 0; s < 40; s++) {
        f.segment.start = f.segment.end;
        for (int i = 0; i < 20 + s; i++)
            put(&f, i % 3 ? f.plain : f.array, i % 3 ? 0 : (uint32_t)i, i % 3 ? 32 : 24 + 2 * (uint64_t)i);
        assert_true(vec_push(&f.heaps.segments, f.segment));
    }
    for (size_t t = 0; t < ARRAY_LENGTH(threads); t++) {
        struct histogram histogram;

        assert_null(histogram_init(&histogram, &f.mock.clr, &f.heaps, threads[t], NULL, NULL, NULL));
        assert_int_equal(histogram.rows.count, 2);
        assert_int_equal(histogram.object_count, 40 * 20 + 39 * 40 / 2);
        assert_int_equal(histogram.rows.data[0].mt_addr, f.plain);
        assert_int_equal(histogram.rows.data[0].bytes, 32 * histogram.rows.data[0].count);
        histogram_deinit(&histogram);
    }
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_sizes_objects_by_base_and_components),
        cmocka_unit_test(walk_jumps_over_an_allocation_context),
        cmocka_unit_test(walk_goes_on_behind_nonsense),
        cmocka_unit_test(walk_distrusts_a_length_beyond_the_segment),
        cmocka_unit_test(walk_goes_on_behind_a_missing_page),
        cmocka_unit_test(walk_of_an_empty_segment_has_no_objects),
        cmocka_unit_test(histogram_is_the_same_for_any_number_of_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
