/*
 * A row of the relation `findings`, for people.
 */
#ifndef CLRTRAIL_SURFACES_FINDING_TEXT_H
#define CLRTRAIL_SURFACES_FINDING_TEXT_H

#include "surfaces/output.h"
#include "surfaces/query.h"

/*
 * Appends the finding as its title and labelled lines. `target` is what the commands under "look" are given. Without `everything`
 * only the first lines of evidence, types and keys are shown.
 */
void finding_append(const struct output *output, struct text *text, const struct query *query, const struct value *row,
                    const char *target, bool everything);
/* The value of a column, NULL when there is no such column or it is unknown here. */
const struct value *finding_value(const struct query *query, const struct value *row, const char *column);
bool finding_is(const struct query *query, const struct value *row, const char *column, const char *text);

#endif
