#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/minidump_writer.h"
#include "support/target_opened.h"
#include "target/windows_heap.h"

/* A process with one heap, written word by word: NT's (Windows 10), a segment heap, or wine's. */
enum { PAGE = 4096, GRANULE = 64 << 10, HEAP_SIZE = 4 * GRANULE, COMMITTED = 3 * GRANULE, LARGE_SIZE = GRANULE, MIB = 1 << 20 };
enum { NT_BUSY = 1, NT_FIRST = 0x740, NT_SEGMENTS = 0x120, NT_VIRTUAL = 0x110 };
enum { WINE_FREE = 1, WINE_FIRST = 0x368, WINE_REGION = 0x330 };
enum { MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_PRIVATE = 0x20000, READ_WRITE = 4 };

#define TEB UINT64_C(0x7ff000010000)
#define PEB UINT64_C(0x7ff000020000)
#define STACK UINT64_C(0x7ff000030000)
#define HEAP UINT64_C(0x1d000000000)
#define LARGE UINT64_C(0x1e000000000)
#define SEGMENT UINT64_C(0x1f000100000)
#define ENCODING UINT64_C(0x0000a1b2c3d4e5f6)

struct model {
    uint8_t heap[COMMITTED], large[LARGE_SIZE], segment[2 * PAGE], teb[PAGE], peb[PAGE], stack[PAGE];
    uint64_t at; /* where the next block goes */
    uint64_t before;
    struct minidump_writer writer;
    struct target_opened opened;
    struct windows_heaps heaps;
};

static void put(uint8_t *bytes, uint64_t off, uint64_t word)
{
    memcpy(bytes + off, &word, 8);
}

static void put32(uint8_t *bytes, uint64_t off, uint32_t word)
{
    memcpy(bytes + off, &word, 4);
}

/* An empty list at `addr`, or one with the entry `entry` of other memory, which is linked too. */
static void put_list(uint8_t *bytes, uint64_t off, uint64_t addr, uint8_t *entry_bytes, uint64_t entry_off, uint64_t entry)
{
    put(bytes, off, entry ? entry : addr);
    put(bytes, off + 8, entry ? entry : addr);
    if (!entry) return;
    put(entry_bytes, entry_off, addr);
    put(entry_bytes, entry_off + 8, addr);
}

static void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    put(model->teb, 0x60, PEB);
    put(model->peb, 0x30, HEAP);
    put32(model->peb, 0xe8, 1);
    put(model->peb, 0xf0, PEB + 0x800);
    put(model->peb, 0x800, HEAP);
}

static const struct windows_heaps *model_read(struct model *model)
{
    const struct writer_thread thread = { .id = 7, .teb = TEB, .sp = STACK + 64, .ip = HEAP };
    const struct writer_memory memory[] = {
        { HEAP, COMMITTED, model->heap }, { LARGE, LARGE_SIZE, model->large }, { SEGMENT, 2 * PAGE, model->segment },
        { TEB, PAGE, model->teb },        { PEB, PAGE, model->peb },           { STACK, PAGE, model->stack },
    };
    const struct writer_region regions[] = {
        { HEAP, COMMITTED, HEAP, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
        { HEAP + COMMITTED, HEAP_SIZE - COMMITTED, HEAP, MEM_RESERVE, 0, MEM_PRIVATE },
        { LARGE, LARGE_SIZE, LARGE, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
        { SEGMENT, 2 * PAGE, SEGMENT, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
        { SEGMENT + 2 * PAGE, MIB - 2 * PAGE, SEGMENT, MEM_RESERVE, 0, MEM_PRIVATE },
        { TEB, PAGE, TEB, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
        { PEB, PAGE, PEB, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
        { STACK, PAGE, STACK, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
    };
    const struct writer_process process = { .architecture = 9,
                                            .pid = 7,
                                            .flags = 0x61826,
                                            .threads = &thread,
                                            .thread_count = 1,
                                            .regions = regions,
                                            .region_count = sizeof(regions) / sizeof(regions[0]),
                                            .memory = memory,
                                            .memory_count = sizeof(memory) / sizeof(memory[0]) };

    minidump_writer_dbgcore(&model->writer, &process);
    target_opened_init(&model->opened, minidump_writer_span(&model->writer), NULL, NULL);
    assert_null(windows_heaps_init(model->opened.target, &model->opened.gaps, &model->heaps));
    return &model->heaps;
}

static void model_deinit(struct model *model)
{
    windows_heaps_deinit(&model->heaps);
    target_opened_deinit(&model->opened);
    minidump_writer_deinit(&model->writer);
}

static bool has_gap(const struct model *model, const char *part)
{
    for (size_t i = 0; i < model->opened.gaps.list.count; i++)
        if (strstr(model->opened.gaps.list.data[i].why, part)) return true;
    return false;
}

static void assert_sum(const struct windows_heap_sum *sum, uint64_t count, uint64_t bytes)
{
    assert_int_equal(sum->count, count);
    assert_int_equal(sum->bytes, bytes);
}

static struct model model;

/* ---- NT ---- */

static void nt_init(struct model *m)
{
    model_init(m);
    put32(m->heap, 0x10, 0xffeeffee);
    put(m->heap, 0x28, HEAP);
    put(m->heap, 0x30, HEAP);
    put32(m->heap, 0x38, HEAP_SIZE / PAGE);
    put(m->heap, 0x40, HEAP + NT_FIRST);
    put(m->heap, 0x48, HEAP + HEAP_SIZE);
    put32(m->heap, 0x7c, 0x100000);
    put(m->heap, 0x88, ENCODING);
    put32(m->heap, 0x98, 0xeeffeeff);
    put_list(m->heap, NT_SEGMENTS, HEAP + NT_SEGMENTS, m->heap, 0x18, HEAP + 0x18);
    put_list(m->heap, NT_VIRTUAL, HEAP + NT_VIRTUAL, NULL, 0, 0);
    m->at = NT_FIRST;
}

/* An entry with its header; returns its offset. */
static uint64_t nt_entry(struct model *m, uint64_t size, bool busy)
{
    uint64_t units = size / 16, at = m->at, word = units | (busy ? (uint64_t)NT_BUSY << 16 : 0);

    word |= (word ^ word >> 8 ^ word >> 16) << 24 & 0xff000000;
    word |= m->before << 32;
    put(m->heap, at + 8, word ^ ENCODING);
    m->before = units;
    m->at += size;
    return at;
}

/* The rest: a free entry whose beginning says which pages behind it are not committed. */
static void nt_end(struct model *m)
{
    uint64_t at = nt_entry(m, COMMITTED - m->at, false);

    put_list(m->heap, 0x60, HEAP + 0x60, m->heap, at + 32, HEAP + at + 32);
    put(m->heap, at + 32 + 0x10, HEAP + COMMITTED);
    put(m->heap, at + 32 + 0x18, HEAP_SIZE - COMMITTED);
}

static void walks_an_nt_heap(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    nt_init(&model);
    nt_entry(&model, 64, true);
    nt_entry(&model, 128, false);
    nt_entry(&model, 48, true);
    nt_end(&model);
    heaps = model_read(&model);
    assert_int_equal(heaps->peb, PEB);
    assert_int_equal(heaps->list.count, 1);
    assert_int_equal(heaps->list.data[0].kind, WINDOWS_HEAP_NT);
    assert_null(heaps->list.data[0].problem);
    assert_sum(&heaps->list.data[0].used, 2, 112);
    assert_sum(&heaps->list.data[0].free, 2, COMMITTED - NT_FIRST - 112);
    assert_int_equal(heaps->list.data[0].reserved, HEAP_SIZE);
    assert_int_equal(heaps->parts.count, 1);
    assert_int_equal(heaps->parts.data[0].end, HEAP + HEAP_SIZE);
    model_deinit(&model);
}

static void counts_the_blocks_of_a_group(void **state)
{
    const struct windows_heaps *heaps;
    uint64_t group, size = 16 + 0x30 + 8 + 10 * 32;

    (void)state;
    nt_init(&model);
    size = (size + 15) & ~UINT64_C(15);
    group = nt_entry(&model, size, true) + 16;
    put32(model.heap, group + 0x14, 0xf0e0d0c0);
    put(model.heap, group + 0x20, 10);
    put(model.heap, group + 0x28, HEAP + group + 0x30);
    put(model.heap, group + 0x30, ~UINT64_C(0) << 10 | 0x7); /* bits behind the tenth do not count */
    nt_end(&model);
    heaps = model_read(&model);
    assert_sum(&heaps->list.data[0].used, 3, 3 * 32);
    assert_int_equal(heaps->list.data[0].free.count, 7 + 1);
    assert_int_equal(heaps->list.data[0].free.bytes, COMMITTED - NT_FIRST - 96);
    model_deinit(&model);
}

static void finds_blocks_with_memory_of_their_own(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    nt_init(&model);
    nt_end(&model);
    put_list(model.heap, NT_VIRTUAL, HEAP + NT_VIRTUAL, model.large, 0, LARGE);
    put(model.large, 0x20, LARGE_SIZE - PAGE);
    put(model.large, 0x28, LARGE_SIZE);
    heaps = model_read(&model);
    assert_sum(&heaps->list.data[0].large, 1, LARGE_SIZE - PAGE);
    assert_int_equal(heaps->parts.count, 2);
    assert_true(heaps->parts.data[1].is_large);
    model_deinit(&model);
}

static void keeps_what_was_sure_before_a_wrong_checksum(void **state)
{
    const struct windows_heaps *heaps;
    uint64_t at;

    (void)state;
    nt_init(&model);
    nt_entry(&model, 64, true);
    at = nt_entry(&model, 64, true);
    nt_end(&model);
    model.heap[at + 8] ^= 0x40;
    heaps = model_read(&model);
    assert_sum(&heaps->list.data[0].used, 1, 64);
    assert_int_equal(heaps->list.data[0].not_walked, COMMITTED - at);
    assert_true(has_gap(&model, "checksum"));
    model_deinit(&model);
}

static void keeps_what_was_sure_before_an_impossible_size(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    nt_init(&model);
    nt_entry(&model, 64, true);
    nt_entry(&model, 0xffff0, true); /* beyond the segment */
    model.at = NT_FIRST + 128;
    heaps = model_read(&model);
    assert_sum(&heaps->list.data[0].used, 1, 64);
    assert_int_equal(heaps->list.data[0].not_walked, COMMITTED - NT_FIRST - 64);
    model_deinit(&model);
}

static void ends_a_broken_list_of_segments(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    nt_init(&model);
    nt_end(&model);
    put(model.heap, 0x18, HEAP + 0x18); /* the segment leads to itself */
    heaps = model_read(&model);
    assert_int_equal(heaps->list.count, 1);
    assert_int_equal(heaps->list.data[0].segment_count, 1);
    assert_true(has_gap(&model, "list of its segments"));
    model_deinit(&model);
}

static void reads_a_heap_once_without_a_peb(void **state)
{
    (void)state;
    nt_init(&model);
    nt_end(&model);
    put(model.teb, 0x60, 0);
    assert_int_equal(model_read(&model)->list.count, 1);
    assert_int_equal(model.heaps.peb, 0);
    model_deinit(&model);
}

/* ---- the segment heap ---- */

static void finds_segments_and_large_blocks_of_a_segment_heap(void **state)
{
    const struct windows_heaps *heaps;
    const uint64_t node = 0x2000;

    (void)state;
    model_init(&model);
    put32(model.heap, 0x10, 0xddeeddee);
    put_list(model.heap, 0x118, HEAP + 0x118, model.segment, 0, SEGMENT);
    put(model.heap, 0x48, HEAP + node);
    put(model.heap, node + 0x18, LARGE | 0x123);
    put(model.heap, node + 0x20, LARGE_SIZE | 1);
    put(model.heap, node, HEAP + node); /* a tree that leads back to its root */
    heaps = model_read(&model);
    assert_int_equal(heaps->list.count, 1);
    assert_int_equal(heaps->list.data[0].kind, WINDOWS_HEAP_SEGMENT);
    assert_sum(&heaps->list.data[0].large, 1, LARGE_SIZE);
    assert_int_equal(heaps->list.data[0].segment_count, 2); /* its own memory, and the segment */
    assert_int_equal(heaps->list.data[0].not_walked, COMMITTED + 2 * PAGE);
    assert_int_equal(heaps->parts.data[1].start, SEGMENT);
    assert_int_equal(heaps->parts.data[1].end, SEGMENT + MIB);
    model_deinit(&model);
}

/* ---- wine ---- */

static void wine_init(struct model *m)
{
    model_init(m);
    put32(m->heap, 0x10, 0xffeeffee);
    put_list(m->heap, 0x78, HEAP + 0x78, NULL, 0, 0);
    put_list(m->heap, 0x88, HEAP + 0x88, m->heap, WINE_REGION + 0x20, HEAP + WINE_REGION + 0x20);
    put_list(m->heap, 0x98, HEAP + 0x98, NULL, 0, 0);
    memcpy(m->heap + 0xb8, "HEAP", 4);
    put(m->heap, WINE_REGION + 0x10, HEAP_SIZE - WINE_FIRST);
    put(m->heap, WINE_REGION + 0x18, COMMITTED - WINE_FIRST - 8);
    m->at = WINE_FIRST;
}

static void wine_block(struct model *m, uint64_t size, bool used)
{
    uint64_t units = size / 16;

    put(m->heap, m->at,
        used ? units | UINT64_C(0x5355) << 48 : (units & 0xffff) | WINE_FREE << 16 | units >> 16 << 24 | UINT64_C(0x5246) << 48);
    m->at += size;
}

static void walks_a_heap_of_wine(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    wine_init(&model);
    wine_block(&model, 64, true);
    wine_block(&model, 128, false);
    wine_block(&model, 48, true);
    wine_block(&model, HEAP_SIZE - 8 - model.at, false);
    put_list(model.heap, 0x98, HEAP + 0x98, model.large, 0x10, LARGE + 0x10);
    put(model.large, 0x28, LARGE_SIZE);
    heaps = model_read(&model);
    assert_int_equal(heaps->list.count, 1);
    assert_int_equal(heaps->list.data[0].kind, WINDOWS_HEAP_WINE);
    assert_null(heaps->list.data[0].problem);
    assert_sum(&heaps->list.data[0].used, 2, 112);
    assert_int_equal(heaps->list.data[0].free.count, 2);
    /* Of the last one, what is committed. */
    assert_int_equal(heaps->list.data[0].free.bytes, COMMITTED - WINE_FIRST - 112);
    assert_sum(&heaps->list.data[0].large, 1, LARGE_SIZE);
    model_deinit(&model);
}

static void tells_damage_of_a_heap_of_wine(void **state)
{
    const struct windows_heaps *heaps;

    (void)state;
    wine_init(&model);
    wine_block(&model, 64, true);
    put(model.heap, model.at, UINT64_C(0x1234) << 48 | 4); /* of no type */
    heaps = model_read(&model);
    assert_sum(&heaps->list.data[0].used, 1, 64);
    assert_int_equal(heaps->list.data[0].not_walked, COMMITTED - WINE_FIRST - 64);
    assert_true(has_gap(&model, "block's header"));
    model_deinit(&model);
}

static void finds_nothing_in_zeros(void **state)
{
    (void)state;
    model_init(&model);
    assert_int_equal(model_read(&model)->list.count, 0);
    assert_int_equal(model.opened.gaps.list.count, 0);
    model_deinit(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_an_nt_heap),
        cmocka_unit_test(counts_the_blocks_of_a_group),
        cmocka_unit_test(finds_blocks_with_memory_of_their_own),
        cmocka_unit_test(keeps_what_was_sure_before_a_wrong_checksum),
        cmocka_unit_test(keeps_what_was_sure_before_an_impossible_size),
        cmocka_unit_test(ends_a_broken_list_of_segments),
        cmocka_unit_test(reads_a_heap_once_without_a_peb),
        cmocka_unit_test(finds_segments_and_large_blocks_of_a_segment_heap),
        cmocka_unit_test(walks_a_heap_of_wine),
        cmocka_unit_test(tells_damage_of_a_heap_of_wine),
        cmocka_unit_test(finds_nothing_in_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
