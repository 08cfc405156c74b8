#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "surfaces/cell.h"

static void changes_have_a_sign(void **state)
{
    static const struct {
        int64_t change;
        const char *text, *plain;
    } cases[] = {
        { 0, "0", "0" },
        { 1234567, "+1,234,567", "1234567" },
        { -1234567, "-1,234,567", "-1234567" },
        { INT64_MIN, "-9,223,372,036,854,775,808", "-9223372036854775808" },
        { INT64_MAX, "+9,223,372,036,854,775,807", "9223372036854775807" },
    };
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct value value = { 0 };

        value_change(&value, cases[i].change);
        text_clear(&text);
        cell_append(&text, COLUMN_CHANGE, &value);
        assert_string_equal(text_cstr(&text), cases[i].text);
        text_clear(&text);
        cell_append_plain(&text, COLUMN_CHANGE, &value);
        assert_string_equal(text_cstr(&text), cases[i].plain);
    }
    text_deinit(&text);
}

static void a_loss_is_less_than_a_gain(void **state)
{
    struct value loss = { 0 }, gain = { 0 };

    (void)state;
    value_change(&loss, -1);
    value_change(&gain, 1);
    assert_int_equal(value_compare(COLUMN_CHANGE, &loss, &gain), -1);
    assert_int_equal(value_compare(COLUMN_CHANGE, &gain, &loss), 1);
    assert_int_equal(value_compare(COLUMN_COUNT, &loss, &gain), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_have_a_sign),
        cmocka_unit_test(a_loss_is_less_than_a_gain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
