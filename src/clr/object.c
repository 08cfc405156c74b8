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

void clr_array_bounds(const struct clr *clr, const struct clr_object *array, struct clr_array_bounds *ret)
{
    uint32_t rank = clr_array_rank(clr, array->type);
    uint64_t at = array->addr + ARRAY_DATA_OFF, product = 1;

    ret->rank = 0;
    if ((array->type->flags & MT_FLAG_CATEGORY_MASK) == MT_FLAG_CATEGORY_SZARRAY || rank > ARRAY_RANK_MAX) return;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t lowest;

        if (!memory_try_u32(clr->memory, at + 4ull * i, &ret->lengths[i]) ||
            !memory_try_u32(clr->memory, at + 4ull * (rank + i), &lowest))
            return;
        ret->lowest[i] = (int32_t)lowest;
        if (__builtin_mul_overflow(product, ret->lengths[i], &product)) return;
    }
    if (product == array->count) ret->rank = rank;
}

void clr_array_index(const struct clr_array_bounds *bounds, uint64_t number, struct text *ret)
{
    int64_t index[ARRAY_RANK_MAX];

    if (!bounds->rank) {
        text_printf(ret, "[%llu]", (unsigned long long)number);
        return;
    }
    /* The last index runs fastest. */
    for (uint32_t i = bounds->rank; i > 0; i--) {
        uint32_t length = bounds->lengths[i - 1] ? bounds->lengths[i - 1] : 1;

        index[i - 1] = (int64_t)(number % length) + bounds->lowest[i - 1];
        number /= length;
    }
    for (uint32_t i = 0; i < bounds->rank; i++)
        text_printf(ret, i ? ",%lld" : "[%lld", (long long)index[i]);
    text_putc(ret, ']');
}

void clr_array_bounds_text(const struct clr_array_bounds *bounds, struct text *ret)
{
    for (uint32_t i = 0; i < bounds->rank; i++) {
        long long lowest = bounds->lowest[i], length = bounds->lengths[i];

        if (i) text_puts(ret, " x ");
        if (lowest)
            text_printf(ret, "%lld..%lld", lowest, lowest + length - 1);
        else
            text_printf(ret, "%lld", length);
    }
}
