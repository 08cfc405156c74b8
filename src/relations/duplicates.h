/*
 * Objects of equal content, the most wasteful first: shared by the relations `duplicates` and `immutable`, which differ in what is
 * compared.
 */
#ifndef CLRTRAIL_RELATIONS_DUPLICATES_H
#define CLRTRAIL_RELATIONS_DUPLICATES_H

#include "base/map.h"
#include "clr/method_table.h"
#include "managed/equal_content.h"
#include "relations/relation.h"

/* How objects of a type are compared. */
enum content {
    CONTENT_NONE,
    CONTENT_STRING,
    CONTENT_NUMBERS, /* arrays of numbers: bounds and elements */
    CONTENT_BOX,     /* boxes of structs without references, numbers and enums: the value */
    CONTENT_EMPTY,   /* arrays: those without elements are equal */
};

struct clr;
struct duplicates_cursor {
    struct session *session;
    struct clr *clr;
    struct equal_groups groups;
    struct map contents; /* MethodTable -> enum content */
    size_t next;
    unsigned wanted; /* bit by enum content */
    struct text preview;
    uint64_t columns_needed;
    uint64_t count, wasted; /* objects that equal another one, and their bytes without one of each */
};

enum { DUPLICATES_COLUMNS = 7 };
extern const struct column duplicates_columns[DUPLICATES_COLUMNS];

/* Compares all objects of the contents that are wanted. */
struct error *duplicates_compare(struct session *session, const struct request *request, unsigned wanted,
                                 struct duplicates_cursor *cursor);
struct error *duplicates_next(void *cursor, struct value *row, bool *more_ret);
void duplicates_end(void *cursor);
void duplicates_footer(void *cursor, struct text *ret);

#endif
