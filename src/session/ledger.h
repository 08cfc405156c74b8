/*
 * Where every committed byte went.
 *
 * Each part of the process claims intervals of addresses for a use; where claims overlap, the surest owner wins (the order of the enum).
 * One sweep over all ends of intervals hands every committed byte to exactly one use, so the rows add up to the sum of the dump's committed
 * ranges, to the byte.
 */
#ifndef CLRTRAIL_SESSION_LEDGER_H
#define CLRTRAIL_SESSION_LEDGER_H

#include "base/error.h"
#include "base/vec.h"

struct session;

/* By priority: a later one wins over an earlier one. */
enum ledger_use {
    USE_OTHER,         /* committed, and nothing known of it */
    USE_NATIVE_HEAP,   /* private memory that can be written and that nobody else claims: malloc and its like */
    USE_MAPPED_FILE,
    USE_EXECUTABLE,    /* executable memory in no known heap */
    USE_DOUBLE_MAPPED, /* second views of it (W^X): the bytes are counted where the code lies */
    USE_NATIVE_IMAGE,
    USE_MANAGED_IMAGE,
    USE_STACK,
    USE_GC_BOOKKEEPING,
    USE_CODE_HEAP,
    USE_LOADER_HEAP,
    USE_GC_FREE,
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
    uint64_t count;     /* intervals, or things where that says more (threads, files) */
    uint64_t committed;
    uint64_t reserved;  /* address space of the same things, not less than committed; 0: not known */
    const char *note;   /* session arena; NULL for none */
};

struct ledger {
    struct ledger_row rows[USE_COUNT]; /* by use */
    uint64_t committed;                /* the total: sum of the rows, and of the dump's committed ranges without second views */
    uint64_t not_counted;              /* bytes of second views (W^X), in no row */
};

const char *ledger_use_name(enum ledger_use use);
/* "gc heap", "loader heap", "native": the broad kind of a use, for findings. */
bool ledger_use_is_gc(enum ledger_use use);

/* Builds it; the caller's. Errors: ERROR_NOMEM. */
struct error *ledger_build(struct session *session, struct ledger *ret);
/* Built when first asked, kept, borrowed. What cannot be read of the CLR leaves its bytes under the weaker claims, and a gap. */
struct error *session_ledger(struct session *session, const struct ledger **ret);

#endif
