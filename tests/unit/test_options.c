#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/text.h"
#include "surfaces/options.h"
#include "surfaces/words.h"

struct parsed {
    struct arena arena;
    struct words words;
    struct options options;
    struct words rest;
    struct text joined; /* the rest, with blanks between */
    struct error *err;
};

static void parse(struct parsed *parsed, const char *line, bool per_command)
{
    *parsed = (struct parsed) { 0 };
    arena_init(&parsed->arena);
    assert_null(words_split(&parsed->words, &parsed->arena, line));
    parsed->err = options_parse(&parsed->options, parsed->words.list.data, parsed->words.list.count, per_command, &parsed->rest);
    for (size_t i = 0; i < parsed->rest.list.count; i++)
        text_printf(&parsed->joined, "%s%s", i ? " " : "", parsed->rest.list.data[i]);
}

static void drop(struct parsed *parsed)
{
    error_destroy(parsed->err);
    options_deinit(&parsed->options);
    text_deinit(&parsed->joined);
    vec_deinit(&parsed->rest.list);
    words_deinit(&parsed->words);
    arena_deinit(&parsed->arena);
}

static void options_stand_anywhere(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p,
          "his.core --json types --where 'size > 10' -stat --limit=20 --sort size:desc --images a --images b -c modules -c 'types'",
          false);
    assert_null(p.err);
    assert_string_equal(text_cstr(&p.joined), "his.core types -stat");
    assert_int_equal(p.options.format, FORMAT_JSON);
    assert_string_equal(p.options.where, "size > 10");
    assert_string_equal(p.options.sort, "size:desc");
    assert_int_equal(p.options.limit, 20);
    assert_true(p.options.limit_given);
    assert_int_equal(p.options.images.list.count, 2);
    assert_int_equal(p.options.commands.list.count, 2);
    drop(&p);
}

static void what_the_table_does_not_know_is_left_to_the_command(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "x dumpheap --type X -mt 7f00 -- --json", false);
    assert_null(p.err);
    assert_string_equal(text_cstr(&p.joined), "x dumpheap --type X -mt 7f00 --json");
    assert_int_equal(p.options.format, FORMAT_TEXT);
    drop(&p);
}

static void zero_rows_means_all(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "x --limit 0 --fail-on likely --color never -h", false);
    assert_true(p.options.limit_given);
    assert_int_equal(p.options.limit, 0);
    assert_int_equal(p.options.fail_on, FAIL_ON_LIKELY);
    assert_int_equal(p.options.color, 2);
    assert_true(p.options.help);
    drop(&p);
}

static void check_error(const char *line, bool per_command, const char *message)
{
    struct parsed p;

    parse(&p, line, per_command);
    assert_non_null(p.err);
    assert_int_equal(p.err->code, ERROR_USAGE);
    assert_string_equal(error_message(p.err), message);
    drop(&p);
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    check_error("x --where", false, "--where needs a value: CONDITION");
    check_error("x --limit many", false, "'many' is no number for --limit");
    check_error("x --color blue", false, "'blue' is no value for --color (auto|always|never)");
    check_error("x --json=yes", false, "--json takes no value");
    check_error("types --images a", true, "--images is for the whole run, not for one command");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(what_the_table_does_not_know_is_left_to_the_command),
        cmocka_unit_test(zero_rows_means_all),
        cmocka_unit_test(mistakes_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
