#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/toy_relation.h"
#include "surfaces/query.h"
#include "surfaces/row_store.h"

enum { ROWS = 500 };

static struct toy rows[ROWS];
static const char *const names[] = { "Patient", "Doctor", "Ward", NULL, "Bed" };
static const struct command plain = { .name = "toys" };

static uint32_t random_below(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % bound;
}

static int fill(void **state)
{
    uint32_t seed = 7;

    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        rows[i] = (struct toy) { .address = 0x1000 + i, .name = names[random_below(&seed, ARRAY_COUNT(names))], .id = i };
        rows[i].size = (int64_t)random_below(&seed, 40) - 1;
        rows[i].count = random_below(&seed, 3);
        rows[i].live = (int)random_below(&seed, 2);
    }
    toy_set(rows, ROWS);
    return 0;
}

static struct query *start(const struct command *command, struct query_options options)
{
    struct query *query = NULL;

    assert_null(query_create(&relation_toy, command, &options, &query));
    assert_null(query_begin(query, NULL));
    return query;
}

static const struct value *next(struct query *query)
{
    const struct value *row;

    assert_null(query_next(query, &row));
    return row;
}

static int column(const struct query *query, const char *name)
{
    for (unsigned i = 0; i < query->column_count; i++)
        if (!strcmp(query->columns[i].name, name)) return (int)i;
    fail_msg("no column %s", name);
    return -1;
}

static unsigned count_rows(struct query *query)
{
    unsigned count = 0;

    while (next(query))
        count++;
    return count;
}

/* ---- streaming ---- */

static void rows_stream_in_their_order(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .where = "live", .columns = "thread_id,size" });
    const struct value *row;
    unsigned expected = 0;

    (void)state;
    while ((row = next(query))) {
        while (!rows[expected].live)
            expected++;
        assert_int_equal(row[0].u, expected);
        assert_int_equal(row[1].known, rows[expected].size >= 0);
        expected++;
    }
    assert_true(query->complete);
    query_destroy(query);
    assert_true(toy_rows.ended);
}

static void a_limit_stops_pulling(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .limit = 10 });

    (void)state;
    assert_int_equal(count_rows(query), 10);
    assert_int_equal(toy_rows.pulled, 10);
    assert_false(query->complete);
    query_destroy(query);
}

static void a_window_counts_what_it_hides(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .window = 30 });

    (void)state;
    assert_int_equal(count_rows(query), 30);
    assert_int_equal(query->hidden, ROWS - 30);
    assert_true(query->complete);
    assert_int_equal(count_rows(query), 0);
    query_destroy(query);
}

static void only_what_is_shown_is_asked_for(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .columns = "name", .sort = "size", .where = "live" });

    (void)state;
    assert_int_equal(toy_rows.columns_needed, 1 << TOY_NAME | 1 << TOY_SIZE | 1 << TOY_LIVE);
    query_destroy(query);
}

static void views_hide_what_is_not_for_them(void **state)
{
    static const struct {
        enum query_view view;
        unsigned columns;
    } cases[] = { { QUERY_TEXT, TOY_COLUMNS - 2 }, { QUERY_TEXT_VERBOSE, TOY_COLUMNS - 1 }, { QUERY_DATA, TOY_COLUMNS } };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct query *query = start(&plain, (struct query_options) { .view = cases[i].view });

        assert_int_equal(query->column_count, cases[i].columns);
        query_destroy(query);
    }
}

/* ---- sorting ---- */

/* size descending, unknown last, then name ascending, unknown last, then place. */
static int naive_compare(const void *a_ptr, const void *b_ptr)
{
    const struct toy *a = *(const struct toy *const *)a_ptr, *b = *(const struct toy *const *)b_ptr;

    if (a->size != b->size) {
        if (a->size < 0 || b->size < 0) return a->size < 0 ? 1 : -1;
        return a->size < b->size ? 1 : -1;
    }
    if (a->name != b->name) {
        if (!a->name || !b->name) return a->name ? -1 : 1;
        if (strcmp(a->name, b->name) != 0) return strcmp(a->name, b->name);
    }
    return a < b ? -1 : a > b;
}

static void check_sorted(uint64_t limit, uint64_t window, unsigned expected_count)
{
    struct query *query = start(
        &plain,
        (struct query_options) { .sort = "size:desc, name", .columns = "thread_id,name", .limit = limit, .window = window });
    const struct toy *sorted[ROWS];
    const struct value *row;
    unsigned count = 0;

    for (unsigned i = 0; i < ROWS; i++)
        sorted[i] = &rows[i];
    qsort(sorted, ROWS, sizeof(sorted[0]), naive_compare);
    for (; (row = next(query)); count++) {
        assert_int_equal(row[0].u, sorted[count]->id);
        assert_int_equal(row[1].known, sorted[count]->name != NULL);
        if (row[1].known) assert_memory_equal(row[1].s, sorted[count]->name, row[1].length);
    }
    assert_int_equal(count, expected_count);
    assert_int_equal(query->hidden, window ? ROWS - expected_count : 0);
    query_destroy(query);
}

static void sorting_agrees_with_a_plain_array(void **state)
{
    (void)state;
    check_sorted(0, 0, ROWS);
}

static void the_first_k_are_the_first_of_all(void **state)
{
    (void)state;
    check_sorted(1, 0, 1);
    check_sorted(7, 0, 7);
    check_sorted(ROWS - 1, 0, ROWS - 1);
    check_sorted(ROWS + 5, 0, ROWS);
    check_sorted(0, 64, 64);
}

static void sos_order_shows_its_end(void **state)
{
    struct query *query = start(&relation_toy.commands[2], (struct query_options) { .window = 10 });
    const struct value *row;
    uint64_t last = 0;
    unsigned count = 0;

    (void)state;
    for (; (row = next(query)); count++) {
        if (row[1].known) assert_true(row[1].u >= last);
        if (row[1].known) last = row[1].u;
    }
    assert_int_equal(count, 10);
    assert_true(query->hidden_first);
    assert_int_equal(query->hidden, ROWS - 10);
    assert_string_equal(query->columns[1].title, "TotalSize");
    query_destroy(query);
}

static void what_the_user_says_wins(void **state)
{
    struct query *query = start(&relation_toy.commands[2],
                                (struct query_options) { .sort = "thread_id desc", .columns = "thread_id" });

    (void)state;
    assert_int_equal(next(query)[0].u, ROWS - 1);
    assert_string_equal(query->columns[0].title, "thread_id");
    query_destroy(query);
}

static void machines_get_all_columns_of_an_alias(void **state)
{
    struct query *query = start(&relation_toy.commands[2], (struct query_options) { .view = QUERY_DATA });

    (void)state;
    assert_int_equal(query->column_count, TOY_COLUMNS);
    assert_string_equal(query->columns[0].name, "address");
    query_destroy(query);
}

static void long_texts_are_cut_and_counted(void **state)
{
    static char text[ROW_STORE_TEXT_MAX + 100];
    struct toy toy = { .name = text };
    struct gaps gaps;
    struct query *query;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    gaps_init(&gaps);
    toy_set(&toy, 1);
    query = start(&plain, (struct query_options) { .sort = "size", .columns = "name", .gaps = &gaps });
    assert_int_equal(next(query)[0].length, ROW_STORE_TEXT_MAX);
    assert_int_equal(gaps.list.count, 1);
    query_destroy(query);
    gaps_deinit(&gaps);
}

/* ---- groups ---- */

static void check_group(const struct query *query, const struct value *row)
{
    const struct value *name = &row[column(query, "name")], *size = &row[column(query, "size")];
    uint64_t count = 0, bytes = 0, first = 0;
    bool known = false;

    for (unsigned i = 0; i < ROWS; i++) {
        if (!rows[i].name != !name->known) continue;
        if (name->known && (strlen(rows[i].name) != name->length || memcmp(rows[i].name, name->s, name->length) != 0)) continue;
        if (count++ == 0) first = rows[i].address;
        if (rows[i].size < 0) continue;
        known = true;
        bytes += (uint64_t)rows[i].size;
    }
    assert_int_equal(row[column(query, "rows")].u, count);
    assert_int_equal(size->known, known);
    assert_int_equal(size->u, bytes);
    assert_int_equal(row[column(query, "example")].u, first);
}

static void groups_agree_with_a_plain_array(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .group = "name" });
    const struct value *row;
    uint64_t before = UINT64_MAX, total = 0;
    unsigned groups = 0;

    (void)state;
    for (; (row = next(query)); groups++) {
        uint64_t count = row[column(query, "rows")].u;

        check_group(query, row);
        assert_true(count <= before);
        before = count;
        total += count;
    }
    assert_int_equal(groups, ARRAY_COUNT(names));
    assert_int_equal(total, ROWS);
    query_destroy(query);
}

static void groups_of_two_columns_are_sorted_and_limited(void **state)
{
    struct query *query = start(&plain, (struct query_options) { .group = "name,live", .sort = "size:desc", .limit = 3 });
    const struct value *row;
    uint64_t before = UINT64_MAX;
    unsigned groups = 0;

    (void)state;
    for (; (row = next(query)); groups++) {
        assert_true(row[column(query, "size")].u <= before);
        before = row[column(query, "size")].u;
    }
    assert_int_equal(groups, 3);
    query_destroy(query);
}

static void sums_stop_at_the_largest_number(void **state)
{
    static const struct toy two[] = { { .name = "a", .count = UINT64_MAX - 1 }, { .name = "a", .count = 5 } };
    struct query *query;

    (void)state;
    toy_set(two, 2);
    query = start(&plain, (struct query_options) { .group = "name", .columns = "count" });
    assert_int_equal(next(query)[0].u, UINT64_MAX);
    query_destroy(query);
}

/* ---- failures ---- */

static void check_refused(struct query_options options, const char *part)
{
    struct query *query = NULL;
    struct error *err = query_create(&relation_toy, &plain, &options, &query);

    assert_non_null(err);
    assert_int_equal(err->code, ERROR_USAGE);
    if (!strstr(error_message(err), part)) fail_msg("%s", error_message(err));
    error_destroy(err);
}

static void mistakes_are_found_before_a_dump_is_opened(void **state)
{
    (void)state;
    check_refused((struct query_options) { .columns = "nmae" }, "did you mean 'name'?");
    check_refused((struct query_options) { .columns = "" }, "unknown column ''");
    check_refused((struct query_options) { .sort = "sizes" }, "did you mean 'size'?");
    check_refused((struct query_options) { .group = "nam" }, "did you mean 'name'?");
    check_refused((struct query_options) { .group = "name", .sort = "thread_id" }, "unknown column 'thread_id'");
    check_refused((struct query_options) { .where = "banana > 5" }, "unknown column 'banana'");
    check_refused((struct query_options) { .sort = "size,size,size,size,size,size,size,size,size" }, "more than");
}

static void an_error_in_the_middle_comes_out(void **state)
{
    static const char *const sorts[] = { NULL, "size" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sorts); i++) {
        struct query *query = start(&plain, (struct query_options) { .sort = sorts[i] });
        const struct value *row = NULL;
        struct error *err = NULL;

        toy_rows.fail_at = 100;
        while (!err)
            err = query_next(query, &row);
        assert_int_equal(err->code, ERROR_FAULT);
        error_destroy(err);
        query_destroy(query);
    }
}

static void a_relation_that_cannot_begin_is_ended(void **state)
{
    struct query_options options = { 0 };
    struct query *query = NULL;
    struct error *err;

    (void)state;
    toy_rows.begin_fails = true;
    assert_null(query_create(&relation_toy, &plain, &options, &query));
    err = query_begin(query, NULL);
    assert_non_null(err);
    error_destroy(err);
    query_destroy(query);
    assert_true(toy_rows.ended);
}

static void cancelling_stops_the_query(void **state)
{
    struct progress progress = { 0 };
    struct query *query = start(&plain, (struct query_options) { .progress = &progress });
    const struct value *row;
    struct error *err;

    (void)state;
    next(query);
    atomic_store(&progress.cancelled, true);
    err = query_next(query, &row);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_CANCELLED);
    error_destroy(err);
    query_destroy(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_stream_in_their_order, fill),
        cmocka_unit_test_setup(a_limit_stops_pulling, fill),
        cmocka_unit_test_setup(a_window_counts_what_it_hides, fill),
        cmocka_unit_test_setup(only_what_is_shown_is_asked_for, fill),
        cmocka_unit_test_setup(views_hide_what_is_not_for_them, fill),
        cmocka_unit_test_setup(sorting_agrees_with_a_plain_array, fill),
        cmocka_unit_test_setup(the_first_k_are_the_first_of_all, fill),
        cmocka_unit_test_setup(sos_order_shows_its_end, fill),
        cmocka_unit_test_setup(what_the_user_says_wins, fill),
        cmocka_unit_test_setup(machines_get_all_columns_of_an_alias, fill),
        cmocka_unit_test_setup(long_texts_are_cut_and_counted, fill),
        cmocka_unit_test_setup(groups_agree_with_a_plain_array, fill),
        cmocka_unit_test_setup(groups_of_two_columns_are_sorted_and_limited, fill),
        cmocka_unit_test_setup(sums_stop_at_the_largest_number, fill),
        cmocka_unit_test_setup(mistakes_are_found_before_a_dump_is_opened, fill),
        cmocka_unit_test_setup(an_error_in_the_middle_comes_out, fill),
        cmocka_unit_test_setup(a_relation_that_cannot_begin_is_ended, fill),
        cmocka_unit_test_setup(cancelling_stops_the_query, fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
