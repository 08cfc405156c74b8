#include "clr/instantiations.h"

#include "base/limits.h"

enum { SPECIAL_SLOTS = 3, TYPE_DESC_ARRAY = 0x14, TYPE_DESC_SZARRAY = 0x1d };

void clr_instantiations_begin(const struct clr *clr, const struct clr_module *module, struct clr_instantiation_iterator *ret)
{
    uint64_t table;

    *ret = (struct clr_instantiation_iterator) { .clr = clr };
    if (!clr_try_u64(clr, module->addr, FIELD_Module_AvailableTypeParams, &table) || !table) return;
    if (!clr_try_u64(clr, table, FIELD_EETypeHashTable_Buckets, &ret->buckets_addr)) return;
    if (layout_has(&clr->layout, FIELD_EETypeHashTable_BucketCount)) {
        uint32_t count;

        if (clr_try_u32(clr, table, FIELD_EETypeHashTable_BucketCount, &count)) ret->bucket_count = count;
    } else if (memory_try_u64(clr->memory, ret->buckets_addr, &ret->bucket_count)) {
        ret->buckets_addr += 8 * SPECIAL_SLOTS;
    } else {
        ret->bucket_count = 0;
    }
    ret->budget = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 8);
    if (ret->bucket_count > ret->budget) ret->bucket_count = 0;
}

static bool is_chain_end(uint64_t entry)
{
    return entry == 0 || (entry & 1);
}

/* An array of 3.1 is a TypeDesc that leads to its MethodTable. */
static bool array_method_table(const struct clr *clr, uint64_t *handle)
{
    uint64_t desc = *handle & ~UINT64_C(3);
    uint32_t kind;

    if (!layout_has(&clr->layout, FIELD_ParamTypeDesc_TemplateMethodTable)) return false;
    return clr_try_u32(clr, desc, FIELD_TypeDesc_TypeAndFlags, &kind) &&
           ((kind & 0xff) == TYPE_DESC_ARRAY || (kind & 0xff) == TYPE_DESC_SZARRAY) &&
           clr_try_u64(clr, desc, FIELD_ParamTypeDesc_TemplateMethodTable, handle) && *handle && !(*handle & 3);
}

bool clr_instantiations_next(struct clr_instantiation_iterator *it, uint64_t *mt_ret)
{
    const struct clr *clr = it->clr;

    while (it->budget) {
        uint64_t handle, entry = it->entry_addr;

        it->budget--;
        if (is_chain_end(entry)) {
            if (it->bucket >= it->bucket_count) return false;
            if (!memory_try_u64(clr->memory, it->buckets_addr + 8 * it->bucket++, &it->entry_addr)) it->entry_addr = 0;
            continue;
        }
        if (!clr_try_u64(clr, entry, FIELD_EETypeHashTable_VolatileEntryNextEntry, &it->entry_addr)) it->entry_addr = 0;
        if (!clr_try_u64(clr, entry, FIELD_EETypeHashTable_VolatileEntryValue, &handle)) continue;
        /* Bit 0 marks an entry as hot, bit 1 a TypeDesc. */
        if ((handle & 2) && !array_method_table(clr, &handle)) continue;
        *mt_ret = handle & ~UINT64_C(1);
        return true;
    }
    return false;
}
