/*
 * Rows as CSV (RFC 4180: CRLF, quotes doubled), names of the columns first. Spreadsheets run cells that begin with = + - @ as
 * formulas, and text of a dump is hostile: such cells get a ' in front. Escape sequences and invalid UTF-8 are written as \u{..}
 * and \x...
 */
#ifndef CLRTRAIL_SURFACES_CSV_H
#define CLRTRAIL_SURFACES_CSV_H

#include "surfaces/output.h"
#include "surfaces/query.h"

struct error *csv_print(struct query *query, struct output *output);
void csv_append_text(struct text *text, const char *s, size_t length);

#endif
