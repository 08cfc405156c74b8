#include "target/stack.h"

/* glibc: struct pthread {..., void *stackblock; size_t stackblock_size; size_t guardsize; ...}; 0x690 in 2.36. */
static bool stack_from_pthread(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret,
                               uint64_t *end_ret)
{
    enum { SEARCH_FROM = 0x200, SEARCH_TO = 0x980, PAGE_MASK = 4095, SMALLEST = 16 << 10 };
    uint64_t words[3];

    for (uint64_t off = SEARCH_FROM; off < SEARCH_TO; off += 8) {
        if (!memory_try_read(&target->memory, thread->tls_base + off, words, sizeof(words))) return false;
        if (!words[0] || (words[0] & PAGE_MASK) || (words[1] & PAGE_MASK) || words[1] < SMALLEST || words[1] > UINT64_C(1) << 40)
            continue;
        if (words[2] >= words[1] || (words[2] & PAGE_MASK) || words[0] > UINT64_MAX - words[1]) continue;
        if (thread->sp < words[0] || thread->sp >= words[0] + words[1]) continue;
        *start_ret = words[0] + words[2];
        *end_ret = words[0] + words[1];
        return true;
    }
    return false;
}

static bool stack_from_teb(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret)
{
    enum { TEB_STACK_BASE = 8, TEB_STACK_LIMIT = 16 };
    uint64_t base, limit;

    if (!thread->tls_base || !memory_try_u64(&target->memory, thread->tls_base + TEB_STACK_BASE, &base) ||
        !memory_try_u64(&target->memory, thread->tls_base + TEB_STACK_LIMIT, &limit) || limit >= base)
        return false;
    *start_ret = limit;
    *end_ret = base;
    return true;
}

bool target_stack(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret)
{
    const struct dump_range *range;

    if (target->is_windows && stack_from_teb(target, thread, start_ret, end_ret)) return true;
    if (!thread->sp) return false;
    if (!target->is_windows && thread->tls_base && stack_from_pthread(target, thread, start_ret, end_ret)) return true;
    range = dump_range_at(target->dump, thread->sp);
    if (!range || !(range->protection & PROTECTION_WRITE)) return false;
    *start_ret = range->start;
    *end_ret = range->end;
    return true;
}
