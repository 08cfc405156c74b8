/* Heaps of a Windows process: the input is the memory of one heap and what lies behind it. */
#include <stdlib.h>

#include "target/windows_heap.h"

#define HEAP UINT64_C(0x10000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dump_range range = { .start = HEAP,
                                .end = HEAP + size,
                                .file_size = size,
                                .protection = PROTECTION_READ | PROTECTION_WRITE,
                                .state = RANGE_COMMIT,
                                .type = RANGE_PRIVATE,
                                .allocation_base = HEAP };
    struct dump dump = { .arch = "x64" };
    struct target target = { .dump = &dump, .is_windows = true };
    struct windows_heaps heaps;
    struct gaps gaps;
    struct error *err;

    if (!size) return 0;
    gaps_init(&gaps);
    memory_init(&target.memory, NULL);
    err = memory_add(&target.memory, HEAP, size, data, 0);
    if (!err && vec_push(&dump.ranges, range) && !memory_freeze(&target.memory) && !windows_heaps_init(&target, &gaps, &heaps)) {
        for (size_t i = 0; i < heaps.parts.count; i++)
            if (heaps.parts.data[i].end <= heaps.parts.data[i].start || heaps.parts.data[i].heap >= heaps.list.count) abort();
        windows_heaps_deinit(&heaps);
    }
    error_destroy(err);
    memory_deinit(&target.memory);
    vec_deinit(&dump.ranges);
    gaps_deinit(&gaps);
    return 0;
}
