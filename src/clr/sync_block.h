/*
 * Sync blocks: what the runtime keeps of objects whose header has no room for it (a lock that somebody waited for, a hash and a
 * lock).
 *
 *     SyncTableEntries -> {SyncBlock *, object}[]     from 1 on; bit 0 of the object: a free entry
 *       SyncBlock {lock state, recursion, owner, ..., index, ..., threads in Monitor.Wait}
 *
 * A lock state has bit 0 set while it is held, and the number of threads that wait to enter from bit 6 on. Source:
 * src/coreclr/vm/syncblk.h (AwareLock, SyncBlock, SyncTableEntry).
 */
#ifndef CLRTRAIL_CLR_SYNC_BLOCK_H
#define CLRTRAIL_CLR_SYNC_BLOCK_H

#include "clr/thread.h"

struct clr_sync_block {
    uint32_t index;
    uint64_t addr, object;
    bool is_held;
    uint32_t entering_count; /* threads that wait to enter */
    uint32_t recursion;      /* how often its owner holds it */
    uint32_t owner_id;       /* managed id, 0: none or not known */
    uint64_t owner_addr;     /* Thread, before 10.0 */
    uint64_t first_wait;     /* link of the first thread in Monitor.Wait, 0: none */
};

struct clr_sync_block_iterator {
    const struct clr *clr;
    uint64_t table_addr;
    uint32_t index, index_max;
};

/* False when the table is not known or not in the dump. */
bool clr_sync_blocks_begin(const struct clr *clr, struct clr_sync_block_iterator *ret);
/* The next entry that is in use; false at the end. */
bool clr_sync_blocks_next(struct clr_sync_block_iterator *iterator, struct clr_sync_block *ret);
/* Threads in Monitor.Wait on it: their Thread addresses; how many, at most `max`. */
size_t clr_sync_block_waits(const struct clr *clr, const struct clr_sync_block *block, uint64_t *ret, size_t max);

#endif
