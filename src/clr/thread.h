/*
 * The runtime's list of threads: ThreadStore {first link, count} -> Thread, linked through Thread.LinkNext; the list's pointers
 * lead to the link inside the next Thread. Source: docs/design/datacontracts/Thread.md.
 */
#ifndef CLRTRAIL_CLR_THREAD_H
#define CLRTRAIL_CLR_THREAD_H

#include "clr/clr.h"

struct clr_thread {
    uint64_t addr;
    uint32_t managed_id;
    uint32_t os_id; /* 0 for a thread that has ended or not yet started */
    uint32_t state; /* Thread::ThreadState bits */
    bool is_finalizer;
    bool has_alloc_context;
    uint64_t alloc_ptr, alloc_limit; /* the GC allocation context, 0 when it has none */
};

enum { /* Thread::ThreadState, src/coreclr/vm/threads.h; unchanged from 3.1 to 10 */
       THREAD_STATE_BACKGROUND = 0x200,
       THREAD_STATE_UNSTARTED = 0x400,
       THREAD_STATE_DEAD = 0x800,
       THREAD_STATE_THREADPOOL_WORKER = 0x01000000,
};

/* All threads in list order, in `arena`. Errors: the store itself cannot be read; a broken chain is a gap. */
struct error *clr_threads(const struct clr *clr, struct arena *arena, struct clr_thread **ret, size_t *count_ret);

#endif
