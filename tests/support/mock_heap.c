#include "support/mock_heap.h"

#include <string.h>

#include "clr/method_table.h"

void mock_heap_init(struct mock_heap *heap)
{
    memset(heap, 0, sizeof(*heap));
    mock_clr_init(&heap->mock);
    heap->heaps.heap_count = 1;
}

void mock_heap_deinit(struct mock_heap *heap)
{
    vec_deinit(&heap->heaps.segments);
    vec_deinit(&heap->handles.list);
    vec_deinit(&heap->roots.list);
    mock_clr_deinit(&heap->mock);
}

static uint64_t type_with_series(struct mock_heap *heap, uint64_t size, uint64_t start, uint32_t base_size, uint16_t component_size)
{
    uint64_t series = mock_alloc(&heap->mock, 24), mt = mock_method_table(&heap->mock, base_size, component_size);

    mock_u64(&heap->mock, series, size);
    mock_u64(&heap->mock, series + 8, start);
    mock_u64(&heap->mock, series + 16, 1);
    mock_u32(&heap->mock, mt, MT_FLAG_CONTAINS_POINTERS | (component_size ? 0x80000000u | component_size : 0));
    return mt;
}

uint64_t mock_type_with_fields(struct mock_heap *heap, unsigned count)
{
    uint32_t base_size = 16 + 8 * count;

    if (!count) return mock_method_table(&heap->mock, 24, 0);
    if (base_size < 24) base_size = 24;
    return type_with_series(heap, 8ull * count - base_size, 8, base_size, 0);
}

uint64_t mock_type_of_references(struct mock_heap *heap)
{
    return type_with_series(heap, (uint64_t)-24, 16, 24, 8);
}

uint64_t mock_type_of_numbers(struct mock_heap *heap, uint16_t component_size)
{
    return mock_method_table(&heap->mock, 24, component_size);
}

uint64_t mock_type_of_structs(struct mock_heap *heap, uint32_t pointers, uint32_t skip)
{
    uint64_t desc = mock_alloc(&heap->mock, 24), mt = mock_method_table(&heap->mock, 24, (uint16_t)(8 * pointers + skip));

    mock_u32(&heap->mock, desc, pointers);
    mock_u32(&heap->mock, desc + 4, skip);
    mock_u64(&heap->mock, desc + 8, 16);
    mock_u64(&heap->mock, desc + 16, (uint64_t)-1);
    mock_u32(&heap->mock, mt, MT_FLAG_CONTAINS_POINTERS | 0x80000000u | (8 * pointers + skip));
    return mt;
}

void mock_segment(struct mock_heap *heap, uint64_t start, enum gc_generation generation)
{
    struct gc_segment segment = { .start = start, .end = start, .generation = generation };

    (void)!vec_push(&heap->heaps.segments, segment);
}

uint64_t mock_heap_object(struct mock_heap *heap, uint64_t mt, uint32_t count, uint64_t size)
{
    struct gc_segment *segment = &heap->heaps.segments.data[heap->heaps.segments.count - 1];
    uint64_t addr = segment->end;

    mock_u64(&heap->mock, addr, mt);
    if (count) mock_u32(&heap->mock, addr + 8, count);
    segment->end += ((size < 24 ? 24 : size) + 7) & ~UINT64_C(7);
    return addr;
}

void mock_refer(struct mock_heap *heap, uint64_t from, uint64_t offset, uint64_t to)
{
    mock_u64(&heap->mock, from + offset, to);
}

void mock_root(struct mock_heap *heap, enum root_kind kind, uint64_t object)
{
    struct root root = { .kind = (uint8_t)kind, .object = object, .handle_kind = HANDLE_STRONG };

    (void)!vec_push(&heap->roots.list, root);
}

void mock_dependent(struct mock_heap *heap, uint64_t primary, uint64_t secondary)
{
    struct clr_handle handle = { .kind = HANDLE_DEPENDENT, .object = primary, .dependent = secondary };

    (void)!vec_push(&heap->handles.list, handle);
}
