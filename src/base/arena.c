#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_FIRST_BLOCK = 4 << 10, ARENA_LARGEST_BLOCK = 256 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    uint64_t data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena) { .next_size = ARENA_FIRST_BLOCK };
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block = arena->blocks;

    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;
    void *ret;

    if (size > SIZE_MAX / 2) return NULL;
    size = (size + 7) & ~(size_t)7;
    if (!block || block->capacity - block->used < size) {
        size_t capacity = size > arena->next_size ? size : arena->next_size;

        block = malloc(sizeof(*block) + capacity);
        if (!block) return NULL;
        block->used = 0;
        block->capacity = capacity;
        if (arena->blocks && capacity == size && arena->blocks->capacity - arena->blocks->used > 64) {
            /* A block made for one large thing goes second, so that the room left in the first is still used. */
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            block->next = arena->blocks;
            arena->blocks = block;
        }
        if (arena->next_size < ARENA_LARGEST_BLOCK) arena->next_size *= 2;
    }
    ret = (char *)block->data + block->used;
    block->used += size;
    memset(ret, 0, size);
    return ret;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *s, size_t length)
{
    char *copy = length < SIZE_MAX ? arena_alloc(arena, length + 1) : NULL;

    if (copy) memcpy(copy, s, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
    return arena_strndup(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    char *ret = NULL;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0) ret = arena_alloc(arena, (size_t)length + 1);
    if (ret) vsnprintf(ret, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return ret;
}
