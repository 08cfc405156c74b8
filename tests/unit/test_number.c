#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "surfaces/number.h"

#define CASES(a) (sizeof(a) / sizeof((a)[0]))

static void numbers_with_units_are_parsed(void **state)
{
    static const struct {
        const char *s;
        uint64_t value;
    } cases[] = {
        { "0", 0 },
        { "1000", 1000 },
        { "1,000", 1000 },
        { "1_000_000", 1000000 },
        { "0x3e8", 1000 },
        { "64K", 65536 },
        { "64KiB", 65536 },
        { "64kb", 64000 },
        { "1.5G", 1610612736 },
        { "1.5 GiB", 1610612736 },
        { "2MB", 2000000 },
        { "0.25M", 262144 },
        { "12 B", 12 },
        { "1T", 1099511627776 },
        { "18446744073709551615", UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < CASES(cases); i++) {
        uint64_t value = 1;

        assert_true(number_parse(cases[i].s, strlen(cases[i].s), &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void nonsense_is_no_number(void **state)
{
    static const char *const cases[] = {
        "", "K", "-1", "1.5", "1..5K", "1x", "0x", "0xg", "1,", ",1", "18446744073709551616", "99999999T", "1 KK"
    };

    (void)state;
    for (size_t i = 0; i < CASES(cases); i++) {
        uint64_t value = 7;

        assert_false(number_parse(cases[i], strlen(cases[i]), &value));
        assert_int_equal(value, 7);
    }
}

static void addresses_are_parsed_as_debuggers_print_them(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(number_parse_address("0x7f10", 6, &value));
    assert_int_equal(value, 0x7f10);
    assert_true(number_parse_address("7F10", 4, &value));
    assert_int_equal(value, 0x7f10);
    assert_true(number_parse_address("00007ffe`2b1f2aa0", 17, &value));
    assert_int_equal(value, 0x7ffe2b1f2aa0);
    assert_false(number_parse_address("`", 1, &value));
    assert_false(number_parse_address("12345678123456781", 17, &value));
    assert_false(number_parse_address("xyz", 3, &value));
}

static void shares_are_parsed(void **state)
{
    double value;

    (void)state;
    assert_true(number_parse_share("0.25", 4, &value));
    assert_true(value > 0.2499 && value < 0.2501);
    assert_true(number_parse_share("25%", 3, &value));
    assert_true(value > 0.2499 && value < 0.2501);
    assert_false(number_parse_share("25p", 3, &value));
}

static void check(struct text *text, const char *expected)
{
    assert_string_equal(text_cstr(text), expected);
    text_clear(text);
}

static void numbers_are_written_for_people(void **state)
{
    struct text text = { 0 };

    (void)state;
    number_append_grouped(&text, 0);
    check(&text, "0");
    number_append_grouped(&text, 999);
    check(&text, "999");
    number_append_grouped(&text, 1000);
    check(&text, "1,000");
    number_append_grouped(&text, UINT64_MAX);
    check(&text, "18,446,744,073,709,551,615");
    number_append_hex(&text, 0, 1);
    check(&text, "0");
    number_append_hex(&text, 0xabc, 8);
    check(&text, "00000abc");
    number_append_hex(&text, UINT64_MAX, 1);
    check(&text, "ffffffffffffffff");
    number_append_units(&text, 1023);
    check(&text, "1023 B");
    number_append_units(&text, UINT64_C(3237711872));
    check(&text, "3.02 GiB");
    number_append_units(&text, (UINT64_C(1) << 30) - 1);
    check(&text, "1.00 GiB");
    number_append_units(&text, UINT64_MAX);
    check(&text, "16.0 EiB");
    number_append_percent(&text, 0.3901);
    check(&text, "39.0 %");
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_with_units_are_parsed),
        cmocka_unit_test(nonsense_is_no_number),
        cmocka_unit_test(addresses_are_parsed_as_debuggers_print_them),
        cmocka_unit_test(shares_are_parsed),
        cmocka_unit_test(numbers_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
