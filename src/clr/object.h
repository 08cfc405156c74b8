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

#endif
