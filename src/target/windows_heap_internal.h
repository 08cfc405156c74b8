/* What the readers of the kinds of Windows heaps share. */
#ifndef CLRTRAIL_TARGET_WINDOWS_HEAP_INTERNAL_H
#define CLRTRAIL_TARGET_WINDOWS_HEAP_INTERNAL_H

#include "base/map.h"
#include "target/windows_heap.h"

enum { WINDOWS_PAGE = 4096, WINDOWS_GRANULE = 64 << 10, WINDOWS_BLOCK = 16 /* sizes of blocks are multiples */ };

struct windows_heap_reader {
    const struct target *target;
    const struct memory *memory;
    struct windows_heaps *heaps;
    struct map seen;   /* heaps, segments, large blocks */
    uint64_t budget;   /* address space that parts may still have: heaps that overlap cannot make it endless */
    uint64_t walk;     /* and committed bytes that may still be walked */
    uint64_t list_max; /* the most entries that a list of a dump of this size can have */
    bool failed;       /* out of memory */
};

/* A LIST_ENTRY at `addr` whose neighbour points back; its next. */
static inline bool windows_list_next(const struct memory *memory, uint64_t addr, uint64_t *next_ret)
{
    uint64_t back;

    return !(addr & 7) && memory_try_u64(memory, addr, next_ret) && *next_ret && *next_ret <= UINT64_MAX - 8 &&
           memory_try_u64(memory, *next_ret + 8, &back) && back == addr;
}

/* False when it was seen before. */
bool windows_heap_first_time(struct windows_heap_reader *r, uint64_t addr);
/* Notes [start, end) as a part of the heap that is being read (the last one); false when it makes no sense or was seen. */
bool windows_heap_add_part(struct windows_heap_reader *r, uint64_t start, uint64_t end, bool is_large);
/* Where a walk from `at` to `end` has to give up; windows_heap_walked tells how far it came. */
static inline uint64_t windows_heap_walk_end(const struct windows_heap_reader *r, uint64_t at, uint64_t end)
{
    return end > at && end - at > r->walk ? at + r->walk : end;
}

static inline void windows_heap_walked(struct windows_heap_reader *r, uint64_t from, uint64_t to)
{
    r->walk -= to - from < r->walk ? to - from : r->walk;
}

/* Each fills the last heap of the list, which has its address and kind. */
void windows_heap_read_nt(struct windows_heap_reader *r);
void windows_heap_read_segment(struct windows_heap_reader *r);
void windows_heap_read_wine(struct windows_heap_reader *r);
/* Does it look like one? */
bool windows_heap_is_nt(const struct memory *memory, uint64_t heap);
bool windows_heap_is_wine(const struct memory *memory, uint64_t heap);
/* The heap that follows in wine's ring. */
bool windows_heap_wine_next(const struct memory *memory, uint64_t heap, uint64_t *ret);

#endif
