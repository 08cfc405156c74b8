/*
 * The answer to "where did the memory go, and who leaks it": the default command, and `explain N` which shows all of one finding.
 * Both read the relations `ledger` and `findings` like any other surface.
 */
#ifndef CLRTRAIL_SURFACES_DIAGNOSE_H
#define CLRTRAIL_SURFACES_DIAGNOSE_H

#include "surfaces/run.h"

struct error *diagnose_run(struct run *run, const struct options *options);
/* Errors: ERROR_NOT_FOUND when there is no finding `id`. */
struct error *explain_run(struct run *run, const struct options *options, uint64_t id);
/* Appends the first line: what was opened. */
void diagnose_append_head(struct text *text, const struct session_info *info);

#endif
