#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clr/call_search.h"
#include "support/metadata_writer.h"

static const uint8_t of_bytes[] = { 0x00, 0x01, 0x01, 0x1d, 0x05 }, of_string[] = { 0x00, 0x01, 0x01, 0x0e };
static const uint8_t of_nothing[] = { 0x20, 0x00, 0x01 }, field_int[] = { 0x06, 0x08 };
static const uint8_t lazy_of_int[] = { 0x15, 0x12, 0x09, 0x01, 0x08 }; /* GENERICINST class type_ref 2 <int> */

struct image {
    struct metadata_writer writer;
    struct metadata md;
};

static void add_ref(struct image *image, uint32_t parent, const char *name, const void *signature, size_t size)
{
    metadata_writer_add(&image->writer, METADATA_MEMBER_REF, metadata_encode(METADATA_CODED_MEMBER_REF_PARENT, parent),
                        metadata_writer_string(&image->writer, name), metadata_writer_blob(&image->writer, signature, size));
}

enum { LOAD_BYTES = 0x0a000001, LOAD_STRING, LAZY_CTOR, NESTED_CTOR, A_FIELD };

static void image_init(struct image *image)
{
    struct metadata_writer *w = &image->writer;

    metadata_writer_init(w);
    metadata_writer_type_ref(w, 0x23000001, "System.Reflection", "Assembly");
    metadata_writer_type_ref(w, 0x23000001, "System", "Lazy`1");
    metadata_writer_type_ref(w, 0x23000001, "Castle.DynamicProxy", "Generator");
    metadata_writer_type_ref(w, 0x01000003, "", "Options");
    metadata_writer_add(w, METADATA_TYPE_SPEC, metadata_writer_blob(w, lazy_of_int, sizeof(lazy_of_int)));
    add_ref(image, 0x01000001, "Load", of_bytes, sizeof(of_bytes));
    add_ref(image, 0x01000001, "Load", of_string, sizeof(of_string));
    add_ref(image, 0x1b000001, ".ctor", of_nothing, sizeof(of_nothing));
    add_ref(image, 0x01000004, ".ctor", of_nothing, sizeof(of_nothing));
    add_ref(image, 0x01000004, "Load", field_int, sizeof(field_int));
    assert_null(metadata_open(metadata_writer_finish(w), &image->md));
}

static bool matches(const struct image *image, struct call_pattern pattern, uint32_t token)
{
    struct text scratch;
    bool ret;

    text_init(&scratch);
    ret = call_pattern_matches(&pattern, &image->md, token, &scratch);
    text_deinit(&scratch);
    return ret;
}

static void a_type_may_be_the_end_of_its_name(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    assert_true(matches(&image, (struct call_pattern) { "System.Reflection.Assembly", "Load" }, LOAD_BYTES));
    assert_true(matches(&image, (struct call_pattern) { "Assembly", "Load" }, LOAD_BYTES));
    assert_true(matches(&image, (struct call_pattern) { NULL, "Lo*" }, LOAD_BYTES));
    assert_false(matches(&image, (struct call_pattern) { "sembly", "Load" }, LOAD_BYTES));
    assert_false(matches(&image, (struct call_pattern) { "Assembly", "load" }, LOAD_BYTES));
    metadata_writer_deinit(&image.writer);
}

static void marks_of_arity_and_nesting_may_be_left_out(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    assert_true(matches(&image, (struct call_pattern) { "System.Lazy", ".ctor" }, LAZY_CTOR));
    assert_true(matches(&image, (struct call_pattern) { "Lazy`1", ".ctor" }, LAZY_CTOR));
    assert_false(matches(&image, (struct call_pattern) { "Lazy`2", ".ctor" }, LAZY_CTOR));
    assert_true(matches(&image, (struct call_pattern) { "Generator.Options", ".ctor" }, NESTED_CTOR));
    assert_true(matches(&image, (struct call_pattern) { "Castle.DynamicProxy.Generator+Options", ".ctor" }, NESTED_CTOR));
    metadata_writer_deinit(&image.writer);
}

static void parameters_tell_overloads_apart(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    assert_true(matches(&image, (struct call_pattern) { NULL, "Load", "(System.Byte[]*", NULL }, LOAD_BYTES));
    assert_false(matches(&image, (struct call_pattern) { NULL, "Load", "(System.Byte[]*", NULL }, LOAD_STRING));
    assert_false(matches(&image, (struct call_pattern) { NULL, "Load", NULL, "(System.Type)(System.String)" }, LOAD_STRING));
    assert_true(matches(&image, (struct call_pattern) { NULL, "Load", NULL, "(System.Type)(System.String)" }, LOAD_BYTES));
    metadata_writer_deinit(&image.writer);
}

static void fields_and_tokens_that_lead_nowhere_match_nothing(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    assert_false(matches(&image, (struct call_pattern) { NULL, "*" }, A_FIELD));
    assert_false(matches(&image, (struct call_pattern) { "*", "*" }, 0x0a000099));
    assert_false(matches(&image, (struct call_pattern) { "*", "*" }, 0x06000001));
    metadata_writer_deinit(&image.writer);
}

static void names_are_taken_as_people_write_them(void **state)
{
    static const struct {
        const char *name;
        struct call_pattern first, second;
    } cases[] = {
        { "BuildServiceProvider", { NULL, "BuildServiceProvider" }, { "BuildServiceProvider", ".ctor" } },
        { "A.B.Make", { "A.B", "Make" }, { "A.B.Make", ".ctor" } },
        { "A.B::Make", { "A.B", "Make" }, { "A.B::Make", ".ctor" } },
        { "A.B..ctor", { "A.B", ".ctor" }, { 0 } },
        { "A.B::.ctor", { "A.B", ".ctor" }, { 0 } },
        { "new A.B", { "A.B", ".ctor" }, { 0 } },
        { "A.Load(System.Byte[])", { "A", "Load", "(System.Byte[])" }, { "A.Load", ".ctor", "(System.Byte[])" } },
        { "", { 0 }, { 0 } },
        { "new ", { 0 }, { 0 } },
        { "(", { 0 }, { 0 } },
    };
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct call_pattern *expected[] = { &cases[i].first, &cases[i].second };
        struct call_pattern got[CALL_PATTERNS_OF_NAME] = { 0 };
        size_t count = call_patterns_parse(cases[i].name, &arena, got);

        assert_int_equal(count, !!cases[i].first.method + !!cases[i].second.method);
        for (size_t k = 0; k < count; k++) {
            assert_string_equal(got[k].method, expected[k]->method);
            assert_string_equal(got[k].type ? got[k].type : "", expected[k]->type ? expected[k]->type : "");
            assert_string_equal(got[k].params ? got[k].params : "", expected[k]->params ? expected[k]->params : "");
        }
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_may_be_the_end_of_its_name),    cmocka_unit_test(marks_of_arity_and_nesting_may_be_left_out),
        cmocka_unit_test(parameters_tell_overloads_apart),      cmocka_unit_test(fields_and_tokens_that_lead_nowhere_match_nothing),
        cmocka_unit_test(names_are_taken_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
