/*
 * Rows as JSON, written as they come: one document (--json), or a head line and a line a row (--jsonl). Names and forms are a
 * contract: what changes its meaning needs a new JSON_SCHEMA.
 */
#ifndef CLRTRAIL_SURFACES_JSON_H
#define CLRTRAIL_SURFACES_JSON_H

#include "surfaces/output.h"
#include "surfaces/query.h"

struct session_info;

enum { JSON_SCHEMA = 1 };

struct error *json_print(struct query *query, const struct session_info *info, struct gaps *gaps, struct output *output);
/* Gaps do not fit into rows; the caller prints them on standard error. */
struct error *json_print_lines(struct query *query, const struct session_info *info, struct output *output);

/* Parts, for documents of another shape. */
void json_append_value(struct text *text, enum column_kind kind, const struct value *value);
void json_append_row(struct text *text, const struct query *query, const struct value *row);
void json_append_string(struct text *text, const char *s);
/* `"schema": 1, "tool": ..., "dump": {...}` without braces around; `info` NULL: no dump. `between`: blank, or a line's end with an
 * indent. */
void json_append_head(struct text *text, const struct session_info *info, const char *between);
/* The list of gaps, "[ ... ]". */
void json_append_gaps(struct text *text, struct gaps *gaps);

#endif
