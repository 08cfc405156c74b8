#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/target_opened.h"
#include "target/malloc_glibc.h"

/* An arena of glibc 2.36 in one heap, a brk heap, and mapped chunks, written word by word. */
enum {
    PAGE = 4096,
    HEAP_SIZE = 33 * PAGE,
    BRK_SIZE = 8 * PAGE,
    MAPPED_SIZE = 6 * PAGE,
    INFO_SIZE = 0x30,
    FASTBINS = 16,
    TOP = 96,
    BINS = 112,
    NEXT = 2160,
    SYSTEM_MEM = 2184,
    MAX_SYSTEM_MEM = 2192,
    FIRST = 0x8d0,
    IN_USE = 1,
    MMAPPED = 2,
    NON_MAIN = 4,
};

#define HEAP UINT64_C(0x7f1000000000)
#define BRK UINT64_C(0x555500000000)
#define MAPPED UINT64_C(0x7f2000000000)
#define ARENA (HEAP + INFO_SIZE)
#define MAIN_ARENA UINT64_C(0x7f3000001c60)

struct model {
    _Alignas(8) uint8_t heap[HEAP_SIZE], brk[BRK_SIZE], mapped[MAPPED_SIZE];
    uint64_t at; /* where the next chunk of the heap goes */
    uint64_t brk_at;
    bool before_is_free;
    struct elf_writer writer;
    struct target_opened opened;
    struct glibc_malloc malloc;
};

static void put(uint8_t *bytes, uint64_t off, uint64_t word)
{
    memcpy(bytes + off, &word, 8);
}

/* A chunk of the heap; returns its address. */
static uint64_t add_chunk(struct model *model, uint64_t size, bool in_use)
{
    uint64_t at = model->at;

    put(model->heap, at + 8, size | (model->before_is_free ? 0 : IN_USE) | (in_use ? NON_MAIN : 0));
    if (!in_use) put(model->heap, at + size, size);
    model->before_is_free = !in_use;
    model->at += size;
    return HEAP + at;
}

static void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    put(model->heap, 0, ARENA);
    put(model->heap, 16, HEAP_SIZE);
    put(model->heap, 24, HEAP_SIZE);
    for (unsigned i = 0; i < 127; i++) {
        put(model->heap, INFO_SIZE + BINS + 16 * i, ARENA + BINS + 16 * i - 16);
        put(model->heap, INFO_SIZE + BINS + 16 * i + 8, ARENA + BINS + 16 * i - 16);
    }
    put(model->heap, INFO_SIZE + NEXT, MAIN_ARENA);
    put(model->heap, INFO_SIZE + SYSTEM_MEM, HEAP_SIZE);
    put(model->heap, INFO_SIZE + MAX_SYSTEM_MEM, HEAP_SIZE);
    model->at = FIRST;
}

/* The rest of the heap. */
static uint64_t add_top(struct model *model)
{
    uint64_t at = model->at;

    put(model->heap, at + 8, (HEAP_SIZE - at) | (model->before_is_free ? 0 : IN_USE));
    put(model->heap, INFO_SIZE + TOP, HEAP + at);
    return HEAP + at;
}

static void add_brk_chunk(struct model *model, uint64_t size)
{
    put(model->brk, model->brk_at + 8, size | IN_USE);
    model->brk_at += size;
}

static const struct glibc_malloc *model_read_without(struct model *model, const struct malloc_exclusion *exclusions, size_t count)
{
    struct malloc_options options = { .exclusions = exclusions, .exclusion_count = count, .threads = 2 };

    elf_writer_init(&model->writer);
    elf_writer_load(&model->writer, BRK, BRK_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, model->brk, BRK_SIZE);
    elf_writer_load(&model->writer, HEAP, HEAP_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, model->heap, HEAP_SIZE);
    elf_writer_load(&model->writer, MAPPED, MAPPED_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, model->mapped, MAPPED_SIZE);
    target_opened_init(&model->opened, elf_writer_build(&model->writer), NULL, NULL);
    assert_null(glibc_malloc_init(model->opened.target, &options, &model->opened.gaps, &model->malloc));
    return &model->malloc;
}

static const struct glibc_malloc *model_read(struct model *model)
{
    return model_read_without(model, NULL, 0);
}

static void model_deinit(struct model *model)
{
    glibc_malloc_deinit(&model->malloc);
    target_opened_deinit(&model->opened);
    elf_writer_deinit(&model->writer);
}

static bool has_gap(const struct model *model, const char *part)
{
    for (size_t i = 0; i < model->opened.gaps.list.count; i++)
        if (strstr(model->opened.gaps.list.data[i].why, part)) return true;
    return false;
}

static void assert_sum(const struct malloc_arena *arena, enum malloc_state state, uint64_t count, uint64_t bytes)
{
    assert_int_equal(arena->sum[state].count, count);
    assert_int_equal(arena->sum[state].bytes, bytes);
}

static struct model model;

static void walks_an_arena_to_its_top(void **state)
{
    const struct glibc_malloc *malloc;

    (void)state;
    model_init(&model);
    add_chunk(&model, 64, true);
    add_chunk(&model, 128, false);
    add_chunk(&model, 48, true);
    add_top(&model);
    malloc = model_read(&model);
    assert_string_equal(malloc->layout_name, "2.27-2.42");
    assert_int_equal(malloc->arenas.count, 3); /* main, this one, mapped chunks */
    assert_int_equal(malloc->arenas.data[1].addr, ARENA);
    assert_sum(&malloc->arenas.data[1], MALLOC_USED, 2, 112);
    assert_sum(&malloc->arenas.data[1], MALLOC_FREE, 1, 128);
    assert_sum(&malloc->arenas.data[1], MALLOC_TOP, 1, HEAP_SIZE - FIRST - 240);
    assert_int_equal(malloc->arenas.data[1].system_bytes, HEAP_SIZE);
    assert_int_equal(malloc->arenas.data[0].addr, MAIN_ARENA);
    assert_false(malloc->arenas.data[0].has_state);
    assert_null(malloc->arenas.data[1].problem);
    model_deinit(&model);
}

static void gives_every_chunk_in_order(void **state)
{
    struct malloc_cursor cursor;
    struct malloc_chunk chunk;
    uint64_t expected[4], n = 0;

    (void)state;
    model_init(&model);
    expected[0] = add_chunk(&model, 64, true);
    expected[1] = add_chunk(&model, 128, false);
    expected[2] = add_chunk(&model, 48, true);
    expected[3] = add_top(&model);
    model_read(&model);
    malloc_cursor_init(&cursor, &model.malloc, 0, model.malloc.heaps.count);
    while (malloc_cursor_next(&cursor, &chunk)) {
        assert_true(n < 4);
        assert_int_equal(chunk.addr, expected[n++]);
    }
    assert_int_equal(n, 4);
    model_deinit(&model);
}

/* A thread's cache with one list of two entries, the second reached by a mangled pointer (2.32). */
static void tells_cached_chunks_from_used_ones(void **state)
{
    const struct glibc_malloc *malloc;
    uint64_t cache, first, second;

    (void)state;
    model_init(&model);
    cache = add_chunk(&model, 0x290, true);
    first = add_chunk(&model, 64, true);
    second = add_chunk(&model, 64, true);
    add_chunk(&model, 64, true);
    add_top(&model);
    model.heap[cache - HEAP + 16 + 2 * 2] = 2; /* bin of 64 bytes: (64 - 32) / 16 */
    put(model.heap, cache - HEAP + 16 + 128 + 8 * 2, first + 16);
    put(model.heap, first - HEAP + 16, ((first + 16) >> 12) ^ (second + 16));
    put(model.heap, second - HEAP + 16, (second + 16) >> 12);
    malloc = model_read(&model);
    assert_true(malloc->safe_linking);
    assert_sum(&malloc->arenas.data[1], MALLOC_CACHED, 2, 128);
    assert_sum(&malloc->arenas.data[1], MALLOC_USED, 2, 0x290 + 64);
    model_deinit(&model);
}

static void tells_fastbin_chunks_from_used_ones(void **state)
{
    const struct glibc_malloc *malloc;
    uint64_t chunk;

    (void)state;
    model_init(&model);
    chunk = add_chunk(&model, 48, true);
    add_chunk(&model, 48, true);
    add_top(&model);
    put(model.heap, INFO_SIZE + FASTBINS + 8, chunk);
    malloc = model_read(&model);
    assert_sum(&malloc->arenas.data[1], MALLOC_FAST, 1, 48);
    assert_sum(&malloc->arenas.data[1], MALLOC_USED, 1, 48);
    model_deinit(&model);
}

static void survives_a_cycle_in_a_fastbin(void **state)
{
    uint64_t chunk;

    (void)state;
    model_init(&model);
    chunk = add_chunk(&model, 48, true);
    add_top(&model);
    put(model.heap, INFO_SIZE + FASTBINS + 8, chunk);
    put(model.heap, chunk - HEAP + 16, chunk);
    assert_sum(&model_read(&model)->arenas.data[1], MALLOC_FAST, 0, 0);
    model_deinit(&model);
}

static void keeps_what_was_sure_before_an_impossible_size(void **state)
{
    const struct glibc_malloc *malloc;

    (void)state;
    model_init(&model);
    add_chunk(&model, 64, true);
    put(model.heap, add_chunk(&model, 64, true) - HEAP + 8, 0x7fffffff0 | IN_USE);
    add_top(&model);
    malloc = model_read(&model);
    assert_sum(&malloc->arenas.data[1], MALLOC_USED, 1, 64);
    assert_int_equal(malloc->arenas.data[1].not_walked, HEAP_SIZE - FIRST - 64);
    assert_true(has_gap(&model, "a chunk's size is impossible"));
    model_deinit(&model);
}

static void does_not_believe_a_free_chunk_with_two_sizes(void **state)
{
    uint64_t chunk;

    (void)state;
    model_init(&model);
    chunk = add_chunk(&model, 64, false);
    put(model.heap, chunk - HEAP + 64, 80);
    add_chunk(&model, 64, true);
    add_top(&model);
    put(model.heap, chunk - HEAP + 64, 80);
    assert_sum(&model_read(&model)->arenas.data[1], MALLOC_FREE, 0, 0);
    assert_true(has_gap(&model, "another size at its end"));
    model_deinit(&model);
}

static void does_not_walk_an_arena_whose_top_is_elsewhere(void **state)
{
    (void)state;
    model_init(&model);
    add_chunk(&model, 64, true);
    add_top(&model);
    put(model.heap, INFO_SIZE + TOP, HEAP + HEAP_SIZE + 64);
    assert_int_equal(model_read(&model)->heaps.count, 0);
    assert_true(has_gap(&model, "cannot walk these heaps"));
    model_deinit(&model);
}

static void ignores_a_heap_that_is_its_own_predecessor(void **state)
{
    (void)state;
    model_init(&model);
    add_top(&model);
    put(model.heap, 8, HEAP);
    assert_int_equal(model_read(&model)->heaps.count, 0);
    model_deinit(&model);
}

static void finds_the_brk_heap_by_its_chunks(void **state)
{
    const struct glibc_malloc *malloc;

    (void)state;
    model_init(&model);
    add_top(&model);
    add_brk_chunk(&model, 0x290);
    add_brk_chunk(&model, 4096);
    add_brk_chunk(&model, BRK_SIZE - model.brk_at);
    malloc = model_read(&model);
    assert_int_equal(malloc->arenas.data[0].heap_count, 1);
    assert_sum(&malloc->arenas.data[0], MALLOC_USED, 2, 0x290 + 4096);
    assert_sum(&malloc->arenas.data[0], MALLOC_TOP, 1, BRK_SIZE - 0x290 - 4096);
    model_deinit(&model);
}

/* Somebody else moved the break: two fenceposts, foreign memory, more of the heap. */
static void finds_what_follows_foreign_memory(void **state)
{
    const struct glibc_malloc *malloc;

    (void)state;
    model_init(&model);
    add_top(&model);
    add_brk_chunk(&model, 4096);
    add_brk_chunk(&model, 4096 - 32);
    add_brk_chunk(&model, 16);
    add_brk_chunk(&model, 16);
    memset(model.brk + model.brk_at, 0x5a, 5008);
    model.brk_at += 5008;
    add_brk_chunk(&model, 1024);
    add_brk_chunk(&model, BRK_SIZE - model.brk_at);
    malloc = model_read(&model);
    assert_int_equal(malloc->arenas.data[0].heap_count, 2);
    assert_sum(&malloc->arenas.data[0], MALLOC_USED, 3, 4096 + 4064 + 1024);
    assert_null(malloc->arenas.data[0].problem);
    model_deinit(&model);
}

static void finds_mapped_chunks_side_by_side(void **state)
{
    const struct glibc_malloc *malloc;

    (void)state;
    model_init(&model);
    add_top(&model);
    put(model.mapped, 8, 2 * PAGE | MMAPPED);
    put(model.mapped, 2 * PAGE + 8, PAGE | MMAPPED);
    put(model.mapped, 5 * PAGE - 16, PAGE - 16); /* aligned memory: begins 16 bytes before the second page of its mapping */
    put(model.mapped, 5 * PAGE - 8, (PAGE + 16) | MMAPPED);
    malloc = model_read(&model);
    assert_int_equal(malloc->mapped.count, 3);
    assert_sum(&malloc->arenas.data[2], MALLOC_MMAPPED, 3, 5 * PAGE);
    assert_int_equal(malloc->mapped.data[2].addr, MAPPED + 4 * PAGE);
    model_deinit(&model);
}

static void leaves_alone_what_is_known_to_be_something_else(void **state)
{
    struct malloc_exclusion exclusions[] = { { BRK, BRK + BRK_SIZE }, { HEAP + PAGE, HEAP + 2 * PAGE } };

    (void)state;
    model_init(&model);
    add_top(&model);
    add_brk_chunk(&model, 4096);
    add_brk_chunk(&model, BRK_SIZE - model.brk_at);
    assert_int_equal(model_read_without(&model, exclusions, 2)->heaps.count, 0);
    model_deinit(&model);
}

static void finds_nothing_in_zeros(void **state)
{
    (void)state;
    memset(&model, 0, sizeof(model));
    assert_int_equal(model_read(&model)->arenas.count, 0);
    assert_int_equal(model.opened.gaps.list.count, 0);
    model_deinit(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_an_arena_to_its_top),
        cmocka_unit_test(gives_every_chunk_in_order),
        cmocka_unit_test(tells_cached_chunks_from_used_ones),
        cmocka_unit_test(tells_fastbin_chunks_from_used_ones),
        cmocka_unit_test(survives_a_cycle_in_a_fastbin),
        cmocka_unit_test(keeps_what_was_sure_before_an_impossible_size),
        cmocka_unit_test(does_not_believe_a_free_chunk_with_two_sizes),
        cmocka_unit_test(does_not_walk_an_arena_whose_top_is_elsewhere),
        cmocka_unit_test(ignores_a_heap_that_is_its_own_predecessor),
        cmocka_unit_test(finds_the_brk_heap_by_its_chunks),
        cmocka_unit_test(finds_what_follows_foreign_memory),
        cmocka_unit_test(finds_mapped_chunks_side_by_side),
        cmocka_unit_test(leaves_alone_what_is_known_to_be_something_else),
        cmocka_unit_test(finds_nothing_in_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
