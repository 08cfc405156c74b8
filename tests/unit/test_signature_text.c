#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/signature.h"
#include "support/metadata_writer.h"

#define BYTES(...) { __VA_ARGS__ }, sizeof((uint8_t[]) { __VA_ARGS__ })

/* type_refs 1 to 4 and type_defs 1 and 2, which the signatures below name. */
enum { DICTIONARY = 0x05, ENTRY = 0x09, LIST = 0x0d, OUTER = 0x11, PATIENT = 0x04, INNER = 0x08 };

static struct metadata make_module(struct metadata_writer *w)
{
    struct metadata md;

    metadata_writer_init(w);
    metadata_writer_type_ref(w, 0x23000001, "System.Collections.Generic", "Dictionary`2");
    metadata_writer_type_ref(w, 0x01000001, "", "Entry");
    metadata_writer_type_ref(w, 0x23000001, "System.Collections.Generic", "List`1");
    metadata_writer_type_ref(w, 0x23000001, "N", "Outer`1");
    metadata_writer_type(w, 1, "His", "Patient", 0);
    metadata_writer_type(w, 2, "", "Inner`1", 0);
    metadata_writer_nest(w, 2, 1);
    metadata_writer_add(w, METADATA_GENERIC_PARAM, 0, 0, 1 << 1, metadata_writer_string(w, "TKey"));
    metadata_writer_add(w, METADATA_GENERIC_PARAM, 1, 0, 1 << 1, metadata_writer_string(w, "TValue"));
    metadata_writer_add(w, METADATA_GENERIC_PARAM, 0, 0, 1 << 1 | 1, metadata_writer_string(w, "TResult"));
    metadata_writer_method(w, "m", "\0\0\1", 3);
    assert_true(metadata_try_open(metadata_writer_finish(w), &md));
    return md;
}

struct type_case {
    uint8_t data[64];
    size_t size;
    const char *text;
};

static const struct type_case types[] = {
    { BYTES(0x01), "System.Void" },
    { BYTES(0x02), "System.Boolean" },
    { BYTES(0x03), "System.Char" },
    { BYTES(0x04), "System.SByte" },
    { BYTES(0x05), "System.Byte" },
    { BYTES(0x06), "System.Int16" },
    { BYTES(0x07), "System.UInt16" },
    { BYTES(0x08), "System.Int32" },
    { BYTES(0x09), "System.UInt32" },
    { BYTES(0x0a), "System.Int64" },
    { BYTES(0x0b), "System.UInt64" },
    { BYTES(0x0c), "System.Single" },
    { BYTES(0x0d), "System.Double" },
    { BYTES(0x0e), "System.String" },
    { BYTES(0x16), "System.TypedReference" },
    { BYTES(0x18), "System.IntPtr" },
    { BYTES(0x19), "System.UIntPtr" },
    { BYTES(0x1c), "System.Object" },
    { BYTES(0x12, PATIENT), "His.Patient" },
    { BYTES(0x12, INNER), "His.Patient+Inner`1" },
    { BYTES(0x11, ENTRY), "System.Collections.Generic.Dictionary`2+Entry" },
    { BYTES(0x12, 0x7c), "{0200001f}" },
    { BYTES(0x12, 0x06), "{1b000001}" },
    { BYTES(0x12, 0x03), "{00000000}" },
    { BYTES(0x0f, 0x01), "System.Void*" },
    { BYTES(0x10, 0x1d, 0x08), "System.Int32[]&" },
    { BYTES(0x1d, 0x14, 0x08, 0x02, 0x00, 0x00), "System.Int32[,][]" },
    { BYTES(0x14, 0x08, 0x01, 0x00, 0x00), "System.Int32[*]" },
    { BYTES(0x14, 0x1d, 0x05, 0x03, 0x01, 0x04, 0x01, 0x00), "System.Byte[][,,]" },
    { BYTES(0x15, 0x12, DICTIONARY, 0x02, 0x0e, 0x1d, 0x08),
      "System.Collections.Generic.Dictionary<System.String, System.Int32[]>" },
    { BYTES(0x15, 0x11, ENTRY, 0x02, 0x0e, 0x08), "System.Collections.Generic.Dictionary<System.String, System.Int32>+Entry" },
    { BYTES(0x15, 0x12, LIST, 0x01, 0x15, 0x12, LIST, 0x01, 0x12, PATIENT),
      "System.Collections.Generic.List<System.Collections.Generic.List<His.Patient>>" },
    { BYTES(0x15, 0x12, INNER, 0x01, 0x0e), "His.Patient+Inner<System.String>" },
    { BYTES(0x15, 0x12, PATIENT, 0x01, 0x0e), "His.Patient<System.String>" },
    { BYTES(0x15, 0x12, LIST, 0x02, 0x0e, 0x08), "System.Collections.Generic.List<System.String><System.Int32>" },
    { BYTES(0x15, 0x12, DICTIONARY, 0x01, 0x0e), "System.Collections.Generic.Dictionary<System.String>" },
    { BYTES(0x13, 0x00), "!0" },
    { BYTES(0x1d, 0x1e, 0x80, 0x80), "!!128[]" },
    { BYTES(0x1b, 0x00, 0x02, 0x01, 0x08, 0x0e), "delegate*<System.Int32, System.String, System.Void>" },
    { BYTES(0x1b, 0x09, 0x00, 0x1b, 0x00, 0x01, 0x08, 0x0e), "delegate*<delegate*<System.String, System.Int32>>" },
    { BYTES(0x1f, 0x05, 0x20, 0x04, 0x08), "System.Int32" },
    { BYTES(0x45, 0x10, 0x05), "System.Byte&" },
    { BYTES(0x41, 0x08), "System.Int32" },
    { BYTES(0x21, 0xc8, 0x10, 0x3a, 0x7f, 0, 0, 0, 0), "{7f3a10c8}" },
    { BYTES(0x22, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x08), "System.Int32" },
    { BYTES(0x15, 0x21, 0xc8, 0x10, 0x3a, 0x7f, 0, 0, 0, 0, 0x01, 0x0e), "{7f3a10c8}<System.String>" },
};

static void writes_every_element_type(void **state)
{
    struct metadata_writer w;
    struct metadata md = make_module(&w);
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct span sig = { types[i].data, types[i].size };
        text_clear(&text);
        assert_true(signature_type_text(&md, &sig, NULL, &text));
        assert_string_equal(text_cstr(&text), types[i].text);
        assert_int_equal(sig.size, 0);
    }
    text_deinit(&text);
    metadata_writer_deinit(&w);
}

static void works_without_metadata(void **state)
{
    static const uint8_t list[] = { 0x15, 0x12, LIST, 0x01, 0x0e };
    struct span sig = { list, sizeof(list) };
    struct text text;

    (void)state;
    text_init(&text);
    assert_true(signature_type_text(NULL, &sig, NULL, &text));
    assert_string_equal(text_cstr(&text), "{01000003}<System.String>");
    text_deinit(&text);
}

static void a_cut_type_ends_with_a_question_mark(void **state)
{
    struct metadata_writer w;
    struct metadata md = make_module(&w);
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        for (size_t size = 0; size < types[i].size; size++) {
            struct span sig = { types[i].data, size };
            text_clear(&text);
            assert_false(signature_type_text(&md, &sig, NULL, &text));
            assert_int_equal(text.data[text.length - 1], '?');
        }
    text_deinit(&text);
    metadata_writer_deinit(&w);
}

/* ---- contexts ---- */

static bool name_handle(void *user, uint64_t type_handle_addr, struct text *out)
{
    text_puts(out, user);
    return type_handle_addr == 0x10;
}

static void context_names_variables_and_handles(void **state)
{
    static const uint8_t sig_bytes[] = { 0x15, 0x12, DICTIONARY, 0x02, 0x13, 0x00, 0x1e, 0x01, 0x13, 0x02,
                                         0x21, 0x10, 0,          0,    0,    0,    0,    0,    0 };
    static const char *const type_args[] = { "T", NULL, NULL }, *const method_args[] = { NULL, "His.Patient" };
    char handle_name[] = "Handle";
    const struct signature_context context = {
        .type_args = type_args,
        .type_arg_count = 3,
        .method_args = method_args,
        .method_arg_count = 2,
        .type_handle_name = name_handle,
        .user = handle_name,
    };
    struct metadata_writer w;
    struct metadata md = make_module(&w);
    struct span sig = { sig_bytes, sizeof(sig_bytes) };
    struct text text;

    (void)state;
    text_init(&text);
    for (unsigned i = 0; i < 3; i++)
        assert_true(signature_type_text(&md, &sig, &context, &text));
    assert_string_equal(text_cstr(&text), "System.Collections.Generic.Dictionary<T, His.Patient>!2Handle");
    text_deinit(&text);
    metadata_writer_deinit(&w);
}

static void generic_params_give_a_context(void **state)
{
    struct metadata_writer w;
    struct metadata md = make_module(&w);
    struct signature_names names;

    (void)state;
    signature_names_init(&names, &md, 1, 1);
    assert_int_equal(names.context.type_arg_count, 2);
    assert_string_equal(names.context.type_args[1], "TValue");
    assert_int_equal(names.context.method_arg_count, 1);
    assert_string_equal(names.context.method_args[0], "TResult");
    signature_names_init(&names, &md, 0, 0);
    assert_int_equal(names.context.type_arg_count, 0);
    metadata_writer_deinit(&w);
}

/* ---- members ---- */

static void writes_methods(void **state)
{
    static const struct {
        uint8_t data[64];
        size_t size;
        const char *text, *short_text;
    } cases[] = {
        { BYTES(0x20, 0x02, 0x08, 0x0e, 0x13, 0x00), "System.Int32 M(System.String, !0)", "M(System.String, !0)" },
        { BYTES(0x00, 0x00, 0x01), "System.Void M()", "M()" },
        { BYTES(0x10, 0x01, 0x01, 0x1e, 0x00, 0x1d, 0x1e, 0x00), "!!0 M(!!0[])", "M(!!0[])" },
        { BYTES(0x05, 0x02, 0x01, 0x08, 0x41, 0x0e), "System.Void M(System.Int32, ..., System.String)",
          "M(System.Int32, ..., System.String)" },
        { BYTES(0x30, 0x01, 0x01, 0x1f, 0x05, 0x10, 0x08, 0x1c), "System.Int32& M(System.Object)", "M(System.Object)" },
    };
    struct metadata_writer w;
    struct metadata md = make_module(&w);
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span sig = { cases[i].data, cases[i].size };
        text_clear(&text);
        assert_true(signature_method_text(&md, sig, "M", true, NULL, &text));
        assert_string_equal(text_cstr(&text), cases[i].text);
        text_clear(&text);
        assert_true(signature_method_text(&md, sig, "M", false, NULL, &text));
        assert_string_equal(text_cstr(&text), cases[i].short_text);
        sig.size--;
        assert_false(signature_method_text(&md, sig, "M", false, NULL, &text));
    }
    text_deinit(&text);
    metadata_writer_deinit(&w);
}

static void short_primitives_are_those_of_sos(void **state)
{
    static const uint8_t sig_bytes[] = { 0x20, 0x04, 0x08, 0x0e, 0x1d, 0x05, 0x1c, 0x18 };
    const struct signature_context context = { .short_primitives = true };
    struct text text;

    (void)state;
    text_init(&text);
    assert_true(signature_method_text(NULL, (struct span) { sig_bytes, sizeof(sig_bytes) }, "M", true, &context, &text));
    assert_string_equal(text_cstr(&text), "Int32 M(System.String, Byte[], System.Object, IntPtr)");
    text_deinit(&text);
}

static void writes_fields_properties_and_instantiations(void **state)
{
    static const uint8_t field[] = { 0x06, 0x1d, 0x0e }, property[] = { 0x28, 0x01, 0x08, 0x0e },
                         spec[] = { 0x0a, 0x02, 0x08, 0x0e };
    struct text text;

    (void)state;
    text_init(&text);
    assert_true(signature_field_text(NULL, (struct span) { field, sizeof(field) }, NULL, &text));
    assert_true(signature_field_text(NULL, (struct span) { property, sizeof(property) }, NULL, &text));
    assert_true(signature_instantiation_text(NULL, (struct span) { spec, sizeof(spec) }, NULL, &text));
    assert_string_equal(text_cstr(&text), "System.String[]System.Int32<System.Int32, System.String>");
    assert_false(signature_field_text(NULL, (struct span) { spec, sizeof(spec) }, NULL, &text));
    assert_false(signature_instantiation_text(NULL, (struct span) { field, sizeof(field) }, NULL, &text));
    assert_false(signature_field_text(NULL, (struct span) { field, 0 }, NULL, &text));
    text_deinit(&text);
}

/* ---- limits ---- */

static void nesting_is_limited(void **state)
{
    uint8_t data[1000];
    struct span sig = { data, sizeof(data) };
    struct text text;

    (void)state;
    memset(data, ELEMENT_SZARRAY, sizeof(data));
    data[sizeof(data) - 1] = ELEMENT_I4;
    text_init(&text);
    assert_false(signature_type_text(NULL, &sig, NULL, &text));
    assert_string_equal(text_cstr(&text), "...");
    sig = (struct span) { data + sizeof(data) - LIMIT_TYPE_DEPTH, LIMIT_TYPE_DEPTH };
    text_clear(&text);
    assert_true(signature_type_text(NULL, &sig, NULL, &text));
    text_deinit(&text);
}

/* 100,000 arguments: more text than any name may have. */
static void text_is_limited(void **state)
{
    size_t size = 100000;
    uint8_t *data = malloc(size);
    struct span sig = { data, size };
    struct text text;

    (void)state;
    memset(data, ELEMENT_I4, size);
    memcpy(data, (uint8_t[]) { 0x15, 0x12, LIST, 0xc0, 0x01, 0x00, 0x00 }, 7);
    text_init(&text);
    text_puts(&text, "before ");
    assert_true(signature_type_text(NULL, &sig, NULL, &text));
    assert_true(text.length > LIMIT_TYPE_NAME - 100 && text.length <= LIMIT_TYPE_NAME + 10);
    assert_string_equal(text_cstr(&text) + text.length - 3, "...");
    text_deinit(&text);
    free(data);
}

static void generic_names_take_arguments_at_their_marks(void **state)
{
    static const char *const args[] = { "A", "B", "C" };
    static const struct {
        const char *name;
        size_t count;
        const char *text;
    } cases[] = {
        { "N.List`1", 1, "N.List<A>" },
        { "N.Dictionary`2+Entry", 2, "N.Dictionary<A, B>+Entry" },
        { "Outer`1+Inner`2", 3, "Outer<A>+Inner<B, C>" },
        { "Outer`1+Inner`2", 1, "Outer<A>+Inner`2" },
        { "N.List`1", 0, "N.List`1" },
        { "N.List`1", 3, "N.List<A><B, C>" },
        { "Name", 2, "Name<A, B>" },
        { "Odd`", 1, "Odd`<A>" },
        { "`1", 1, "`1<A>" },
        { "Odd`0", 1, "Odd`0<A>" },
        { "Odd`x1", 1, "Odd`x1<A>" },
        { "N.Big`99999", 3, "N.Big<A, B, C>" },
        { "", 0, "" },
    };
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_clear(&text);
        signature_append_generic(&text, cases[i].name, args, cases[i].count);
        assert_string_equal(text_cstr(&text), cases[i].text);
    }
    text_deinit(&text);
}

static void generic_names_from_parts(void **state)
{
    static const struct metadata_name_part parts[] = { { "Outer`1", "N" }, { "Inner`1", "" } };
    static const char *const args[] = { "A", "B" };
    struct text text;

    (void)state;
    text_init(&text);
    signature_append_generic_name(&text, parts, 2, args, 2);
    assert_string_equal(text_cstr(&text), "N.Outer<A>+Inner<B>");
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_element_type),
        cmocka_unit_test(works_without_metadata),
        cmocka_unit_test(a_cut_type_ends_with_a_question_mark),
        cmocka_unit_test(context_names_variables_and_handles),
        cmocka_unit_test(generic_params_give_a_context),
        cmocka_unit_test(writes_methods),
        cmocka_unit_test(short_primitives_are_those_of_sos),
        cmocka_unit_test(writes_fields_properties_and_instantiations),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(text_is_limited),
        cmocka_unit_test(generic_names_take_arguments_at_their_marks),
        cmocka_unit_test(generic_names_from_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
