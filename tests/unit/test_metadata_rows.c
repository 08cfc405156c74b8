#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/metadata.h"
#include "support/metadata_writer.h"

static const uint8_t any_sig[] = { 0x06, 0x08 };

static struct metadata opened(struct metadata_writer *w)
{
    struct metadata md;

    assert_true(metadata_try_open(metadata_writer_finish(w), &md));
    assert_false(md.truncated);
    return md;
}

/* Three types with 2, 0 and 3 fields and 1, 2 and 0 methods. */
static void add_types(struct metadata_writer *w)
{
    metadata_writer_type(w, 1, "", "A", 0);
    metadata_writer_field(w, "a1", any_sig, 2);
    metadata_writer_field(w, "a2", any_sig, 2);
    metadata_writer_method(w, "m1", any_sig, 2);
    metadata_writer_type(w, 1, "", "B", 0);
    metadata_writer_method(w, "m2", any_sig, 2);
    metadata_writer_method(w, "m3", any_sig, 2);
    metadata_writer_type(w, 1, "", "C", 0);
    metadata_writer_field(w, "c1", any_sig, 2);
    metadata_writer_field(w, "c2", any_sig, 2);
    metadata_writer_field(w, "c3", any_sig, 2);
}

static void lists_end_where_the_next_begins(void **state)
{
    static const struct metadata_range fields[] = { { 1, 3 }, { 0, 0 }, { 3, 6 } }, methods[] = { { 1, 2 }, { 2, 4 }, { 0, 0 } };
    struct metadata_writer w;
    struct metadata md;
    struct metadata_type_def type;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    md = opened(&w);
    for (uint32_t rid = 1; rid <= 3; rid++) {
        assert_true(metadata_type_def(&md, rid, &type));
        assert_memory_equal(&type.fields, &fields[rid - 1], sizeof(type.fields));
        assert_memory_equal(&type.methods, &methods[rid - 1], sizeof(type.methods));
    }
    metadata_writer_deinit(&w);
}

static void members_know_their_type(void **state)
{
    static const uint32_t field_types[] = { 0, 1, 1, 3, 3, 3, 0 }, method_types[] = { 0, 1, 2, 2, 0 };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    md = opened(&w);
    for (uint32_t rid = 0; rid < 7; rid++)
        assert_int_equal(metadata_field_type(&md, rid), field_types[rid]);
    for (uint32_t rid = 0; rid < 5; rid++)
        assert_int_equal(metadata_method_type(&md, rid), method_types[rid]);
    assert_int_equal(metadata_member_type(&md, 0x06000003), 0x02000002);
    assert_string_equal(metadata_member_name(&md, 0x04000005), "c3");
    metadata_writer_deinit(&w);
}

/* The same through Ptr tables that reverse all fields and methods. */
static void ptr_tables_redirect_lists(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    w.uncompressed = true;
    for (uint32_t rid = 5; rid; rid--)
        metadata_writer_add(&w, METADATA_FIELD_PTR, rid);
    for (uint32_t rid = 3; rid; rid--)
        metadata_writer_add(&w, METADATA_METHOD_PTR, rid);
    md = opened(&w);
    assert_int_equal(metadata_list_rid(&md, METADATA_FIELD, 1), 5);
    assert_int_equal(metadata_list_rid(&md, METADATA_FIELD, 6), 0);
    assert_int_equal(metadata_field_type(&md, 5), 1);
    assert_int_equal(metadata_field_type(&md, 1), 3);
    assert_int_equal(metadata_method_type(&md, 3), 1);
    assert_int_equal(metadata_find_field(&md, 1, "c2"), 4);
    assert_int_equal(metadata_find_field(&md, 1, "a1"), 0);
    assert_int_equal(metadata_find_method(&md, 2, "m1"), 1);
    metadata_writer_deinit(&w);
}

static void ptr_rows_that_lead_outside_are_none(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    metadata_writer_add(&w, METADATA_FIELD_PTR, 77);
    metadata_writer_add(&w, METADATA_FIELD_PTR, 0);
    md = opened(&w);
    assert_int_equal(metadata_list_rid(&md, METADATA_FIELD, 1), 0);
    assert_int_equal(metadata_list_rid(&md, METADATA_FIELD, 2), 0);
    assert_int_equal(metadata_find_field(&md, 1, "a1"), 0);
    metadata_writer_deinit(&w);
}

static void lists_that_lie_stay_inside(void **state)
{
    static const uint32_t lies[] = { 0, 4, 0xffff };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            struct metadata_range range;
            metadata_writer_set(&w, METADATA_TYPE_DEF_FIELD_LIST, 1, lies[i]);
            metadata_writer_set(&w, METADATA_TYPE_DEF_FIELD_LIST, 2, lies[k]);
            md = opened(&w);
            range = metadata_list(&md, METADATA_TYPE_DEF_FIELD_LIST, 1);
            assert_true(range.start <= range.end && range.end <= 6);
            assert_true(range.start || !range.end);
        }
    metadata_writer_deinit(&w);
}

/* ---- rows by key ---- */

static const uint32_t keys[] = { 1, 1, 3, 3, 3, 7, 9 };

static void add_interfaces(struct metadata_writer *w)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        metadata_writer_add(w, METADATA_INTERFACE_IMPL, keys[i], (uint32_t)(i + 1) << 2 | 1);
}

static void finds_rows_sorted_or_not(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    for (unsigned sorted = 0; sorted < 2; sorted++) {
        metadata_writer_init(&w);
        add_interfaces(&w);
        w.sorted = sorted ? UINT64_C(1) << METADATA_INTERFACE_IMPL : 0;
        md = opened(&w);
        for (uint32_t key = 0; key < 11; key++) {
            struct metadata_rows rows = metadata_rows_where(&md, METADATA_INTERFACE_IMPL_CLASS, key);
            assert_int_equal(rows.ordered, sorted);
            for (uint32_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                if (keys[i] != key) continue;
                assert_true(metadata_rows_next(&md, &rows));
                assert_int_equal(rows.rid, i + 1);
            }
            assert_false(metadata_rows_next(&md, &rows));
            assert_false(metadata_rows_next(&md, &rows));
        }
        metadata_writer_deinit(&w);
    }
}

static void rows_of_a_token_that_cannot_be_are_none(void **state)
{
    static const uint32_t tokens[] = { 0, 0x02000000, 0x06000001, 0xff000001 };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_interfaces(&w);
    md = opened(&w);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        struct metadata_rows rows = metadata_rows_of(&md, METADATA_INTERFACE_IMPL_CLASS, tokens[i]);
        assert_false(metadata_rows_next(&md, &rows));
        assert_false(metadata_rows_next(&md, &rows));
    }
    metadata_writer_deinit(&w);
}

static void a_huge_unsorted_table_is_searched_as_if_sorted(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_fill(&w, METADATA_INTERFACE_IMPL, METADATA_UNSORTED_ROWS_MAX);
    md = opened(&w);
    assert_false(metadata_rows_where(&md, METADATA_INTERFACE_IMPL_CLASS, 1).ordered);
    metadata_writer_add(&w, METADATA_INTERFACE_IMPL, 5, 0);
    md = opened(&w);
    assert_true(metadata_rows_where(&md, METADATA_INTERFACE_IMPL_CLASS, 1).ordered);
    assert_int_equal(metadata_find_row(&md, METADATA_INTERFACE_IMPL_CLASS, 5), METADATA_UNSORTED_ROWS_MAX + 1);
    metadata_writer_deinit(&w);
}

/* ---- what hangs on types and members ---- */

static void generic_params_are_counted_by_owner(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_add(&w, METADATA_GENERIC_PARAM, 0, 0, 2 << 1, metadata_writer_string(&w, "TKey"));
    metadata_writer_add(&w, METADATA_GENERIC_PARAM, 1, 0, 2 << 1, metadata_writer_string(&w, "TValue"));
    metadata_writer_add(&w, METADATA_GENERIC_PARAM, 0, 0, 2 << 1 | 1, metadata_writer_string(&w, "T"));
    md = opened(&w);
    assert_int_equal(metadata_generic_param_count(&md, 0x02000002), 2);
    assert_int_equal(metadata_generic_param_count(&md, 0x06000002), 1);
    assert_int_equal(metadata_generic_param_count(&md, 0x02000001), 0);
    assert_string_equal(metadata_generic_param_name(&md, 0x02000002, 1), "TValue");
    assert_string_equal(metadata_generic_param_name(&md, 0x02000002, 2), "");
    metadata_writer_deinit(&w);
}

static void layouts_and_rvas_are_found_by_row(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_class_layout layout;
    uint32_t value = 0;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_add(&w, METADATA_CLASS_LAYOUT, 8, 4096, 3);
    metadata_writer_add(&w, METADATA_FIELD_LAYOUT, 24, 2);
    metadata_writer_add(&w, METADATA_FIELD_RVA, 0x2050, 1);
    md = opened(&w);
    assert_true(metadata_class_layout(&md, 3, &layout));
    assert_int_equal(layout.packing_size, 8);
    assert_int_equal(layout.class_size, 4096);
    assert_false(metadata_class_layout(&md, 0, &layout));
    assert_true(metadata_field_offset(&md, 2, &value));
    assert_int_equal(value, 24);
    assert_true(metadata_field_rva(&md, 1, &value));
    assert_int_equal(value, 0x2050);
    assert_false(metadata_field_rva(&md, 2, &value));
    metadata_writer_deinit(&w);
}

static void constants_and_accessors_are_found_by_token(void **state)
{
    static const uint8_t seven[] = { 7, 0, 0, 0 };
    struct metadata_writer w;
    struct metadata md;
    struct metadata_constant constant;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_add(&w, METADATA_CONSTANT, 0x08, 5 << 2, metadata_writer_blob(&w, seven, 4));
    metadata_writer_add(&w, METADATA_METHOD_SEMANTICS, METADATA_GETTER, 11, 1 << 1 | 1);
    metadata_writer_add(&w, METADATA_METHOD_SEMANTICS, METADATA_SETTER, 12, 1 << 1 | 1);
    metadata_writer_add(&w, METADATA_METHOD_SEMANTICS, METADATA_ADD_ON, 13, 1 << 1);
    md = opened(&w);
    assert_true(metadata_constant(&md, 0x04000005, &constant));
    assert_int_equal(constant.element_type, 8);
    assert_memory_equal(constant.value.data, seven, 4);
    assert_false(metadata_constant(&md, 0x08000005, &constant));
    assert_int_equal(metadata_accessor(&md, 0x17000001, METADATA_GETTER), 11);
    assert_int_equal(metadata_accessor(&md, 0x17000001, METADATA_SETTER), 12);
    assert_int_equal(metadata_accessor(&md, 0x14000001, METADATA_ADD_ON), 13);
    assert_int_equal(metadata_accessor(&md, 0x14000001, METADATA_FIRE), 0);
    metadata_writer_deinit(&w);
}

static void properties_and_events_hang_on_maps(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_range range;
    struct metadata_property property;
    struct metadata_event event;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_add(&w, METADATA_PROPERTY_MAP, 9, 1); /* not in order: the table is not a sorted one */
    metadata_writer_add(&w, METADATA_PROPERTY_MAP, 4, 2);
    metadata_writer_add(&w, METADATA_PROPERTY, 0, metadata_writer_string(&w, "Count"), 0);
    metadata_writer_add(&w, METADATA_PROPERTY, 0, metadata_writer_string(&w, "Item"), 0);
    metadata_writer_add(&w, METADATA_EVENT_MAP, 4, 1);
    metadata_writer_add(&w, METADATA_EVENT, 0, metadata_writer_string(&w, "Changed"), 6 << 2 | 1);
    md = opened(&w);
    range = metadata_type_properties(&md, 4);
    assert_int_equal(range.start, 2);
    assert_int_equal(range.end, 3);
    assert_true(metadata_property(&md, metadata_list_rid(&md, METADATA_PROPERTY, range.start), &property));
    assert_string_equal(property.name, "Item");
    range = metadata_type_events(&md, 4);
    assert_true(metadata_event(&md, metadata_list_rid(&md, METADATA_EVENT, range.start), &event));
    assert_string_equal(event.name, "Changed");
    assert_int_equal(event.type_token, 0x01000006);
    range = metadata_type_properties(&md, 5);
    assert_int_equal(range.start, range.end);
    metadata_writer_deinit(&w);
}

static void references_lead_to_the_type_they_name(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_member_ref ref;
    struct metadata_method_spec spec;

    (void)state;
    metadata_writer_init(&w);
    add_types(&w);
    metadata_writer_add(&w, METADATA_MEMBER_REF, 5 << 3 | 1, metadata_writer_string(&w, "ToString"), 0);
    metadata_writer_add(&w, METADATA_MEMBER_REF, 3 << 3 | 3, 0, 0); /* the vararg call of method_def 3 */
    metadata_writer_add(&w, METADATA_MEMBER_REF, 1 << 3 | 2, 0, 0); /* a global method of another module */
    metadata_writer_add(&w, METADATA_METHOD_SPEC, 1 << 1 | 1, 0);
    md = opened(&w);
    assert_true(metadata_member_ref(&md, 1, &ref));
    assert_int_equal(ref.parent_token, 0x01000005);
    assert_int_equal(metadata_member_type(&md, 0x0a000001), 0x01000005);
    assert_int_equal(metadata_member_type(&md, 0x0a000002), 0x02000002);
    assert_int_equal(metadata_member_type(&md, 0x0a000003), 0);
    assert_true(metadata_method_spec(&md, 1, &spec));
    assert_int_equal(spec.method_token, 0x0a000001);
    assert_int_equal(metadata_member_type(&md, 0x2b000001), 0x01000005);
    assert_string_equal(metadata_member_name(&md, 0x2b000001), "ToString");
    metadata_writer_deinit(&w);
}

static void params_assembly_refs_and_exported_types_read_back(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_param param;
    struct metadata_assembly assembly;
    struct metadata_exported_type type;
    struct metadata_method_def method;

    (void)state;
    metadata_writer_init(&w);
    metadata_writer_method(&w, "m", any_sig, 2);
    metadata_writer_add(&w, METADATA_PARAM, 1, 1, metadata_writer_string(&w, "id"));
    metadata_writer_add(&w, METADATA_ASSEMBLY_REF, 10, 0, 1, 2, 0, 0, metadata_writer_string(&w, "System.Runtime"), 0, 0);
    metadata_writer_add(&w, METADATA_EXPORTED_TYPE, 0x200000, 0, metadata_writer_string(&w, "List`1"),
                        metadata_writer_string(&w, "System"), 1 << 2 | 1);
    md = opened(&w);
    assert_true(metadata_method_def(&md, 1, &method));
    assert_int_equal(method.params.end - method.params.start, 1);
    assert_true(metadata_param(&md, method.params.start, &param));
    assert_string_equal(param.name, "id");
    assert_true(metadata_assembly_ref(&md, 1, &assembly));
    assert_string_equal(assembly.name, "System.Runtime");
    assert_int_equal(assembly.version[0], 10);
    assert_int_equal(assembly.version[3], 2);
    assert_false(metadata_assembly(&md, &assembly));
    assert_true(metadata_exported_type(&md, 1, &type));
    assert_int_equal(type.implementation_token, 0x23000001);
    metadata_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_end_where_the_next_begins),
        cmocka_unit_test(members_know_their_type),
        cmocka_unit_test(ptr_tables_redirect_lists),
        cmocka_unit_test(ptr_rows_that_lead_outside_are_none),
        cmocka_unit_test(lists_that_lie_stay_inside),
        cmocka_unit_test(finds_rows_sorted_or_not),
        cmocka_unit_test(rows_of_a_token_that_cannot_be_are_none),
        cmocka_unit_test(a_huge_unsorted_table_is_searched_as_if_sorted),
        cmocka_unit_test(generic_params_are_counted_by_owner),
        cmocka_unit_test(layouts_and_rvas_are_found_by_row),
        cmocka_unit_test(constants_and_accessors_are_found_by_token),
        cmocka_unit_test(properties_and_events_hang_on_maps),
        cmocka_unit_test(references_lead_to_the_type_they_name),
        cmocka_unit_test(params_assembly_refs_and_exported_types_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
