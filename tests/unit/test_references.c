/* References of objects by their type's description, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap/edge.h"
#include "support/mock_heap.h"

enum { SEGMENT = MOCK_BASE + 0x40000 };

struct fixture {
    struct mock_heap heap;
    struct reference_types types;
    struct edges edges;
};

static void fixture_init(struct fixture *f)
{
    mock_heap_init(&f->heap);
    mock_segment(&f->heap, SEGMENT, GC_GEN0);
    f->edges = (struct edges) { 0 };
    assert_true(reference_types_init(&f->types, &f->heap.mock.clr));
}

static void fixture_deinit(struct fixture *f)
{
    vec_deinit(&f->edges.list);
    reference_types_deinit(&f->types);
    mock_heap_deinit(&f->heap);
}

static size_t edges_of(struct fixture *f, uint64_t addr, const struct dependents *dependents)
{
    const uint8_t *bytes = f->heap.mock.bytes + (addr - MOCK_BASE);
    const struct reference_type *type = reference_types_get(&f->types, load_u64(bytes));

    f->edges.list.count = 0;
    edges_add(&f->edges, type, bytes, dependents, addr);
    return f->edges.list.count;
}

static void fields_are_found_and_null_is_none(void **state)
{
    struct fixture f;
    uint64_t object;

    (void)state;
    fixture_init(&f);
    object = mock_heap_object(&f.heap, mock_type_with_fields(&f.heap, 3), 0, 40);
    mock_refer(&f.heap, object, 8, 0x1111);
    mock_refer(&f.heap, object, 24, 0x3333);
    assert_int_equal(edges_of(&f, object, NULL), 2);
    assert_int_equal(f.edges.list.data[0].offset, 8);
    assert_int_equal(f.edges.list.data[0].target, 0x1111);
    assert_int_equal(f.edges.list.data[1].offset, 24);
    fixture_deinit(&f);
}

static void elements_are_found_up_to_the_last(void **state)
{
    struct fixture f;
    uint64_t array;

    (void)state;
    fixture_init(&f);
    array = mock_heap_object(&f.heap, mock_type_of_references(&f.heap), 4, 24 + 32);
    for (int i = 0; i < 4; i++)
        mock_refer(&f.heap, array, 16 + 8u * (unsigned)i, 0x1000 + (unsigned)i);
    mock_refer(&f.heap, array, 48, 0x9999); /* the next object's header */
    assert_int_equal(edges_of(&f, array, NULL), 4);
    assert_int_equal(f.edges.list.data[3].target, 0x1003);
    fixture_deinit(&f);
}

static void structs_end_before_the_next_header(void **state)
{
    struct fixture f;
    uint64_t array;

    (void)state;
    fixture_init(&f);
    /* Three structs of one reference and eight other bytes: the size counts the header behind them. */
    array = mock_heap_object(&f.heap, mock_type_of_structs(&f.heap, 1, 8), 3, 24 + 48);
    for (unsigned i = 0; i < 3; i++) {
        mock_refer(&f.heap, array, 16 + 16 * i, 0x1000 + i);
        mock_refer(&f.heap, array, 24 + 16 * i, 0x7777);
    }
    mock_refer(&f.heap, array, 64, 0x9999);
    assert_int_equal(edges_of(&f, array, NULL), 3);
    assert_int_equal(f.edges.list.data[2].offset, 48);
    assert_int_equal(f.edges.list.data[2].target, 0x1002);
    fixture_deinit(&f);
}

static void empty_array_has_none(void **state)
{
    struct fixture f;
    uint64_t array;

    (void)state;
    fixture_init(&f);
    array = mock_heap_object(&f.heap, mock_type_of_structs(&f.heap, 2, 0), 0, 24);
    mock_refer(&f.heap, array, 16, 0x9999);
    assert_int_equal(edges_of(&f, array, NULL), 0);
    fixture_deinit(&f);
}

static void series_outside_of_the_object_is_not_read(void **state)
{
    struct fixture f;
    uint64_t mt, object;

    (void)state;
    fixture_init(&f);
    mt = mock_type_with_fields(&f.heap, 1);
    mock_u64(&f.heap.mock, mt - 24, 1 << 20); /* a megabyte of pointers */
    object = mock_heap_object(&f.heap, mt, 0, 24);
    mock_refer(&f.heap, object, 8, 0x1111);
    assert_int_equal(edges_of(&f, object, NULL), 0);
    fixture_deinit(&f);
}

static void description_that_stands_still_is_refused(void **state)
{
    struct fixture f;
    uint64_t mt, object;

    (void)state;
    fixture_init(&f);
    mt = mock_type_of_structs(&f.heap, 1, 8);
    mock_u64(&f.heap.mock, mt - 24, 0); /* no pointers, nothing to skip */
    object = mock_heap_object(&f.heap, mt, 3, 72);
    assert_int_equal(edges_of(&f, object, NULL), 0);
    assert_int_not_equal(f.heap.mock.gaps.list.count, 0);
    fixture_deinit(&f);
}

static void absurd_number_of_series_is_a_gap(void **state)
{
    struct fixture f;
    uint64_t mt, object;

    (void)state;
    fixture_init(&f);
    mt = mock_type_with_fields(&f.heap, 1);
    mock_u64(&f.heap.mock, mt - 8, INT64_MIN);
    object = mock_heap_object(&f.heap, mt, 0, 24);
    assert_int_equal(edges_of(&f, object, NULL), 0);
    assert_int_not_equal(f.heap.mock.gaps.list.count, 0);
    fixture_deinit(&f);
}

static void dependents_belong_to_their_primary(void **state)
{
    struct fixture f;
    struct dependents dependents;
    uint64_t mt, primary, other;

    (void)state;
    fixture_init(&f);
    mt = mock_type_with_fields(&f.heap, 0);
    primary = mock_heap_object(&f.heap, mt, 0, 24);
    other = mock_heap_object(&f.heap, mt, 0, 24);
    mock_dependent(&f.heap, primary, 0x2000);
    mock_dependent(&f.heap, primary, 0x1000);
    mock_dependent(&f.heap, other, 0);
    assert_null(dependents_init(&dependents, &f.heap.handles));
    assert_int_equal(edges_of(&f, primary, &dependents), 2);
    assert_int_equal(f.edges.list.data[0].target, 0x1000);
    assert_int_equal(f.edges.list.data[0].offset, REFERENCE_DEPENDENT);
    assert_int_equal(edges_of(&f, other, &dependents), 0);
    dependents_deinit(&dependents);
    fixture_deinit(&f);
}

static void table_of_types_grows(void **state)
{
    struct fixture f;
    const struct reference_type *type;

    (void)state;
    fixture_init(&f);
    for (uint64_t i = 1; i < 10000; i++)
        assert_non_null(reference_types_get(&f.types, i * 8));
    assert_int_equal(f.types.count, 9999);
    type = reference_types_get(&f.types, mock_type_with_fields(&f.heap, 2));
    assert_true(type->is_valid);
    assert_int_equal(type->base_size, 32);
    assert_false(reference_types_get(&f.types, 8)->is_valid);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_and_null_is_none),
        cmocka_unit_test(elements_are_found_up_to_the_last),
        cmocka_unit_test(structs_end_before_the_next_header),
        cmocka_unit_test(empty_array_has_none),
        cmocka_unit_test(series_outside_of_the_object_is_not_read),
        cmocka_unit_test(description_that_stands_still_is_refused),
        cmocka_unit_test(absurd_number_of_series_is_a_gap),
        cmocka_unit_test(dependents_belong_to_their_primary),
        cmocka_unit_test(table_of_types_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
