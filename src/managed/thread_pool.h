/*
 * The thread pool of the class library: its workers, limits and queues.
 *
 *     PortableThreadPool.ThreadPoolInstance {_minThreads, _maxThreads, _numBlockedThreads,
 *                                            _separated.counts: u16 processing, u16 existing, u16 goal}
 *     ThreadPool.s_workQueue {workItems, highPriorityWorkItems}        global queues
 *     ThreadPoolWorkQueue.WorkStealingQueueList.s_queues[] {m_headIndex, m_tailIndex}      one a worker
 *
 * Source: PortableThreadPool.cs, PortableThreadPool.ThreadCounts.cs, ThreadPoolWorkQueue.cs of System.Private.CoreLib.
 */
#ifndef CLRTRAIL_MANAGED_THREAD_POOL_H
#define CLRTRAIL_MANAGED_THREAD_POOL_H

#include "clr/clr.h"

struct thread_pool {
    uint64_t addr; /* of the PortableThreadPool */
    int64_t min_threads, max_threads;
    uint32_t processing, existing, goal; /* workers: at work, alive, as many as the pool wants */
    int64_t blocked;                     /* workers that said so: in Task.Wait and the like */
    uint64_t queued_global, queued_local;
    bool counts_known, queues_known;
};

/* False when the process has no pool yet, or another one than this. Fills caches. */
bool thread_pool_read(struct clr *clr, struct thread_pool *ret);

#endif
