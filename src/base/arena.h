/*
 * Memory that dies together. What is known of a dump lives in the session's arena; nothing in it is freed one by one.
 * Blocks grow from 4 KiB to 256 KiB, so a session on a small dump stays small. Not thread safe.
 * All functions return NULL when memory is exhausted.
 */
#ifndef CLRTRAIL_BASE_ARENA_H
#define CLRTRAIL_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t next_size;
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

/* `size` zeroed bytes, aligned to 8. */
void *arena_alloc(struct arena *arena, size_t size);
/* `count` zeroed elements; NULL when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it. */
char *arena_strndup(struct arena *arena, const char *s, size_t length);
char *arena_strdup(struct arena *arena, const char *s);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
