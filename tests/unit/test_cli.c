#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/cli.h"
#include "surfaces/run.h"
#include "surfaces/words.h"

struct outcome {
    struct capture out, err;
    int status;
};

static const struct toy rows[] = { { .address = 0x10, .name = "chess", .size = 7 }, { .address = 0x20, .name = "go", .size = 9 } };

static void run_line(struct outcome *outcome, const char *line)
{
    struct words words = { 0 };
    struct arena arena;
    struct cli cli;

    arena_init(&arena);
    assert_null(words_split(&words, &arena, line));
    capture_begin(&outcome->out);
    capture_begin(&outcome->err);
    toy_set(rows, ARRAY_COUNT(rows));
    cli =
        (struct cli) { .relations = toy_relations, .out = outcome->out.output.file, .err = outcome->err.output.file, .utf8 = true };
    outcome->status = cli_run(&cli, words.list.data, words.list.count);
    capture_end(&outcome->out);
    capture_end(&outcome->err);
    words_deinit(&words);
    arena_deinit(&arena);
}

static void drop(struct outcome *outcome)
{
    capture_deinit(&outcome->out);
    capture_deinit(&outcome->err);
}

/* `out` and `err` are parts of what is printed; "" for nothing at all. */
static void check(const char *line, int status, const char *out, const char *err)
{
    struct outcome outcome;

    run_line(&outcome, line);
    if (outcome.status != status) fail_msg("%s: exit status %d; %s", line, outcome.status, outcome.err.data);
    if (*out ? !strstr(outcome.out.data, out) : *outcome.out.data) fail_msg("%s prints: %s", line, outcome.out.data);
    if (*err ? !strstr(outcome.err.data, err) : *outcome.err.data) fail_msg("%s complains: %s", line, outcome.err.data);
    drop(&outcome);
}

static void commands_without_a_dump_need_none(void **state)
{
    (void)state;
    check("version", EXIT_DONE, "clrtrail " CLRTRAIL_VERSION "\n", "");
    check("--version", EXIT_DONE, "clrtrail ", "");
    check("help", EXIT_DONE, "usage: clrtrail TARGET", "");
    check("--help", EXIT_DONE, "usage: clrtrail TARGET", "");
    check("help dumptoys", EXIT_DONE, "usage: clrtrail TARGET toys [ADDRESS]", "");
    check("x.core toys --help", EXIT_DONE, "What children play with.", "");
    check("help explain", EXIT_DONE, "usage: clrtrail TARGET explain N", "");
    check("help tois", EXIT_USAGE, "", "did you mean 'toys'?");
    check("games 10", EXIT_DONE, "chess", "");
    check("games 10 --json --columns name", EXIT_DONE, "{\"name\": \"go\"}", "");
    check("games 10 --csv --columns name", EXIT_DONE, "name\r\nchess\r\ngo\r\n", "");
}

static void wrong_usage_is_told_before_anything_is_opened(void **state)
{
    (void)state;
    check("", EXIT_USAGE, "", "usage: clrtrail");
    check("games", EXIT_USAGE, "", "game is missing");
    check("/nowhere/x.core tois", EXIT_USAGE, "", "did you mean 'toys'?");
    check("/nowhere/x.core toys --where 'siez > 5'", EXIT_USAGE, "", "did you mean 'size'?");
    check("/nowhere/x.core -c toys -c 'toys --columns nmae'", EXIT_USAGE, "", "did you mean 'name'?");
    check("/nowhere/x.core -c 'toys --images a'", EXIT_USAGE, "", "--images is for the whole run");
    check("/nowhere/x.core toys --fail-on hint", EXIT_USAGE, "", "--fail-on is for diagnose, findings and diff");
    check("/nowhere/x.core diagnose --where live", EXIT_USAGE, "", "diagnose has no rows");
    check("/nowhere/x.core explain", EXIT_USAGE, "", "explain N");
    check("toys", EXIT_USAGE, "", "'toys' is a command and needs a dump");
    check("snapshot", EXIT_USAGE, "", "how to write it: snapshot N");
    check("snapshot 1", EXIT_USAGE, "", "needs -o FILE");
}

static void a_dump_that_cannot_be_opened_is_one_line(void **state)
{
    struct outcome outcome;

    (void)state;
    run_line(&outcome, "/nowhere/x.core");
    assert_int_equal(outcome.status, EXIT_UNREADABLE);
    assert_string_equal(outcome.out.data, "");
    assert_memory_equal(outcome.err.data, "clrtrail: cannot open '/nowhere/x.core': ", 41);
    assert_ptr_equal(strchr(outcome.err.data, '\n'), outcome.err.data + strlen(outcome.err.data) - 1);
    drop(&outcome);
}

static void findings_reach_the_exit_status(void **state)
{
    (void)state;
    toy_finding_count = 2;
    check("findings", EXIT_DONE, "many threads", "");
    check("findings --fail-on proven", EXIT_FINDINGS, "many threads", "");
    check("findings --fail-on likely --where 'id = 2'", EXIT_DONE, "many threads", "");
    check("findings --fail-on hint --where 'id = 2' --json", EXIT_FINDINGS, "\"id\": 2", "");
    toy_finding_count = 0;
    check("findings --fail-on hint", EXIT_DONE, "none", "");
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
    struct outcome outcome;
    const char *words[] = { "help" };
    FILE *full = fopen("/dev/full", "w");
    struct cli cli;

    (void)state;
    if (!full) skip();
    capture_begin(&outcome.err);
    cli = (struct cli) { .relations = toy_relations, .out = full, .err = outcome.err.output.file };
    assert_int_equal(cli_run(&cli, words, 1), EXIT_UNREADABLE);
    assert_string_equal(capture_end(&outcome.err), "clrtrail: cannot write the output: No space left on device\n");
    capture_deinit(&outcome.err);
    fclose(full);
}

static void the_manual_and_the_completion_know_every_command(void **state)
{
    static const char *const forms[] = { "help --man", "help --completion bash" };
    static const char *const words[] = { "diagnose", "toys", "dumptoys", "games", "where", "fail" };
    struct outcome outcome;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        run_line(&outcome, forms[i]);
        assert_int_equal(outcome.status, EXIT_DONE);
        for (size_t k = 0; k < ARRAY_COUNT(words); k++)
            if (!strstr(outcome.out.data, words[k])) fail_msg("%s lacks %s", forms[i], words[k]);
        drop(&outcome);
    }
    check("help --completion fish", EXIT_USAGE, "", "only for bash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_without_a_dump_need_none),
        cmocka_unit_test(wrong_usage_is_told_before_anything_is_opened),
        cmocka_unit_test(a_dump_that_cannot_be_opened_is_one_line),
        cmocka_unit_test(findings_reach_the_exit_status),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
        cmocka_unit_test(the_manual_and_the_completion_know_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
