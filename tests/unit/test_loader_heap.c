/* Loader heaps of a mock runtime: chains of blocks, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clr/loader_heap.h"
#include "support/mock_clr.h"

struct fixture {
    struct mock_clr mock;
    uint64_t allocator, heap;
};

static uint64_t field(const struct fixture *f, uint64_t base, enum field which)
{
    return clr_field_addr(&f->mock.clr, base, which);
}

/* An empty application domain, and a global allocator with one LowFrequencyHeap. */
static void fixture_init(struct fixture *f)
{
    uint64_t system;

    mock_clr_init(&f->mock);
    mock_global(&f->mock, GLOBAL_AppDomain, mock_alloc(&f->mock, 2048));
    system = mock_alloc(&f->mock, 8192);
    mock_global(&f->mock, GLOBAL_SystemDomain, system);
    f->allocator = field(f, system, FIELD_SystemDomain_GlobalLoaderAllocator);
    f->heap = mock_alloc(&f->mock, 64);
    mock_u64(&f->mock, field(f, f->allocator, FIELD_LoaderAllocator_LowFrequencyHeap), f->heap);
}

static uint64_t block(struct fixture *f, uint64_t next, uint64_t start, uint64_t size)
{
    uint64_t addr = mock_alloc(&f->mock, 32);

    mock_u64(&f->mock, field(f, addr, FIELD_LoaderHeapBlock_Next), next);
    mock_u64(&f->mock, field(f, addr, FIELD_LoaderHeapBlock_VirtualAddress), start);
    mock_u64(&f->mock, field(f, addr, FIELD_LoaderHeapBlock_VirtualSize), size);
    return addr;
}

static void only_the_newest_block_is_committed_in_part(void **state)
{
    struct fixture f;
    struct loader_heap_blocks blocks;
    uint64_t older;

    (void)state;
    fixture_init(&f);
    older = block(&f, 0, 0x500000, 0x10000);
    mock_u64(&f.mock, field(&f, f.heap, FIELD_LoaderHeap_FirstBlock), block(&f, older, 0x700000, 0x10000));
    mock_u64(&f.mock, field(&f, f.heap, FIELD_LoaderHeap_CommittedEnd), 0x703000);
    assert_null(loader_heap_blocks_init(&f.mock.clr, &blocks));
    assert_int_equal(blocks.list.count, 2);
    assert_int_equal(blocks.list.data[0].committed_size, 0x3000);
    assert_int_equal(blocks.list.data[1].committed_size, 0x10000);
    assert_string_equal(blocks.list.data[0].kind, "LowFrequencyHeap");
    loader_heap_blocks_deinit(&blocks);
    mock_clr_deinit(&f.mock);
}

static void a_heap_under_two_names_is_listed_once(void **state)
{
    struct fixture f;
    struct loader_heap_blocks blocks;

    (void)state;
    fixture_init(&f);
    mock_u64(&f.mock, field(&f, f.allocator, FIELD_LoaderAllocator_HighFrequencyHeap), f.heap);
    mock_u64(&f.mock, field(&f, f.heap, FIELD_LoaderHeap_FirstBlock), block(&f, 0, 0x500000, 0x10000));
    assert_null(loader_heap_blocks_init(&f.mock.clr, &blocks));
    assert_int_equal(blocks.list.count, 1);
    loader_heap_blocks_deinit(&blocks);
    mock_clr_deinit(&f.mock);
}

static void a_cycle_of_blocks_ends(void **state)
{
    struct fixture f;
    struct loader_heap_blocks blocks;
    uint64_t first;

    (void)state;
    fixture_init(&f);
    first = block(&f, 0, 0x500000, 0x10000);
    mock_u64(&f.mock, field(&f, first, FIELD_LoaderHeapBlock_Next), block(&f, first, 0x700000, 0x10000));
    mock_u64(&f.mock, field(&f, f.heap, FIELD_LoaderHeap_FirstBlock), first);
    assert_null(loader_heap_blocks_init(&f.mock.clr, &blocks));
    assert_int_equal(blocks.list.count, 2);
    loader_heap_blocks_deinit(&blocks);
    mock_clr_deinit(&f.mock);
}

static void a_block_outside_of_the_dump_is_a_gap(void **state)
{
    struct fixture f;
    struct loader_heap_blocks blocks;

    (void)state;
    fixture_init(&f);
    mock_u64(&f.mock, field(&f, f.heap, FIELD_LoaderHeap_FirstBlock), 0xdead0000);
    assert_null(loader_heap_blocks_init(&f.mock.clr, &blocks));
    assert_int_equal(blocks.list.count, 0);
    assert_int_equal(f.mock.gaps.list.count, 1);
    loader_heap_blocks_deinit(&blocks);
    mock_clr_deinit(&f.mock);
}

static void a_list_of_assemblies_that_lies_is_refused(void **state)
{
    struct fixture f;
    struct clr_module *const *modules;
    size_t count;
    uint64_t domain;
    struct error *err;

    (void)state;
    fixture_init(&f);
    assert_true(clr_try_global(&f.mock.clr, GLOBAL_AppDomain, &domain));
    mock_u32(&f.mock, field(&f, domain, FIELD_AppDomain_DomainAssemblyList), 0xfffffff0);
    err = clr_modules(&f.mock.clr, &modules, &count);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_BAD_DATA);
    error_destroy(err);
    mock_clr_deinit(&f.mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_newest_block_is_committed_in_part),
        cmocka_unit_test(a_heap_under_two_names_is_listed_once),
        cmocka_unit_test(a_cycle_of_blocks_ends),
        cmocka_unit_test(a_block_outside_of_the_dump_is_a_gap),
        cmocka_unit_test(a_list_of_assemblies_that_lies_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
