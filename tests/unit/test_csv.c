#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/csv.h"

static void cells_are_quoted_and_made_harmless(void **state)
{
    static const struct {
        const char *text, *cell;
    } cases[] = {
        { "", "" },
        { "Patient", "Patient" },
        { "a,b", "\"a,b\"" },
        { "say \"hi\"", "\"say \"\"hi\"\"\"" },
        { "two\nlines", "\"two\nlines\"" },
        { "=1+1", "'=1+1" },
        { "+1", "'+1" },
        { "-1", "'-1" },
        { "@SUM(A1)", "'@SUM(A1)" },
        { "\tx", "'\tx" },
        { "\rx", "\"'\rx\"" },
        { "=a,b", "\"'=a,b\"" },
        { "a=b", "a=b" },
        { "\033[31m", "\\u{1b}[31m" },
        { "\xff", "\\xff" },
        { "\u202ereversed", "\\u{202e}reversed" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct text text = { 0 };

        csv_append_text(&text, cases[i].text, strlen(cases[i].text));
        assert_string_equal(text_cstr(&text), cases[i].cell);
        text_deinit(&text);
    }
}

static void rows_end_with_crlf_and_unknown_cells_are_empty(void **state)
{
    static const struct command plain = { .name = "toys" };
    static const struct toy rows[] = {
        { .address = 0x7f, .name = "a", .size = 1234567, .token = 5, .live = 1, .share = 0.5, .extra = "[1,2]" },
        { .name = NULL, .size = -1, .live = -1 }
    };
    struct query_options options = { .view = QUERY_DATA, .columns = "address,name,size,token,live,share,extra" };
    struct query *query = NULL;
    struct capture capture;

    (void)state;
    toy_set(rows, 2);
    assert_null(query_create(&relation_toy, &plain, &options, &query));
    assert_null(query_begin(query, NULL));
    capture_begin(&capture);
    assert_null(csv_print(query, &capture.output));
    assert_string_equal(capture_end(&capture), "address,name,size,token,live,share,extra\r\n"
                                               "0x7f,a,1234567,0x00000005,true,0.5,\"[1,2]\"\r\n"
                                               "0x0,,,0x00000000,,0,\r\n");
    capture_deinit(&capture);
    query_destroy(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_quoted_and_made_harmless),
        cmocka_unit_test(rows_end_with_crlf_and_unknown_cells_are_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
