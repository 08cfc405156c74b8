/*
 * What a query's options mean for one relation: which columns are shown, sorted by, grouped by and needed. Private to query.c.
 *
 * "Base" columns are those that --columns and --sort may name: the relation's own, or, when grouped, the group's columns, `rows`,
 * the sums of sizes and counts, and an example.
 */
#ifndef CLRTRAIL_SURFACES_QUERY_PLAN_H
#define CLRTRAIL_SURFACES_QUERY_PLAN_H

#include "surfaces/query.h"
#include "surfaces/row_store.h"

enum { QUERY_MAX_CELLS = 64, QUERY_MAX_KEYS = 8 };

enum base_role {
    BASE_PLAIN,   /* the relation's column `source` */
    BASE_GROUP,   /* a column that is grouped by */
    BASE_ROWS,    /* number of rows in the group */
    BASE_SUM,     /* sum of the column `source` */
    BASE_EXAMPLE, /* the first known value of the column `source` */
};

struct base_column {
    const char *name;
    enum column_kind kind;
    enum base_role role;
    unsigned source;
    unsigned flags;
};

struct query_plan {
    struct base_column base[QUERY_MAX_CELLS];
    unsigned base_count;
    unsigned group_count; /* the first of `base` are grouped by; 0: not grouped */

    unsigned view[QUERY_MAX_CELLS]; /* base columns shown, in order */
    const char *titles[QUERY_MAX_CELLS];
    unsigned view_count;
    struct arena names; /* titles */

    struct sort_key keys[QUERY_MAX_KEYS]; /* `cell` is a base column */
    unsigned key_count;
    bool largest_last; /* the command's own order puts what matters at the end, as SOS does */

    uint64_t needed; /* columns of the relation */
};

struct error *query_plan(struct query_plan *plan, const struct relation *relation, const struct command *command,
                         const struct query_options *options);
void query_plan_deinit(struct query_plan *plan);

#endif
