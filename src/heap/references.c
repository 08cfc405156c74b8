#include "heap/references.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 4096, BASE_SIZE_MIN = 12, BASE_SIZE_MAX = 1 << 30, SERIES_MAX = 1 << 16, POINTERS_MAX = 1 << 27 };

bool reference_types_init(struct reference_types *types, const struct clr *clr)
{
    *types = (struct reference_types) { .clr = clr, .mask = FIRST_CAPACITY - 1 };
    arena_init(&types->arena);
    clr_try_global(clr, GLOBAL_FreeObjectMethodTable, &types->free_mt);
    types->slots = calloc(FIRST_CAPACITY, sizeof(*types->slots));
    return types->slots != NULL;
}

void reference_types_deinit(struct reference_types *types)
{
    free(types->slots);
    arena_deinit(&types->arena);
    *types = (struct reference_types) { 0 };
}

static struct reference_type *find_slot(struct reference_type *slots, size_t mask, uint64_t mt_addr)
{
    size_t i = (size_t)map_hash(mt_addr) & mask;

    while (slots[i].mt_addr && slots[i].mt_addr != mt_addr)
        i = (i + 1) & mask;
    return &slots[i];
}

static bool types_grow(struct reference_types *types)
{
    size_t capacity = (types->mask + 1) * 2;
    struct reference_type *slots = calloc(capacity, sizeof(*slots));

    if (!slots) return false;
    for (size_t i = 0; i <= types->mask; i++)
        if (types->slots[i].mt_addr) *find_slot(slots, capacity - 1, types->slots[i].mt_addr) = types->slots[i];
    free(types->slots);
    types->slots = slots;
    types->mask = capacity - 1;
    return true;
}

/* `count` series of an ordinary object. */
static bool read_series(struct reference_types *types, struct reference_type *type, uint64_t count)
{
    struct reference_series *series = arena_array(&types->arena, (size_t)count, sizeof(*series));
    uint32_t kept = 0;

    if (!series) return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = type->mt_addr - 24 - 16 * i, size, start;

        if (!memory_try_u64(types->clr->memory, at, &size) || !memory_try_u64(types->clr->memory, at + 8, &start)) return false;
        if (start < 8 || start > BASE_SIZE_MAX || start % 8) continue;
        series[kept++] = (struct reference_series) { .start = (uint32_t)start, .size = (int64_t)size };
    }
    type->form = REFERENCES_SERIES;
    type->series = series;
    type->series_count = kept;
    return true;
}

/* `count` items of an array of structs. */
static bool read_struct_series(struct reference_types *types, struct reference_type *type, uint64_t count)
{
    struct reference_series *series = arena_array(&types->arena, (size_t)count, sizeof(*series));
    uint64_t start, period = 0;

    if (!series || !memory_try_u64(types->clr->memory, type->mt_addr - 16, &start)) return false;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t item[2];

        if (!memory_try_read(types->clr->memory, type->mt_addr - 24 - 8 * i, item, sizeof(item))) return false;
        if (item[0] > POINTERS_MAX || item[1] % 8) return false;
        series[i] = (struct reference_series) { .size = 8ll * item[0], .skip = item[1] };
        period += 8ull * item[0] + item[1];
    }
    /* A description that does not move on would be walked forever. */
    if (period == 0 || start < 8 || start > BASE_SIZE_MAX || start % 8) return false;
    type->form = REFERENCES_STRUCTS;
    type->start = (uint32_t)start;
    type->series = series;
    type->series_count = (uint32_t)count;
    return true;
}

static void read_gc_desc(struct reference_types *types, struct reference_type *type)
{
    uint64_t word;
    int64_t count;
    bool ok = false;

    if (memory_try_u64(types->clr->memory, type->mt_addr - 8, &word)) {
        count = (int64_t)word;
        if (count > 0 && count <= SERIES_MAX)
            ok = read_series(types, type, (uint64_t)count);
        else if (count < 0 && count >= -SERIES_MAX)
            ok = read_struct_series(types, type, (uint64_t)-count);
    }
    if (ok) return;
    gaps_add(types->clr->gaps, "references", type->mt_addr, 1, "description of a type's references cannot be read");
    type->form = REFERENCES_NONE;
}

/* Module that the type was loaded for: it can differ from the one that defines it. */
static uint64_t loader_module(const struct clr *clr, uint64_t mt_addr)
{
    uint64_t aux, module;

    if (clr_try_u64(clr, mt_addr, FIELD_MethodTable_AuxiliaryData, &aux))
        return clr_try_u64(clr, aux, FIELD_MethodTableAuxiliaryData_LoaderModule, &module) ? module : 0;
    return clr_try_u64(clr, mt_addr, FIELD_MethodTable_LoaderModule, &module) ? module : 0;
}

static uint64_t loader_object(const struct clr *clr, uint64_t mt_addr)
{
    uint64_t module = loader_module(clr, mt_addr), allocator, assembly, handle, object;

    if (!module) return 0;
    if (!clr_try_u64(clr, module, FIELD_Module_LoaderAllocator, &allocator) &&
        (!clr_try_u64(clr, module, FIELD_Module_Assembly, &assembly) ||
         !clr_try_u64(clr, assembly, FIELD_Assembly_LoaderAllocator, &allocator)))
        return 0;
    if (!clr_try_u64(clr, allocator, FIELD_LoaderAllocator_ObjectHandle, &handle) || !handle) return 0;
    return memory_try_u64(clr->memory, handle, &object) ? object : 0;
}

static void reference_type_read(struct reference_types *types, struct reference_type *type)
{
    struct clr_type read;

    if (!clr_type_try_read(types->clr, type->mt_addr, &read)) return;
    type->base_size = read.base_size;
    type->component_size = read.component_size;
    type->is_valid = read.base_size >= BASE_SIZE_MIN && read.base_size < BASE_SIZE_MAX &&
                     (type->mt_addr == types->free_mt || clr_type_is_consistent(types->clr, &read));
    if (!type->is_valid || type->mt_addr == types->free_mt) return;
    if (read.flags & MT_FLAG_CONTAINS_POINTERS) read_gc_desc(types, type);
    if (clr_type_is_collectible(types->clr, &read)) type->loader_object = loader_object(types->clr, type->mt_addr);
}

const struct reference_type *reference_types_add(struct reference_types *types, uint64_t mt_addr)
{
    static const struct reference_type none;
    struct reference_type *slot;

    if (!mt_addr) return &none;
    if ((types->count + 1) * 2 > types->mask + 1 && !types_grow(types)) return NULL;
    slot = find_slot(types->slots, types->mask, mt_addr);
    *slot = (struct reference_type) { .mt_addr = mt_addr, .index = (uint32_t)types->count };
    types->count++;
    reference_type_read(types, slot);
    return slot;
}

static int compare_dependents(const void *a, const void *b)
{
    const struct dependent *left = a, *right = b;

    if (left->primary != right->primary) return left->primary < right->primary ? -1 : 1;
    return left->secondary < right->secondary ? -1 : left->secondary > right->secondary;
}

struct error *dependents_init(struct dependents *ret, const struct handle_table *handles)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < handles->list.count; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct dependent dependent = { handle->object, handle->dependent };
        uint64_t bit = map_hash(handle->object) & (DEPENDENTS_FILTER_BITS - 1);

        if (handle->kind != HANDLE_DEPENDENT || !handle->dependent) continue;
        if (!vec_push(&ret->list, dependent)) {
            dependents_deinit(ret);
            return &error_enomem;
        }
        ret->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    vec_sort(&ret->list, compare_dependents);
    return NULL;
}

void dependents_deinit(struct dependents *dependents)
{
    vec_deinit(&dependents->list);
}

size_t dependents_find(const struct dependents *dependents, uint64_t primary)
{
    size_t low = 0, high = dependents->list.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (dependents->list.data[middle].primary < primary)
            low = middle + 1;
        else
            high = middle;
    }
    return low < dependents->list.count && dependents->list.data[low].primary == primary ? low : dependents->list.count;
}
