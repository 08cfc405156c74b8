/* The runtime's contract descriptor in memory, with the sub-descriptors of .NET 11, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "clr/descriptor.h"
#include "support/mock_clr.h"

struct fixture {
    struct mock_clr mock;
    struct arena arena;
    struct descriptors read;
};

static void fixture_init(struct fixture *f)
{
    mock_clr_init(&f->mock);
    memory_share(&f->mock.target.constants, &f->mock.target.memory);
    arena_init(&f->arena);
}

static void fixture_deinit(struct fixture *f)
{
    arena_deinit(&f->arena);
    memory_deinit(&f->mock.target.constants);
    mock_clr_deinit(&f->mock);
}

static uint64_t put(struct fixture *f, const void *bytes, size_t size)
{
    uint64_t addr = mock_alloc(&f->mock, size);

    memcpy(f->mock.bytes + (addr - MOCK_BASE), bytes, size);
    return addr;
}

static uint64_t descriptor(struct fixture *f, const char *json, const uint64_t *pointers, uint32_t count)
{
    static const uint8_t head[40] = "DNCCDAC\0\1";
    uint64_t addr = put(f, head, sizeof(head));

    mock_u32(&f->mock, addr + 12, (uint32_t)strlen(json));
    mock_u64(&f->mock, addr + 16, put(f, json, strlen(json)));
    mock_u32(&f->mock, addr + 24, count);
    mock_u64(&f->mock, addr + 32, count ? put(f, pointers, count * sizeof(*pointers)) : 0);
    return addr;
}

static uint64_t variable(struct fixture *f, uint64_t value)
{
    uint64_t addr = mock_alloc(&f->mock, 8);

    mock_u64(&f->mock, addr, value);
    return addr;
}

static struct error *read_at(struct fixture *f, uint64_t addr)
{
    return descriptors_read_at(&f->mock.target, addr, &f->arena, &f->read);
}

static void the_document_and_its_pointers_are_read(void **state)
{
    static const char json[] = "{\"version\":0,\"baseline\":\"empty\",\"types\":{},\"globals\":{}}";
    static const uint64_t pointers[] = { 0, 0x1234 };
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_null(read_at(&f, descriptor(&f, json, pointers, 2)));
    assert_int_equal(f.read.count, 1);
    assert_int_equal(f.read.items[0].json.size, strlen(json));
    assert_memory_equal(f.read.items[0].json.data, json, strlen(json));
    assert_int_equal(f.read.items[0].pointer_count, 2);
    assert_int_equal(f.read.items[0].pointers[1], 0x1234);
    fixture_deinit(&f);
}

/* Version 2 of the document, as .NET 11 writes it: the GC has a descriptor of its own, with its own pointers. */
static void parts_have_descriptors_of_their_own(void **state)
{
    static const uint64_t gc_pointers[] = { 0xaaa0, 0xbbb0 };
    struct fixture f;
    struct layout layout;
    uint64_t gc, pointers[3] = { 0, 0xccc0 };

    (void)state;
    fixture_init(&f);
    gc = descriptor(
        &f,
        "{\"version\":2,\"contracts\":{\"GC\":\"c1\"},\"types\":{\"HeapSegment\":{\"Allocated\":0,\"Mem\":[40,\"pointer\"]},"
        "\"Generation\":{\"!\":64,\"StartSegment\":24}},\"globals\":{\"MaxGeneration\":[[1],\"pointer\"],"
        "\"TotalGenerationCount\":[5,\"uint32\"],\"GCIdentifiers\":[\"workstation,regions\",\"string\"]}}",
        gc_pointers, 2);
    pointers[2] = variable(&f, gc);
    assert_null(
        read_at(&f, descriptor(&f,
                               "{\"version\":2,\"contracts\":{\"Loader\":\"c1\"},\"types\":{\"AppDomain\":{\"AssemblyList\":416}},"
                               "\"globals\":{\"AppDomain\":[[1],\"pointer\"]},\"subDescriptors\":{\"GC\":[[2],\"pointer\"]}}",
                               pointers, 3)));
    assert_int_equal(f.read.count, 2);
    assert_int_equal(f.read.items[1].addr, gc);
    layout_init(&layout);
    for (size_t i = 0; i < f.read.count; i++)
        assert_null(layout_read_descriptor(&layout, f.read.items[i].json, f.read.items[i].pointers, f.read.items[i].pointer_count));
    assert_int_equal(layout.offset[FIELD_AppDomain_AssemblyList], 416);
    assert_int_equal(layout.offset[FIELD_HeapSegment_Mem], 40);
    assert_int_equal(layout.offset[FIELD_Generation_SIZE], 64);
    assert_int_equal(layout.global[GLOBAL_AppDomain].addr, 0xccc0);
    assert_int_equal(layout.global[GLOBAL_MaxGeneration].addr, 0xbbb0);
    assert_int_equal(layout.constant[CONSTANT_TotalGenerationCount], 5);
    fixture_deinit(&f);
}

static void parts_nest_and_may_point_back(void **state)
{
    struct fixture f;
    uint64_t slot, inner_pointers[1], outer_pointers[1], inner, outer;

    (void)state;
    fixture_init(&f);
    slot = variable(&f, 0);
    inner_pointers[0] = slot;
    inner = descriptor(&f, "{\"version\":2,\"subDescriptors\":{\"Back\":[0]}}", inner_pointers, 1);
    outer_pointers[0] = variable(&f, inner);
    outer = descriptor(&f, "{\"version\":2,\"subDescriptors\":{\"Down\":[0],\"Again\":[0]}}", outer_pointers, 1);
    mock_u64(&f.mock, slot, outer);
    assert_null(read_at(&f, outer));
    assert_int_equal(f.read.count, 2);
    fixture_deinit(&f);
}

/* The GC has not started, its variable is not in the dump, an index beyond the pointers, something that is no descriptor. */
static void a_part_that_cannot_be_read_costs_that_part(void **state)
{
    struct fixture f;
    uint64_t pointers[3];

    (void)state;
    fixture_init(&f);
    pointers[0] = variable(&f, 0);
    pointers[1] = 0x10;
    pointers[2] = variable(&f, MOCK_BASE + 64);
    assert_null(read_at(
        &f, descriptor(&f, "{\"subDescriptors\":{\"A\":[0],\"B\":[1],\"C\":[2],\"D\":[3],\"E\":[-1],\"F\":{}}}", pointers, 3)));
    assert_int_equal(f.read.count, 1);
    fixture_deinit(&f);
}

static void what_is_no_descriptor_is_refused(void **state)
{
    static const struct {
        uint32_t off, value;
        enum error_code code;
    } cases[] = {
        { 0, 0x12345678, ERROR_BAD_DATA },
        { 8, 3, ERROR_UNSUPPORTED }, /* 32-bit pointers */
        { 8, 0, ERROR_UNSUPPORTED },
        { 12, LIMIT_DESCRIPTOR_JSON + 1, ERROR_BAD_DATA },
        { 24, LIMIT_DESCRIPTOR_POINTERS + 1, ERROR_BAD_DATA },
        { 16, 0x10, ERROR_FAULT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f;
        struct error *err;
        uint64_t addr;

        fixture_init(&f);
        addr = descriptor(&f, "{}", NULL, 0);
        mock_u32(&f.mock, addr + cases[i].off, cases[i].value);
        err = read_at(&f, addr);
        assert_non_null(err);
        assert_int_equal(err->code, cases[i].code);
        error_destroy(err);
        fixture_deinit(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_and_its_pointers_are_read), cmocka_unit_test(parts_have_descriptors_of_their_own),
        cmocka_unit_test(parts_nest_and_may_point_back),          cmocka_unit_test(a_part_that_cannot_be_read_costs_that_part),
        cmocka_unit_test(what_is_no_descriptor_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
