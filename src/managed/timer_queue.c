#include "managed/timer_queue.h"

enum { TIMERS_MAX = 1 << 24 };

/* A mark is left behind at doubling distances; whoever meets it runs in a circle. */
static struct error *add_chain(struct clr *clr, uint64_t timer, address_list *ret)
{
    uint64_t mark = 0;

    for (uint64_t i = 1; timer; i++) {
        if (ret->count >= TIMERS_MAX || timer == mark) {
            gaps_add(clr->gaps, "timers", timer, 1, "a queue of timers leads back into itself, or is too long");
            return NULL;
        }
        if ((i & (i - 1)) == 0) mark = timer;
        if (!vec_push(ret, timer)) return &error_enomem;
        timer = managed_follow_object(clr, timer, "_next|m_next");
    }
    return NULL;
}

struct error *timer_queue_find(struct clr *clr, address_list *ret)
{
    uint64_t queues = managed_static_object(clr, "System.Private.CoreLib", TIMER_QUEUE, "<Instances>k__BackingField");
    struct clr_object array;

    if (!clr_object_try(clr, queues, &array) || !clr_type_is_array(array.type)) return NULL;
    for (uint32_t i = 0; i < array.count; i++) {
        uint64_t queue;

        if (!memory_try_u64(clr->memory, queues + ARRAY_DATA_OFF + 8ull * i, &queue)) break;
        if (!queue) continue;
        TRY(add_chain(clr, managed_follow_object(clr, queue, "_shortTimers"), ret));
        TRY(add_chain(clr, managed_follow_object(clr, queue, "_longTimers"), ret));
    }
    return NULL;
}
