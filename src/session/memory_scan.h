/*
 * Committed memory, word by word: what holds an address?
 */
#ifndef CLRTRAIL_SESSION_MEMORY_SCAN_H
#define CLRTRAIL_SESSION_MEMORY_SCAN_H

#include "base/span.h"
#include "session/ledger.h"
#include "target/target.h"

/* The aligned words of one piece of the ledger, as far as the dump holds them. */
struct memory_scan {
    const struct target *target;
    uint64_t at, end;     /* next word, end of the piece */
    const uint8_t *bytes; /* of `at`; as many as `left` */
    uint64_t left;
};

void memory_scan_begin_piece(struct memory_scan *scan, const struct target *target, const struct ledger_piece *piece);
/* Makes the next bytes valid; false at the end. */
bool memory_scan_more(struct memory_scan *scan);

/* The next word that can be an address of user space, and where it lies. False at the end. */
static inline bool memory_scan_next(struct memory_scan *scan, uint64_t *addr_ret, uint64_t *word_ret)
{
    enum { LOWEST = 0x10000 };

    while (scan->left >= 8 || memory_scan_more(scan)) {
        uint64_t word = load_u64(scan->bytes);

        *addr_ret = scan->at;
        scan->bytes += 8;
        scan->at += 8;
        scan->left -= 8;
        if (word < LOWEST || word >= UINT64_C(1) << 47) continue;
        *word_ret = word;
        return true;
    }
    return false;
}

#endif
