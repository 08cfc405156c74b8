#include "target/stack.h"

#include <string.h>

enum { STACK_PAGE = 4096, PAGE_MASK = STACK_PAGE - 1 };
#define STACK_LARGEST (UINT64_C(1) << 40)

/* glibc: struct pthread {..., void *stackblock; size_t stackblock_size; size_t guardsize; ...}; 0x690 in 2.36. */
struct stack_words {
    uint64_t block, size, guard;
};

static bool words_make_sense(const struct stack_words *words)
{
    enum { SMALLEST = 16 << 10 };

    if (!words->block || (words->block | words->size | words->guard) & PAGE_MASK) return false;
    if (words->size < SMALLEST || words->size > STACK_LARGEST || words->block > UINT64_MAX - words->size) return false;
    return words->guard < words->size;
}

static bool stack_from_pthread(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret,
                               uint64_t *end_ret)
{
    enum { SEARCH_FROM = 0x200, SEARCH_TO = 0x980 };

    for (uint64_t off = SEARCH_FROM; off < SEARCH_TO; off += 8) {
        struct stack_words words;

        if (!memory_try_read(&target->memory, thread->tls_base + off, &words, sizeof(words))) return false;
        if (!words_make_sense(&words) || thread->sp < words.block || thread->sp >= words.block + words.size) continue;
        *start_ret = words.block + words.guard;
        *end_ret = words.block + words.size;
        return true;
    }
    return false;
}

/* TEB: NT_TIB.StackBase and StackLimit, DeallocationStack. */
enum { TEB_STACK_BASE = 8, TEB_STACK_LIMIT = 16, TEB_DEALLOCATION_STACK = 0x1478 };

static bool stack_from_teb(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret)
{
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

uint64_t target_stack_reserved(const struct target *target, const struct dump_thread *thread, uint64_t end)
{
    uint64_t start;

    if (!target->is_windows || !thread->tls_base) return 0;
    if (!memory_try_u64(&target->memory, thread->tls_base + TEB_DEALLOCATION_STACK, &start)) return 0;
    return start < end && end - start <= STACK_LARGEST ? end - start : 0;
}

bool target_is_stack(const struct target *target, uint64_t start, uint64_t end)
{
    enum { SEARCH = 32 << 10 }; /* struct pthread, and thread-local variables between it and the end */
    uint64_t from = end - start > SEARCH ? end - SEARCH : start, size;
    const uint8_t *bytes = memory_view_dumped(&target->memory, from, end - from, &size);

    if (!bytes) return false;
    for (uint64_t off = 0; off + sizeof(struct stack_words) <= size; off += 8) {
        struct stack_words words;

        memcpy(&words, bytes + off, sizeof(words));
        if (words.size && words_make_sense(&words) && words.block + words.guard == start && words.block + words.size == end)
            return true;
    }
    return false;
}

/* The writable memory that begins behind the guard page at `guard`. */
static bool is_signal_stack(const struct target *target, uint64_t guard, uint64_t *start_ret, uint64_t *end_ret)
{
    enum { SMALLEST = 8 << 10, LARGEST = 32 << 10 };
    const struct dump_range *range;

    if (!guard || guard & PAGE_MASK || guard > UINT64_MAX - STACK_PAGE) return false;
    range = dump_range_at(target->dump, guard + STACK_PAGE);
    if (!range || range->start != guard + STACK_PAGE || !(range->protection & PROTECTION_WRITE)) return false;
    if (range->end - range->start < SMALLEST || range->end - range->start > LARGEST || dump_file_map_at(target->dump, range->start))
        return false;
    *start_ret = range->start;
    *end_ret = range->end;
    return true;
}

bool target_signal_stack(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret)
{
    enum { PTHREAD_FROM = 0x300, PTHREAD_WORDS = 112, OBJECT_WORDS = 96 };
    uint64_t words[PTHREAD_WORDS], object[OBJECT_WORDS];

    if (target->is_windows || !thread->tls_base) return false;
    if (!memory_try_read(&target->memory, thread->tls_base + PTHREAD_FROM, words, sizeof(words))) return false;
    for (unsigned i = 0; i < PTHREAD_WORDS; i++) {
        uint64_t size;
        const uint8_t *bytes = NULL;

        if (words[i] >= STACK_PAGE && words[i] % 16 == 0)
            bytes = memory_view_dumped(&target->memory, words[i], sizeof(object), &size);
        if (!bytes) continue;
        for (uint64_t off = 0; off + 8 <= size; off += 8)
            if (is_signal_stack(target, load_u64(bytes + off), start_ret, end_ret)) return true;
    }
    return false;
}

static bool is_zero_page(const uint8_t *bytes)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, STACK_PAGE - 1);
}

uint64_t target_stack_touched(const struct target *target, uint64_t start, uint64_t end)
{
    enum { GIVE_UP = 64 };
    uint64_t touched = 0;
    unsigned zeros = 0;

    for (uint64_t page = end & ~(uint64_t)PAGE_MASK; page >= start + STACK_PAGE && zeros < GIVE_UP; page -= STACK_PAGE) {
        uint64_t size;
        const uint8_t *bytes = memory_view_dumped(&target->memory, page - STACK_PAGE, STACK_PAGE, &size);

        if (bytes && size == STACK_PAGE && !is_zero_page(bytes)) {
            touched += STACK_PAGE;
            zeros = 0;
        } else {
            zeros++;
        }
    }
    return touched;
}
