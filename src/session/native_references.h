/*
 * Who points at the blocks of the native heap.
 *
 *     hits     every word of an object of the GC heap that holds an address in glibc's heaps: an IntPtr field, a SafeHandle, an
 *              element of an array; sorted by that address, so that a block's are found by a binary search. 24 bytes each
 *     bits     a bit for every 16 bytes of the heaps: some other memory that can be written holds an address there
 *     holders  the places that the hits lie in, by type and field: a few dozen
 *
 * Chance hits and stale words make "pointed at" an upper bound; "by nothing" is sure but for addresses that are hidden (in files,
 * encoded, in registers). Words in the GC heap's free space are nobody's and do not count.
 */
#ifndef CLRTRAIL_SESSION_NATIVE_REFERENCES_H
#define CLRTRAIL_SESSION_NATIVE_REFERENCES_H

#include "base/error.h"
#include "base/vec.h"
#include "target/malloc_glibc.h"

struct session;

struct native_hit {
    uint64_t target; /* the address that was found */
    uint64_t from;   /* of the word that holds it */
    uint32_t holder; /* index */
};

/* A field, or the elements of an array. */
struct native_holder {
    uint64_t mt_addr;
    uint64_t off;     /* from the object; of arrays: of the first element's */
    const char *name; /* "Labs.SessionHandle.handle", "System.IntPtr[][*]"; session arena */
};

struct native_references {
    const struct glibc_malloc *malloc;
    VEC(struct native_hit) hits;
    VEC(struct native_holder) holders;
    uint64_t **bits;      /* one array a heap */
    uint8_t *mapped_bits; /* one byte a mapped chunk */
};

/* Errors: ERROR_NOMEM. A process without a CLR has no hits. The caller's: native_references_deinit. */
struct error *native_references_init(struct session *session, struct native_references *ret);
void native_references_deinit(struct native_references *references);

/* The hits in the bytes of a block; *count_ret of them, from lower to higher addresses. */
const struct native_hit *native_references_of(const struct native_references *references, const struct malloc_chunk *chunk,
                                              size_t *count_ret);
/* Does memory outside of the GC heap hold an address in the block? */
bool native_references_elsewhere(const struct native_references *references, const struct malloc_chunk *chunk);

/* The object that the word at `from` lies in, and the holder's number of bytes into it; false when it lies in none. */
bool native_hit_object(struct session *session, const struct native_hit *hit, uint64_t *ret);

#endif
