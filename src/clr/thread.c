#include "clr/thread.h"

#include <string.h>

#include "base/limits.h"

static void thread_read_context(const struct clr *clr, struct clr_thread *thread)
{
    uint64_t locals, context;

    if (layout_has(&clr->layout, FIELD_Thread_AllocContext)) {
        context = clr_field_addr(clr, thread->addr, FIELD_Thread_AllocContext);
    } else {
        if (!clr_try_u64(clr, thread->addr, FIELD_Thread_RuntimeThreadLocals, &locals) || !locals) return;
        context = layout_has(&clr->layout, FIELD_EEAllocContext_GCAllocationContext)
                      ? clr_field_addr(clr, locals, FIELD_EEAllocContext_GCAllocationContext)
                      : locals;
    }
    thread->has_alloc_context = clr_try_u64(clr, context, FIELD_GCAllocContext_Pointer, &thread->alloc_ptr) &&
                                clr_try_u64(clr, context, FIELD_GCAllocContext_Limit, &thread->alloc_limit);
}

struct error *clr_threads(const struct clr *clr, struct arena *arena, struct clr_thread **ret, size_t *count_ret)
{
    uint64_t store, link, finalizer = 0;
    uint32_t expected;
    VEC(struct clr_thread) list = { 0 };

    if (!clr_try_global(clr, GLOBAL_ThreadStore, &store) || !store ||
        !clr_try_u64(clr, store, FIELD_ThreadStore_FirstThreadLink, &link) ||
        !clr_try_u32(clr, store, FIELD_ThreadStore_ThreadCount, &expected))
        return error_create(ERROR_FAULT, "cannot read the thread store: address not in dump");
    clr_try_global(clr, GLOBAL_FinalizerThread, &finalizer);
    if (expected > LIMIT_THREADS) expected = LIMIT_THREADS;
    while (link && list.count < expected) {
        struct clr_thread thread = { .addr = link - (uint64_t)(int64_t)clr->layout.offset[FIELD_Thread_LinkNext] };

        if (!clr_try_u32(clr, thread.addr, FIELD_Thread_Id, &thread.managed_id) ||
            !clr_try_u64(clr, thread.addr, FIELD_Thread_LinkNext, &link)) {
            gaps_add(clr->gaps, "managed threads", thread.addr, expected - list.count, "thread not in the dump");
            break;
        }
        if (!clr_try_u32(clr, thread.addr, FIELD_Thread_OSId, &thread.os_id)) thread.os_id = 0;
        if (!clr_try_u32(clr, thread.addr, FIELD_Thread_State, &thread.state)) thread.state = 0;
        thread.is_finalizer = thread.addr == finalizer;
        thread_read_context(clr, &thread);
        if (!vec_push(&list, thread)) {
            vec_deinit(&list);
            return &error_enomem;
        }
    }
    *ret = arena_array(arena, list.count ? list.count : 1, sizeof(**ret));
    if (*ret && list.count) memcpy(*ret, list.data, list.count * sizeof(**ret));
    *count_ret = list.count;
    vec_deinit(&list);
    return *ret ? NULL : &error_enomem;
}
