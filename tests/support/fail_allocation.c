/*
 * Preloaded into the program (tests/robust/test_out_of_memory.py): the allocation with the number in FAIL_ALLOCATION fails, and
 * with FAIL_ALLOCATION_ALL all later ones do, too. What was counted is written to the file FAIL_ALLOCATION_COUNT at the end. Rests
 * on glibc, whose allocator is also exported as __libc_malloc and so on.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **ret, size_t alignment, size_t size);

static unsigned long counted, fail_at;
static bool fail_all;

static __attribute__((constructor)) void begin(void)
{
    const char *number = getenv("FAIL_ALLOCATION");

    fail_at = number ? strtoul(number, NULL, 10) : 0;
    fail_all = getenv("FAIL_ALLOCATION_ALL") != NULL;
}

static __attribute__((destructor)) void end(void)
{
    const char *path = getenv("FAIL_ALLOCATION_COUNT");
    FILE *file;

    fail_at = 0;
    file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu\n", counted);
    fclose(file);
}

static bool fails(void)
{
    unsigned long number = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);

    if (!fail_at || (fail_all ? number < fail_at : number != fail_at)) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *block = fails() ? NULL : __libc_memalign(alignment, size);

    if (!block) return ENOMEM;
    *ret = block;
    return 0;
}
