/*
 * What lies in the blocks of the native heap, and who points at them.
 *
 * Each block in use is put into a group by what its first bytes are: an address inside an image (a C++ object's vtable), text,
 * UTF-16, addresses of managed objects, ...; blocks of text with the same beginning are one group, whatever their sizes: malloc
 * gives a block more than it asked for when the rest would be too small. Blocks are counted, not kept.
 *
 * Who points at them is told by session/native_references.h.
 */
#ifndef CLRTRAIL_SESSION_NATIVE_GROUPS_H
#define CLRTRAIL_SESSION_NATIVE_GROUPS_H

#include "base/error.h"
#include "base/vec.h"

struct session;

enum native_content {
    NATIVE_VTABLE, /* first word is an address inside an image */
    NATIVE_TEXT,
    NATIVE_UTF16,
    NATIVE_MANAGED_POINTERS, /* at least half of the words that are not 0 are addresses in the GC heap */
    NATIVE_NATIVE_POINTERS,  /* the same with addresses in the native heap */
    NATIVE_ZEROS,
    NATIVE_OTHER,
    NATIVE_CONTENT_COUNT
};

/* The first places that were found; later ones are not counted. */
enum { NATIVE_GROUP_HOLDERS = 4 };
struct native_group_holder {
    uint32_t holder; /* number in native_references */
    uint64_t count;
};

struct native_group {
    enum native_content content;
    uint64_t word;               /* vtable: the address; text: the first 8 bytes, 0 when beginnings are too many to tell apart */
    uint64_t count, bytes;       /* chunks, with their headers */
    uint64_t size_min, size_max; /* of a chunk */
    uint64_t from_gc;            /* blocks to which a managed object points */
    uint64_t from_nowhere;       /* blocks to which nothing points */
    const char *held_by; /* the place that points at most of them ("Labs.SessionHandle.handle"), NULL: none; session arena */
    uint64_t held_count; /* and at how many */
    struct native_group_holder holders[NATIVE_GROUP_HOLDERS];
    uint64_t example; /* the first one's address (what malloc returned) */
};

struct native_groups {
    VEC(struct native_group) list; /* most bytes first */
    uint64_t count, bytes;
};

/* Errors: ERROR_NOMEM, ERROR_CANCELLED. The caller's: native_groups_deinit. */
struct error *native_groups_init(struct session *session, struct native_groups *ret);
void native_groups_deinit(struct native_groups *groups);

const char *native_content_name(enum native_content content);

#endif
