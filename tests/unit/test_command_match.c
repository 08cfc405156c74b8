#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/command_match.h"
#include "surfaces/words.h"

static const char *const builtins[] = { "diagnose", "help", NULL };

struct parsed {
    struct arena arena;
    struct words words;
    struct command_match match;
    struct error *err;
};

static void parse(struct parsed *parsed, const char *line)
{
    *parsed = (struct parsed) { 0 };
    arena_init(&parsed->arena);
    assert_null(words_split(&parsed->words, &parsed->arena, line));
    parsed->err = command_match(toy_relations, builtins, parsed->words.list.data, parsed->words.list.count, &parsed->match);
}

static void drop(struct parsed *parsed)
{
    error_destroy(parsed->err);
    words_deinit(&parsed->words);
    arena_deinit(&parsed->arena);
}

static void check_command(const char *line, const char *command)
{
    struct parsed parsed;

    parse(&parsed, line);
    if (parsed.err) fail_msg("%s: %s", line, error_message(parsed.err));
    assert_string_equal(parsed.match.command->name, command);
    drop(&parsed);
}

static void the_alias_with_most_words_wins(void **state)
{
    (void)state;
    check_command("toys", "toys");
    check_command("TOYS", "toys");
    check_command("!dumptoys", "dumptoys");
    check_command("dumptoys -stat", "dumptoys -stat");
    check_command("dumptoys --stat", "dumptoys -stat");
    check_command("dumptoys -type X -stat", "dumptoys -stat");
    check_command("DumpToys -STAT -type X", "dumptoys -stat");
    check_command("dumptoys -type X", "dumptoys");
    check_command("dumptoy 7f00", "dumptoy");
}

static void arguments_are_taken_by_flag_and_by_place(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, "!dumptoys -stat -type His.Patient -min 0x100 00007ffe`2b1f2aa0 -short");
    assert_null(parsed.err);
    assert_int_equal(parsed.match.arguments[0].u, 0x7ffe2b1f2aa0);
    assert_string_equal(parsed.match.arguments[1].s, "His.Patient");
    assert_int_equal(parsed.match.arguments[2].u, 0x100);
    assert_true(parsed.match.arguments[3].given);
    drop(&parsed);
    parse(&parsed, "toys -min 100");
    assert_int_equal(parsed.match.arguments[2].u, 100);
    assert_false(parsed.match.arguments[0].given);
    assert_false(parsed.match.arguments[3].given);
    drop(&parsed);
}

static void check_error(const char *line, const char *part)
{
    struct parsed parsed;

    parse(&parsed, line);
    if (!parsed.err) fail_msg("'%s' is accepted", line);
    assert_int_equal(parsed.err->code, ERROR_USAGE);
    if (!strstr(error_message(parsed.err), part)) fail_msg("%s: %s", line, error_message(parsed.err));
    drop(&parsed);
}

static void mistakes_get_a_suggestion(void **state)
{
    (void)state;
    check_error("tois", "unknown command 'tois'; did you mean 'toys'?");
    check_error("!dumptoy -stat", "unknown option '-stat'");
    check_error("diagnos", "did you mean 'diagnose'?");
    check_error("bananas", "unknown command 'bananas'");
    check_error("toys -typ X", "did you mean '-type'?");
    check_error("toys --wher x", "did you mean '--where'?");
    check_error("toys --frobnicate", "toys: unknown option '--frobnicate'");
    check_error("toys zzz", "'zzz' is no address (address)");
    check_error("toys 12 34", "'34' is one argument too many: toys [ADDRESS] [-type TYPE_NAME] [-min MIN] [-short]");
    check_error("toys -type", "'-type' needs a value");
    check_error("toys -min lots", "'lots' is no number (min)");
    check_error("games", "game is missing: games GAME");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_alias_with_most_words_wins),
        cmocka_unit_test(arguments_are_taken_by_flag_and_by_place),
        cmocka_unit_test(mistakes_get_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
