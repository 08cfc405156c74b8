/* Collections of a mock runtime: well formed, and with counts and links that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "managed/collection.h"
#include "support/mock_managed.h"

struct fixture {
    struct mock_clr mock;
    struct collection_types types;
    uint64_t thing, things; /* a class, and its array */
};

static void fixture_init(struct fixture *f)
{
    mock_clr_init(&f->mock);
    collection_types_init(&f->types, &f->mock.clr);
    f->thing = mock_class(&f->mock, "His.Patient", NULL, 0);
    f->things = mock_array_class(&f->mock, "His.Patient[]", f->thing, ELEMENT_CLASS, 8);
}

static void fixture_deinit(struct fixture *f)
{
    collection_types_deinit(&f->types);
    mock_managed_deinit(&f->mock);
    mock_clr_deinit(&f->mock);
}

/* A List with room for `capacity`, that says it has `size` elements. */
static uint64_t make_list(struct fixture *f, uint32_t capacity, uint32_t size)
{
    static const struct mock_field fields[] = { { "_items", 0, ELEMENT_CLASS }, { "_size", 8, ELEMENT_I4 } };
    uint64_t mt = mock_class(&f->mock, "System.Collections.Generic.List<His.Patient>", fields, 2);
    uint64_t list = mock_object(&f->mock, mt, 16), array = mock_array(&f->mock, f->things, capacity);

    mock_u64(&f->mock, list + 8, array);
    mock_u32(&f->mock, list + 16, size);
    return list;
}

/* How many elements it yields. */
static size_t yield(struct fixture *f, uint64_t addr, bool *damaged_ret)
{
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;
    size_t count = 0;

    assert_true(collection_open(&f->types, addr, &collection));
    collection_begin(&collection, &it);
    while (collection_next(&it, &element))
        count++;
    *damaged_ret = it.damaged;
    return count;
}

static void a_list_has_as_many_elements_as_it_counts(void **state)
{
    struct collection collection;
    struct fixture f;
    bool damaged;
    uint64_t list;

    (void)state;
    fixture_init(&f);
    list = make_list(&f, 8, 3);
    assert_int_equal(yield(&f, list, &damaged), 3);
    assert_false(damaged);
    assert_true(collection_open(&f.types, list, &collection));
    assert_int_equal(collection.count, 3);
    assert_int_equal(collection.capacity, 8);
    fixture_deinit(&f);
}

static void a_list_never_has_more_than_its_array(void **state)
{
    struct collection collection;
    struct fixture f;
    bool damaged;
    uint64_t list;

    (void)state;
    fixture_init(&f);
    list = make_list(&f, 4, 1000000);
    assert_int_equal(yield(&f, list, &damaged), 4);
    assert_true(collection_open(&f.types, list, &collection));
    assert_false(collection.count_known);
    fixture_deinit(&f);
}

static void a_list_without_array_is_empty(void **state)
{
    struct fixture f;
    bool damaged;
    uint64_t list;

    (void)state;
    fixture_init(&f);
    list = make_list(&f, 4, 3);
    mock_u64(&f.mock, list + 8, 0);
    assert_int_equal(yield(&f, list, &damaged), 0);
    mock_u64(&f.mock, list + 8, 0x1234567);
    assert_int_equal(yield(&f, list, &damaged), 0);
    fixture_deinit(&f);
}

static void an_object_that_is_no_collection_is_none(void **state)
{
    struct collection collection;
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_false(collection_open(&f.types, mock_object(&f.mock, f.thing, 8), &collection));
    assert_false(collection_open(&f.types, 0, &collection));
    assert_false(collection_open(&f.types, UINT64_MAX - 7, &collection));
    fixture_deinit(&f);
}

static void a_nested_type_of_a_dictionary_is_no_dictionary(void **state)
{
    struct fixture f;
    uint64_t entry;

    (void)state;
    fixture_init(&f);
    entry = mock_class(&f.mock, "System.Collections.Generic.Dictionary<A, B>+KeyCollection", NULL, 0);
    assert_null(collection_type_get(&f.types, entry));
    fixture_deinit(&f);
}

/* A stack of `count` nodes. */
static uint64_t make_stack(struct fixture *f, unsigned count, uint64_t *last_ret)
{
    static const struct mock_field stack_fields[] = { { "_head", 0, ELEMENT_CLASS } };
    static const struct mock_field node_fields[] = { { "_value", 0, ELEMENT_CLASS }, { "_next", 8, ELEMENT_CLASS } };
    uint64_t stack_mt = mock_class(&f->mock, "System.Collections.Concurrent.ConcurrentStack<His.Patient>", stack_fields, 1);
    uint64_t node_mt = mock_class(&f->mock, "System.Collections.Concurrent.ConcurrentStack<His.Patient>+Node", node_fields, 2);
    uint64_t stack = mock_object(&f->mock, stack_mt, 8), slot = stack + 8;

    for (unsigned i = 0; i < count; i++) {
        *last_ret = mock_object(&f->mock, node_mt, 16);
        mock_u64(&f->mock, slot, *last_ret);
        slot = *last_ret + 16;
    }
    return stack;
}

static void a_chain_ends_at_null(void **state)
{
    struct fixture f;
    uint64_t last;
    bool damaged;

    (void)state;
    fixture_init(&f);
    assert_int_equal(yield(&f, make_stack(&f, 100, &last), &damaged), 100);
    assert_false(damaged);
    fixture_deinit(&f);
}

static void a_chain_in_a_circle_ends_and_says_so(void **state)
{
    struct fixture f;
    uint64_t stack, last;
    bool damaged;

    (void)state;
    fixture_init(&f);
    stack = make_stack(&f, 100, &last);
    mock_u64(&f.mock, last + 16, last);
    assert_in_range(yield(&f, stack, &damaged), 100, 1000);
    assert_true(damaged);
    fixture_deinit(&f);
}

/* A tree whose root has itself to the left or to the right. */
static uint64_t make_odd_tree(struct fixture *f, uint32_t off)
{
    static const struct mock_field set_fields[] = { { "root", 0, ELEMENT_CLASS }, { "count", 8, ELEMENT_I4 } };
    static const struct mock_field node_fields[] = { { "<Left>k__BackingField", 0, ELEMENT_CLASS },
                                                     { "<Right>k__BackingField", 8, ELEMENT_CLASS },
                                                     { "<Item>k__BackingField", 16, ELEMENT_CLASS } };
    uint64_t set_mt = mock_class(&f->mock, "System.Collections.Generic.SortedSet<His.Patient>", set_fields, 2);
    uint64_t node_mt = mock_class(&f->mock, "System.Collections.Generic.SortedSet<His.Patient>+Node", node_fields, 3);
    uint64_t set = mock_object(&f->mock, set_mt, 16), node = mock_object(&f->mock, node_mt, 24);

    mock_u64(&f->mock, set + 8, node);
    mock_u32(&f->mock, set + 16, 1);
    mock_u64(&f->mock, node + 8 + off, node);
    return set;
}

static void a_tree_in_a_circle_ends_and_says_so(void **state)
{
    struct fixture f;
    bool damaged;

    (void)state;
    fixture_init(&f);
    assert_in_range(yield(&f, make_odd_tree(&f, 0), &damaged), 1, 200);
    assert_true(damaged);
    assert_in_range(yield(&f, make_odd_tree(&f, 8), &damaged), 1, 200);
    assert_true(damaged);
    fixture_deinit(&f);
}

static void a_dictionary_leaves_out_free_entries(void **state)
{
    static const struct mock_field dictionary_fields[] = { { "_entries", 0, ELEMENT_CLASS },
                                                           { "_count", 8, ELEMENT_I4 },
                                                           { "_freeCount", 12, ELEMENT_I4 } };
    static const struct mock_field entry_fields[] = { { "next", 0, ELEMENT_I4 },
                                                      { "key", 8, ELEMENT_I4 },
                                                      { "value", 16, ELEMENT_CLASS } };
    struct collection collection;
    struct fixture f;
    uint64_t mt, entry_mt, dictionary, array;
    bool damaged;

    (void)state;
    fixture_init(&f);
    mt = mock_class(&f.mock, "System.Collections.Generic.Dictionary<System.Int32, His.Patient>", dictionary_fields, 3);
    entry_mt = mock_class(&f.mock, "System.Collections.Generic.Dictionary<System.Int32, His.Patient>+Entry", entry_fields, 3);
    array = mock_array(&f.mock, mock_array_class(&f.mock, "Entry[]", entry_mt, ELEMENT_VALUETYPE, 24), 7);
    dictionary = mock_object(&f.mock, mt, 16);
    mock_u64(&f.mock, dictionary + 8, array);
    mock_u32(&f.mock, dictionary + 16, 5);
    mock_u32(&f.mock, dictionary + 20, 2);
    for (unsigned i = 0; i < 5; i++)
        mock_u32(&f.mock, array + ARRAY_DATA_OFF + 24 * i, i < 2 ? (uint32_t)-3 : (uint32_t)-1);
    assert_int_equal(yield(&f, dictionary, &damaged), 3);
    assert_true(collection_open(&f.types, dictionary, &collection));
    assert_int_equal(collection.count, 3);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_as_many_elements_as_it_counts),
        cmocka_unit_test(a_list_never_has_more_than_its_array),
        cmocka_unit_test(a_list_without_array_is_empty),
        cmocka_unit_test(an_object_that_is_no_collection_is_none),
        cmocka_unit_test(a_nested_type_of_a_dictionary_is_no_dictionary),
        cmocka_unit_test(a_chain_ends_at_null),
        cmocka_unit_test(a_chain_in_a_circle_ends_and_says_so),
        cmocka_unit_test(a_tree_in_a_circle_ends_and_says_so),
        cmocka_unit_test(a_dictionary_leaves_out_free_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
