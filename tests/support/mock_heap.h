/*
 * A GC heap in the memory of a mock runtime: types with reference fields, segments, objects, roots.
 */
#ifndef CLRTRAIL_TESTS_MOCK_HEAP_H
#define CLRTRAIL_TESTS_MOCK_HEAP_H

#include "heap/roots.h"
#include "support/mock_clr.h"

struct mock_heap {
    struct mock_clr mock;
    struct gc_heaps heaps;
    struct handle_table handles;
    struct roots roots;
};

void mock_heap_init(struct mock_heap *heap);
void mock_heap_deinit(struct mock_heap *heap);

/* Types: `count` reference fields from offset 8 on; an array of references; an array of numbers of `component_size` bytes. */
uint64_t mock_type_with_fields(struct mock_heap *heap, unsigned count);
uint64_t mock_type_of_references(struct mock_heap *heap);
uint64_t mock_type_of_numbers(struct mock_heap *heap, uint16_t component_size);
/* An array of structs: `pointers` references, then `skip` bytes in each. */
uint64_t mock_type_of_structs(struct mock_heap *heap, uint32_t pointers, uint32_t skip);

/* The objects that follow lie from `start` on. */
void mock_segment(struct mock_heap *heap, uint64_t start, enum gc_generation generation);
/* Puts an object of `size` bytes (unrounded) behind the last one; the address. */
uint64_t mock_heap_object(struct mock_heap *heap, uint64_t mt, uint32_t count, uint64_t size);
/* The reference at `offset` of an object. */
void mock_refer(struct mock_heap *heap, uint64_t from, uint64_t offset, uint64_t to);
void mock_root(struct mock_heap *heap, enum root_kind kind, uint64_t object);
void mock_dependent(struct mock_heap *heap, uint64_t primary, uint64_t secondary);

#endif
