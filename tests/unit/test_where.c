#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/where.h"

/* The row that all conditions are tried on; size and live of the second are unknown. */
static void fill(struct value *row, bool unknown)
{
    value_u64(&row[TOY_ADDRESS], 0x7f6a10c8);
    value_text(&row[TOY_NAME], "His.Patient<System.String>");
    value_u64(&row[TOY_SIZE], 65536);
    value_u64(&row[TOY_COUNT], 3);
    value_u64(&row[TOY_ID], 70000);
    value_u64(&row[TOY_TOKEN], 0x02000001);
    value_u64(&row[TOY_LIVE], 1);
    value_share(&row[TOY_SHARE], 0.25);
    if (unknown) {
        value_unknown(&row[TOY_SIZE]);
        value_unknown(&row[TOY_LIVE]);
        value_unknown(&row[TOY_NAME]);
    }
}

static bool matches(const char *expression, bool unknown)
{
    struct value row[TOY_COLUMNS] = { 0 };
    struct where where;
    bool ret;

    fill(row, unknown);
    assert_null(where_compile(&where, &relation_toy, expression));
    ret = where_matches(&where, row);
    where_deinit(&where);
    return ret;
}

static void conditions_say_what_they_mean(void **state)
{
    static const struct {
        const char *expression;
        bool matches;
    } cases[] = {
        { "size > 1000 and name ~ Patient", true },
        { "size = 64K", true },
        { "size == 64 KiB", true },
        { "size != 0x10000", false },
        { "size<>65536", false },
        { "size >= 65,536", true },
        { "size > 65.5KB", true },
        { "SIZE<64KB", false },
        { "name ~ patient", true },
        { "name ~ 'patient<system.string>'", true },
        { "name !~ patient", false },
        { "name == His.Patient", false },
        { "name == \"His.Patient<System.String>\"", true },
        { "name < Zoo", true },
        { "address = 7f6a10c8", true },
        { "address = 0x7F6A10C8", true },
        { "address = 00000000`7f6a10c8", true },
        { "address ~ 6a10", true },
        { "token = 0x02000001", true },
        { "token = 02000001", true },
        { "thread-id = 70000", true },
        { "thread_id >= size", true },
        { "count = size", false },
        { "share > 20%", true },
        { "share = 0.25", true },
        { "live", true },
        { "not live", false },
        { "not not live", true },
        { "live = no", false },
        { "live == true", true },
        { "count = 1 or count = 3", true },
        { "count = 3 or count = 3 and size = 0", true },
        { "(count = 3 or count = 3) and size = 0", false },
        { "not (count = 3 and size = 0)", true },
        { "not count = 3 and size = 0", false },
        { "size is null", false },
        { "size is not null and note is null", true },
        { "((((((((live))))))))", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (matches(cases[i].expression, false) != cases[i].matches) fail_msg("%s", cases[i].expression);
}

static void unknown_values_match_nothing_but_null(void **state)
{
    static const struct {
        const char *expression;
        bool matches;
    } cases[] = {
        { "size > 0", false },
        { "not size > 0", false },
        { "size != 5", false },
        { "name !~ x", false },
        { "live", false },
        { "not live", false },
        { "size is null", true },
        { "not size is null", false },
        { "size > 0 or count = 3", true },
        { "not (size > 0 and count = 4)", true },
        { "thread_id > size", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (matches(cases[i].expression, true) != cases[i].matches) fail_msg("%s", cases[i].expression);
}

static void check_error(const char *expression, const char *part)
{
    struct where where;
    struct error *err = where_compile(&where, &relation_toy, expression);

    if (!err) fail_msg("'%s' compiles", expression);
    assert_int_equal(err->code, ERROR_USAGE);
    if (!strstr(error_message(err), part)) fail_msg("'%s': %s", expression, error_message(err));
    error_destroy(err);
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    check_error("", "a column expected at its end");
    check_error("size >", "a value expected at its end");
    check_error("siez > 5", "did you mean 'size'?");
    check_error("size", "not a yes/no column");
    check_error("size > banana", "'banana' is no value for column 'size', which holds bytes");
    check_error("live = perhaps", "no value for column 'live'");
    check_error("(live", "')' expected");
    check_error("live)", "instead of ')'");
    check_error("live live", "'and', 'or'");
    check_error("name ~ List<String>", "needs quotes");
    check_error("name ~ 'x", "no end");
    check_error("size is nothing", "'null' expected");
    check_error("size ! 5", "makes no sense");
    check_error("size > 5 and", "a column expected");
}

static void repeat(char *ret, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++)
        strcat(ret, what);
}

static void nesting_is_bounded(void **state)
{
    char expression[4096] = "";
    char chain[65536] = "live";

    (void)state;
    repeat(expression, "(", 1000);
    repeat(expression, "live", 1);
    repeat(expression, ")", 1000);
    check_error(expression, "nested too deeply");
    expression[0] = 0;
    repeat(expression, "live or live and (", 64);
    repeat(expression, "live", 1);
    repeat(expression, ")", 64);
    assert_true(matches(expression, false));
    repeat(chain, " and live", 5000);
    assert_true(matches(chain, false));
}

static void only_columns_looked_at_are_needed(void **state)
{
    struct where where;

    (void)state;
    assert_null(where_compile(&where, &relation_toy, "size > 5 and not live"));
    assert_int_equal(where.columns, 1 << TOY_SIZE | 1 << TOY_LIVE);
    where_deinit(&where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_say_what_they_mean),
        cmocka_unit_test(unknown_values_match_nothing_but_null),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(only_columns_looked_at_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
