/*
 * The walk over the chunks of a heap. Built for millions of chunks: a chunk costs two words of its successor, which the next step
 * needs anyway, and nothing is kept.
 */
#include "target/malloc_internal.h"

enum { WINDOW = 1 << 20 };

static const char not_in_dump[] = "its memory is not in the dump";
static const char bad_size[] = "a chunk's size is impossible";
static const char bad_end[] = "a free chunk has another size at its end";

bool malloc_window_move(struct malloc_window *window, uint64_t addr)
{
    uint64_t size;
    const uint8_t *bytes = memory_view_dumped(window->memory, addr, WINDOW, &size);

    if (!bytes || size < MALLOC_HEADER) return false;
    window->start = addr;
    window->size = size;
    window->bytes = bytes;
    return true;
}

/* Whether the heap ends here: two small chunks close one that was left for a newer one. Source: malloc.c, sysmalloc. */
static bool is_fencepost(uint64_t size_word)
{
    return (size_word & ~(uint64_t)7) == 16 || (size_word & ~(uint64_t)7) == 0;
}

/*
 * Looks at the chunk at `at` with the size word `size_word`. Returns false at the end of the heap, or with *problem_ret set. Then
 * *next_word_ret is the size word of the chunk behind it (for a top: 0).
 */
static inline bool look(struct malloc_window *window, const struct malloc_heap *heap, uint64_t at, uint64_t size_word,
                        enum malloc_state *state_ret, uint64_t *next_word_ret, const char **problem_ret)
{
    uint64_t size = size_word & ~(uint64_t)CHUNK_FLAGS, prev_size, next_word;

    if (at == heap->top || (!heap->top && at < heap->limit && size == heap->limit - at)) {
        *state_ret = MALLOC_TOP;
        *next_word_ret = 0;
        if (size >= CHUNK_ALIGN && size <= heap->limit - at) return true;
        *problem_ret = bad_size;
        return false;
    }
    if (is_fencepost(size_word) && heap->top == 0) return false;
    if (!malloc_size_is_sane(size_word, at, heap->limit)) {
        *problem_ret = bad_size;
        return false;
    }
    if (!malloc_header(window, at + size, &prev_size, &next_word)) {
        *problem_ret = not_in_dump;
        return false;
    }
    *next_word_ret = next_word;
    *state_ret = next_word & PREV_INUSE ? MALLOC_USED : MALLOC_FREE;
    if (*state_ret == MALLOC_USED || prev_size == size) return true;
    *problem_ret = bad_end;
    return false;
}

/* Whole pages of a free chunk behind its own words. Source: malloc.c, mtrim. */
static uint64_t trimmable(uint64_t at, uint64_t size)
{
    enum { FREE_WORDS = 48 };
    uint64_t from = (at + FREE_WORDS + MALLOC_PAGE - 1) & ~(uint64_t)(MALLOC_PAGE - 1);

    return at + size > from ? (at + size - from) & ~(uint64_t)(MALLOC_PAGE - 1) : 0;
}

/* A tcache_perthread_struct with its header: 2.26, 2.30, 2.42. */
static bool could_be_cache(uint64_t size)
{
    return size == 0x250 || size == 0x290 || size == 0x300;
}

bool malloc_walk_heap(const struct glibc_malloc *malloc, struct malloc_heap *heap, malloc_addresses *caches)
{
    struct malloc_window window;
    uint64_t at = heap->first, prev_size, size_word, next_word = 0;
    enum malloc_state state = MALLOC_USED;

    malloc_window_init(&window, &malloc->target->memory);
    heap->walked = at;
    if (!malloc_header(&window, at, &prev_size, &size_word)) {
        heap->problem = not_in_dump;
        return true;
    }
    while (look(&window, heap, at, size_word, &state, &next_word, &heap->problem)) {
        uint64_t size = size_word & ~(uint64_t)CHUNK_FLAGS;

        heap->sum[state].count++;
        heap->sum[state].bytes += size;
        if (state == MALLOC_USED) {
            if (could_be_cache(size) && !vec_push(caches, at)) return false;
        } else {
            heap->trimmable += trimmable(at, size);
        }
        at += size;
        heap->walked = at;
        if (state == MALLOC_TOP) break;
        size_word = next_word;
    }
    if (!heap->problem) heap->walked = heap->limit;
    return true;
}

/* ---- the same, one by one ---- */

void malloc_cursor_init(struct malloc_cursor *cursor, const struct glibc_malloc *malloc, size_t first_heap, size_t end_heap)
{
    *cursor = (struct malloc_cursor) { .malloc = malloc, .heap = first_heap, .end_heap = end_heap };
    malloc_window_init(&cursor->window, &malloc->target->memory);
}

/* Index of the first freed chunk at or behind `addr`. */
static size_t freed_from(const struct glibc_malloc *malloc, uint64_t addr)
{
    size_t low = 0, high = malloc->freed.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (malloc->freed.data[middle] < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum malloc_state freed_state(struct malloc_cursor *cursor, uint64_t at)
{
    const struct glibc_malloc *malloc = cursor->malloc;

    while (cursor->freed < malloc->freed.count && malloc->freed.data[cursor->freed] < at)
        cursor->freed++;
    if (cursor->freed == malloc->freed.count || malloc->freed.data[cursor->freed] > (at | 1)) return MALLOC_USED;
    return malloc->freed.data[cursor->freed] & 1 ? MALLOC_FAST : MALLOC_CACHED;
}

static bool next_in_heap(struct malloc_cursor *cursor, struct malloc_chunk *ret)
{
    const struct malloc_heap *heap = &cursor->malloc->heaps.data[cursor->heap];
    const char *problem = NULL;
    uint64_t prev_size, next_word;

    if (!cursor->at) {
        cursor->at = heap->first;
        cursor->at_top = false;
        cursor->freed = freed_from(cursor->malloc, heap->first);
        if (!malloc_header(&cursor->window, cursor->at, &prev_size, &cursor->size_word)) return false;
    }
    if (cursor->at_top || cursor->at >= heap->walked ||
        !look(&cursor->window, heap, cursor->at, cursor->size_word, &ret->state, &next_word, &problem))
        return false;
    ret->addr = cursor->at;
    ret->size = cursor->size_word & ~(uint64_t)CHUNK_FLAGS;
    ret->arena = heap->arena;
    cursor->at_top = ret->state == MALLOC_TOP;
    if (ret->state == MALLOC_USED) ret->state = freed_state(cursor, ret->addr);
    cursor->at += ret->size;
    cursor->size_word = next_word;
    return true;
}

bool malloc_cursor_next(struct malloc_cursor *cursor, struct malloc_chunk *ret)
{
    const struct glibc_malloc *malloc = cursor->malloc;

    for (; cursor->heap < cursor->end_heap; cursor->heap++, cursor->at = 0)
        if (next_in_heap(cursor, ret)) return true;
    if (cursor->end_heap < malloc->heaps.count || cursor->mapped == malloc->mapped.count) return false;
    *ret = (struct malloc_chunk) { .addr = malloc->mapped.data[cursor->mapped].addr,
                                   .size = malloc->mapped.data[cursor->mapped].size,
                                   .state = MALLOC_MMAPPED,
                                   .arena = (uint32_t)malloc->arenas.count - 1 };
    cursor->mapped++;
    return true;
}
