#include "clr/sync_block.h"

#include "base/limits.h"

enum { ENTRY_SIZE = 16, STATE_HELD = 1, STATE_WAITERS_SHIFT = 6, INDEX_MASK = (1 << 26) - 1 };

bool clr_sync_blocks_begin(const struct clr *clr, struct clr_sync_block_iterator *ret)
{
    uint64_t most = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, ENTRY_SIZE);

    *ret = (struct clr_sync_block_iterator) { .clr = clr, .index_max = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX };
    return clr_try_global(clr, GLOBAL_SyncTableEntries, &ret->table_addr) && ret->table_addr;
}

static void read_lock(const struct clr *clr, struct clr_sync_block *block)
{
    uint32_t state;

    if (!clr_try_u32(clr, block->addr, FIELD_SyncBlock_LockState, &state)) return;
    block->is_held = state & STATE_HELD;
    block->entering_count = state >> STATE_WAITERS_SHIFT;
    if (!clr_try_u32(clr, block->addr, FIELD_SyncBlock_Recursion, &block->recursion)) block->recursion = 0;
    if (!clr_try_u32(clr, block->addr, FIELD_SyncBlock_OwnerId, &block->owner_id)) block->owner_id = 0;
    if (!clr_try_u64(clr, block->addr, FIELD_SyncBlock_OwnerThread, &block->owner_addr)) block->owner_addr = 0;
    if (block->owner_addr && !clr_try_u32(clr, block->owner_addr, FIELD_Thread_Id, &block->owner_id)) block->owner_id = 0;
    if (!clr_try_u64(clr, block->addr, FIELD_SyncBlock_WaitList, &block->first_wait)) block->first_wait = 0;
}

/* The table's end is in a variable that no table names: entries beyond it were never written, so a block has to know its own place.
 */
static bool is_own_entry(const struct clr *clr, uint64_t block, uint32_t index)
{
    uint32_t own;

    return block && clr_try_u32(clr, block, FIELD_SyncBlock_Index, &own) && (own & INDEX_MASK) == index;
}

bool clr_sync_blocks_next(struct clr_sync_block_iterator *it, struct clr_sync_block *ret)
{
    while (it->index < it->index_max) {
        uint64_t words[2]; /* SyncBlock; object, or index of the next free entry and bit 0 */

        it->index++;
        if (!memory_try_read(it->clr->memory, it->table_addr + ENTRY_SIZE * (uint64_t)it->index, words, sizeof(words))) break;
        if ((words[1] & 1) && words[1] >> 1 <= INDEX_MASK) continue;
        if ((words[1] & 7) || !words[1] || !is_own_entry(it->clr, words[0], it->index)) break;
        *ret = (struct clr_sync_block) { .index = it->index, .addr = words[0], .object = words[1] };
        read_lock(it->clr, ret);
        return true;
    }
    it->index = it->index_max;
    return false;
}

/* Each link lies in a WaitEventLink of the waiting thread, 16 bytes behind the pointer to its Thread. */
size_t clr_sync_block_waits(const struct clr *clr, const struct clr_sync_block *block, uint64_t *ret, size_t max)
{
    enum { THREAD_BEFORE_LINK = 16 };
    uint64_t link = block->first_wait;
    size_t count = 0;

    while (link && count < max) {
        if (!memory_try_u64(clr->memory, link - THREAD_BEFORE_LINK, &ret[count])) break;
        count++;
        if (!memory_try_u64(clr->memory, link, &link)) break;
    }
    return count;
}
