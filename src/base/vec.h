/*
 * Growing arrays. VEC(struct thing) things; vec_push(&things, value) returns false when memory is exhausted.
 * A vec is zero-initialised ({ 0 }) and released with vec_deinit.
 */
#ifndef CLRTRAIL_BASE_VEC_H
#define CLRTRAIL_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VEC(type) \
    struct { \
        type *data; \
        size_t count; \
        size_t capacity; \
    }

static inline bool vec_grow_(void **data, size_t *capacity, size_t wanted, size_t element_size)
{
    size_t grown = *capacity ? *capacity : 8;
    size_t bytes;
    void *moved;

    if (wanted <= *capacity) return true;
    while (grown < wanted) {
        if (grown > SIZE_MAX / 2) return false;
        grown *= 2;
    }
    if (__builtin_mul_overflow(grown, element_size, &bytes)) return false;
    moved = realloc(*data, bytes);
    if (!moved) return false;
    *data = moved;
    *capacity = grown;
    return true;
}

#define vec_reserve(v, wanted) vec_grow_((void **)&(v)->data, &(v)->capacity, (wanted), sizeof(*(v)->data))
#define vec_push(v, ...) (vec_reserve((v), (v)->count + 1) && ((v)->data[(v)->count++] = (__VA_ARGS__), true))
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define vec_deinit(v) \
    do { \
        free((v)->data); \
        (v)->data = NULL; \
        (v)->count = (v)->capacity = 0; \
    } while (0)
/* What `from` owns goes to `to`, which must be empty. */
#define vec_move(to, from) \
    do { \
        (to)->data = (from)->data; \
        (to)->count = (from)->count; \
        (to)->capacity = (from)->capacity; \
        (from)->data = NULL; \
        (from)->count = (from)->capacity = 0; \
    } while (0)
#define vec_sort(v, compare) \
    do { \
        if ((v)->count > 1) qsort((v)->data, (v)->count, sizeof(*(v)->data), (compare)); \
    } while (0)

#endif
