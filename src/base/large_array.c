#include "base/large_array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static void *allocate(size_t count, size_t size)
{
    size_t bytes, rounded;
    void *ret;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    if (bytes < 2 * HUGE_PAGE) return malloc(bytes ? bytes : 1);
    rounded = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    ret = aligned_alloc(HUGE_PAGE, rounded);
    if (ret) madvise(ret, rounded, MADV_HUGEPAGE);
    return ret;
}

void *large_array(size_t count, size_t size)
{
    return allocate(count, size);
}

void *large_array_zeroed(size_t count, size_t size)
{
    void *ret = allocate(count, size);

    if (ret) memset(ret, 0, count * size);
    return ret;
}
