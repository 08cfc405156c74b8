#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "surfaces/trend.h"

static struct trend_series series_of(double (*value)(unsigned i), unsigned count)
{
    struct trend_series ret = { 0 };

    for (unsigned i = 0; i < count; i++) {
        struct trend_point point = { i * 60.0, value(i) };
        assert_true(vec_push(&ret.points, point));
    }
    return ret;
}

static double constant(unsigned i)
{
    (void)i;
    return 1000;
}

static double line(unsigned i)
{
    return 5000 + 120.0 * i;
}

static double falling(unsigned i)
{
    return 1e9 - 1000.0 * i;
}

/* What a GC makes of a heap that leaks: teeth much higher than the growth between two of them. */
static double teeth(unsigned i)
{
    return i * 10.0 + i % 8 * 400.0;
}

static double only_teeth(unsigned i)
{
    return i % 8 * 400.0;
}

static double one_peak(unsigned i)
{
    return i == 100 ? 1e12 : 1000;
}

static struct trend trend_by(double (*value)(unsigned i), unsigned count)
{
    struct trend_series series = series_of(value, count);
    struct trend ret = trend_of(&series);

    vec_deinit(&series.points);
    return ret;
}

static void what_grows_is_told_from_what_wavers(void **state)
{
    (void)state;
    assert_true(trend_by(line, 5).grows);
    assert_true(trend_by(line, 480).grows);
    assert_true(trend_by(teeth, 480).grows);
    assert_false(trend_by(only_teeth, 480).grows);
    assert_false(trend_by(constant, 480).grows);
    assert_false(trend_by(one_peak, 480).grows);
    assert_false(trend_by(falling, 480).grows);
}

static void few_points_tell_nothing(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 5; count++)
        assert_false(trend_by(line, count).grows);
}

static void the_slope_is_a_second_s(void **state)
{
    (void)state;
    assert_float_equal(trend_by(line, 480).slope, 2, 1e-6);
    assert_float_equal(trend_by(teeth, 480).slope, 10.0 / 60, 0.02);
    assert_float_equal(trend_by(one_peak, 480).slope, 0, 1e-9);
}

static void check_sparkline(double (*value)(unsigned i), unsigned count, const char *expected)
{
    struct trend_series series = series_of(value, count);
    struct text text = { 0 };

    trend_append_sparkline(&series, false, &text);
    assert_string_equal(text_cstr(&text), expected);
    text_clear(&text);
    trend_append_sparkline(&series, true, &text);
    assert_int_equal(text_width(text_cstr(&text), text.length), strlen(expected));
    text_deinit(&text);
    vec_deinit(&series.points);
}

static void sparklines_reach_from_lowest_to_highest(void **state)
{
    (void)state;
    check_sparkline(line, 0, "");
    check_sparkline(constant, 3, "___");
    check_sparkline(line, 8, "_.-:=+*#");
    check_sparkline(falling, 2, "#_");
    check_sparkline(line, 480, "___...---:::===+++***###");
}

static void durations_are_read_with_two_units(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        { 0, "0 s" },
        { 59.9, "59 s" },
        { 60, "1 min" },
        { 3661, "1 h 1 min" },
        { 12000, "3 h 20 min" },
        { 90061, "1 day 1 h" },
        { 63115200, "2 years" },
        { 1e12, "31688 years 32 days" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text = { 0 };
        trend_append_duration(&text, cases[i].seconds);
        assert_string_equal(text_cstr(&text), cases[i].text);
        text_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grows_is_told_from_what_wavers),
        cmocka_unit_test(few_points_tell_nothing),
        cmocka_unit_test(the_slope_is_a_second_s),
        cmocka_unit_test(sparklines_reach_from_lowest_to_highest),
        cmocka_unit_test(durations_are_read_with_two_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
