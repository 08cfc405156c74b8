#include "clr/object.h"

#include <string.h>

bool clr_object_try(struct clr *clr, uint64_t addr, struct clr_object *ret)
{
    struct clr_object object = { .addr = addr };
    uint64_t word, free_mt;

    if (!addr || addr % 8 || !memory_try_u64(clr->memory, addr, &word)) return false;
    object.type = clr_type_get(clr, word & ~UINT64_C(7));
    if (!object.type) return false;
    if (!clr_type_is_consistent(clr, object.type) &&
        !(clr_try_global(clr, GLOBAL_FreeObjectMethodTable, &free_mt) && free_mt == object.type->mt_addr))
        return false;
    if (object.type->component_size && !memory_try_u32(clr->memory, addr + OBJECT_COUNT_OFF, &object.count)) return false;
    object.size = clr_object_size(object.type, object.count);
    *ret = object;
    return true;
}

const char *clr_object_type_name(struct clr *clr, uint64_t addr)
{
    struct clr_object object;

    return clr_object_try(clr, addr, &object) ? clr_type_name(clr, object.type->mt_addr) : NULL;
}

bool clr_type_is_string(struct clr *clr, const struct clr_type *type)
{
    return type->component_size == 2 && !clr_type_is_array(type) && !strcmp(clr_type_name(clr, type->mt_addr), "System.String");
}

uint64_t clr_array_data_off(const struct clr *clr, const struct clr_type *type)
{
    /* Bounds: a length and a lower bound of four bytes for each dimension (ArrayBase, src/coreclr/vm/object.h). */
    if ((type->flags & MT_FLAG_CATEGORY_MASK) == MT_FLAG_CATEGORY_SZARRAY) return ARRAY_DATA_OFF;
    return ARRAY_DATA_OFF + 8ull * clr_array_rank(clr, type);
}
