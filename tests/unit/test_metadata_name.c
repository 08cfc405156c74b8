#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/metadata.h"
#include "support/metadata_writer.h"

enum { PUBLIC = 1, NESTED_PUBLIC = 2 };

static const uint8_t constructor[] = { 0x20, 0x00, 0x01 };

/* 1 <Module>, 2 His.Outer`1, 3 its Inner`1, 4 its Deep; and a type of the same name as 3 in another one, 5 and 6. */
static void add_types(struct metadata_writer *w)
{
    metadata_writer_type(w, 0, "", "<Module>", 0);
    metadata_writer_type(w, PUBLIC, "His", "Outer`1", 0);
    metadata_writer_type(w, NESTED_PUBLIC, "", "Inner`1", 0);
    metadata_writer_type(w, NESTED_PUBLIC, "", "Deep", 0);
    metadata_writer_type(w, PUBLIC, "His", "Other", 0);
    metadata_writer_type(w, NESTED_PUBLIC, "", "Inner`1", 0);
    metadata_writer_nest(w, 3, 2);
    metadata_writer_nest(w, 4, 3);
    metadata_writer_nest(w, 6, 5);
}

static struct metadata opened(struct metadata_writer *w)
{
    struct metadata md;

    assert_true(metadata_try_open(metadata_writer_finish(w), &md));
    return md;
}

static void check_name(const struct metadata *md, uint32_t token, const char *expected)
{
    struct text text;

    text_init(&text);
    assert_int_equal(metadata_type_token_name(md, token, &text), *expected != 0);
    assert_string_equal(text_cstr(&text), expected);
    text_deinit(&text);
}

static void names_nested_types_from_the_outside(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    md = opened(&w);
    check_name(&md, 0x02000001, "<Module>");
    check_name(&md, 0x02000002, "His.Outer`1");
    check_name(&md, 0x02000004, "His.Outer`1+Inner`1+Deep");
    check_name(&md, 0x02000006, "His.Other+Inner`1");
    check_name(&md, 0x02000007, "");
    check_name(&md, 0x02000000, "");
    check_name(&md, 0x06000001, "");
    metadata_writer_deinit(&w);
}

static void names_references_and_exports_by_scope(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_type_ref(&w, 0x23000001, "System", "Dictionary`2");
    metadata_writer_type_ref(&w, 0x01000001, "", "Entry");
    metadata_writer_add(&w, METADATA_EXPORTED_TYPE, 0, 0, metadata_writer_string(&w, "A"), metadata_writer_string(&w, "N"),
                        1 << 2 | 1);
    metadata_writer_add(&w, METADATA_EXPORTED_TYPE, 0, 0, metadata_writer_string(&w, "B"), 0, 1 << 2 | 2);
    md = opened(&w);
    check_name(&md, 0x01000002, "System.Dictionary`2+Entry");
    check_name(&md, 0x27000002, "N.A+B");
    assert_int_equal(metadata_type_ref_scope(&md, 2), 0x23000001);
    metadata_writer_deinit(&w);
}

static void names_type_specs_by_their_signature(void **state)
{
    static const uint8_t list_of_int[] = { 0x15, 0x12, 0x05, 0x01, 0x08 };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_type_ref(&w, 0x23000001, "System.Collections.Generic", "List`1");
    metadata_writer_add(&w, METADATA_TYPE_SPEC, metadata_writer_blob(&w, list_of_int, sizeof(list_of_int)));
    md = opened(&w);
    check_name(&md, 0x1b000001, "System.Collections.Generic.List<System.Int32>");
    check_name(&md, 0x1b000002, "");
    metadata_writer_deinit(&w);
}

/* Types that enclose each other, and a type_ref that is its own scope. */
static void cycles_end_at_the_depth_limit(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_name_part parts[METADATA_NAME_PARTS];

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_type(&w, NESTED_PUBLIC, "", "A", 0);
    metadata_writer_type(&w, NESTED_PUBLIC, "", "B", 0);
    metadata_writer_nest(&w, 1, 2);
    metadata_writer_nest(&w, 2, 1);
    metadata_writer_type_ref(&w, 0x01000001, "", "R");
    md = opened(&w);
    assert_int_equal(metadata_type_name_parts(&md, 0x02000001, parts), METADATA_NAME_PARTS);
    assert_string_equal(parts[METADATA_NAME_PARTS - 1].name, "A");
    assert_string_equal(parts[METADATA_NAME_PARTS - 2].name, "B");
    assert_int_equal(metadata_type_name_parts(&md, 0x01000001, parts), METADATA_NAME_PARTS);
    assert_int_equal(metadata_type_ref_scope(&md, 1), 0);
    metadata_writer_deinit(&w);
}

static void finds_types_by_name(void **state)
{
    static const struct {
        const char *name;
        uint32_t rid;
    } cases[] = {
        { "<Module>", 1 },
        { "His.Outer`1", 2 },
        { "His.Outer`1+Inner`1", 3 },
        { "His.Outer`1+Inner`1+Deep", 4 },
        { "His.Other+Inner`1", 6 },
        { "His.Other+Inner", 0 },
        { "Inner`1", 0 },
        { "Outer`1", 0 },
        { "His.Outer", 0 },
        { "His.Outer`1+", 0 },
        { "His.Outer`1+Inner`1+Deep+Deeper", 0 },
        { "", 0 },
        { ".", 0 },
        { "+", 0 },
    };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    md = opened(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(metadata_find_type_by_name(&md, cases[i].name), cases[i].rid);
    assert_int_equal(metadata_find_type_def(&md, 5, "", "Inner`1"), 6);
    assert_int_equal(metadata_find_type_def(&md, 0, "His", "Other"), 5);
    metadata_writer_deinit(&w);
}

/* Attribute 1 has its constructor in this module, 2 in another. */
static void finds_attributes_by_the_name_of_their_type(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    metadata_writer_type(&w, PUBLIC, "His", "MarkAttribute", 0);
    metadata_writer_method(&w, ".ctor", constructor, sizeof(constructor));
    metadata_writer_type_ref(&w, 0x23000001, "System", "ObsoleteAttribute");
    metadata_writer_add(&w, METADATA_MEMBER_REF, 1 << 3 | 1, metadata_writer_string(&w, ".ctor"), 0);
    metadata_writer_add(&w, METADATA_CUSTOM_ATTRIBUTE, 2 << 5 | 3, 1 << 3 | 2, 0);
    metadata_writer_add(&w, METADATA_CUSTOM_ATTRIBUTE, 2 << 5 | 3, 1 << 3 | 3, 0);
    md = opened(&w);
    assert_int_equal(metadata_attribute_type(&md, 1), 0x02000007);
    assert_int_equal(metadata_attribute_type(&md, 2), 0x01000001);
    assert_int_equal(metadata_find_attribute(&md, 0x02000002, "System", "ObsoleteAttribute"), 2);
    assert_int_equal(metadata_find_attribute(&md, 0x02000002, "His", "MarkAttribute"), 1);
    assert_int_equal(metadata_find_attribute(&md, 0x02000002, "His", "ObsoleteAttribute"), 0);
    assert_int_equal(metadata_find_attribute(&md, 0x02000003, "System", "ObsoleteAttribute"), 0);
    metadata_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_nested_types_from_the_outside),
        cmocka_unit_test(names_references_and_exports_by_scope),
        cmocka_unit_test(names_type_specs_by_their_signature),
        cmocka_unit_test(cycles_end_at_the_depth_limit),
        cmocka_unit_test(finds_types_by_name),
        cmocka_unit_test(finds_attributes_by_the_name_of_their_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
