/* What the parts of the reader of glibc's malloc share. */
#ifndef CLRTRAIL_TARGET_MALLOC_INTERNAL_H
#define CLRTRAIL_TARGET_MALLOC_INTERNAL_H

#include "base/span.h"
#include "target/malloc_glibc.h"

enum { MALLOC_PAGE = 4096, CHUNK_MIN = 32, CHUNK_ALIGN = 16 };
enum { PREV_INUSE = 1, IS_MMAPPED = 2, NON_MAIN_ARENA = 4, CHUNK_FLAGS = 15 };

/* struct malloc_state, x64 and arm64. */
struct malloc_layout {
    const char *name;
    uint16_t fastbins; /* 0: none */
    uint16_t top, bins, next, system_mem, max_system_mem, size;
};

enum { MALLOC_FASTBINS = 10, MALLOC_BINS = 127, HEAP_INFO_OLD = 0x20, HEAP_INFO_NEW = 0x30 };

/* The fields of one malloc_state that matter. */
struct malloc_fields {
    uint64_t top, next, system_mem, max_system_mem;
    unsigned empty_bins;
};

/* malloc_arena.c: finds arenas and heaps in `pieces` of anonymous writable memory. */
struct malloc_piece {
    uint64_t start, end;
};

struct malloc_pieces {
    VEC(struct malloc_piece) list; /* sorted, apart */
    VEC(uint64_t) starts;          /* where the dump's ranges begin in them; sorted */
};

bool malloc_pieces_init(const struct target *target, const struct malloc_options *options, struct malloc_pieces *ret);
void malloc_pieces_deinit(struct malloc_pieces *pieces);
/* Takes [start, end) out. */
bool malloc_pieces_remove(struct malloc_pieces *pieces, uint64_t start, uint64_t end);

bool malloc_read_fields(const struct memory *memory, const struct malloc_layout *layout, uint64_t arena, struct malloc_fields *ret);
/* False when out of memory. Fills arenas and heaps but the main heap. */
bool malloc_find_arenas(struct glibc_malloc *malloc, struct malloc_pieces *pieces, struct gaps *gaps);
/* malloc_main.c: the main heap's pieces, and chunks with a mapping of their own. */
bool malloc_find_main(struct glibc_malloc *malloc, const struct malloc_pieces *pieces);

/* malloc_walk.c */
typedef VEC(uint64_t) malloc_addresses;
/* Walks one heap and fills its sums; in-use chunks that could be a thread's cache are appended. False when out of memory. */
bool malloc_walk_heap(const struct glibc_malloc *malloc, struct malloc_heap *heap, malloc_addresses *caches);

/* malloc_lists.c: fills malloc->freed and moves what is in it from `used`. False when out of memory. */
bool malloc_read_lists(struct glibc_malloc *malloc, const malloc_addresses *caches);

static inline void malloc_window_init(struct malloc_window *window, const struct memory *memory)
{
    *window = (struct malloc_window) { .memory = memory };
}

bool malloc_window_move(struct malloc_window *window, uint64_t addr);

/* Two words at `addr`: a chunk's header. Never from image files. */
static inline bool malloc_header(struct malloc_window *window, uint64_t addr, uint64_t *prev_size_ret, uint64_t *size_ret)
{
    uint64_t off = addr - window->start;

    if (__builtin_expect(off > window->size || window->size - off < MALLOC_HEADER, 0)) {
        if (!malloc_window_move(window, addr)) return false;
        off = 0;
    }
    *prev_size_ret = load_u64(window->bytes + off);
    *size_ret = load_u64(window->bytes + off + 8);
    return true;
}

/* Is it a size that a chunk inside a heap can have? */
static inline bool malloc_size_is_sane(uint64_t size_word, uint64_t at, uint64_t limit)
{
    uint64_t size = size_word & ~(uint64_t)CHUNK_FLAGS;

    return !(size_word & (IS_MMAPPED | 8)) && size >= CHUNK_MIN && at <= limit && size <= limit - at;
}

#endif
