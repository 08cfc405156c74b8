#include "heap/object_types.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 4096, BASE_SIZE_MIN = 12, BASE_SIZE_MAX = 1 << 30 };

bool object_types_init(struct object_types *types, const struct clr *clr)
{
    *types = (struct object_types) { .clr = clr, .mask = FIRST_CAPACITY - 1 };
    clr_try_global(clr, GLOBAL_FreeObjectMethodTable, &types->free_mt);
    types->slots = calloc(FIRST_CAPACITY, sizeof(*types->slots));
    return types->slots != NULL;
}

void object_types_deinit(struct object_types *types)
{
    free(types->slots);
    *types = (struct object_types) { 0 };
}

static struct object_type *find_slot(struct object_type *slots, size_t mask, uint64_t mt_addr)
{
    size_t i = (size_t)map_hash(mt_addr) & mask;

    while (slots[i].mt_addr && slots[i].mt_addr != mt_addr)
        i = (i + 1) & mask;
    return &slots[i];
}

static bool object_types_grow(struct object_types *types)
{
    size_t capacity = (types->mask + 1) * 2;
    struct object_type *slots = calloc(capacity, sizeof(*slots));

    if (!slots) return false;
    for (size_t i = 0; i <= types->mask; i++)
        if (types->slots[i].mt_addr) *find_slot(slots, capacity - 1, types->slots[i].mt_addr) = types->slots[i];
    free(types->slots);
    types->slots = slots;
    types->mask = capacity - 1;
    return true;
}

/* The free object's MethodTable has no EEClass in all versions; every other one must come back to itself through its own. */
static void object_type_read(const struct object_types *types, struct object_type *type)
{
    struct clr_type read;

    if (!clr_type_try_read(types->clr, type->mt_addr, &read)) return;
    type->base_size = read.base_size;
    type->component_size = (uint16_t)read.component_size;
    type->is_free = type->mt_addr == types->free_mt;
    type->is_valid = read.base_size >= BASE_SIZE_MIN && read.base_size < BASE_SIZE_MAX &&
                     (type->is_free || clr_type_is_consistent(types->clr, &read));
}

struct object_type *object_types_add(struct object_types *types, uint64_t mt_addr)
{
    struct object_type *slot;

    if (!mt_addr) {
        static struct object_type none;
        return &none;
    }
    if ((types->count + 1) * 2 > types->mask + 1 && !object_types_grow(types)) return NULL;
    slot = find_slot(types->slots, types->mask, mt_addr);
    slot->mt_addr = mt_addr;
    types->count++;
    object_type_read(types, slot);
    return slot;
}
