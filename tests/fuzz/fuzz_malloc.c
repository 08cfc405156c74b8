/* glibc's heaps: the first half of the input is a heap of an arena, the second the brk heap and mapped chunks. */
#include <stdlib.h>

#include "target/malloc_glibc.h"

#define HEAP UINT64_C(0x7f0000000000)
#define BRK UINT64_C(0x555500000000)

static void check_sums(const struct glibc_malloc *malloc)
{
    struct malloc_sum sums[MALLOC_STATE_COUNT] = { 0 };
    struct malloc_cursor cursor;
    struct malloc_chunk chunk;

    malloc_cursor_init(&cursor, malloc, 0, malloc->heaps.count);
    while (malloc_cursor_next(&cursor, &chunk)) {
        sums[chunk.state].count++;
        sums[chunk.state].bytes += chunk.size;
    }
    for (size_t i = 0; i < malloc->arenas.count; i++) {
        for (unsigned state = 0; state < MALLOC_STATE_COUNT; state++) {
            sums[state].count -= malloc->arenas.data[i].sum[state].count;
            sums[state].bytes -= malloc->arenas.data[i].sum[state].bytes;
        }
    }
    for (unsigned state = 0; state < MALLOC_STATE_COUNT; state++)
        if (sums[state].count || sums[state].bytes) abort(); /* the two walks differ */
}

static bool add(struct target *target, struct dump *dump, uint64_t start, const uint8_t *data, size_t size)
{
    struct dump_range range = { .start = start,
                                .end = start + size,
                                .file_size = size,
                                .protection = PROTECTION_READ | PROTECTION_WRITE,
                                .state = RANGE_COMMIT };
    struct error *err = memory_add(&target->memory, start, size, data, 0);

    error_destroy(err);
    return !err && (!size || vec_push(&dump->ranges, range));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dump dump = { 0 };
    struct target target = { .dump = &dump };
    struct malloc_options options = { .threads = 1 };
    struct glibc_malloc malloc;
    struct gaps gaps;

    gaps_init(&gaps);
    memory_init(&target.memory, NULL);
    if (add(&target, &dump, BRK, data + size / 2, size - size / 2) && add(&target, &dump, HEAP, data, size / 2) &&
        !memory_freeze(&target.memory) && !glibc_malloc_init(&target, &options, &gaps, &malloc)) {
        check_sums(&malloc);
        glibc_malloc_deinit(&malloc);
    }
    memory_deinit(&target.memory);
    vec_deinit(&dump.ranges);
    gaps_deinit(&gaps);
    return 0;
}
