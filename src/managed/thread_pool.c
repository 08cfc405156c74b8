#include "managed/thread_pool.h"

#include "managed/collection.h"
#include "managed/instances.h"

#define CORELIB "System.Private.CoreLib"

static void read_counts(struct clr *clr, struct thread_pool *pool)
{
    int64_t counts;

    if (!managed_follow_number(clr, pool->addr, "_minThreads", &pool->min_threads) ||
        !managed_follow_number(clr, pool->addr, "_maxThreads", &pool->max_threads) ||
        !managed_follow_number(clr, pool->addr, "_separated.counts._data", &counts))
        return;
    pool->processing = (uint32_t)counts & 0xffff;
    pool->existing = (uint32_t)(counts >> 16) & 0xffff;
    pool->goal = (uint32_t)(counts >> 32) & 0xffff;
    if (!managed_follow_number(clr, pool->addr, "_numBlockedThreads", &pool->blocked)) pool->blocked = 0;
    pool->counts_known = true;
}

static uint64_t collection_length(struct clr *clr, uint64_t addr)
{
    struct collection_types types;
    struct collection collection;
    uint64_t count = 0;

    if (!addr) return 0;
    collection_types_init(&types, clr);
    if (collection_open(&types, addr, &collection)) {
        struct collection_iterator it;
        struct collection_element element;

        if (collection.count_known) {
            count = collection.count;
        } else {
            collection_begin(&collection, &it);
            while (collection_next(&it, &element))
                count++;
        }
    }
    collection_types_deinit(&types);
    return count;
}

static void read_queues(struct clr *clr, struct thread_pool *pool)
{
    enum { QUEUES_MAX = 1 << 16 };
    uint64_t work = managed_static_object(clr, CORELIB, "System.Threading.ThreadPool", "s_workQueue"), queue;
    uint64_t queues = managed_static_object(clr, CORELIB, "System.Threading.ThreadPoolWorkQueue+WorkStealingQueueList",
                                            "s_queues|_queues");
    struct clr_object array;

    if (!work) return;
    pool->queued_global = collection_length(clr, managed_follow_object(clr, work, "workItems")) +
                          collection_length(clr, managed_follow_object(clr, work, "highPriorityWorkItems"));
    pool->queues_known = true;
    if (!clr_object_try(clr, queues, &array) || !clr_type_is_array(array.type)) return;
    for (uint32_t i = 0; i < array.count && i < QUEUES_MAX; i++) {
        int64_t head, tail;

        if (!memory_try_u64(clr->memory, queues + ARRAY_DATA_OFF + 8ull * i, &queue) || !queue ||
            !managed_follow_number(clr, queue, "m_headIndex", &head) || !managed_follow_number(clr, queue, "m_tailIndex", &tail))
            continue;
        if (tail > head) pool->queued_local += (uint64_t)(tail - head);
    }
}

bool thread_pool_read(struct clr *clr, struct thread_pool *ret)
{
    *ret = (struct thread_pool) { 0 };
    ret->addr = managed_static_object(clr, CORELIB, "System.Threading.PortableThreadPool", "ThreadPoolInstance");
    if (!ret->addr) return false;
    read_counts(clr, ret);
    read_queues(clr, ret);
    return ret->counts_known || ret->queues_known;
}
