#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/shell.h"

static const struct toy rows[] = { { .address = 0x10, .name = "chess", .size = 7 }, { .address = 0x20, .name = "go", .size = 9 } };

static void check(const char *input, const char *out, const char *err)
{
    struct capture printed, complaints;
    struct run run = { .relations = toy_relations };
    struct options options = { 0 };
    FILE *file = fmemopen((void *)(uintptr_t)input, strlen(input), "r");

    capture_begin(&printed);
    capture_begin(&complaints);
    toy_set(rows, ARRAY_COUNT(rows));
    run.output = printed.output;
    run.err = complaints.output.file;
    progress_line_init(&run.line, run.err, false);
    assert_null(shell_read(&run, &options, file, NULL));
    assert_string_equal(capture_end(&printed), out);
    assert_string_equal(capture_end(&complaints), err);
    progress_line_catch_interrupt(NULL);
    capture_deinit(&printed);
    capture_deinit(&complaints);
    fclose(file);
}

static void lines_are_commands_with_their_options(void **state)
{
    (void)state;
    check("toys --where 'size > 8' --columns name\n\n# a remark\n!dumptoys -stat --columns name --json --limit 1\n",
          "name\ngo\n"
          "{ \"schema\": 1, \"tool\": \"clrtrail " CLRTRAIL_VERSION
          "\",\n  \"relation\": \"toys\", \"columns\": [{\"name\": \"name\", \"kind\": \"text\"}],\n"
          "  \"rows\": [\n    {\"name\": \"chess\"}\n  ]\n}\n",
          "");
}

static void an_error_does_not_end_the_shell(void **state)
{
    (void)state;
    check("tois\ntoys --columns size --where 'size < 8'\nshell\n'\n", "size\n   7\n",
          "clrtrail: unknown command 'tois'; did you mean 'toys'?\nclrtrail: this is the shell already\nclrtrail: a quote in "
          "''\\u{a}' has no end\n");
}

static void exit_ends_it(void **state)
{
    (void)state;
    check("exit\ntoys\n", "", "");
    check("q", "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_commands_with_their_options),
        cmocka_unit_test(an_error_does_not_end_the_shell),
        cmocka_unit_test(exit_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
