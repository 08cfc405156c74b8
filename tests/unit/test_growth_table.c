/* Relations over plain rows stand for those of a dump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/gaps.h"
#include "relations/growth_table.h"

struct row {
    const char *kind, *type, *certainty;
    int64_t count, bytes; /* negative: unknown */
};

/* What the next dump has; `fails`: its relation cannot be read. */
static const struct row *rows;
static size_t row_count;
static bool fails;

static struct error *begin(struct session *session, const struct request *request, void *cursor)
{
    (void)session;
    (void)cursor;
    assert_false(request->arguments[0].given);
    return fails ? error_create(ERROR_BAD_DATA, "damaged") : NULL;
}

static struct error *next(void *cursor, struct value *row, bool *more_ret)
{
    size_t *at = cursor;
    const struct row *from = &rows[*at];

    *more_ret = *at < row_count;
    if (!*more_ret) return NULL;
    (*at)++;
    value_text(&row[0], from->kind);
    value_text(&row[1], from->type);
    value_text(&row[2], from->certainty);
    if (from->count >= 0) value_u64(&row[3], (uint64_t)from->count);
    if (from->bytes >= 0) value_u64(&row[4], (uint64_t)from->bytes);
    return NULL;
}

static const struct column columns[] = {
    { "kind", COLUMN_TEXT },   { "type", COLUMN_TEXT },   { "certainty", COLUMN_TEXT },
    { "count", COLUMN_COUNT }, { "bytes", COLUMN_BYTES },
};
#define RELATION(...) \
    { \
        .columns = columns, .column_count = ARRAY_COUNT(columns), .cursor_size = sizeof(size_t), .begin = begin, .next = next, \
        __VA_ARGS__ \
    }
static const struct relation things =
    RELATION(.name = "things", .growth = { .kind = "thing", .key = "kind,type", .count = "count", .bytes = "bytes", .rank = 2 });
static const struct relation handles = RELATION(.name = "handles", .growth = { .kind = "handle", .key = "type", .rank = 1 });
static const struct relation slow = RELATION(.name = "slow", .growth = { .kind = "slow", .key = "type", .when_asked = true });
static const struct relation others = RELATION(.name = "others");
static const struct relation *const relations[] = { &things, &handles, &slow, &others, NULL };

struct seen {
    size_t count;
    struct growth_thing things[16];
};

static struct error *see(void *user, const struct growth_thing *thing)
{
    struct seen *seen = user;

    assert_true(seen->count < ARRAY_COUNT(seen->things));
    seen->things[seen->count++] = *thing;
    return NULL;
}

static void read_rows(struct growth_table *table, unsigned dump, const struct row *list, size_t count, struct gaps *gaps)
{
    rows = list;
    row_count = count;
    assert_null(growth_table_read(table, dump, NULL, "b.core", gaps));
}

static void rows_are_joined_by_their_key(void **state)
{
    static const struct row first[] = { { "strong", "A", NULL, 1, 10 },
                                        { "strong", "A", NULL, 2, 20 },
                                        { "pinned", "A", NULL, 5, -1 } };
    static const struct row last[] = { { "pinned", "A", "likely", -1, 7 }, { NULL, NULL, NULL, 1, 1 } };
    const struct growth_options options = { .kinds = "thing" };
    struct growth_table table;
    struct seen seen = { 0 };

    (void)state;
    assert_null(growth_table_init(&table, relations, &options, 2));
    read_rows(&table, 0, first, ARRAY_COUNT(first), NULL);
    read_rows(&table, 1, last, ARRAY_COUNT(last), NULL);
    assert_null(growth_table_visit(&table, see, &seen));
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.things[0].name, "strong: A");
    assert_int_equal(seen.things[0].cells[0].rows, 2);
    assert_int_equal(seen.things[0].cells[0].count, 3);
    assert_int_equal(seen.things[0].cells[0].bytes, 30);
    assert_int_equal(seen.things[0].cells[1].rows, 0);
    assert_string_equal(seen.things[1].name, "pinned: A");
    assert_false(seen.things[1].cells[0].has_bytes);
    assert_false(seen.things[1].cells[1].has_count);
    assert_int_equal(seen.things[1].cells[1].bytes, 7);
    assert_string_equal(seen.things[1].cells[1].certainty, "likely");
    assert_string_equal(seen.things[2].name, "(no name)");
    growth_table_deinit(&table);
}

static void kinds_come_by_rank_and_slow_ones_when_asked(void **state)
{
    static const struct row row[] = { { "strong", "A", NULL, 1, 10 } };
    struct growth_options options = { 0 };
    struct growth_table table;
    struct seen seen = { 0 };

    (void)state;
    assert_null(growth_table_init(&table, relations, &options, 1));
    read_rows(&table, 0, row, 1, NULL);
    assert_null(growth_table_visit(&table, see, &seen));
    assert_int_equal(seen.count, 2);
    assert_ptr_equal(seen.things[0].relation, &handles);
    assert_int_equal(seen.things[0].cells[0].count, 1);
    assert_ptr_equal(seen.things[1].relation, &things);
    growth_table_deinit(&table);
    options.kinds = "slow,HANDLE";
    assert_null(growth_table_init(&table, relations, &options, 1));
    assert_int_equal(table.parts.count, 2);
    growth_table_deinit(&table);
}

static void a_kind_that_nothing_has_is_refused(void **state)
{
    static const char *const lists[] = { "thing,nothing", "others", "thin", "" };
    struct growth_table table;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        const struct growth_options options = { .kinds = lists[i] };
        struct error *err = growth_table_init(&table, relations, &options, 2);

        assert_non_null(err);
        assert_int_equal(err->code, ERROR_USAGE);
        error_destroy(err);
    }
}

/* What could not be read in one dump has not vanished from it. */
static void what_one_dump_lacks_is_not_compared(void **state)
{
    static const struct row row[] = { { "strong", "A", NULL, 1, 10 } };
    const struct growth_options options = { .kinds = "thing" };
    struct growth_table table;
    struct seen seen = { 0 };
    struct gaps gaps;

    (void)state;
    gaps_init(&gaps);
    assert_null(growth_table_init(&table, relations, &options, 2));
    read_rows(&table, 0, row, 1, &gaps);
    fails = true;
    read_rows(&table, 1, row, 1, &gaps);
    fails = false;
    assert_null(growth_table_visit(&table, see, &seen));
    assert_int_equal(seen.count, 0);
    assert_int_equal(gaps.list.count, 1);
    assert_string_equal(gaps.list.data[0].why, "b.core: damaged");
    growth_table_deinit(&table);
    gaps_deinit(&gaps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_joined_by_their_key),
        cmocka_unit_test(kinds_come_by_rank_and_slow_ones_when_asked),
        cmocka_unit_test(a_kind_that_nothing_has_is_refused),
        cmocka_unit_test(what_one_dump_lacks_is_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
