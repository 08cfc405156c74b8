#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/il.h"
#include "formats/signature.h"
#include "support/metadata_writer.h"

#define SPAN(...) ((struct span) { (const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ }) })

/* ---- headers ---- */

static void a_tiny_body_has_its_size_in_one_byte(void **state)
{
    struct il_body body;

    (void)state;
    assert_true(il_body(SPAN(2 << 2 | 2, 0x14, 0x2a, 0xff), &body));
    assert_int_equal(body.header_size, 1);
    assert_int_equal(body.code.size, 2);
    assert_int_equal(body.code.data[1], 0x2a);
    assert_int_equal(body.max_stack, 8);
}

static void a_fat_body_has_locals_and_stack(void **state)
{
    struct il_body body;

    (void)state;
    assert_true(il_body(SPAN(0x13, 0x30, 3, 0, 1, 0, 0, 0, 5, 0, 0, 0x11, 0x2a), &body));
    assert_int_equal(body.header_size, 12);
    assert_int_equal(body.max_stack, 3);
    assert_int_equal(body.locals_token, 0x11000005);
    assert_true(body.init_locals);
    assert_int_equal(body.code.size, 1);
}

static void a_body_that_is_cut_has_no_code(void **state)
{
    struct il_body body;

    (void)state;
    assert_true(il_body(SPAN(5 << 2 | 2, 0x2a), &body));
    assert_int_equal(body.code_size, 5);
    assert_int_equal(body.code.size, 0);
    assert_false(il_body(SPAN(0x13, 0x30, 3, 0), &body));
    assert_false(il_body(SPAN(0x13, 0x20, 3, 0, 1, 0, 0, 0, 5, 0, 0, 0x11, 0x2a), &body)); /* header of two dwords */
    assert_false(il_body(SPAN(0x01), &body));
    assert_false(il_body((struct span) { NULL, 0 }, &body));
}

/* ---- instructions ---- */

static void operands_of_every_size_are_read(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[9];
        uint32_t size;
        uint64_t value;
    } cases[] = {
        { "nop", { 0x00 }, 1, 0 },
        { "ldarg.s", { 0x0e, 0xff }, 2, 255 },
        { "ldc.i4.s", { 0x1f, 0xff }, 2, UINT64_MAX },
        { "ldc.i4", { 0x20, 0xfe, 0xff, 0xff, 0xff }, 5, UINT64_MAX - 1 },
        { "ldc.i8", { 0x21, 1, 2, 3, 4, 5, 6, 7, 8 }, 9, UINT64_C(0x0807060504030201) },
        { "br.s", { 0x2b, 0xfe }, 2, 0 },
        { "leave", { 0xdd, 1, 0, 0, 0 }, 5, 6 },
        { "newobj", { 0x73, 7, 0, 0, 0x0a }, 5, 0x0a000007 },
        { "ldftn", { 0xfe, 0x06, 7, 0, 0, 6 }, 6, 0x06000007 },
        { "ldloc", { 0xfe, 0x0c, 0x34, 0x12 }, 4, 0x1234 },
        { "readonly.", { 0xfe, 0x1e }, 2, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct il_instruction instruction;
        uint32_t offset = 0;

        assert_true(il_next((struct span) { cases[i].bytes, cases[i].size }, &offset, &instruction));
        assert_string_equal(instruction.name, cases[i].name);
        assert_int_equal(instruction.size, cases[i].size);
        assert_int_equal(offset, cases[i].size);
        assert_true(instruction.value == cases[i].value);
    }
}

static void a_switch_takes_its_targets_with_it(void **state)
{
    struct il_instruction instruction;
    uint32_t offset = 1;

    (void)state;
    assert_true(il_next(SPAN(0, 0x45, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x2a), &offset, &instruction));
    assert_int_equal(instruction.targets.size, 8);
    assert_int_equal(offset, 14);
}

static void what_is_no_instruction_ends_the_walk_before_the_end(void **state)
{
    const struct span cases[] = {
        { (const uint8_t[]) { 0x24 }, 1 },                         /* no opcode */
        { (const uint8_t[]) { 0xfe }, 1 },                         /* half a prefix */
        { (const uint8_t[]) { 0xfe, 0xff }, 2 },                   /* no opcode of two bytes */
        { (const uint8_t[]) { 0x28, 1, 2, 3 }, 4 },                /* operand cut */
        { (const uint8_t[]) { 0x45, 0xff, 0xff, 0xff, 0xff }, 5 }, /* a switch with four billion targets */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct il_instruction instruction;
        uint32_t offset = 0;

        assert_false(il_next(cases[i], &offset, &instruction));
        assert_int_equal(offset, 0);
    }
}

/* ---- text ---- */

static const uint8_t void_string[] = { 0x00, 0x01, 0x01, 0x0e }, int_field[] = { 0x06, 0x08 };
static const uint8_t generic_void[] = { 0x10, 0x01, 0x01, 0x01, 0x1e, 0x00 }, of_int[] = { 0x0a, 0x01, 0x08 };

struct image {
    struct metadata_writer writer;
    struct metadata md;
    uint32_t string;
};

/* TypeRef 1 Console, TypeDef 2 His.Patient { int age; Save<T>(T) }, MemberRef 1 WriteLine(string), MethodSpec 1 Save<int> */
static void image_init(struct image *image)
{
    struct metadata_writer *w = &image->writer;

    metadata_writer_init(w);
    metadata_writer_add(w, METADATA_MODULE, 0, metadata_writer_string(w, "his.dll"), 0, 0, 0);
    metadata_writer_type(w, 0, "", "<Module>", 0);
    metadata_writer_type(w, 1, "His", "Patient", 0);
    metadata_writer_field(w, "age", int_field, sizeof(int_field));
    metadata_writer_method(w, "Save", generic_void, sizeof(generic_void));
    metadata_writer_type_ref(w, metadata_token(METADATA_ASSEMBLY_REF, 1), "System", "Console");
    metadata_writer_add(w, METADATA_GENERIC_PARAM, 0, 0, metadata_encode(METADATA_CODED_TYPE_OR_METHOD_DEF, 0x06000001),
                        metadata_writer_string(w, "T"));
    metadata_writer_add(w, METADATA_MEMBER_REF, metadata_encode(METADATA_CODED_MEMBER_REF_PARENT, 0x01000001),
                        metadata_writer_string(w, "WriteLine"), metadata_writer_blob(w, void_string, sizeof(void_string)));
    metadata_writer_add(w, METADATA_METHOD_SPEC, metadata_encode(METADATA_CODED_METHOD_DEF_OR_REF, 0x06000001),
                        metadata_writer_blob(w, of_int, sizeof(of_int)));
    image->string = metadata_writer_user_string(w, "a \"b\"\n\x1b[31m");
    assert_null(metadata_open(metadata_writer_finish(w), &image->md));
}

static void image_deinit(struct image *image)
{
    metadata_writer_deinit(&image->writer);
}

static void check_operand(const struct image *image, enum il_operand operand, uint64_t value, const char *expected)
{
    struct il_instruction instruction = { .operand = operand, .value = value };
    struct text text;

    text_init(&text);
    il_operand_text(&image->md, &instruction, NULL, &text);
    assert_string_equal(text_cstr(&text), expected);
    text_deinit(&text);
}

static void operands_are_written_with_names(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    check_operand(&image, IL_OPERAND_METHOD, 0x0a000001, "Void System.Console::WriteLine(System.String)");
    check_operand(&image, IL_OPERAND_METHOD, 0x06000001, "Void His.Patient::Save(T)");
    check_operand(&image, IL_OPERAND_METHOD, 0x2b000001, "Void His.Patient::Save<System.Int32>(T)");
    check_operand(&image, IL_OPERAND_FIELD, 0x04000001, "System.Int32 His.Patient::age");
    check_operand(&image, IL_OPERAND_TYPE, 0x02000002, "His.Patient");
    check_operand(&image, IL_OPERAND_TOKEN, 0x04000001, "System.Int32 His.Patient::age");
    check_operand(&image, IL_OPERAND_TOKEN, 0x01000001, "System.Console");
    check_operand(&image, IL_OPERAND_I1, UINT64_MAX, "-1");
    check_operand(&image, IL_OPERAND_R8, UINT64_C(0x3ff8000000000000), "1.5");
    check_operand(&image, IL_OPERAND_R4, 0x3fc00000, "1.5");
    check_operand(&image, IL_OPERAND_BRANCH4, 0x12, "IL_0012");
    check_operand(&image, IL_OPERAND_NONE, 0, "");
    image_deinit(&image);
}

static void strings_can_do_no_harm(void **state)
{
    struct image image;

    (void)state;
    image_init(&image);
    check_operand(&image, IL_OPERAND_STRING, 0x70000000 | image.string, "\"a \\\"b\\\"\\n\\u{1b}[31m\"");
    image_deinit(&image);
}

static void tokens_that_lead_nowhere_are_numbers(void **state)
{
    static const uint32_t tokens[] = { 0, 0x06000099, 0x0a000099, 0x2b000099, 0x1b000001, 0xffffffff, 0x04000099 };
    struct image image;

    (void)state;
    image_init(&image);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        char expected[16];

        snprintf(expected, sizeof(expected), "0x%08x", tokens[i]);
        check_operand(&image, IL_OPERAND_METHOD, tokens[i], expected);
        check_operand(&image, IL_OPERAND_TOKEN, tokens[i], expected);
    }
    check_operand(&image, IL_OPERAND_STRING, 0x70ffffff, "\"\"");
    image_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_body_has_its_size_in_one_byte),
        cmocka_unit_test(a_fat_body_has_locals_and_stack),
        cmocka_unit_test(a_body_that_is_cut_has_no_code),
        cmocka_unit_test(operands_of_every_size_are_read),
        cmocka_unit_test(a_switch_takes_its_targets_with_it),
        cmocka_unit_test(what_is_no_instruction_ends_the_walk_before_the_end),
        cmocka_unit_test(operands_are_written_with_names),
        cmocka_unit_test(strings_can_do_no_harm),
        cmocka_unit_test(tokens_that_lead_nowhere_are_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
