/*
 * For surfaces that read a relation of their own accord: a query over a relation by its name, and the highest certainty among
 * findings.
 */
#ifndef CLRTRAIL_SURFACES_RUN_QUERY_H
#define CLRTRAIL_SURFACES_RUN_QUERY_H

#include "surfaces/query.h"
#include "surfaces/run.h"

/* A query over all rows and columns of the relation `name`, begun. `where` may be NULL. Errors: ERROR_NOT_FOUND. */
struct error *run_query(struct run *run, const char *name, const char *where, struct query **ret);
/* The same, in an order as --sort says it; NULL: the relation's. */
struct error *run_query_sorted(struct run *run, const char *name, const char *where, const char *sort, struct query **ret);
/* Makes `options` remember in `run` how certain the findings of `relation` are; does nothing for other relations. */
void run_watch_certainty(struct run *run, const struct relation *relation, struct query_options *options);

#endif
