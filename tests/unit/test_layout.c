/* Layout documents: built-in tables and what a dump says of itself, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clr/layout.h"

static struct span text(const char *json)
{
    return (struct span) { (const uint8_t *)json, strlen(json) };
}

static void read_table(struct layout *layout, const char *json)
{
    layout_init(layout);
    assert_null(layout_read(layout, text(json), LAYOUT_BUILT_IN));
}

static void offsets_stand_alone_in_arrays_and_in_hexadecimal(void **state)
{
    struct layout layout;

    (void)state;
    read_table(&layout, "{\"types\": {\"Thread\": {\"Id\": 16, \"OSId\": [296, \"nuint\"], \"State\": \"0x18\", \"!\": 900}}}");
    assert_int_equal(layout.offset[FIELD_Thread_Id], 16);
    assert_int_equal(layout.offset[FIELD_Thread_OSId], 296);
    assert_int_equal(layout.offset[FIELD_Thread_State], 0x18);
    assert_int_equal(layout.offset_source[FIELD_Thread_Id], LAYOUT_BUILT_IN);
    assert_false(layout_has(&layout, FIELD_Thread_LinkNext));
}

static void an_exclamation_mark_is_the_size(void **state)
{
    struct layout layout;

    (void)state;
    read_table(&layout, "{\"types\": {\"MethodDescChunk\": {\"!\": 24, \"Size\": 16}}}");
    assert_int_equal(layout.offset[FIELD_MethodDescChunk_SIZE], 24);
    assert_int_equal(layout.offset[FIELD_MethodDescChunk_Size], 16);
}

static void offsets_that_cannot_be_are_left_out(void **state)
{
    struct layout layout;

    (void)state;
    read_table(&layout,
               "{\"types\": {\"Thread\": {\"Id\": -1, \"OSId\": 99999999, \"State\": [\"x\"], \"LinkNext\": {}}, \"Module\": 7}}");
    assert_false(layout_has(&layout, FIELD_Thread_Id));
    assert_false(layout_has(&layout, FIELD_Thread_OSId));
    assert_false(layout_has(&layout, FIELD_Thread_State));
    assert_false(layout_has(&layout, FIELD_Thread_LinkNext));
}

static void the_dump_overrides_the_table_field_by_field(void **state)
{
    static const uint64_t pointers[] = { 0, 0x7000 };
    struct layout layout;

    (void)state;
    read_table(&layout, "{\"types\": {\"Thread\": {\"Id\": 16, \"OSId\": 296}}, \"globals\": {\"AppDomain\": [[20], \"pointer\"], "
                        "\"CollectibleFlag\": \"0x200000\"}}");
    assert_null(
        layout_read_descriptor(&layout,
                               text("{\"types\": {\"Thread\": {\"OSId\": [304, \"nuint\"]}}, \"globals\": {\"AppDomain\": [[1], "
                                    "\"pointer\"], \"ThreadStore\": [1], \"FinalizerThread\": [[2], \"pointer\"]}}"),
                               pointers, 2));
    assert_int_equal(layout.offset[FIELD_Thread_Id], 16);
    assert_int_equal(layout.offset[FIELD_Thread_OSId], 304);
    assert_int_equal(layout.offset_source[FIELD_Thread_OSId], LAYOUT_DESCRIPTOR);
    assert_int_equal(layout.global[GLOBAL_AppDomain].addr, 0x7000);
    assert_true(layout.global[GLOBAL_AppDomain].has_dac_index);
    assert_int_equal(layout.global[GLOBAL_AppDomain].dac_index, 20);
    /* Without a type, and beyond the pointers that there are. */
    assert_int_equal(layout.global[GLOBAL_ThreadStore].addr, 0x7000);
    assert_int_equal(layout.global[GLOBAL_FinalizerThread].addr, 0);
    assert_int_equal(layout.constant[CONSTANT_CollectibleFlag], 0x200000);
}

static void a_method_table_cannot_be_larger_than_what_is_read_of_it(void **state)
{
    struct layout layout;

    (void)state;
    layout_init(&layout);
    struct error *err = layout_read_descriptor(&layout, text("{\"types\": {\"MethodTable\": {\"BaseSize\": 57}}}"), NULL, 0);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_BAD_DATA);
    error_destroy(err);
    assert_false(layout_has_method_table(&layout));
}

static void what_is_no_document_is_refused(void **state)
{
    static const char *const cases[] = { "", "{", "[]x", "{\"types\": []}", "{\"types\": {}, \"types\": {}}", "\"\\ud800\"" };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct layout layout;
        struct error *err;

        layout_init(&layout);
        err = layout_read(&layout, text(cases[i]), LAYOUT_BUILT_IN);
        assert_non_null(err);
        error_destroy(err);
    }
}

static void every_table_built_in_is_whole(void **state)
{
    (void)state;
    assert_non_null(layouts_builtin[0].name);
    for (const struct layout_builtin *table = layouts_builtin; table->name; table++) {
        struct layout layout;

        read_table(&layout, table->json);
        assert_true(layout_has_method_table(&layout));
        assert_true(layout_has(&layout, FIELD_Module_Assembly));
        assert_true(layout_has(&layout, FIELD_ThreadStore_FirstThreadLink));
        assert_true(layout.global[GLOBAL_AppDomain].has_dac_index);
        assert_true(layout.global[GLOBAL_GcDacVars].has_dac_index);
        assert_int_not_equal(layout.constant[CONSTANT_CollectibleFlag], 0);
    }
}

static void builds_name_tables_and_are_sorted(void **state)
{
    (void)state;
    for (const struct layout_build *build = layout_builds; build->id; build++) {
        const struct layout_builtin *table = layouts_builtin;

        while (table->name && strcmp(table->name, build->table))
            table++;
        assert_non_null(table->name);
        if (build[1].id) assert_true(strcmp(build->id, build[1].id) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_stand_alone_in_arrays_and_in_hexadecimal),
        cmocka_unit_test(an_exclamation_mark_is_the_size),
        cmocka_unit_test(offsets_that_cannot_be_are_left_out),
        cmocka_unit_test(the_dump_overrides_the_table_field_by_field),
        cmocka_unit_test(a_method_table_cannot_be_larger_than_what_is_read_of_it),
        cmocka_unit_test(what_is_no_document_is_refused),
        cmocka_unit_test(every_table_built_in_is_whole),
        cmocka_unit_test(builds_name_tables_and_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
