/*
 * What grew from dump to dump. Every relation that says how its rows are matched (struct growth) is read in each dump; what is
 * shown is by how much its things changed. One dump cannot tell a large collection from one that grows; two can.
 */
#include <stdlib.h>
#include <string.h>

#include "base/gaps.h"
#include "relations/growth_table.h"
#include "session/session.h"

enum { TOP_DEFAULT = 20 };

struct change {
    const struct relation *relation;
    const char *name;
    const struct growth_cell *cells;
    int64_t count, bytes; /* last minus first */
    bool has_count, has_bytes, steady;
    const char *trend;
    const char *certainty;
};

struct diff_cursor {
    struct session *session;
    struct growth_options options;
    struct growth_table table;
    bool begun, all;
    unsigned dump_count;
    const char *paths[GROWTH_DUMPS_MAX];
    uint64_t seconds; /* from the first dump to the last, 0: not known */
    uint64_t top, not_shown;
    VEC(struct change) changes;
    size_t index, same_kind; /* rows of the relation of the last row */
    struct text counts, sizes;
};

enum {
    KIND,
    TREND,
    COUNT_CHANGE,
    COUNT,
    BYTES_CHANGE,
    BYTES,
    BYTES_PER_HOUR,
    NAME,
    CERTAINTY,
    STEADY,
    COUNT_PER_HOUR,
    COUNTS,
    SIZES,
};
enum { PARAMETER_WHAT = GROWTH_DUMPS_MAX - 1, PARAMETER_RETAINED, PARAMETER_TOP, PARAMETER_ALL, PARAMETER_MINUTES };

/* ---- one thing ---- */

/* No count is near 2^63; a damaged one must not turn growth into shrinking. */
static int64_t difference(uint64_t from, uint64_t to)
{
    if (to >= from) return to - from > INT64_MAX ? INT64_MAX : (int64_t)(to - from);
    return from - to > INT64_MAX ? -INT64_MAX : -(int64_t)(from - to);
}

/* Positive: it grew from `a` to `b`. Bytes say more than numbers where both are known. */
static int direction(const struct growth_cell *a, const struct growth_cell *b)
{
    if (a->has_bytes && b->has_bytes && a->bytes != b->bytes) return b->bytes > a->bytes ? 1 : -1;
    return (b->count > a->count) - (b->count < a->count);
}

static const char *trend_of(const struct growth_cell *first, const struct growth_cell *last)
{
    int way = direction(first, last);

    if (!first->rows) return last->rows ? "new" : "between";
    if (!last->rows) return "gone";
    return way > 0 ? "grew" : way < 0 ? "shrank" : "same";
}

static bool grew_each_time(const struct growth_cell *cells, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (direction(&cells[i - 1], &cells[i]) <= 0) return false;
    return true;
}

static bool is_growth(const char *trend)
{
    return !strcmp(trend, "grew") || !strcmp(trend, "new");
}

static struct error *add_change(void *user, const struct growth_thing *thing)
{
    struct diff_cursor *cursor = user;
    const struct growth_cell *first = &thing->cells[0], *last = &thing->cells[cursor->dump_count - 1];
    struct change change = { .relation = thing->relation, .name = thing->name, .cells = thing->cells };

    change.trend = trend_of(first, last);
    if (!strcmp(change.trend, "same") && !cursor->all) return NULL;
    change.count = difference(first->count, last->count);
    /* What is not there at all counts as none. */
    change.has_count = (first->has_count || !first->rows) && (last->has_count || !last->rows);
    change.has_bytes = (first->has_bytes || !first->rows) && (last->has_bytes || !last->rows) &&
                       (first->has_bytes || last->has_bytes);
    if (change.has_bytes) change.bytes = difference(first->bytes, last->bytes);
    change.steady = grew_each_time(thing->cells, cursor->dump_count);
    if (is_growth(change.trend)) change.certainty = last->certainty;
    return vec_push(&cursor->changes, change) ? NULL : &error_enomem;
}

/* By kind, what grew most first, what shrank most last. */
static int compare_changes(const void *a, const void *b)
{
    const struct change *left = a, *right = b;

    if (left->relation != right->relation) return left->relation->growth.rank < right->relation->growth.rank ? -1 : 1;
    if (left->bytes != right->bytes) return left->bytes > right->bytes ? -1 : 1;
    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* ---- dumps ---- */

/* The file's name alone: it goes in front of every gap. */
static const char *label_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* What could not be read of another dump is told with the rest, under its name. */
static void take_gaps(struct gaps *to, struct gaps *from, const char *label)
{
    struct text what;

    text_init(&what);
    for (size_t i = 0; i < from->list.count; i++) {
        const struct gap *gap = &from->list.data[i];

        text_clear(&what);
        text_printf(&what, "%s: %s", label, gap->what);
        gaps_add(to, text_cstr(&what), gap->addr, gap->count, "%s", gap->why);
    }
    if (from->not_kept) gaps_add(to, label, 0, from->not_kept, "other gaps of this dump");
    text_deinit(&what);
}

static struct error *read_other(struct diff_cursor *cursor, unsigned dump, uint64_t *time_ret)
{
    const char *label = label_of(cursor->paths[dump]);
    struct session_info info;
    struct session *other;
    struct error *err = session_open_like(cursor->session, cursor->paths[dump], &other);

    if (err && err->code != ERROR_CANCELLED && err != &error_enomem) {
        /* It is no word of the command that is wrong. */
        if (strncmp(error_message(err), "cannot open", 11) != 0) err = error_prefix(err, "cannot open '%s'", cursor->paths[dump]);
        if (err->code == ERROR_NOT_FOUND || err->code == ERROR_USAGE) err->code = ERROR_IO;
    }
    if (err) return err;
    session_info(other, &info);
    *time_ret = info.time;
    err = growth_table_read(&cursor->table, dump, other, label, session_gaps(cursor->session));
    take_gaps(session_gaps(cursor->session), session_gaps(other), label);
    session_close(other);
    return err;
}

/* The last dump first: whether it can be opened is known at once, and the session's own is asked last and may stay in memory. */
static struct error *read_dumps(struct diff_cursor *cursor)
{
    struct session_info info;
    uint64_t time, last = 0;

    for (unsigned i = cursor->dump_count - 1; i > 0; i--) {
        TRY(read_other(cursor, i, &time));
        if (i == cursor->dump_count - 1) last = time;
    }
    session_info(cursor->session, &info);
    if (info.time && last > info.time) cursor->seconds = last - info.time;
    return growth_table_read(&cursor->table, 0, cursor->session, label_of(info.path), session_gaps(cursor->session));
}

/* ---- the relation ---- */

static void take_arguments(struct diff_cursor *cursor, const struct argument *arguments)
{
    cursor->dump_count = 1;
    for (unsigned i = 0; i < GROWTH_DUMPS_MAX - 1; i++)
        if (arguments[i].given) cursor->paths[cursor->dump_count++] = arguments[i].s;
    if (arguments[PARAMETER_WHAT].given) cursor->options.kinds = arguments[PARAMETER_WHAT].s;
    cursor->options.retained = arguments[PARAMETER_RETAINED].given;
    cursor->all = arguments[PARAMETER_ALL].given;
    cursor->top = arguments[PARAMETER_TOP].given ? arguments[PARAMETER_TOP].u : TOP_DEFAULT;
    if (cursor->all) cursor->top = UINT64_MAX;
}

static struct error *diff_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct diff_cursor *cursor = cursor_;
    const struct argument *minutes = &request->arguments[PARAMETER_MINUTES];

    cursor->session = session;
    text_init(&cursor->counts);
    text_init(&cursor->sizes);
    take_arguments(cursor, request->arguments);
    TRY(growth_table_init(&cursor->table, relations_all, &cursor->options, cursor->dump_count));
    cursor->begun = true;
    TRY(read_dumps(cursor));
    if (minutes->given && minutes->u && minutes->u < UINT64_MAX / 60) cursor->seconds = minutes->u * 60;
    TRY(growth_table_visit(&cursor->table, add_change, cursor));
    vec_sort(&cursor->changes, compare_changes);
    return NULL;
}

static void fill_each(const struct diff_cursor *cursor, const struct change *change, bool bytes, struct text *ret)
{
    text_clear(ret);
    for (unsigned i = 0; i < cursor->dump_count; i++) {
        const struct growth_cell *cell = &change->cells[i];

        text_putc(ret, i ? ',' : '[');
        if (cell->rows && !(bytes ? cell->has_bytes : cell->has_count))
            text_puts(ret, "null");
        else
            text_printf(ret, "%llu", (unsigned long long)(bytes ? cell->bytes : cell->count));
    }
    text_putc(ret, ']');
}

static int64_t per_hour(const struct diff_cursor *cursor, int64_t change)
{
    double rate = (double)change * 3600.0 / (double)cursor->seconds;

    return rate >= 9e18 ? INT64_MAX : rate <= -9e18 ? -INT64_MAX : (int64_t)rate;
}

static void fill_row(struct diff_cursor *cursor, const struct change *change, struct value *row)
{
    const struct growth_cell *last = &change->cells[cursor->dump_count - 1];

    value_text(&row[KIND], change->relation->growth.kind);
    value_text(&row[TREND], change->trend);
    if (change->has_count) value_change(&row[COUNT_CHANGE], change->count);
    if (last->has_count || !last->rows) value_u64(&row[COUNT], last->count);
    if (change->has_bytes) value_change(&row[BYTES_CHANGE], change->bytes);
    if (last->has_bytes || (change->has_bytes && !last->rows)) value_u64(&row[BYTES], last->bytes);
    if (change->has_bytes && cursor->seconds) value_change(&row[BYTES_PER_HOUR], per_hour(cursor, change->bytes));
    if (change->has_count && cursor->seconds) value_change(&row[COUNT_PER_HOUR], per_hour(cursor, change->count));
    value_text(&row[NAME], change->name);
    value_text(&row[CERTAINTY], change->certainty);
    value_u64(&row[STEADY], change->steady);
    fill_each(cursor, change, false, &cursor->counts);
    value_text(&row[COUNTS], text_cstr(&cursor->counts));
    fill_each(cursor, change, true, &cursor->sizes);
    if (change->has_bytes) value_text(&row[SIZES], text_cstr(&cursor->sizes));
}

static struct error *diff_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct diff_cursor *cursor = cursor_;

    *more_ret = false;
    while (cursor->index < cursor->changes.count && !*more_ret) {
        const struct change *change = &cursor->changes.data[cursor->index];

        if (!cursor->index || change[-1].relation != change->relation) cursor->same_kind = 0;
        cursor->index++;
        *more_ret = cursor->same_kind++ < cursor->top;
        if (*more_ret)
            fill_row(cursor, change, row);
        else
            cursor->not_shown++;
    }
    return NULL;
}

static void diff_end(void *cursor_)
{
    struct diff_cursor *cursor = cursor_;

    if (cursor->begun) growth_table_deinit(&cursor->table);
    vec_deinit(&cursor->changes);
    text_deinit(&cursor->counts);
    text_deinit(&cursor->sizes);
}

static void diff_footer(void *cursor_, struct text *ret)
{
    const struct diff_cursor *cursor = cursor_;

    text_printf(ret, "%u dumps", cursor->dump_count);
    if (cursor->seconds)
        text_printf(ret, ", %.1f hours from the first to the last", (double)cursor->seconds / 3600.0);
    else
        text_puts(ret, "; the dumps do not say when they were made (-minutes N tells it, and what changes per hour is shown)");
    if (!cursor->not_shown) return;
    text_putc(ret, '\n');
    text_number(ret, cursor->not_shown);
    text_puts(ret, " more changes: -all lists them, -top N more of each kind");
}

static const struct column columns[] = {
    { "kind", COLUMN_TEXT, "finding, memory (a use of the ledger), collection, type, module, handle, thread, string, retained" },
    { "trend", COLUMN_TEXT, "new, grew, shrank, gone; between: only in dumps between; same (-all)" },
    { "count_change", COLUMN_CHANGE, "by how many more, from the first dump to the last" },
    { "count", COLUMN_COUNT, "in the last dump" },
    { "bytes_change", COLUMN_CHANGE, "by how many bytes more" },
    { "bytes", COLUMN_BYTES, "in the last dump", COLUMN_VERBOSE },
    { "bytes_per_hour", COLUMN_CHANGE, "bytes_change by time, where the dumps say when they were made" },
    { "name", COLUMN_TEXT, "of the type, the path of the collection, ..." },
    { "certainty", COLUMN_TEXT, "of findings that are new or grew; --fail-on looks at it", COLUMN_VERBOSE },
    { "steady", COLUMN_BOOL, "grew from each dump to the next", COLUMN_VERBOSE },
    { "count_per_hour", COLUMN_CHANGE, "count_change by time", COLUMN_VERBOSE },
    { "counts", COLUMN_JSON, "in each dump" },
    { "sizes", COLUMN_JSON, "in each dump" },
};

static const struct parameter parameters[] = {
    { "dump", NULL, PARAMETER_TEXT, true, "a later dump of the same program" },
    { "dump3", NULL, PARAMETER_TEXT, false, "one later than that, and so on" },
    { "dump4", NULL, PARAMETER_TEXT, false, "" },
    { "dump5", NULL, PARAMETER_TEXT, false, "" },
    { "dump6", NULL, PARAMETER_TEXT, false, "" },
    { "dump7", NULL, PARAMETER_TEXT, false, "" },
    { "dump8", NULL, PARAMETER_TEXT, false, "" },
    { "what", "-what", PARAMETER_TEXT, false,
      "kinds that are compared, a,b: type, collection, ...; string and retained (by type) only so" },
    { "retained", "-retained", PARAMETER_SWITCH, false, "bytes of collections are what they keep alive alone" },
    { "top", "-top", PARAMETER_NUMBER, false, "changes of each kind, 20 by default" },
    { "all", "-all", PARAMETER_SWITCH, false, "all of them, and what stayed the same" },
    { "minutes", "-minutes", PARAMETER_NUMBER, false, "time from the first dump to the last, where they do not say it" },
};
_Static_assert(ARRAY_COUNT(parameters) == PARAMETER_MINUTES + 1 && ARRAY_COUNT(parameters) <= RELATION_MAX_PARAMETERS,
               "a parameter for each dump");

const struct relation relation_diff = {
    .name = "diff",
    .summary = "what grew from this dump to later ones",
    .description = "Findings, uses of memory, collections by their path from a static field, types, modules, handles and threads "
                   "of two to eight "
                   "dumps, matched by name, with what changed from the first to the last. Dumps of one process, or of one program "
                   "at different "
                   "times. --fail-on asks about findings that are new or grew.",
    .topic = "answers",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "diff" } },
    .group_by = "kind",
    .empty = "nothing that is compared has changed",
    .cursor_size = sizeof(struct diff_cursor),
    .begin = diff_begin,
    .next = diff_next,
    .end = diff_end,
    .footer = diff_footer,
};
