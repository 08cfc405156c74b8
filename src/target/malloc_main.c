/*
 * The main arena's heap, told by its structure, and chunks that have a mapping of their own.
 *
 *     brk heap     range of the dump: chunk (nothing before it), chunk, ..., top        ends where the range ends
 *                  chunk, ..., two small fenceposts, memory that somebody else got by sbrk, chunk, ..., top
 *     brk blocked  the same in anonymous mappings
 */
#include "target/malloc_internal.h"

enum chain_end { CHAIN_BROKEN, CHAIN_TOP, CHAIN_AT_END, CHAIN_FENCEPOSTS };

struct chain {
    enum chain_end how;
    uint64_t end, top, count;
};

struct main_finder {
    struct glibc_malloc *malloc;
    const struct malloc_pieces *pieces;
    struct malloc_window window;
    uint64_t known_top; /* 0: the main arena's state is not in the dump */
    uint64_t budget;    /* steps left for places where a chain may begin again */
};

static bool is_range_start(const struct malloc_pieces *pieces, uint64_t addr)
{
    size_t low = 0, high = pieces->starts.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pieces->starts.data[middle] == addr) return true;
        if (pieces->starts.data[middle] < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* A chain that was fine up to the start of another range: the neighbour is somebody else's. */
static struct chain cut_at(uint64_t boundary, uint64_t boundary_chunk, uint64_t count)
{
    if (!boundary || count < 2) return (struct chain) { .how = CHAIN_BROKEN, .end = boundary, .count = count };
    return (struct chain) { .how = CHAIN_AT_END, .end = boundary, .top = boundary_chunk, .count = count };
}

enum { FENCEPOST = 16 | PREV_INUSE };

static bool is_fencepost_at(struct main_finder *finder, uint64_t at)
{
    uint64_t prev_size, size_word;

    return malloc_header(&finder->window, at, &prev_size, &size_word) && size_word == FENCEPOST;
}

/* Follows chunks from `start`, at most to `end`. A broken chain's `end` is where it broke. */
static struct chain follow(struct main_finder *finder, uint64_t start, uint64_t end)
{
    uint64_t at = start, prev_size, size_word, count = 0, boundary = 0, boundary_chunk = 0, boundary_count = 0, last = 0;
    bool ends_at_top = finder->known_top >= start && finder->known_top < end;

    for (;; count++) {
        uint64_t size;
        bool before_is_free;

        if (!malloc_header(&finder->window, at, &prev_size, &size_word)) break;
        size = size_word & ~(uint64_t)CHUNK_FLAGS;
        before_is_free = count && !(size_word & PREV_INUSE);
        if (before_is_free && prev_size != at - last) break;
        if (ends_at_top && at == finder->known_top && size >= CHUNK_MIN && size <= end - at)
            return (struct chain) { .how = CHAIN_TOP, .end = at + size, .top = at, .count = count + 1 };
        if (count && (size_word | PREV_INUSE) == FENCEPOST && is_fencepost_at(finder, at + 16))
            return (struct chain) { .how = CHAIN_FENCEPOSTS, .end = at + 32, .count = count };
        if (!malloc_size_is_sane(size_word, at, end) || size_word & NON_MAIN_ARENA) break;
        last = at;
        at += size;
        if (at == end && !ends_at_top && count)
            return (struct chain) { .how = CHAIN_AT_END, .end = at, .top = last, .count = count + 1 };
        if (at == end) break;
        if (at % MALLOC_PAGE == 0 && is_range_start(finder->pieces, at)) {
            boundary = at;
            boundary_chunk = last;
            boundary_count = count + 1;
        }
    }
    if (!finder->known_top && boundary) return cut_at(boundary, boundary_chunk, boundary_count);
    return (struct chain) { .how = CHAIN_BROKEN, .end = at, .count = count };
}

static bool add_piece(struct main_finder *finder, uint64_t start, uint64_t end, const struct chain *chain)
{
    struct malloc_arena *arena = &finder->malloc->arenas.data[0];
    struct malloc_heap heap = { .start = start, .end = end, .first = start, .limit = chain->end, .top = chain->top, .arena = 0 };

    if (chain->how == CHAIN_BROKEN) heap.limit = end;
    arena->heap_count++;
    arena->heap_bytes += end - start;
    return vec_push(&finder->malloc->heaps, heap);
}

/* Could the chain of chunks begin here? The first one is in use, and nothing lies before it. */
static bool may_begin(struct main_finder *finder, uint64_t at, bool is_range)
{
    uint64_t prev_size, size_word;

    return malloc_header(&finder->window, at, &prev_size, &size_word) && (!is_range || !prev_size) &&
           (size_word & CHUNK_FLAGS) == PREV_INUSE;
}

/* Behind fenceposts somebody else's memory may follow, then the heap's next part. Its end is that of the part found last. */
static bool add_parts_behind(struct main_finder *finder, uint64_t from, uint64_t end, uint64_t *end_ret)
{
    for (uint64_t at = from; at < end && finder->budget; at += CHUNK_ALIGN, finder->budget--) {
        struct chain chain;

        if (!may_begin(finder, at, false)) continue;
        chain = follow(finder, at, end);
        finder->budget = finder->budget > chain.count ? finder->budget - chain.count : 1;
        if (chain.how == CHAIN_BROKEN || chain.count < 2) continue;
        if (!add_piece(finder, at, chain.end, &chain)) return false;
        *end_ret = chain.end;
        if (chain.how != CHAIN_FENCEPOSTS) return true;
        at = chain.end - CHUNK_ALIGN;
    }
    return true;
}

/* A chain of many chunks that then breaks is a damaged heap and not an accident. */
static bool is_heap(const struct main_finder *finder, const struct chain *chain)
{
    enum { MANY = 256 };

    if (chain->how == CHAIN_BROKEN) return chain->count >= MANY;
    if (chain->how == CHAIN_AT_END) return !finder->malloc->arenas.data[0].has_state && chain->count >= 2;
    return chain->how == CHAIN_TOP || chain->count >= 2;
}

static uint64_t page_up(uint64_t addr, uint64_t end)
{
    uint64_t up = (addr + MALLOC_PAGE - 1) & ~(uint64_t)(MALLOC_PAGE - 1);

    return up < addr || up > end ? end : up;
}

/* ---- mapped chunks ---- */

/*
 * One at the page, or one whose memory was aligned and that therefore begins 16 bytes before the page: then its first word is the
 * distance to the start of its mapping.
 */
static bool read_mapped(struct malloc_window *window, const struct malloc_piece *piece, uint64_t page, struct malloc_mapped *ret)
{
    uint64_t prev_size, size_word, size;

    if (malloc_header(window, page, &prev_size, &size_word) && !prev_size && (size_word & 0xfff) == IS_MMAPPED) {
        *ret = (struct malloc_mapped) { page, size_word - IS_MMAPPED };
        return ret->size && ret->size <= piece->end - page;
    }
    if (page - piece->start < MALLOC_PAGE || !malloc_header(window, page - 16, &prev_size, &size_word)) return false;
    size = size_word & ~(uint64_t)CHUNK_FLAGS;
    if ((size_word & CHUNK_FLAGS) != IS_MMAPPED || (prev_size + 16) % MALLOC_PAGE || (size + 4080) % MALLOC_PAGE) return false;
    if (size <= MALLOC_PAGE || prev_size > page - 16 - piece->start || size > piece->end - (page - 16)) return false;
    *ret = (struct malloc_mapped) { page - 16 - prev_size, prev_size + size };
    return true;
}

/* ---- both ---- */

/* A heap that begins at `start`; *covered_ret: its end, 0 when there is none. */
static bool look_for_heap(struct main_finder *finder, uint64_t start, uint64_t piece_end, uint64_t *covered_ret)
{
    struct chain chain;
    uint64_t end;

    *covered_ret = 0;
    if (!may_begin(finder, start, true)) return true;
    chain = follow(finder, start, piece_end);
    if (!is_heap(finder, &chain) || (chain.how == CHAIN_BROKEN && !is_range_start(finder->pieces, start))) return true;
    end = chain.how == CHAIN_BROKEN ? piece_end : chain.end;
    finder->budget = (piece_end - start) / CHUNK_ALIGN;
    if (!add_piece(finder, start, chain.how == CHAIN_FENCEPOSTS ? chain.end : page_up(end, piece_end), &chain)) return false;
    if (chain.how == CHAIN_FENCEPOSTS && !add_parts_behind(finder, chain.end, piece_end, &end)) return false;
    *covered_ret = page_up(end, piece_end);
    return true;
}

/* Page by page: where brk is blocked, heaps lie side by side with each other and with mapped chunks, newer ones below. */
static bool look_at_piece(struct main_finder *finder, const struct malloc_piece *piece)
{
    uint64_t page = page_up(piece->start, piece->end), covered;

    while (page < piece->end) {
        struct malloc_mapped mapped;

        if (read_mapped(&finder->window, piece, page, &mapped)) {
            if (!vec_push(&finder->malloc->mapped, mapped)) return false;
            page = mapped.addr + mapped.size;
            continue;
        }
        if (!look_for_heap(finder, page, piece->end, &covered)) return false;
        page = covered > page ? covered : page + MALLOC_PAGE;
    }
    return true;
}

bool malloc_find_main(struct glibc_malloc *malloc, const struct malloc_pieces *pieces)
{
    struct malloc_arena *arena = &malloc->arenas.data[0];
    struct main_finder finder = { .malloc = malloc, .pieces = pieces };
    struct malloc_fields fields;

    malloc_window_init(&finder.window, &malloc->target->memory);
    if (arena->has_state && malloc_read_fields(&malloc->target->memory, malloc->layout, arena->addr, &fields))
        finder.known_top = fields.top;
    for (size_t i = 0; i < pieces->list.count; i++)
        if (!look_at_piece(&finder, &pieces->list.data[i])) return false;
    return true;
}
