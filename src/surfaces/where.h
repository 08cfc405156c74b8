/*
 * The condition of --where, compiled once and run on every row.
 *
 *     expression = term { "or" term }
 *     term       = factor { "and" factor }
 *     factor     = "not" factor | "(" expression ")" | test
 *     test       = column [ operator value | "is" [ "not" ] "null" ]
 *     operator   = "==" "=" "!=" "<" "<=" ">" ">=" "~" "!~"        ~ : contains, whatever the case
 *     value      = 'text' | "text" | a word | a number (number.h), hexadecimal for addresses and tokens
 *
 * A column alone must be a yes/no column. What is unknown matches no comparison, nor its negation: `not size > 5` leaves out rows
 * without a size, `size is null` finds them.
 */
#ifndef CLRTRAIL_SURFACES_WHERE_H
#define CLRTRAIL_SURFACES_WHERE_H

#include "base/arena.h"
#include "base/vec.h"
#include "relations/relation.h"

struct where_op;

/* A postfix program: tests push yes, no or unknown, `and`, `or` and `not` combine them. */
struct where {
    struct arena arena;
    VEC(struct where_op) ops;
    uint64_t columns; /* bit i: column i is looked at */
};

/* Compiles `expression` for the columns of `relation`. Errors: ERROR_USAGE, which says what was expected where. */
struct error *where_compile(struct where *where, const struct relation *relation, const char *expression);
void where_deinit(struct where *where);
bool where_matches(const struct where *where, const struct value *row);

#endif
