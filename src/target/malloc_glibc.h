/*
 * glibc's malloc, read from outside: arenas, their heaps, every chunk.
 *
 *     main arena        {struct malloc_state in libc's .data} -> the brk heap, and anonymous mappings where brk was blocked
 *     other arenas      heap_info {arena, previous heap, size, size made writable}, malloc_state, chunks ...      64 MB aligned
 *     heap              chunk, chunk, ..., top        chunk {size of the one before if that is free, size | flags, memory ...}
 *     mapped chunks     {0, size | 2, memory ...}     one mapping each
 *     thread caches     a chunk with 64 counts and lists; fastbins: lists in the malloc_state
 *
 * Nothing is believed because a pointer says so: a heap is walked from its first chunk to its top, and each free chunk must carry
 * its size at both ends. Heap dumps lack libc's data, and with it the main arena's state: its heap is then told by its structure.
 * Sources: glibc malloc/malloc.c and malloc/arena.c of 2.17 to 2.42; facts measured on 2.36.
 */
#ifndef CLRTRAIL_TARGET_MALLOC_GLIBC_H
#define CLRTRAIL_TARGET_MALLOC_GLIBC_H

#include "base/gaps.h"
#include "base/vec.h"
#include "target/target.h"

enum malloc_state {
    MALLOC_USED,
    MALLOC_CACHED, /* freed, kept by a thread for its next malloc; glibc's own figures call it used */
    MALLOC_FAST,   /* freed, in a fastbin; glibc's own figures call it used, too */
    MALLOC_FREE,
    MALLOC_TOP, /* the rest of a heap, not yet handed out */
    MALLOC_MMAPPED,
    MALLOC_STATE_COUNT
};

enum malloc_arena_kind { MALLOC_MAIN_ARENA, MALLOC_HEAP_ARENA, MALLOC_MAPPED_CHUNKS };

struct malloc_sum {
    uint64_t count, bytes;
};

/* A run of chunks: a heap of an arena, or a piece of the brk heap. */
struct malloc_heap {
    uint64_t start, end; /* writable memory, page-aligned */
    uint64_t first;      /* its first chunk */
    uint64_t limit;      /* end of what the arena uses: chunks end here at the latest */
    uint64_t top;        /* the top chunk, 0: none, or told by structure (then it is the chunk that ends at `limit`) */
    uint64_t reserved;   /* address space; 0: not known */
    uint32_t arena;      /* index */
    /* Filled by the walk. */
    struct malloc_sum sum[MALLOC_STATE_COUNT];
    uint64_t trimmable;  /* whole pages inside free chunks and the top: what malloc_trim could give back */
    uint64_t walked;     /* end of what was walked */
    const char *problem; /* static; NULL: walked to its end */
};

struct malloc_arena {
    enum malloc_arena_kind kind;
    uint64_t addr;             /* of its malloc_state; 0: not known */
    bool has_state;            /* that is in the dump */
    uint64_t system_bytes;     /* what it took from the system: its own figure, or the sum of its heaps */
    uint64_t max_system_bytes; /* its own figure, 0: not known */
    uint64_t heap_bytes;       /* writable memory of its heaps */
    uint32_t heap_count;
    struct malloc_sum sum[MALLOC_STATE_COUNT];
    uint64_t trimmable;
    uint64_t not_walked; /* bytes of its heaps behind a place that makes no sense */
    const char *problem; /* of its first heap that has one */
};

struct malloc_mapped {
    uint64_t addr, size;
};

struct malloc_layout;

struct glibc_malloc {
    const struct target *target;
    const struct malloc_layout *layout; /* NULL: no malloc_state was read */
    const char *layout_name;            /* "2.27-2.42" */
    const char *foreign;                /* "jemalloc", ...: another allocator is loaded; it is not walked */
    VEC(struct malloc_arena) arenas;    /* the main one first, the others by address, mapped chunks last */
    VEC(struct malloc_heap) heaps;      /* by address */
    VEC(struct malloc_mapped) mapped;   /* by address */
    VEC(uint64_t) freed;                /* sorted: chunks in thread caches, and in fastbins (with bit 0 set) */
    bool safe_linking;                  /* list pointers are mangled: 2.32 and later */
    uint32_t cache_count;               /* thread caches found */
};

/* Memory that is known to be something else; sorted by start. */
struct malloc_exclusion {
    uint64_t start, end;
};

struct malloc_options {
    const struct malloc_exclusion *exclusions;
    size_t exclusion_count;
    unsigned threads;
};

/*
 * Finds and sums up all heaps; chunks are not kept. What cannot be walked is a gap. Errors: ERROR_NOMEM.
 * `target` must outlive it. A process without glibc gives no arenas.
 */
struct error *glibc_malloc_init(const struct target *target, const struct malloc_options *options, struct gaps *gaps,
                                struct glibc_malloc *ret);
void glibc_malloc_deinit(struct glibc_malloc *malloc);

/* The index of the heap that holds `addr`, SIZE_MAX if none. */
size_t glibc_malloc_heap_at(const struct glibc_malloc *malloc, uint64_t addr);

struct malloc_chunk {
    uint64_t addr; /* of the chunk; the program's pointer is 16 bytes further */
    uint64_t size; /* with its header */
    enum malloc_state state;
    uint32_t arena;
};

enum { MALLOC_HEADER = 16 };

/* The bytes of a chunk that the program may use: the next chunk's first word is one of them while the chunk is in use. */
static inline uint64_t malloc_chunk_usable(const struct malloc_chunk *chunk)
{
    return chunk->state == MALLOC_MMAPPED ? chunk->size - MALLOC_HEADER : chunk->size - 8;
}

/* A window into the dump for a walk that goes upwards. */
struct malloc_window {
    const struct memory *memory;
    uint64_t start, size;
    const uint8_t *bytes;
};

/* All chunks by heap (`first_heap` to before `end_heap`) and address, then mapped ones if `end_heap` is the number of heaps. */
struct malloc_cursor {
    const struct glibc_malloc *malloc;
    struct malloc_window window;
    size_t heap, end_heap, mapped, freed;
    uint64_t at, size_word; /* the chunk that comes next in the heap; 0: the heap has not begun */
    bool at_top;
};

void malloc_cursor_init(struct malloc_cursor *cursor, const struct glibc_malloc *malloc, size_t first_heap, size_t end_heap);
bool malloc_cursor_next(struct malloc_cursor *cursor, struct malloc_chunk *ret);

const char *malloc_state_name(enum malloc_state state);

#endif
