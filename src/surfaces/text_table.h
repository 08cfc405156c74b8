/*
 * Rows as an aligned table, or as `name: value` lines. The first rows are kept to find out how wide columns are, all that follow
 * stream. On a terminal long texts are clipped in the middle so that a row fits; elsewhere nothing is ever cut.
 */
#ifndef CLRTRAIL_SURFACES_TEXT_TABLE_H
#define CLRTRAIL_SURFACES_TEXT_TABLE_H

#include "base/arena.h"
#include "base/vec.h"
#include "surfaces/output.h"
#include "surfaces/query.h"

enum {
    TEXT_TABLE_WINDOW = 200, /* rows that a terminal gets unasked */
    TEXT_TABLE_AHEAD = 1000, /* rows looked at to find the widths */
};

struct text_table {
    struct query *query;
    struct output *output;
    struct arena cells; /* of the rows read ahead */
    VEC(const char *) ahead;
    size_t ahead_rows, ahead_bytes;
    bool ended; /* no rows follow those read ahead */
    unsigned *widths;
    struct text line, cell;
};

/* `query` and `output` are borrowed. */
struct error *text_table_init(struct text_table *table, struct query *query, struct output *output);
void text_table_deinit(struct text_table *table);
/* Reads the first rows and prints nothing yet; query->hidden is known afterwards when a window is set. */
struct error *text_table_read_ahead(struct text_table *table);
/* Prints everything; `more_help` tells how to see what the window left out. */
struct error *text_table_print(struct text_table *table, const char *more_help);

#endif
