#include "surfaces/watch_sample.h"

#include <stdio.h>
#include <string.h>

#include "surfaces/run_query.h"

/* ---- reading relations ---- */

static int column_of(const struct query *query, const char *name)
{
    for (unsigned i = 0; i < query->column_count; i++)
        if (!strcmp(query->columns[i].name, name)) return (int)i;
    return -1;
}

static const struct value *cell(const struct query *query, const struct value *row, const char *name)
{
    int column = column_of(query, name);

    return column >= 0 && row[column].known ? &row[column] : NULL;
}

static uint64_t number(const struct query *query, const struct value *row, const char *name)
{
    const struct value *value = cell(query, row, name);

    return value ? value->u : 0;
}

static struct error *put(struct watch_sample *sample, const char *metric, bool is_bytes, uint64_t value)
{
    struct error *err = watch_store_put(sample->store, metric, is_bytes, value);

    sample->store_failed = err != NULL;
    if (!err && sample->seen) sample->seen(sample->user, metric, value);
    return err;
}

/* Of a process that works parts cannot always be read: then this measurement lacks them. */
static struct error *forgive(const struct watch_sample *sample, struct error *err)
{
    if (!err || sample->store_failed || err->code == ERROR_CANCELLED || err->code == ERROR_NOMEM) return err;
    error_destroy(err);
    return NULL;
}

/* ---- the process ---- */

static void remember_process(struct watch_sample *sample, const struct query *query, const struct value *row)
{
    const struct value *command = cell(query, row, "command"), *limit_of = cell(query, row, "limit_of");

    sample->pid = number(query, row, "pid");
    sample->started = number(query, row, "started");
    sample->limit = number(query, row, "limit");
    text_clear(&sample->command);
    if (command) text_append(&sample->command, command->s, command->length);
    snprintf(sample->limit_of, sizeof(sample->limit_of), "%.*s", limit_of ? (int)limit_of->length : 0, limit_of ? limit_of->s : "");
}

struct error *watch_sample_identify(struct run *run, struct watch_sample *sample, bool *alive_ret)
{
    const struct value *row = NULL;
    struct query *query = NULL;
    struct error *err;

    TRY(run_query(run, "process", NULL, &query));
    err = query_next(query, &row);
    *alive_ret = !err && row && cell(query, row, "resident");
    if (*alive_ret) remember_process(sample, query, row);
    query_destroy(query);
    return err;
}

static struct error *put_process(struct watch_sample *sample, struct query *query)
{
    static const char *const names[] = { "resident", "swapped", "thread_count" }, *const metrics[] = { "resident", "swapped",
                                                                                                       "threads" };
    const struct value *row = NULL;

    TRY(query_next(query, &row));
    for (unsigned i = 0; row && i < ARRAY_COUNT(names); i++)
        if (cell(query, row, names[i])) TRY(put(sample, metrics[i], i < 2, number(query, row, names[i])));
    return NULL;
}

/* ---- the runtime ---- */

/* What objects take, by generation; what is committed for them is in the account. */
static struct error *put_gc_heaps(struct watch_sample *sample, struct query *query)
{
    static const char *const kinds[] = { "gen0", "gen1", "gen2", "loh", "poh" };
    uint64_t sizes[ARRAY_COUNT(kinds)] = { 0 };
    const struct value *row = NULL;
    char metric[32];

    for (;;) {
        const struct value *kind;

        TRY(query_next(query, &row));
        if (!row) break;
        kind = cell(query, row, "kind");
        for (unsigned i = 0; kind && i < ARRAY_COUNT(kinds); i++)
            if (kind->length == strlen(kinds[i]) && !memcmp(kind->s, kinds[i], kind->length))
                sizes[i] += number(query, row, "size");
    }
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        snprintf(metric, sizeof(metric), "objects in %s", kinds[i]);
        TRY(put(sample, metric, true, sizes[i]));
    }
    return NULL;
}

static struct error *count_rows(struct query *query, uint64_t *ret)
{
    const struct value *row = NULL;

    for (*ret = 0;; ++*ret) {
        TRY(query_next(query, &row));
        if (!row) return NULL;
    }
}

/* .NET's assemblies have one module each; to go through the modules themselves would read a piece of memory for each. */
static struct error *put_assemblies(struct watch_sample *sample, struct query *query)
{
    const struct value *row = NULL;

    TRY(query_next(query, &row));
    return row ? put(sample, "assemblies", false, number(query, row, "assembly_count")) : NULL;
}

static struct error *put_handles(struct watch_sample *sample, struct query *query)
{
    uint64_t count = 0;

    TRY(count_rows(query, &count));
    return put(sample, "GC handles", false, count);
}

static struct error *put_managed_threads(struct watch_sample *sample, struct query *query)
{
    uint64_t count = 0;

    TRY(count_rows(query, &count));
    return put(sample, "managed threads", false, count);
}

/* ---- the account, and the heap by type ---- */

static struct error *put_ledger(struct watch_sample *sample, struct query *query)
{
    struct text metric = { 0 };
    const struct value *row = NULL;
    struct error *err = NULL;

    while (!err && !(err = query_next(query, &row)) && row) {
        const struct value *use = cell(query, row, "use");

        if (!use) continue;
        text_clear(&metric);
        text_append(&metric, use->s, use->length);
        if (!metric.failed) err = put(sample, text_cstr(&metric), true, number(query, row, "committed"));
    }
    text_deinit(&metric);
    return err;
}

static struct error *put_types(struct watch_sample *sample, struct query *query)
{
    struct text metric = { 0 };
    const struct value *row = NULL;
    struct error *err = NULL;

    for (unsigned i = 0; !err && i < sample->type_count && !(err = query_next(query, &row)) && row; i++) {
        const struct value *type = cell(query, row, "type");

        if (!type) continue;
        text_clear(&metric);
        text_puts(&metric, "type ");
        text_append(&metric, type->s, type->length);
        if (!metric.failed) err = put(sample, text_cstr(&metric), true, number(query, row, "size"));
    }
    text_deinit(&metric);
    return err;
}

/* ---- all of it ---- */

struct part {
    const char *relation, *sort;
    struct error *(*put)(struct watch_sample *sample, struct query *query);
};

static const struct part cheap[] = {
    { "process", NULL, put_process }, { "gc_heaps", NULL, put_gc_heaps },       { "app_domains", NULL, put_assemblies },
    { "handles", NULL, put_handles }, { "threads", NULL, put_managed_threads },
};
static const struct part account = { "ledger", NULL, put_ledger };
static const struct part types = { "type_histogram", "size:desc", put_types };

static struct error *take(struct run *run, struct watch_sample *sample, const struct part *part)
{
    struct query *query = NULL;
    struct error *err = run_query_sorted(run, part->relation, NULL, part->sort, &query);

    if (!err) err = part->put(sample, query);
    query_destroy(query);
    return forgive(sample, err);
}

struct error *watch_sample_take(struct run *run, struct watch_sample *sample)
{
    for (unsigned i = 0; i < ARRAY_COUNT(cheap); i++)
        TRY(take(run, sample, &cheap[i]));
    if (sample->with_ledger) TRY(take(run, sample, &account));
    if (sample->type_count) TRY(take(run, sample, &types));
    return NULL;
}
