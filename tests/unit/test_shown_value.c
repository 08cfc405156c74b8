/* Values as their users see them, against what .NET prints for the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "managed/shown_value.h"

static void expect(struct text *text, const char *expected)
{
    assert_string_equal(text_cstr(text), expected);
    text_deinit(text);
}

static void date_times(void **state)
{
    static const struct {
        uint64_t date_data;
        const char *expected;
    } cases[] = {
        { 0, "0001-01-01 00:00:00" },
        { UINT64_C(3155378975999999999), "9999-12-31 23:59:59.9999999" },
        { UINT64_C(621355968000000000) | UINT64_C(1) << 62, "1970-01-01 00:00:00 UTC" },
        { UINT64_C(630873792000000000), "2000-02-29 00:00:00" },
        { UINT64_C(630874656000000000), "2000-03-01 00:00:00" },
        { UINT64_C(599266080000000000), "1900-01-01 00:00:00" },
        { UINT64_C(599317056000000000), "1900-03-01 00:00:00" },
        { UINT64_C(638712863999999999) | UINT64_C(2) << 62, "2024-12-31 23:59:59.9999999 local" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        assert_true(shown_date_time(cases[i].date_data, &text));
        expect(&text, cases[i].expected);
    }
}

static void bits_that_are_no_date(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    assert_false(shown_date_time(UINT64_C(3155378976000000000), &text));
    assert_false(shown_date_time(UINT64_MAX, &text));
    assert_int_equal(text.length, 0);
    text_deinit(&text);
}

static void time_spans(void **state)
{
    static const struct {
        int64_t ticks;
        const char *expected;
    } cases[] = {
        { 0, "00:00:00" },
        { 1, "00:00:00.0000001" },
        { -600000000, "-00:01:00" },
        { INT64_C(936000000000), "1.02:00:00" },
        { INT64_MAX, "10675199.02:48:05.4775807" },
        { INT64_MIN, "-10675199.02:48:05.4775808" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        assert_true(shown_time_span(cases[i].ticks, &text));
        expect(&text, cases[i].expected);
    }
}

static void decimals(void **state)
{
    static const struct {
        uint32_t flags, hi;
        uint64_t lo;
        const char *expected;
    } cases[] = {
        { 0, 0, 0, "0" },
        { 0x20000, 0, 40, "0.40" },
        { 0x80020000, 0, 12345, "-123.45" },
        { 0, UINT32_MAX, UINT64_MAX, "79228162514264337593543950335" },
        { 0x1c0000, UINT32_MAX, UINT64_MAX, "7.9228162514264337593543950335" },
        { 0x1c0000, 0, 1, "0.0000000000000000000000000001" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        assert_true(shown_decimal(cases[i].flags, cases[i].hi, cases[i].lo, &text));
        expect(&text, cases[i].expected);
    }
}

static void flags_that_no_decimal_has(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    assert_false(shown_decimal(0x1d0000, 0, 1, &text));
    assert_false(shown_decimal(1, 0, 1, &text));
    assert_int_equal(text.length, 0);
    text_deinit(&text);
}

static void guid(void **state)
{
    static const uint8_t bytes[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                                       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
    struct text text;

    (void)state;
    text_init(&text);
    shown_guid(bytes, &text);
    expect(&text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void halves(void **state)
{
    static const struct {
        uint16_t bits;
        const char *expected;
    } cases[] = {
        { 0, "0" },
        { 0x8000, "-0" },
        { 0x3c00, "1" },
        { 0x3e00, "1.5" },
        { 0xc000, "-2" },
        { 0x7bff, "65504" },
        { 0x0001, "5.9604644775390625e-08" },
        { 0x7c00, "inf" },
        { 0xfc00, "-inf" },
        { 0xfe00, "nan" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        shown_half(cases[i].bits, &text);
        expect(&text, cases[i].expected);
    }
}

static void large_integers(void **state)
{
    static const struct {
        uint64_t upper, lower;
        bool is_signed;
        const char *expected;
    } cases[] = {
        { 0, 0, true, "0" },
        { 0, UINT64_MAX, false, "18446744073709551615" },
        { UINT64_MAX, UINT64_MAX, true, "-1" },
        { UINT64_MAX, UINT64_MAX, false, "340282366920938463463374607431768211455" },
        { UINT64_C(1) << 63, 0, true, "-170141183460469231731687303715884105728" },
        { UINT64_MAX, 0, true, "-18446744073709551616" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        shown_int128(cases[i].upper, cases[i].lower, cases[i].is_signed, &text);
        expect(&text, cases[i].expected);
    }
}

/* Digits that read back as the same number, and no more of them than needed. */
static void floating_point(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    clr_double_text(0.1, &text);
    text_putc(&text, ' ');
    clr_double_text(0.1 + 0.2, &text);
    text_putc(&text, ' ');
    clr_single_text(0.1f, &text);
    text_putc(&text, ' ');
    clr_single_text(16777216.0f, &text);
    expect(&text, "0.1 0.30000000000000004 0.1 16777216");
}

/* Elements are counted row by row; each dimension may begin elsewhere. */
static void indices_of_several_dimensions(void **state)
{
    const struct clr_array_bounds matrix = { .rank = 2, .lengths = { 2, 3 } },
                                  shifted = { .rank = 2, .lengths = { 2, 2 }, .lowest = { 1, -5 } },
                                  empty = { .rank = 2, .lengths = { 0, 0 } }, ordinary = { 0 };
    struct text text;

    (void)state;
    text_init(&text);
    clr_array_index(&matrix, 5, &text);
    clr_array_index(&shifted, 1, &text);
    clr_array_index(&empty, 3, &text);
    clr_array_index(&ordinary, 7, &text);
    expect(&text, "[1,2][1,-4][0,0][7]");
    text_init(&text);
    clr_array_bounds_text(&matrix, &text);
    clr_array_bounds_text(&ordinary, &text);
    text_putc(&text, ' ');
    clr_array_bounds_text(&shifted, &text);
    expect(&text, "2 x 3 1..2 x -5..-4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_times),
        cmocka_unit_test(bits_that_are_no_date),
        cmocka_unit_test(time_spans),
        cmocka_unit_test(decimals),
        cmocka_unit_test(flags_that_no_decimal_has),
        cmocka_unit_test(guid),
        cmocka_unit_test(halves),
        cmocka_unit_test(large_integers),
        cmocka_unit_test(floating_point),
        cmocka_unit_test(indices_of_several_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
