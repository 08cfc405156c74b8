#include "clr/method_table.h"

#include <string.h>

#include "base/limits.h"

/* Token: since 9.0 in the upper 24 bits of flags2; before, a 16-bit rid of its own (types with larger ones used overflow, not
 * seen). */
static void type_read_token(const struct clr *clr, const uint8_t *raw, struct clr_type *type)
{
    const struct layout *layout = &clr->layout;

    if (layout_has(layout, FIELD_MethodTable_Token)) {
        type->flags2 = load_u16(raw + layout->offset[FIELD_MethodTable_MTFlags2]);
        type->token = 0x02000000 | load_u16(raw + layout->offset[FIELD_MethodTable_Token]);
    } else {
        type->flags2 = load_u32(raw + layout->offset[FIELD_MethodTable_MTFlags2]);
        type->token = 0x02000000 | type->flags2 >> 8;
    }
}

/*
 * Module before 9.0: the MethodTable has the loader module; the canonical one of a generic instance or array has the type's own in
 * an optional slot when bit 0x10 of flags2 is set. The slots stand in the order of the low bits (multipurpose slots,
 * src/coreclr/vm/methodtable.h): the first two at fixed places, further ones behind the vtable's indirections, 8 virtuals each.
 */
static uint64_t type_module_from_slots(const struct clr *clr, const struct clr_type *type)
{
    uint64_t loader = 0, slot;
    unsigned index;
    struct clr_type canonical = *type;

    clr_try_u64(clr, type->mt_addr, FIELD_MethodTable_LoaderModule, &loader);
    if (type->canonical_addr != type->mt_addr && !clr_type_try_read(clr, type->canonical_addr, &canonical)) return loader;
    if (!(canonical.flags2 & 0x10)) return canonical.mt_addr == type->mt_addr ? loader : canonical.module_addr;
    index = (unsigned)__builtin_popcount(canonical.flags2 & 0xf);
    slot = canonical.mt_addr + (index < 2 ? 48 + 8 * index : 64 + 8 * (index - 2) + 8 * ((canonical.virtual_count + 7u) / 8));
    return memory_try_u64(clr->memory, slot, &loader) ? loader : 0;
}

bool clr_type_try_read(const struct clr *clr, uint64_t mt_addr, struct clr_type *ret)
{
    const struct layout *layout = &clr->layout;
    uint8_t raw[LAYOUT_METHOD_TABLE_SIZE];
    struct clr_type type = { .mt_addr = mt_addr };
    uint64_t class_word;

    if (!mt_addr || (mt_addr & 7) || !memory_try_read(clr->memory, mt_addr, raw, sizeof(raw))) return false;
    type.flags = load_u32(raw + layout->offset[FIELD_MethodTable_MTFlags]);
    type.base_size = load_u32(raw + layout->offset[FIELD_MethodTable_BaseSize]);
    type_read_token(clr, raw, &type);
    type.virtual_count = load_u16(raw + layout->offset[FIELD_MethodTable_NumVirtuals]);
    type.interface_count = load_u16(raw + layout->offset[FIELD_MethodTable_NumInterfaces]);
    type.parent_addr = load_u64(raw + layout->offset[FIELD_MethodTable_ParentMethodTable]);
    type.element_addr = load_u64(raw + layout->offset[FIELD_MethodTable_PerInstInfo]);
    if (type.flags & MT_FLAG_HAS_COMPONENT_SIZE) type.component_size = type.flags & 0xffff;
    class_word = load_u64(raw + layout->offset[FIELD_MethodTable_EEClassOrCanonMT]);
    /* Low bits set: the word leads to the canonical MethodTable (1 since 8.0, 2 before). */
    if (class_word & 3) {
        type.canonical_addr = class_word & ~UINT64_C(3);
        if (!clr_try_u64(clr, type.canonical_addr, FIELD_MethodTable_EEClassOrCanonMT, &type.class_addr) || (type.class_addr & 3))
            type.class_addr = 0;
    } else {
        type.canonical_addr = mt_addr;
        type.class_addr = class_word;
    }
    if (layout_has(layout, FIELD_MethodTable_Module))
        type.module_addr = load_u64(raw + layout->offset[FIELD_MethodTable_Module]);
    else
        type.module_addr = type.canonical_addr == mt_addr || type.class_addr ? type_module_from_slots(clr, &type) : 0;
    *ret = type;
    return true;
}

bool clr_type_is_consistent(const struct clr *clr, const struct clr_type *type)
{
    uint64_t mt;

    if (!type->class_addr || !clr_try_u64(clr, type->class_addr, FIELD_EEClass_MethodTable, &mt)) return false;
    return mt == type->canonical_addr || mt == type->mt_addr;
}

struct clr_type *clr_type_get(struct clr *clr, uint64_t mt_addr)
{
    uint64_t cached;
    struct clr_type read, *type;

    if (map_get(&clr->types, mt_addr, &cached)) return (struct clr_type *)(uintptr_t)cached;
    if (!clr_type_try_read(clr, mt_addr, &read)) return NULL;
    type = arena_alloc(&clr->arena, sizeof(*type));
    if (!type) return NULL;
    *type = read;
    if (!map_put(&clr->types, mt_addr, (uint64_t)(uintptr_t)type)) return NULL;
    return type;
}

uint32_t clr_array_rank(const struct clr *clr, const struct clr_type *type)
{
    enum { SZARRAY_BASE_SIZE = 24, RANK_MAX = 32 };
    uint8_t rank;

    if ((type->flags & MT_FLAG_CATEGORY_MASK) == MT_FLAG_CATEGORY_SZARRAY) return 1;
    if (clr_try_u8(clr, type->class_addr, FIELD_ArrayClass_Rank, &rank) && rank && rank <= RANK_MAX) return rank;
    /* Each dimension adds a length and a lower bound of 4 bytes (ArrayBase, src/coreclr/vm/object.h). */
    rank = type->base_size >= SZARRAY_BASE_SIZE ? (uint8_t)((type->base_size - SZARRAY_BASE_SIZE) / 8) : 0;
    return rank && rank <= RANK_MAX ? rank : 1;
}

/* So many pages of a table in a row may be absent. */
enum { TYPE_MAP_MISSING_PAGES = 16 };

void clr_type_map_begin(const struct clr *clr, const struct clr_module *module, struct clr_type_map_iterator *ret)
{
    *ret = (struct clr_type_map_iterator) { .clr = clr };
    /* A module cannot have more types than its dump has room for MethodTables. */
    ret->budget = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 8);
    if (!layout_has(&clr->layout, FIELD_Module_TypeDefToMethodTableMap)) return;
    ret->map_addr = clr_field_addr(clr, module->addr, FIELD_Module_TypeDefToMethodTableMap);
    if (!clr_try_u64(clr, ret->map_addr, FIELD_ModuleLookupMap_SupportedFlagsMask, &ret->mask)) ret->mask = 3;
    if (!clr_try_u32(clr, ret->map_addr, FIELD_ModuleLookupMap_Count, &ret->block_count) ||
        !clr_try_u64(clr, ret->map_addr, FIELD_ModuleLookupMap_TableData, &ret->table_addr))
        ret->map_addr = 0;
}

/* Goes on to the next chained block; false when there is none. */
static bool type_map_next_block(struct clr_type_map_iterator *it)
{
    const struct clr *clr = it->clr;

    if (!clr_try_u64(clr, it->map_addr, FIELD_ModuleLookupMap_Next, &it->map_addr) || !it->map_addr) return false;
    it->block_index = 0;
    return clr_try_u32(clr, it->map_addr, FIELD_ModuleLookupMap_Count, &it->block_count) &&
           clr_try_u64(clr, it->map_addr, FIELD_ModuleLookupMap_TableData, &it->table_addr);
}

bool clr_type_map_next(struct clr_type_map_iterator *it, uint64_t *mt_ret, uint32_t *rid_ret)
{
    while (it->map_addr && it->budget) {
        uint64_t word;

        it->budget--;
        if (it->block_index >= it->block_count) {
            if (!type_map_next_block(it)) break;
            continue;
        }
        if (!memory_try_u64(it->clr->memory, it->table_addr + 8ull * it->block_index, &word)) {
            /* Pages of a table may be missing, its other pages are not; where none follows, the count lies. */
            uint32_t skip = 512 - (uint32_t)((it->table_addr + 8ull * it->block_index) % 4096 / 8);

            if (skip > it->block_count - it->block_index) skip = it->block_count - it->block_index;
            it->block_index += skip;
            it->rid += skip;
            if (++it->missing_pages > TYPE_MAP_MISSING_PAGES) it->block_index = it->block_count;
            continue;
        }
        it->missing_pages = 0;
        it->block_index++;
        *rid_ret = it->rid++;
        word &= ~it->mask;
        if (!word) continue;
        *mt_ret = word;
        return true;
    }
    it->map_addr = 0;
    return false;
}
