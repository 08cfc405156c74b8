#include "managed/blocked.h"

#include <string.h>

#include "clr/call_search.h"
#include "clr/method_origin.h"

struct blocked_locks {
    struct clr *clr;
    struct map by_object; /* objects of locks that somebody waits to enter -> index in list */
    VEC(struct clr_sync_block) list;
};

/* What a thread in this method of the class library does; the last row that matches one of its frames decides. */
static const struct {
    const char *method; /* without parameters */
    enum blocked_in in;
} waits[] = {
    { "System.Threading.Thread.Sleep", BLOCKED_SLEEP },
    { "System.Threading.WaitHandle.Wait", BLOCKED_HANDLE },
    { "System.Threading.SemaphoreSlim.Wait", BLOCKED_SEMAPHORE },
    { "System.Threading.ManualResetEventSlim.Wait", BLOCKED_SEMAPHORE },
    { "System.Threading.Monitor.Wait", BLOCKED_MONITOR_WAIT },
    { "System.Threading.Monitor.Enter", BLOCKED_LOCK },
    { "System.Threading.Monitor.ReliableEnter", BLOCKED_LOCK },
    { "System.Threading.Monitor.TryEnter", BLOCKED_LOCK },
    { "System.Threading.Lock.TryEnterSlow", BLOCKED_LOCK },
    { "System.Threading.Tasks.Task.InternalWait", BLOCKED_TASK },
    { "System.Threading.Tasks.Task.Wait", BLOCKED_TASK },
    { "System.Threading.Tasks.Task.SpinThenBlockingWait", BLOCKED_TASK },
};

const char *blocked_in_text(enum blocked_in in)
{
    static const char *const texts[] = { "",
                                         "sleeps",
                                         "waits for a handle",
                                         "Monitor.Wait",
                                         "waits for a semaphore or an event",
                                         "waits for a lock",
                                         "waits for a task" };

    return texts[in];
}

static enum blocked_in wait_of(struct clr *clr, const struct clr_method *method, struct text *name)
{
    enum blocked_in in = BLOCKED_NOT;

    text_clear(name);
    if (!clr_method_name(clr, method, name)) return in;
    for (size_t i = 0; i < ARRAY_LENGTH(waits); i++)
        if (!strncmp(text_cstr(name), waits[i].method, strlen(waits[i].method))) in = waits[i].in;
    return in;
}

/* ---- locks ---- */

static struct error *find_locks(struct clr *clr, struct blocked_locks *ret)
{
    struct clr_sync_block_iterator blocks;
    struct clr_sync_block block;

    *ret = (struct blocked_locks) { .clr = clr };
    map_init(&ret->by_object);
    if (!clr_sync_blocks_begin(clr, &blocks)) return NULL;
    while (clr_sync_blocks_next(&blocks, &block)) {
        if (!block.is_held || !block.entering_count) continue;
        if (!map_put(&ret->by_object, block.object, ret->list.count) || !vec_push(&ret->list, block)) return &error_enomem;
    }
    return NULL;
}

/* Looks through the words between the thread's stack pointer and the site's frame. */
static void find_lock(const struct blocked_locks *locks, uint64_t from, uint64_t to, struct blocked_thread *blocked)
{
    enum { SCANNED_MAX = 1 << 16 };
    uint64_t word, index;

    if (to - from > SCANNED_MAX) to = from + SCANNED_MAX;
    for (uint64_t at = from & ~UINT64_C(7); at < to; at += 8) {
        const struct clr_sync_block *block;

        if (!memory_try_u64(locks->clr->memory, at, &word) || !map_get(&locks->by_object, word, &index)) continue;
        block = &locks->list.data[index];
        if (block->owner_id == blocked->thread->managed_id || block->object == blocked->lock_object) continue;
        blocked->lock_is_sure = !blocked->lock_object;
        if (blocked->lock_object) return;
        blocked->lock_object = block->object;
        blocked->owner_id = block->owner_id;
    }
}

/* ---- stacks ---- */

static bool is_framework_method(struct clr *clr, const struct clr_method *method)
{
    struct clr_type *type = clr_type_get(clr, method->mt_addr);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;

    return !module || method->classification == METHOD_DYNAMIC || clr_module_is_framework(clr, module);
}

/* Looks at the frames from the leaf on; *site_sp_ret: stack pointer of the site. */
static void look_at_frames(struct clr *clr, const struct stack *stack, struct text *name, struct blocked_thread *blocked,
                           uint64_t *site_sp_ret)
{
    for (size_t i = 0; i < stack->frames.count; i++) {
        const struct stack_frame *frame = &stack->frames.data[i];
        struct clr_method method;

        if (!frame->method_desc_addr || !clr_method_at(clr, frame->method_desc_addr, &method)) continue;
        if (is_framework_method(clr, &method)) {
            enum blocked_in in = blocked->site_method ? BLOCKED_NOT : wait_of(clr, &method, name);

            if (in > blocked->in) blocked->in = in;
            continue;
        }
        if (frame->kind != STACK_MANAGED) continue;
        if (!blocked->site_method) {
            blocked->site_method = frame->method_desc_addr;
            blocked->site_ip = frame->ip;
            blocked->site_is_leaf = frame->is_leaf;
            *site_sp_ret = frame->sp;
        }
        blocked->outer_method = frame->method_desc_addr;
    }
}

static struct error *look_at_thread(struct clr *clr, const struct blocked_locks *locks, struct text *name,
                                    struct blocked_thread *blocked)
{
    const struct dump_thread *native = stack_native_thread(clr, blocked->thread->os_id);
    struct stack stack;
    struct error *err = stack_walk(clr, blocked->thread, native, &stack);
    uint64_t site_sp = 0;

    if (!err) look_at_frames(clr, &stack, name, blocked, &site_sp);
    if (blocked->in == BLOCKED_LOCK && native && site_sp > native->sp) find_lock(locks, native->sp, site_sp, blocked);
    stack_deinit(&stack);
    return err;
}

struct error *blocked_threads_find(struct clr *clr, struct arena *arena, struct blocked_threads *ret)
{
    struct blocked_locks locks;
    struct text name;
    struct error *err;

    *ret = (struct blocked_threads) { 0 };
    TRY(clr_threads(clr, arena, &ret->threads, &ret->count));
    ret->list = arena_array(arena, ret->count ? ret->count : 1, sizeof(*ret->list));
    if (!ret->list) return &error_enomem;
    text_init(&name);
    err = find_locks(clr, &locks);
    for (size_t i = 0; i < ret->count && !err; i++) {
        ret->list[i] = (struct blocked_thread) { .thread = &ret->threads[i] };
        err = look_at_thread(clr, &locks, &name, &ret->list[i]);
    }
    map_deinit(&locks.by_object);
    vec_deinit(&locks.list);
    text_deinit(&name);
    return err;
}

/* ---- cycles ---- */

const struct blocked_thread *blocked_thread_by_id(const struct blocked_threads *threads, uint32_t managed_id)
{
    for (size_t i = 0; managed_id && i < threads->count; i++)
        if (threads->list[i].thread->managed_id == managed_id) return &threads->list[i];
    return NULL;
}

/* Each thread waits for one lock at most, so the way on is a line: it ends, or comes back. */
static size_t follow(const struct blocked_threads *threads, const struct blocked_thread *start, const struct blocked_thread **ret,
                     size_t max)
{
    const struct blocked_thread *at = start;
    size_t count = 0;

    while (at && at->lock_object && count < max) {
        ret[count++] = at;
        at = blocked_thread_by_id(threads, at->owner_id);
        if (at == start) return count;
    }
    return 0;
}

size_t blocked_threads_cycle(const struct blocked_threads *threads, size_t *next, const struct blocked_thread **ret, size_t max)
{
    while (*next < threads->count) {
        const struct blocked_thread *start = &threads->list[(*next)++];
        size_t count = follow(threads, start, ret, max);
        bool is_first = true;

        /* Told once, by the thread that comes first in the list. */
        for (size_t i = 1; i < count; i++)
            is_first = is_first && ret[i] > start;
        if (count && is_first) return count;
    }
    return 0;
}
