/*
 * One value as text for people. Text from the dump is made safe for a terminal.
 */
#ifndef CLRTRAIL_SURFACES_CELL_H
#define CLRTRAIL_SURFACES_CELL_H

#include "relations/relation.h"

/* Grouped digits, 16 digit addresses, "yes"/"no", "39.0 %"; "-" for what is unknown. */
void cell_append(struct text *text, enum column_kind kind, const struct value *value);
/* Right aligned in tables? */
bool cell_is_number(enum column_kind kind);
/* As machines read it: plain digits, "0x" in front of hexadecimal, true and false; text as it is. */
void cell_append_plain(struct text *text, enum column_kind kind, const struct value *value);
/* -1, 0 or 1. Unknown values come last: they count as greater than all others. */
int value_compare(enum column_kind kind, const struct value *a, const struct value *b);
bool kind_is_text(enum column_kind kind);

#endif
