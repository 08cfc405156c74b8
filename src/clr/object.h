/*
 * One object of the GC heap by its address.
 *
 *     -8 header (sync block index, flags)    +0 MethodTable, low bits are a GC's marks    +8 u32 count of arrays and strings
 *
 * An array's elements begin at +16, after its bounds if it has any; a string's characters at +12. Source: src/coreclr/vm/object.h.
 */
#ifndef CLRTRAIL_CLR_OBJECT_H
#define CLRTRAIL_CLR_OBJECT_H

#include "clr/method_table.h"

enum { OBJECT_COUNT_OFF = 8, ARRAY_DATA_OFF = 16, STRING_DATA_OFF = 12 };

struct clr_object {
    uint64_t addr;
    const struct clr_type *type;
    uint32_t count; /* elements or characters, 0 for other objects */
    uint64_t size;  /* as the field reports it: unrounded, at least 24 */
};

/*
 * False when there is no object at `addr`: not in the dump, or its first word is no MethodTable that comes back to itself.
 * Fills the cache of types.
 */
bool clr_object_try(struct clr *clr, uint64_t addr, struct clr_object *ret);
/* Name of the type of the object at `addr`, NULL when there is none. Fills caches. */
const char *clr_object_type_name(struct clr *clr, uint64_t addr);
/* Is it the type of strings? */
bool clr_type_is_string(struct clr *clr, const struct clr_type *type);
/* Offset of an array's elements from the object's address. */
uint64_t clr_array_data_off(const struct clr *clr, const struct clr_type *type);

/* Dimensions of an array whose elements are not numbered from 0 on in one row. */
enum { ARRAY_RANK_MAX = 32 };
struct clr_array_bounds {
    uint32_t rank; /* 0: an ordinary array, or the bounds make no sense */
    uint32_t lengths[ARRAY_RANK_MAX];
    int32_t lowest[ARRAY_RANK_MAX];
};
void clr_array_bounds(const struct clr *clr, const struct clr_object *array, struct clr_array_bounds *ret);
/* Appends the index of an element by its number in memory: "[1,2]", of an ordinary array "[5]". */
void clr_array_index(const struct clr_array_bounds *bounds, uint64_t number, struct text *ret);
/* Appends "2 x 3", with lower bounds other than 0 "1..2 x 5..6"; of an ordinary array nothing. */
void clr_array_bounds_text(const struct clr_array_bounds *bounds, struct text *ret);

#endif
