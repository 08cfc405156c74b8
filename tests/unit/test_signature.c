#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/signature.h"

#define BYTES(...) \
    { \
        { __VA_ARGS__ }, sizeof((uint8_t[]) { __VA_ARGS__ }) \
    }

struct bytes {
    uint8_t data[32];
    size_t size;
};

static struct span span_of(const struct bytes *bytes)
{
    return (struct span) { bytes->data, bytes->size };
}

/* Whole types: skipping one must end exactly at its end, and no shorter part of it is a type. */
static const struct bytes types[] = {
    BYTES(0x08),
    BYTES(0x0e),
    BYTES(0x12, 0x49),
    BYTES(0x11, 0x80, 0x85),
    BYTES(0x1d, 0x1d, 0x08),
    BYTES(0x10, 0x0f, 0x01),
    BYTES(0x13, 0x01),
    BYTES(0x1e, 0x80, 0x90),
    BYTES(0x14, 0x08, 0x02, 0x00, 0x00),
    BYTES(0x14, 0x14, 0x08, 0x02, 0x00, 0x00, 0x01, 0x01, 0x04, 0x01, 0x00),
    BYTES(0x15, 0x12, 0x05, 0x02, 0x0e, 0x1d, 0x08),
    BYTES(0x15, 0x11, 0x05, 0x01, 0x15, 0x12, 0x09, 0x01, 0x14, 0x08, 0x03, 0x00, 0x00),
    BYTES(0x1b, 0x00, 0x02, 0x01, 0x08, 0x0e),
    BYTES(0x1b, 0x10, 0x01, 0x01, 0x1b, 0x00, 0x00, 0x01, 0x1d, 0x1e, 0x00),
    BYTES(0x1f, 0x49, 0x20, 0x81, 0x49, 0x08),
    BYTES(0x45, 0x10, 0x05),
    BYTES(0x41, 0x08),
    BYTES(0x21, 1, 2, 3, 4, 5, 6, 7, 8),
    BYTES(0x22, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x08),
    BYTES(0x15, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x01, 0x0e),
};

static void skips_whole_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct bytes longer = types[i];
        struct span sig = span_of(&longer);
        sig.size++;
        assert_true(signature_skip_type(&sig));
        assert_int_equal(sig.size, 1);
    }
}

static void no_part_of_a_type_is_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        for (size_t size = 0; size < types[i].size; size++) {
            struct span sig = { types[i].data, size };
            assert_false(signature_skip_type(&sig));
            assert_int_equal(sig.size, size); /* untouched */
        }
}

static void malformed_types_are_refused(void **state)
{
    static const struct bytes bad[] = {
        BYTES(0x00),
        BYTES(0x17),
        BYTES(0x1a),
        BYTES(0x40),
        BYTES(0xff),
        BYTES(0x15, 0x08, 0x05, 0x01, 0x08),                   /* an instance of Int32 */
        BYTES(0x15, 0x12, 0x05, 0x00),                         /* without arguments */
        BYTES(0x14, 0x08, 0x00, 0x00, 0x00),                   /* rank 0 */
        BYTES(0x14, 0x08, 0x21, 0x00, 0x00),                   /* rank 33 */
        BYTES(0x14, 0x08, 0x01, 0x02, 0x01, 0x01, 0x00),       /* more sizes than dimensions */
        BYTES(0x1b, 0x06, 0x08),                               /* a field as function */
        BYTES(0x15, 0x12, 0x05, 0xdf, 0xff, 0xff, 0xff, 0x08), /* 500 million arguments */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct span sig = span_of(&bad[i]);
        assert_false(signature_skip_type(&sig));
    }
}

static void nesting_is_limited(void **state)
{
    size_t size = 1 << 20;
    uint8_t *data = malloc(size);
    struct span sig = { data, size };

    (void)state;
    memset(data, ELEMENT_PTR, size - 1);
    data[size - 1] = ELEMENT_VOID;
    /* Each nests one deeper, so the limit stops it. */
    assert_false(signature_skip_type(&sig));
    sig = (struct span) { data + size - LIMIT_TYPE_DEPTH, LIMIT_TYPE_DEPTH };
    assert_true(signature_skip_type(&sig));
    free(data);
}

static void shows_the_outermost_element(void **state)
{
    static const struct {
        struct bytes bytes;
        enum element_type element;
        uint32_t token, number;
        size_t inner_size;
        bool is_value_type;
    } cases[] = {
        { BYTES(0x08), ELEMENT_I4, 0, 0, 0, true },
        { BYTES(0x0e), ELEMENT_STRING, 0, 0, 0, false },
        { BYTES(0x01), ELEMENT_VOID, 0, 0, 0, false },
        { BYTES(0x20, 0x49, 0x11, 0x49), ELEMENT_VALUETYPE, 0x01000012, 0, 0, true },
        { BYTES(0x12, 0x48), ELEMENT_CLASS, 0x02000012, 0, 0, false },
        { BYTES(0x1d, 0x08), ELEMENT_SZARRAY, 0, 0, 1, false },
        { BYTES(0x14, 0x08, 0x03, 0x00, 0x00), ELEMENT_ARRAY, 0, 3, 4, false },
        { BYTES(0x15, 0x11, 0x49, 0x02, 0x08, 0x08), ELEMENT_GENERICINST, 0x01000012, 2, 2, true },
        { BYTES(0x1e, 0x07), ELEMENT_MVAR, 0, 7, 0, false },
    };
    struct signature_type type;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(signature_type(span_of(&cases[i].bytes), &type));
        assert_int_equal(type.element_type, cases[i].element);
        assert_int_equal(type.token, cases[i].token);
        assert_int_equal(type.number, cases[i].number);
        assert_int_equal(type.inner.size, cases[i].inner_size);
        assert_int_equal(type.is_value_type, cases[i].is_value_type);
    }
}

static void a_field_has_a_type(void **state)
{
    static const struct bytes field = BYTES(0x06, 0x1f, 0x49, 0x45, 0x12, 0x49), method = BYTES(0x00, 0x00, 0x01);
    struct signature_type type;

    (void)state;
    assert_true(signature_field_type(span_of(&field), &type));
    assert_int_equal(type.element_type, ELEMENT_CLASS);
    assert_true(type.is_pinned);
    assert_false(signature_field_type(span_of(&method), &type));
}

static void a_method_has_its_counts(void **state)
{
    static const struct bytes generic = BYTES(0x30, 0x02, 0x03, 0x01, 0x08, 0x08, 0x08), field = BYTES(0x06, 0x08),
                              cut = BYTES(0x10, 0x01);
    struct signature_method method;

    (void)state;
    assert_true(signature_method(span_of(&generic), &method));
    assert_int_equal(method.convention, SIGNATURE_HAS_THIS | SIGNATURE_GENERIC);
    assert_int_equal(method.generic_count, 2);
    assert_int_equal(method.param_count, 3);
    assert_int_equal(method.types.size, 4);
    assert_false(signature_method(span_of(&field), &method));
    assert_false(signature_method(span_of(&cut), &method));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skips_whole_types),           cmocka_unit_test(no_part_of_a_type_is_one),
        cmocka_unit_test(malformed_types_are_refused), cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(shows_the_outermost_element), cmocka_unit_test(a_field_has_a_type),
        cmocka_unit_test(a_method_has_its_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
