#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "surfaces/words.h"

static void check_split(const char *line, const char *expected)
{
    struct words words = { 0 };
    struct arena arena;
    struct text joined = { 0 };

    arena_init(&arena);
    assert_null(words_split(&words, &arena, line));
    for (size_t i = 0; i < words.list.count; i++)
        text_printf(&joined, "[%s]", words.list.data[i]);
    assert_string_equal(text_cstr(&joined), expected);
    text_deinit(&joined);
    words_deinit(&words);
    arena_deinit(&arena);
}

static void lines_are_split_at_blanks_outside_quotes(void **state)
{
    (void)state;
    check_split("", "");
    check_split("  modules\t--where dynamic ", "[modules][--where][dynamic]");
    check_split("types --where 'size > 10'", "[types][--where][size > 10]");
    check_split("a \"b \\\" c\" d", "[a][b \" c][d]");
    check_split("--images C:\\dumps\\x", "[--images][C:\\dumps\\x]");
    check_split("x '' y", "[x][][y]");
    check_split("pre'mid dle'post", "[premid dlepost]");
}

static void a_quote_without_end_is_an_error(void **state)
{
    struct words words = { 0 };
    struct arena arena;
    struct error *err;

    (void)state;
    arena_init(&arena);
    err = words_split(&words, &arena, "types 'x");
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_USAGE);
    error_destroy(err);
    words_deinit(&words);
    arena_deinit(&arena);
}

static void distances_count_edits(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("modules", "modlues"), 1);
    assert_int_equal(edit_distance("gc_heaps", "gc-heaps"), 0);
    assert_int_equal(edit_distance("Types", "types"), 0);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

static const char *suggest(const char *wanted)
{
    struct suggestion suggestion;

    suggestion_init(&suggestion, wanted);
    suggestion_add(&suggestion, "modules");
    suggestion_add(&suggestion, "type_histogram");
    suggestion_add(&suggestion, "roots");
    return suggestion.best;
}

static void only_near_words_are_suggested(void **state)
{
    (void)state;
    assert_string_equal(suggest("moduls"), "modules");
    assert_string_equal(suggest("root"), "roots");
    assert_string_equal(suggest("type"), "type_histogram");
    assert_null(suggest("bananas"));
    assert_null(suggest("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_at_blanks_outside_quotes),
        cmocka_unit_test(a_quote_without_end_is_an_error),
        cmocka_unit_test(distances_count_edits),
        cmocka_unit_test(only_near_words_are_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
