#include "clr/instantiations.h"

#include "base/limits.h"

enum { SPECIAL_SLOTS = 3 };

void clr_instantiations_begin(const struct clr *clr, const struct clr_module *module, struct clr_instantiation_iterator *ret)
{
    uint64_t table;

    *ret = (struct clr_instantiation_iterator) { .clr = clr };
    if (!clr_try_u64(clr, module->addr, FIELD_Module_AvailableTypeParams, &table) || !table) return;
    if (!clr_try_u64(clr, table, FIELD_EETypeHashTable_Buckets, &ret->buckets_addr)) return;
    if (!memory_try_u64(clr->memory, ret->buckets_addr, &ret->bucket_count)) ret->bucket_count = 0;
    ret->budget = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 8);
    if (ret->bucket_count > ret->budget) ret->bucket_count = 0;
}

static bool is_chain_end(uint64_t entry)
{
    return entry == 0 || (entry & 1);
}

bool clr_instantiations_next(struct clr_instantiation_iterator *it, uint64_t *mt_ret)
{
    const struct clr *clr = it->clr;

    while (it->budget) {
        uint64_t handle, entry = it->entry_addr;

        it->budget--;
        if (is_chain_end(entry)) {
            if (it->bucket >= it->bucket_count) return false;
            if (!memory_try_u64(clr->memory, it->buckets_addr + 8 * (SPECIAL_SLOTS + it->bucket++), &it->entry_addr))
                it->entry_addr = 0;
            continue;
        }
        if (!clr_try_u64(clr, entry, FIELD_EETypeHashTable_VolatileEntryNextEntry, &it->entry_addr)) it->entry_addr = 0;
        if (!clr_try_u64(clr, entry, FIELD_EETypeHashTable_VolatileEntryValue, &handle)) continue;
        /* Bit 0 marks an entry as hot, bit 1 a TypeDesc. */
        if (handle & 2) continue;
        *mt_ret = handle & ~UINT64_C(1);
        return true;
    }
    return false;
}
