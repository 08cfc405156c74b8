#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "surfaces/progress_line.h"

static void check(const char *phase, uint64_t done, uint64_t total, uint64_t elapsed_ms, const char *expected)
{
    char text[64];

    progress_line_format(text, sizeof(text), phase, done, total, elapsed_ms);
    assert_string_equal(text, expected);
}

static void lines_show_phase_share_and_rate(void **state)
{
    (void)state;
    check("reading the heap", UINT64_C(1) << 30, UINT64_C(4) << 30, 1000, "reading the heap  25 %  1.00 GiB/s");
    check("walking", 10, 40, 1000, "walking  25 %  ");
    check("searching", 10, 0, 1000, "searching");
    check("reading", 50, 40, 0, "reading  100 %  ");
}

static void nothing_is_shown_where_there_is_no_terminal(void **state)
{
    struct progress_line line;
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);

    (void)state;
    progress_line_init(&line, file, true);
    assert_null(line.progress.report);
    progress_line_pause(&line);
    fflush(file);
    assert_int_equal(size, 0);
    fclose(file);
    free(data);
}

static void an_interrupt_cancels_once(void **state)
{
    struct progress_line line;
    struct sigaction action;

    (void)state;
    progress_line_init(&line, stderr, false);
    progress_line_catch_interrupt(&line);
    raise(SIGINT);
    assert_true(progress_is_cancelled(&line.progress));
    sigaction(SIGINT, NULL, &action);
    assert_true(action.sa_handler == SIG_DFL);
    progress_line_catch_interrupt(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_show_phase_share_and_rate),
        cmocka_unit_test(nothing_is_shown_where_there_is_no_terminal),
        cmocka_unit_test(an_interrupt_cancels_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
