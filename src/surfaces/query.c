#include "surfaces/query.h"

#include <stdlib.h>
#include <string.h>

#include "session/session.h"
#include "surfaces/cell.h"
#include "surfaces/query_plan.h"
#include "surfaces/where.h"

struct group {
    struct group *next; /* of the same hash */
    struct stored_row *row;
};

struct query_source {
    struct query_plan plan;
    struct query_options options;
    struct where where;
    bool has_where;
    struct argument no_arguments[RELATION_MAX_PARAMETERS];
    struct request request;
    void *cursor;

    bool stored; /* rows are kept in `store`, else they stream */
    bool filled;
    enum column_kind kinds[QUERY_MAX_CELLS];
    unsigned cell_base[QUERY_MAX_CELLS]; /* base column of each cell of the store */
    unsigned cell_count;
    unsigned view_cells[QUERY_MAX_CELLS]; /* cell of each column shown */
    struct sort_key keys[QUERY_MAX_KEYS]; /* `cell` is a cell of the store */
    struct row_store store;
    struct map groups;
    size_t at;       /* next row of the store */
    uint64_t handed; /* rows given out */

    struct value row[RELATION_MAX_COLUMNS]; /* the relation's */
    struct value cells[QUERY_MAX_CELLS];    /* the store's */
    struct value shown[QUERY_MAX_CELLS];
};

/* ---- making ---- */

static unsigned cell_for(struct query_source *source, unsigned base)
{
    for (unsigned i = 0; i < source->cell_count; i++)
        if (source->cell_base[i] == base) return i;
    source->kinds[source->cell_count] = source->plan.base[base].kind;
    source->cell_base[source->cell_count] = base;
    return source->cell_count++;
}

static void plan_store(struct query *query)
{
    struct query_source *source = query->source;
    const struct query_plan *plan = &source->plan;
    uint64_t limit = source->options.limit ? source->options.limit : source->options.window;

    source->stored = plan->key_count || plan->group_count;
    if (plan->group_count)
        for (unsigned i = 0; i < plan->base_count; i++)
            cell_for(source, i);
    for (unsigned i = 0; i < plan->view_count; i++)
        source->view_cells[i] = cell_for(source, plan->view[i]);
    for (unsigned i = 0; i < plan->key_count; i++)
        source->keys[i] = (struct sort_key) { cell_for(source, plan->keys[i].cell), plan->keys[i].descending };
    query->hidden_first = !source->options.limit && source->options.window && plan->largest_last;
    if (plan->group_count || query->hidden_first) limit = 0;
    row_store_init(&source->store, source->kinds, source->cell_count);
    row_store_sort_by(&source->store, source->keys, plan->key_count, limit);
    map_init(&source->groups);
}

static struct error *describe_columns(struct query *query)
{
    const struct query_plan *plan = &query->source->plan;

    query->columns = calloc(plan->view_count + 1, sizeof(query->columns[0]));
    if (!query->columns) return &error_enomem;
    for (unsigned i = 0; i < plan->view_count; i++) {
        const struct base_column *base = &plan->base[plan->view[i]];

        query->columns[i] = (struct query_column) { base->name, plan->titles[i], base->kind };
    }
    query->column_count = plan->view_count;
    query->grouped = plan->group_count > 0;
    return NULL;
}

static struct error *query_prepare(struct query *query)
{
    struct query_source *source = query->source;
    const char *where = source->options.where ? source->options.where : query->command->where;

    TRY(query_plan(&source->plan, query->relation, query->command, &source->options));
    if (where) {
        TRY(where_compile(&source->where, query->relation, where));
        source->has_where = true;
        query->user_condition = source->options.where != NULL;
    }
    TRY(describe_columns(query));
    plan_store(query);
    source->request.columns_needed = source->plan.needed | (source->has_where ? source->where.columns : 0);
    source->request.arguments = source->options.arguments ? source->options.arguments : source->no_arguments;
    return NULL;
}

struct error *query_create(const struct relation *relation, const struct command *command, const struct query_options *options,
                           struct query **ret)
{
    struct query *query = calloc(1, sizeof(*query));
    struct error *err;

    if (!query) return &error_enomem;
    query->relation = relation;
    query->command = command;
    query->source = calloc(1, sizeof(*query->source));
    if (!query->source) {
        free(query);
        return &error_enomem;
    }
    query->source->options = *options;
    err = query_prepare(query);
    if (err)
        query_destroy(query);
    else
        *ret = query;
    return err;
}

void query_destroy(struct query *query)
{
    struct query_source *source = query ? query->source : NULL;

    if (!query) return;
    if (source->cursor && query->relation->end) query->relation->end(source->cursor);
    free(source->cursor);
    if (source->has_where) where_deinit(&source->where);
    row_store_deinit(&source->store);
    map_deinit(&source->groups);
    query_plan_deinit(&source->plan);
    free(source);
    free(query->columns);
    free(query);
}

struct error *query_begin(struct query *query, struct session *session)
{
    struct query_source *source = query->source;

    source->cursor = calloc(1, query->relation->cursor_size + 1);
    if (!source->cursor) return &error_enomem;
    if (session && !source->options.gaps) source->options.gaps = session_gaps(session);
    return query->relation->begin(session, &source->request, source->cursor);
}

/* ---- rows of the relation ---- */

/* The next row that matches; *more_ret false behind the last. */
static struct error *pull(struct query *query, bool *more_ret)
{
    struct query_source *source = query->source;
    bool more = false;

    *more_ret = false;
    while (!query->complete) {
        if (progress_is_cancelled(source->options.progress)) return error_create(ERROR_CANCELLED, "cancelled");
        for (unsigned i = 0; i < query->relation->column_count; i++)
            source->row[i].known = false;
        TRY(query->relation->next(source->cursor, source->row, &more));
        query->complete = !more;
        if (!more || (source->has_where && !where_matches(&source->where, source->row))) continue;
        if (source->options.seen) source->options.seen(source->options.user, source->row);
        *more_ret = true;
        return NULL;
    }
    return NULL;
}

static const struct value *base_value(const struct query_source *source, unsigned base)
{
    return &source->row[source->plan.base[base].source];
}

/* ---- groups ---- */

static uint64_t group_hash(const struct query_source *source)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i < source->plan.group_count; i++)
        hash = map_hash(hash) ^ value_hash(source->plan.base[i].kind, base_value(source, i));
    return hash;
}

static bool group_equal(const struct query_source *source, const struct stored_row *row)
{
    for (unsigned i = 0; i < source->plan.group_count; i++) {
        const struct value *value = base_value(source, i);
        struct value other;

        stored_row_get(&source->store, row, i, &other);
        if (value->known != other.known || value_compare(source->plan.base[i].kind, value, &other)) return false;
    }
    return true;
}

static struct stored_row *group_add(struct query_source *source, uint64_t *slot)
{
    const struct query_plan *plan = &source->plan;
    struct group *group = arena_alloc(&source->store.arena, sizeof(*group));

    if (!group) return NULL;
    for (unsigned i = 0; i < plan->base_count; i++) {
        if (plan->base[i].role == BASE_GROUP || plan->base[i].role == BASE_EXAMPLE)
            source->cells[i] = *base_value(source, i);
        else
            value_unknown(&source->cells[i]);
    }
    group->row = row_store_append(&source->store, source->cells);
    group->next = (struct group *)(uintptr_t)*slot;
    *slot = (uintptr_t)group;
    return group->row;
}

static struct stored_row *group_row(struct query_source *source)
{
    bool added;
    uint64_t *slot = map_slot(&source->groups, group_hash(source), &added);

    if (!slot) return NULL;
    for (struct group *group = (struct group *)(uintptr_t)*slot; group; group = group->next)
        if (group_equal(source, group->row)) return group->row;
    return group_add(source, slot);
}

static void cell_add(struct stored_row *row, unsigned cell, uint64_t amount)
{
    if (!(row->known >> cell & 1)) row->cells[cell] = 0;
    row->known |= UINT64_C(1) << cell;
    if (__builtin_add_overflow(row->cells[cell], amount, &row->cells[cell])) row->cells[cell] = UINT64_MAX;
}

/* Sums the row in hand into its group. The cells of the store are the base columns here. */
static struct error *group_count(struct query_source *source)
{
    const struct query_plan *plan = &source->plan;
    struct stored_row *row = group_row(source);

    if (!row) return &error_enomem;
    for (unsigned i = 0; i < plan->base_count; i++) {
        if (plan->base[i].role == BASE_ROWS)
            cell_add(row, i, 1);
        else if (plan->base[i].role == BASE_SUM && base_value(source, i)->known)
            cell_add(row, i, base_value(source, i)->u);
    }
    return NULL;
}

/* ---- stored rows ---- */

static struct error *store_row(struct query_source *source)
{
    for (unsigned i = 0; i < source->cell_count; i++)
        source->cells[i] = *base_value(source, source->cell_base[i]);
    return row_store_add(&source->store, source->cells);
}

static struct error *fill_store(struct query *query)
{
    struct query_source *source = query->source;
    uint64_t shown, window = source->options.window;
    bool more;

    for (;;) {
        TRY(pull(query, &more));
        if (!more) break;
        TRY(source->plan.group_count ? group_count(source) : store_row(source));
    }
    row_store_sort(&source->store);
    if (source->store.cut)
        gaps_add(source->options.gaps, "text of a sorted row", 0, source->store.cut, "longer than %d bytes, cut there",
                 ROW_STORE_TEXT_MAX);
    shown = source->plan.group_count ? source->store.rows.count : source->store.added;
    if (!source->options.limit && window && shown > window) {
        query->hidden = shown - window;
        if (query->hidden_first) source->at = query->hidden;
    }
    source->filled = true;
    return NULL;
}

static struct error *next_stored(struct query *query, bool *more_ret)
{
    struct query_source *source = query->source;

    if (!source->filled) TRY(fill_store(query));
    *more_ret = source->at < source->store.rows.count;
    if (!*more_ret) return NULL;
    row_store_get(&source->store, source->at++, source->cells);
    for (unsigned i = 0; i < query->column_count; i++)
        source->shown[i] = source->cells[source->view_cells[i]];
    return NULL;
}

/* ---- streamed rows ---- */

static struct error *count_hidden(struct query *query)
{
    bool more = true;

    while (more) {
        TRY(pull(query, &more));
        query->hidden += more;
    }
    return NULL;
}

static struct error *next_streamed(struct query *query, bool *more_ret)
{
    struct query_source *source = query->source;

    TRY(pull(query, more_ret));
    for (unsigned i = 0; *more_ret && i < query->column_count; i++)
        source->shown[i] = *base_value(source, source->plan.view[i]);
    return NULL;
}

struct error *query_next(struct query *query, const struct value **row_ret)
{
    struct query_source *source = query->source;
    uint64_t limit = source->options.limit, window = source->options.window;
    bool more = false;

    *row_ret = NULL;
    if (limit ? source->handed >= limit : window && source->handed >= window)
        return limit || source->stored ? NULL : count_hidden(query);
    TRY(source->stored ? next_stored(query, &more) : next_streamed(query, &more));
    if (!more) return NULL;
    source->handed++;
    *row_ret = source->shown;
    return NULL;
}

void query_footer(struct query *query, struct text *ret)
{
    if (query->relation->footer && query->complete && !query->user_condition) query->relation->footer(query->source->cursor, ret);
}
