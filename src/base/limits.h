/*
 * Every bound that guards against a dump that lies. Those that a real process could reach are derived from the dump's size;
 * reaching one is a gap that names it, never silence.
 */
#ifndef CLRTRAIL_BASE_LIMITS_H
#define CLRTRAIL_BASE_LIMITS_H

#include <stdint.h>

enum {
    LIMIT_NAME_LENGTH = 4096,  /* bytes of one identifier in metadata; ECMA-335 compilers stop at 1,023 characters */
    LIMIT_TYPE_NAME = 65536,   /* bytes of one type name with its generic arguments */
    LIMIT_PATH_LENGTH = 32768, /* UTF-16 units of a path; Windows' own limit */
    LIMIT_TYPE_DEPTH = 64,     /* nesting of generic arguments, arrays and enclosing types */
    LIMIT_PARENT_DEPTH = 4096, /* length of a chain of base types */
    LIMIT_DESCRIPTOR_JSON = 1 << 20,
    LIMIT_DESCRIPTOR_POINTERS = 1 << 12,
    LIMIT_GC_HEAPS = 1024, /* MAX_SUPPORTED_CPUS in the GC */
    LIMIT_THREADS = 1 << 20,
    LIMIT_READY_TO_RUN_SECTION = 1 << 28,
};

/* The most modules, blocks or list nodes that `size` bytes of dump could hold when each takes at least `each` bytes. */
static inline uint64_t limit_from_size(uint64_t size, uint64_t each)
{
    uint64_t n = size / each;
    return n < 1024 ? 1024 : n;
}

#endif
