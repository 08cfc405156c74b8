/*
 * A relation as it was asked for: rows that match --where, grouped or sorted, limited, in the columns that are shown. Every printer
 * pulls its rows from here and knows nothing of the relation behind.
 *
 *     relation -> where -> [group] -> [sort] -> limit -> printer
 *
 * Without group and sort rows stream. The order is the same on every run: ties keep the order in which the relation gave the rows.
 */
#ifndef CLRTRAIL_SURFACES_QUERY_H
#define CLRTRAIL_SURFACES_QUERY_H

#include "base/gaps.h"
#include "base/progress.h"
#include "relations/relation.h"

struct session;
struct query_source;

enum query_view {
    QUERY_TEXT, /* what a person wants to see: the command's columns, nothing verbose, no JSON */
    QUERY_TEXT_VERBOSE,
    QUERY_DATA, /* all columns, for machines */
};

struct query_options {
    const char *where, *sort, *columns, *group; /* as on the command line; NULL: what the command says */
    uint64_t limit;                             /* hand out so many rows; 0: all */
    uint64_t window;                            /* the same, but go on counting: what a terminal can bear; 0: all */
    enum query_view view;
    struct gaps *gaps;                /* NULL: the session's */
    const struct progress *progress;  /* may be NULL */
    const struct argument *arguments; /* one for each parameter of the relation, NULL for none given */
    /* Called with every row of the relation that matches, before grouping; `row` has the relation's columns. May be NULL. */
    void (*seen)(void *user, const struct value *row);
    void *user;
    uint64_t seen_columns; /* what `seen` looks at */
};

struct query_column {
    const char *name;
    const char *title; /* head in tables */
    enum column_kind kind;
};

struct query {
    const struct relation *relation;
    const struct command *command;
    struct query_column *columns; /* owned by the query */
    unsigned column_count;
    uint64_t hidden;     /* after the last row: rows that the window left out */
    bool hidden_first;   /* they stand before those shown, not behind */
    bool complete;       /* all rows of the relation were pulled */
    bool grouped;        /* rows are groups */
    bool user_condition; /* --where was given: totals of the relation do not describe the rows */
    struct query_source *source;
};

/* Checks all that was asked; no dump is needed. `relation` and `command` are borrowed for the query's life, and so are the options'
 * pointers. Errors: ERROR_USAGE. */
struct error *query_create(const struct relation *relation, const struct command *command, const struct query_options *options,
                           struct query **ret);
void query_destroy(struct query *query);

/* `session` may be NULL for relations that need no dump. */
struct error *query_begin(struct query *query, struct session *session);
/* The next row, `column_count` values, borrowed until the next call; NULL behind the last. */
struct error *query_next(struct query *query, const struct value **row_ret);
/* What the relation says below its last row; nothing when that would not describe the rows shown. */
void query_footer(struct query *query, struct text *ret);

#endif
