/*
 * How full the GC's segments (or regions) are: objects, the free space between them, and what is pinned.
 */
#ifndef CLRTRAIL_RULES_GC_SPACE_H
#define CLRTRAIL_RULES_GC_SPACE_H

#include "clr/gc_heap.h"

struct session;

struct gc_space {
    const struct gc_segment *segment; /* borrowed */
    uint64_t object_count, object_bytes;
    uint64_t free_count, free_bytes, largest_free;
    uint64_t pinned_count; /* pinned and async pinned handles to objects in it */
};
typedef VEC(struct gc_space) gc_spaces;

/*
 * All segments whose generation is wanted (bit 1 << generation). Free bytes are free objects: what no GC has looked at yet is no
 * free space. Errors: out of memory, cancelled, no heap. The caller's: vec_deinit.
 */
struct error *gc_spaces_read(struct session *session, unsigned generations, gc_spaces *ret);

/* Is there so much free space in the whole heap that a look at its segments is worth its time? */
struct error *gc_free_bytes(struct session *session, uint64_t *ret);

#endif
