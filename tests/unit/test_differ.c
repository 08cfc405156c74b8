/* Like objects of a mock runtime, compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "managed/differ.h"
#include "support/mock_managed.h"

enum { KEYS = 20 };

struct fixture {
    struct mock_clr mock;
    struct collection_types types;
    uint64_t keys[KEYS];
    struct managed_value values[KEYS];
    struct differ differ;
};

/* Key { Own: an object of its own of equal content; Shared: one object; Back: an object that refers to its key; numbers }. */
enum { OWN = 8, SHARED = 16, BACK = 24, SAME = 32, NUMBER = 36, FEW = 40, MIXED = 44 };

static void fixture_init(struct fixture *f)
{
    static const struct mock_field key_fields[] = {
        { "Own", 0, ELEMENT_CLASS }, { "Shared", 8, ELEMENT_CLASS }, { "<Back>k__BackingField", 16, ELEMENT_CLASS },
        { "Same", 24, ELEMENT_I4 },  { "Number", 28, ELEMENT_I4 },   { "Few", 32, ELEMENT_I4 },
        { "Mixed", 36, ELEMENT_I4 },
    };
    static const struct mock_field options_fields[] = { { "Timeout", 0, ELEMENT_I4 } };
    static const struct mock_field back_fields[] = { { "Owner", 0, ELEMENT_CLASS } };
    uint64_t key_mt, options_mt, back_mt, shared;

    mock_clr_init(&f->mock);
    collection_types_init(&f->types, &f->mock.clr);
    key_mt = mock_class(&f->mock, "His.Key", key_fields, 7);
    options_mt = mock_class(&f->mock, "His.Options", options_fields, 1);
    back_mt = mock_class(&f->mock, "His.Back", back_fields, 1);
    shared = mock_object(&f->mock, options_mt, 8);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t key = mock_object(&f->mock, key_mt, 48), own = mock_object(&f->mock, options_mt, 8);
        uint64_t back = mock_object(&f->mock, back_mt, 8);

        mock_u32(&f->mock, own + 8, 30);
        mock_u64(&f->mock, back + 8, key);
        mock_u64(&f->mock, key + OWN, own);
        mock_u64(&f->mock, key + SHARED, shared);
        mock_u64(&f->mock, key + BACK, back);
        mock_u32(&f->mock, key + SAME, 7);
        mock_u32(&f->mock, key + NUMBER, 1000 + i);
        mock_u32(&f->mock, key + FEW, i % 3);
        mock_u32(&f->mock, key + MIXED, i * 7919 % 101);
        f->keys[i] = key;
        f->values[i] = (struct managed_value) { key, ELEMENT_OBJECT, 0 };
    }
}

static void compare(struct fixture *f, bool with_equal)
{
    struct differ_options options = { .with_equal = with_equal };

    assert_null(differ_init(&f->differ, &f->types, f->values, KEYS, &options));
}

static void fixture_deinit(struct fixture *f)
{
    differ_deinit(&f->differ);
    collection_types_deinit(&f->types);
    mock_managed_deinit(&f->mock);
    mock_clr_deinit(&f->mock);
}

static const struct differ_row *find(const struct fixture *f, const char *path)
{
    for (size_t i = 0; i < f->differ.rows.count; i++)
        if (!strcmp(f->differ.rows.data[i].path, path)) return &f->differ.rows.data[i];
    return NULL;
}

static void every_field_gets_its_verdict(void **state)
{
    static const struct {
        const char *path;
        enum differ_verdict verdict;
        uint64_t distinct, contents;
    } expected[] = {
        { "", DIFFER_CONTENT, KEYS, KEYS },   { "Own", DIFFER_IDENTITY, KEYS, 1 },     { "Shared", DIFFER_EQUAL, 1, 1 },
        { "Back", DIFFER_IDENTITY, KEYS, 1 }, { "Same", DIFFER_EQUAL, 1, 1 },          { "Number", DIFFER_GROWS, KEYS, KEYS },
        { "Few", DIFFER_VARIES, 3, 3 },       { "Mixed", DIFFER_CONTENT, KEYS, KEYS },
    };
    struct fixture f;

    (void)state;
    fixture_init(&f);
    compare(&f, true);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct differ_row *row = find(&f, expected[i].path);

        assert_non_null(row);
        assert_int_equal(row->verdict, expected[i].verdict);
        assert_int_equal(row->distinct, expected[i].distinct);
        assert_int_equal(row->contents, expected[i].contents);
        assert_int_equal(row->of, KEYS);
        assert_true(row->complete);
    }
    fixture_deinit(&f);
}

static void what_is_equal_is_left_out_unless_asked(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    compare(&f, false);
    assert_null(find(&f, "Same"));
    assert_null(find(&f, "Shared"));
    assert_non_null(find(&f, "Few"));
    assert_true(f.differ.equal_count >= 2);
    fixture_deinit(&f);
}

static void parts_of_equal_content_are_not_listed(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    compare(&f, true);
    assert_null(find(&f, "Own.Timeout"));
    fixture_deinit(&f);
}

static void one_other_value_makes_a_content_of_its_own(void **state)
{
    struct fixture f;
    uint64_t own;

    (void)state;
    fixture_init(&f);
    memcpy(&own, f.mock.bytes + (f.keys[5] + OWN - MOCK_BASE), sizeof(own));
    mock_u32(&f.mock, own + 8, 31);
    compare(&f, false);
    assert_int_equal(find(&f, "Own")->contents, 2);
    assert_int_equal(find(&f, "Own.Timeout")->verdict, DIFFER_VARIES);
    fixture_deinit(&f);
}

static void null_is_a_value_of_its_own(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u64(&f.mock, f.keys[3] + SHARED, 0);
    compare(&f, false);
    assert_int_equal(find(&f, "Shared")->verdict, DIFFER_VARIES);
    assert_int_equal(find(&f, "Shared")->distinct, 2);
    assert_int_equal(find(&f, "Shared")->nulls, 1);
    fixture_deinit(&f);
}

static void references_to_nowhere_end_there(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (unsigned i = 0; i < KEYS; i++)
        mock_u64(&f.mock, f.keys[i] + OWN, UINT64_C(0x7000000000000000) + i * 8);
    compare(&f, false);
    assert_int_equal(find(&f, "Own")->verdict, DIFFER_UNCLEAR);
    assert_false(find(&f, "Own")->complete);
    fixture_deinit(&f);
}

/* Each key's Own leads to the next key: the depth ends it. */
static void chains_end_at_the_depth(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (unsigned i = 0; i < KEYS; i++)
        mock_u64(&f.mock, f.keys[i] + OWN, f.keys[(i + 1) % KEYS]);
    compare(&f, false);
    assert_int_equal(find(&f, "")->contents, KEYS);
    assert_non_null(find(&f, "Own.Own.Number"));
    fixture_deinit(&f);
}

static void nothing_to_compare_is_no_row(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_null(differ_init(&f.differ, &f.types, f.values, 0, NULL));
    assert_int_equal(f.differ.rows.count, 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_gets_its_verdict),
        cmocka_unit_test(what_is_equal_is_left_out_unless_asked),
        cmocka_unit_test(parts_of_equal_content_are_not_listed),
        cmocka_unit_test(one_other_value_makes_a_content_of_its_own),
        cmocka_unit_test(null_is_a_value_of_its_own),
        cmocka_unit_test(references_to_nowhere_end_there),
        cmocka_unit_test(chains_end_at_the_depth),
        cmocka_unit_test(nothing_to_compare_is_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
