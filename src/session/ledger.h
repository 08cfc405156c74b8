/*
 * Where every committed byte went.
 *
 * Each part of the process claims intervals of addresses for a use; where claims overlap, the surest owner wins (the order of the
 * enum). One sweep over all ends of intervals hands every committed byte to exactly one use, so the rows add up to the sum of the
 * dump's committed ranges, to the byte. Only second views of executable memory (W^X) are left out: their bytes are counted where
 * the code lies.
 */
#ifndef CLRTRAIL_SESSION_LEDGER_H
#define CLRTRAIL_SESSION_LEDGER_H

#include "base/error.h"
#include "base/vec.h"
#include "target/malloc_glibc.h"
#include "target/windows_heap.h"

struct session;

/* By priority: a later one wins over an earlier one. */
enum ledger_use {
    USE_OTHER,       /* committed, and nothing known of it */
    USE_UNTOUCHED,   /* the same, of a Windows process, and never written: all of it is zero */
    USE_NATIVE_HEAP, /* an allocator's memory that is not walked: another malloc than glibc's, segment heaps of Windows, damaged
                        heaps */
    USE_MAPPED_FILE,
    USE_EXECUTABLE,    /* executable memory in no known heap */
    USE_DOUBLE_MAPPED, /* second views of it (W^X): the bytes are counted where the code lies */
    USE_NATIVE_IMAGE,
    USE_MANAGED_IMAGE,
    USE_MALLOC_USED,
    USE_MALLOC_FREE, /* free chunks, thread caches, tops, the heaps' own words */
    USE_MALLOC_MAPPED,
    USE_ENDED_STACK, /* kept by glibc for new threads */
    USE_SIGNAL_STACK,
    USE_THREAD_LOCAL, /* thread environment blocks, the main thread's variables */
    USE_STACK,
    USE_HANDLES,
    USE_GC_BOOKKEEPING,
    USE_CODE_HEAP,
    USE_LOADER_HEAP,
    USE_GC_FREE,     /* regions kept for later */
    USE_GC_DECOMMIT, /* regions that will be given back */
    USE_GC_UNUSED,   /* of regions in use, behind their last object */
    USE_GC_GEN0,
    USE_GC_GEN1,
    USE_GC_GEN2,
    USE_GC_EPHEMERAL,
    USE_GC_LOH,
    USE_GC_POH,
    USE_GC_FROZEN,
    USE_COUNT
};

struct ledger_row {
    enum ledger_use use;
    uint64_t count; /* intervals, or things where that says more (threads, blocks) */
    uint64_t committed;
    uint64_t reserved;                /* address space of the same things, not less than committed; 0: not known */
    uint64_t resident, private_dirty; /* of a running process: smaps' Rss and Private_Dirty of the pieces with this use */
    const char *note;                 /* session arena; NULL for none */
};

/* Committed memory of one use; sorted, apart. Memory of malloc's heaps is USE_MALLOC_USED as a whole. */
struct ledger_piece {
    uint64_t start, end;
    enum ledger_use use;
};

struct ledger {
    struct ledger_row rows[USE_COUNT]; /* by use */
    uint64_t committed;                /* the total: sum of the rows, and of the dump's committed ranges without second views */
    uint64_t not_counted;              /* bytes of second views (W^X), in no row */
    bool has_resident;                 /* of the rows: known */
    uint64_t file_pages;               /* of the total: read-only pages of files, which processes share */
    VEC(struct ledger_piece) pieces;
    struct glibc_malloc malloc;
    struct windows_heaps windows;
};

const char *ledger_use_name(enum ledger_use use);
bool ledger_use_is_gc(enum ledger_use use);

/* Builds it; the caller's. Errors: ERROR_NOMEM. */
struct error *ledger_build(struct session *session, struct ledger *ret);
void ledger_deinit(struct ledger *ledger);
/* Bytes of [start, end) by use, added to `bytes` (USE_COUNT of them). */
void ledger_range_uses(const struct ledger *ledger, uint64_t start, uint64_t end, uint64_t *bytes);
/* The piece that holds `addr`, NULL if none: not committed. */
const struct ledger_piece *ledger_piece_at(const struct ledger *ledger, uint64_t addr);

/* Built when first asked, kept, borrowed. What cannot be read of the CLR leaves its bytes under the weaker claims, and a gap. */
struct error *session_ledger(struct session *session, const struct ledger **ret);
/* glibc's heaps, as the ledger found them. */
struct error *session_malloc(struct session *session, const struct glibc_malloc **ret);
/* The heaps of a Windows process, the same way. */
struct error *session_windows_heaps(struct session *session, const struct windows_heaps **ret);

#endif
