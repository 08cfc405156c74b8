#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/text_table.h"

static const struct command plain = { .name = "toys", .columns = "name,size,address,live,share" };

static const struct toy three[] = {
    { .address = 0x7f6a10c8, .name = "Patient", .size = 1234567, .live = 1, .share = 0.5 },
    { .address = 0, .name = "\033[31mred\nline", .size = -1, .live = 0, .share = 0.25 },
    { .address = UINT64_MAX, .name = NULL, .size = 0, .live = -1, .share = 1 },
};

struct shape {
    const struct command *command;
    struct query_options options;
    unsigned width; /* of the terminal; 0: none */
    bool ascii, color;
};

static void check(struct shape shape, const char *expected)
{
    struct capture capture;
    struct query *query = NULL;
    struct text_table table;

    capture_begin(&capture);
    capture.output.terminal = shape.width > 0;
    capture.output.width = shape.width;
    capture.output.utf8 = !shape.ascii;
    capture.output.color = shape.color;
    assert_null(query_create(&relation_toy, shape.command, &shape.options, &query));
    assert_null(query_begin(query, NULL));
    assert_null(text_table_init(&table, query, &capture.output));
    assert_null(text_table_read_ahead(&table));
    assert_null(text_table_print(&table, "--limit 0 shows them"));
    assert_string_equal(capture_end(&capture), expected);
    text_table_deinit(&table);
    query_destroy(query);
    capture_deinit(&capture);
}

static void columns_are_aligned_and_hostile_text_is_harmless(void **state)
{
    (void)state;
    toy_set(three, 3);
    check((struct shape) { .command = &plain }, "name                         size  address           live    share\n"
                                                "Patient                 1,234,567  000000007f6a10c8  yes    50.0 %\n"
                                                "\\u{1b}[31mred\\u{a}line          -  0000000000000000  no     25.0 %\n"
                                                "-                               0  ffffffffffffffff  -     100.0 %\n"
                                                "Total 3 toys, 1234567 bytes\n");
}

static void an_alias_brings_its_heads(void **state)
{
    (void)state;
    toy_set(three, 1);
    check((struct shape) { .command = &relation_toy.commands[2] }, "Count  TotalSize  Class Name\n"
                                                                   "    0  1,234,567  Patient\n"
                                                                   "Total 1 toys, 1234567 bytes\n");
}

static void records_are_lines(void **state)
{
    (void)state;
    toy_set(three, 2);
    check((struct shape) { .command = &relation_toy.commands[3] }, "Name:  Patient\nSize:  1,234,567\nAlive: yes\n"
                                                                   "\n"
                                                                   "Name:  \\u{1b}[31mred\\u{a}line\nSize:  -\nAlive: no\n"
                                                                   "Total 2 toys, 1234567 bytes\n");
}

static void nothing_says_why(void **state)
{
    (void)state;
    toy_set(three, 0);
    check((struct shape) { .command = &plain }, "no toys\nTotal 0 toys, 0 bytes\n");
    toy_set(three, 3);
    check((struct shape) { .command = &plain, .options = { .where = "size > 1G" } }, "no rows match --where\n");
}

static void totals_do_not_describe_a_selection(void **state)
{
    (void)state;
    toy_set(three, 3);
    check((struct shape) { .command = &plain, .options = { .where = "live", .columns = "size" } }, "     size\n1,234,567\n");
    check((struct shape) { .command = &plain, .options = { .limit = 1, .columns = "size" } }, "     size\n1,234,567\n");
}

static void a_terminal_clips_the_middle_of_long_names(void **state)
{
    static const struct toy rows[] = {
        { .name = "His.Services.Implementation.PatientServiceProxy", .size = 5 },
        { .name = "\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587", .size = 6 }
    };

    (void)state;
    toy_set(rows, 2);
    check((struct shape) { .command = &plain, .options = { .columns = "name,size", .where = "size < 10" }, .width = 30 },
          "name                      size\n"
          "His.Service\u2026ServiceProxy     5\n"
          "\u4e2d\u6587\u4e2d\u6587\u4e2d\u2026\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587      6\n");
    check((struct shape) { .command = &plain, .options = { .columns = "name", .limit = 1 }, .width = 20, .ascii = true },
          "name\nHis.Serv...viceProxy\n");
}

static void a_terminal_that_is_not_utf8_gets_ascii(void **state)
{
    static const struct toy rows[] = { { .name = "\u00e9t\u00e9" } };

    (void)state;
    toy_set(rows, 1);
    check((struct shape) { .command = &plain, .options = { .columns = "name", .where = "size = 0" }, .ascii = true },
          "name\n\\u{e9}t\\u{e9}\n");
}

static void only_heads_are_bold(void **state)
{
    (void)state;
    toy_set(three, 1);
    check((struct shape) { .command = &plain, .options = { .columns = "size", .where = "live" }, .color = true },
          "     \033[1msize\033[0m\n1,234,567\n");
}

static void a_window_says_what_it_hides(void **state)
{
    (void)state;
    toy_set(three, 3);
    check((struct shape) { .command = &plain, .options = { .columns = "size", .window = 1 } },
          "     size\n1,234,567\n\u2026 2 rows more: --limit 0 shows them\nTotal 3 toys, 1234567 bytes\n");
    check((struct shape) { .command = &relation_toy.commands[2], .options = { .window = 2 } },
          "Count  TotalSize  Class Name\n\u2026 1 rows before these: --limit 0 shows them\n"
          "    0  1,234,567  Patient\n    0          -  \\u{1b}[31mred\\u{a}line\nTotal 3 toys, 1234567 bytes\n");
}

static void rows_behind_those_read_ahead_stream(void **state)
{
    enum { ROWS = TEXT_TABLE_AHEAD + 50 };
    static struct toy rows[ROWS];
    struct capture capture;
    struct query_options options = { .columns = "thread_id,name" };
    struct query *query = NULL;
    struct text_table table;
    char *line;

    (void)state;
    for (unsigned i = 0; i < ROWS; i++)
        rows[i] = (struct toy) { .id = i, .name = i < TEXT_TABLE_AHEAD ? "x" : "a longer name" };
    toy_set(rows, ROWS);
    capture_begin(&capture);
    assert_null(query_create(&relation_toy, &plain, &options, &query));
    assert_null(query_begin(query, NULL));
    assert_null(text_table_init(&table, query, &capture.output));
    assert_null(text_table_read_ahead(&table));
    assert_int_equal(toy_rows.pulled, TEXT_TABLE_AHEAD);
    assert_null(text_table_print(&table, ""));
    line = strstr(capture_end(&capture), "1049  a longer name\n");
    assert_non_null(line);
    text_table_deinit(&table);
    query_destroy(query);
    capture_deinit(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_and_hostile_text_is_harmless),
        cmocka_unit_test(an_alias_brings_its_heads),
        cmocka_unit_test(records_are_lines),
        cmocka_unit_test(nothing_says_why),
        cmocka_unit_test(totals_do_not_describe_a_selection),
        cmocka_unit_test(a_terminal_clips_the_middle_of_long_names),
        cmocka_unit_test(a_terminal_that_is_not_utf8_gets_ascii),
        cmocka_unit_test(only_heads_are_bold),
        cmocka_unit_test(a_window_says_what_it_hides),
        cmocka_unit_test(rows_behind_those_read_ahead_stream),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
