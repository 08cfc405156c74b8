#include "surfaces/run_query.h"

#include <string.h>

static void see_finding(void *user, const struct value *row)
{
    static const char *const levels[] = { [FAIL_ON_HINT] = "hint", [FAIL_ON_LIKELY] = "likely", [FAIL_ON_PROVEN] = "proven" };
    struct run *run = user;
    const struct value *certainty = &row[run->certainty_column];

    for (unsigned level = FAIL_ON_HINT; level <= FAIL_ON_PROVEN; level++) {
        bool equal = certainty->known && certainty->length == strlen(levels[level]) &&
                     !memcmp(certainty->s, levels[level], certainty->length);

        if (equal && level > run->certainty) run->certainty = level;
    }
}

void run_watch_certainty(struct run *run, const struct relation *relation, struct query_options *options)
{
    int column = relation_column(relation, "certainty");

    if (column < 0) return;
    run->certainty_column = (unsigned)column;
    options->seen = see_finding;
    options->user = run;
    options->seen_columns = UINT64_C(1) << column;
}

struct error *run_query(struct run *run, const char *name, const char *where, struct query **ret)
{
    return run_query_sorted(run, name, where, NULL, ret);
}

struct error *run_query_sorted(struct run *run, const char *name, const char *where, const char *sort, struct query **ret)
{
    static const struct command plain = { 0 };
    const struct relation *relation = relation_find(run->relations, name);
    struct query_options options = {
        .view = QUERY_DATA, .where = where, .sort = sort, .gaps = run->gaps, .progress = &run->line.progress
    };
    struct query *query = NULL;
    struct error *err;

    if (!relation) return error_create(ERROR_NOT_FOUND, "there is no relation '%s'", name);
    run_watch_certainty(run, relation, &options);
    TRY(query_create(relation, &plain, &options, &query));
    err = query_begin(query, run->session);
    if (err)
        query_destroy(query);
    else
        *ret = query;
    return err;
}
