#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clr/object.h"
#include "session/ledger.h"
#include "session/native_references.h"
#include "session/session.h"
#include "support/target_opened.h"

/* ---- without .NET: an arena of glibc 2.36 in one heap, a mapped chunk, and memory of nobody that points at some of it ---- */

enum { PAGE = 4096, HEAP_SIZE = 33 * PAGE, INFO_SIZE = 0x30, BINS = 112, TOP = 96, NEXT = 2160, SYSTEM_MEM = 2184, FIRST = 0x8d0 };
enum { IN_USE = 1, MMAPPED = 2, NON_MAIN = 4, CHUNK = 64, CHUNKS = 5 };

#define HEAP UINT64_C(0x7f1000000000)
#define ARENA (HEAP + INFO_SIZE)
#define MAPPED UINT64_C(0x7f2000000000)
#define NOBODYS UINT64_C(0x7f3000000000)

static uint8_t heap[HEAP_SIZE], mapped[2 * PAGE], nobodys[PAGE];

static void put(uint8_t *bytes, uint64_t off, uint64_t word)
{
    memcpy(bytes + off, &word, 8);
}

static uint64_t chunk_addr(unsigned i)
{
    return HEAP + FIRST + (uint64_t)i * CHUNK;
}

static void write_heap(void)
{
    memset(heap, 0, sizeof(heap));
    memset(mapped, 0, sizeof(mapped));
    memset(nobodys, 0, sizeof(nobodys));
    put(heap, 0, ARENA);
    put(heap, 16, HEAP_SIZE);
    put(heap, 24, HEAP_SIZE);
    for (unsigned i = 0; i < 127; i++) {
        put(heap, INFO_SIZE + BINS + 16 * i, ARENA + BINS + 16 * i - 16);
        put(heap, INFO_SIZE + BINS + 16 * i + 8, ARENA + BINS + 16 * i - 16);
    }
    put(heap, INFO_SIZE + NEXT, UINT64_C(0x7f4000001c60));
    put(heap, INFO_SIZE + SYSTEM_MEM, HEAP_SIZE);
    put(heap, INFO_SIZE + SYSTEM_MEM + 8, HEAP_SIZE);
    for (unsigned i = 0; i < CHUNKS; i++)
        put(heap, FIRST + i * CHUNK + 8, CHUNK | IN_USE | NON_MAIN);
    put(heap, FIRST + CHUNKS * CHUNK + 8, (HEAP_SIZE - FIRST - CHUNKS * CHUNK) | IN_USE);
    put(heap, INFO_SIZE + TOP, HEAP + FIRST + CHUNKS * CHUNK);
    put(mapped, 8, sizeof(mapped) | MMAPPED);
}

static struct session *open_core(struct scratch *scratch)
{
    struct elf_writer writer;
    struct session_options options = { 0 };
    struct session *session;
    char path[96];

    elf_writer_init(&writer);
    elf_writer_load(&writer, HEAP, HEAP_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, heap, HEAP_SIZE);
    elf_writer_load(&writer, MAPPED, sizeof(mapped), ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, mapped, sizeof(mapped));
    elf_writer_load(&writer, NOBODYS, PAGE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, nobodys, PAGE);
    scratch_init(scratch);
    scratch_write(scratch, "core", elf_writer_build(&writer));
    elf_writer_deinit(&writer);
    snprintf(path, sizeof(path), "%s/core", scratch->path);
    options.path = path;
    assert_null(session_open(&options, &session));
    return session;
}

static void check_pointed_at(const bool *expected, bool mapped_expected)
{
    struct scratch scratch;
    struct session *session = open_core(&scratch);
    struct native_references references;
    struct malloc_chunk chunk = { .size = CHUNK, .state = MALLOC_USED };
    size_t count;

    assert_null(native_references_init(session, &references));
    for (unsigned i = 0; i < CHUNKS; i++) {
        chunk.addr = chunk_addr(i);
        assert_int_equal(native_references_elsewhere(&references, &chunk), expected[i]);
        assert_null(native_references_of(&references, &chunk, &count));
        assert_int_equal(count, 0);
    }
    chunk = (struct malloc_chunk) { .addr = MAPPED, .size = sizeof(mapped), .state = MALLOC_MMAPPED };
    assert_int_equal(native_references_elsewhere(&references, &chunk), mapped_expected);
    native_references_deinit(&references);
    session_close(session);
    scratch_deinit(&scratch);
}

static void blocks_are_pointed_at_by_other_memory_or_by_nothing(void **state)
{
    const bool expected[CHUNKS] = { true, false, true, true, false };

    (void)state;
    write_heap();
    put(nobodys, 64, chunk_addr(0) + 16);                     /* its first byte */
    put(nobodys, 8 * 500, chunk_addr(2) + CHUNK - 8);         /* the middle of it */
    put(heap, chunk_addr(0) - HEAP + 24, chunk_addr(3) + 16); /* from another block */
    put(mapped, 5000 & ~7u, MAPPED + 100);                    /* from the block itself */
    check_pointed_at(expected, true);
}

static void a_word_beside_a_block_is_no_pointer_to_it(void **state)
{
    const bool expected[CHUNKS] = { false };

    (void)state;
    write_heap();
    put(nobodys, 0, HEAP + HEAP_SIZE);
    put(nobodys, 8, MAPPED + sizeof(mapped));
    put(nobodys, 16, MAPPED - 8);
    put(nobodys, 24, HEAP - 8);
    put(nobodys, 32, HEAP + FIRST + CHUNKS * CHUNK + 64); /* the top is nobody's block */
    check_pointed_at(expected, false);
}

/* ---- with .NET: the dump of the fixture ---- */

static void check_hit(struct session *session, struct clr *clr, const struct native_references *references,
                      const struct native_hit *hit)
{
    struct clr_object object;
    uint64_t word, addr;

    assert_true(native_hit_object(session, hit, &addr));
    assert_true(clr_object_try(clr, addr, &object));
    assert_in_range(hit->from, addr, addr + object.size - 1);
    assert_true(memory_try_u64(clr->memory, hit->from, &word));
    assert_int_equal(word, hit->target);
    assert_true(hit->holder < references->holders.count);
    assert_int_equal(references->holders.data[hit->holder].mt_addr, object.type->mt_addr);
}

static void hits_are_words_of_objects_that_hold_an_address_in_the_block(void **state)
{
    struct session_options options = { 0 };
    const struct glibc_malloc *malloc;
    struct native_references references;
    struct malloc_cursor cursor;
    struct malloc_chunk chunk;
    struct session *session;
    struct clr *clr;
    char path[512];
    size_t seen = 0;

    (void)state;
    if (!getenv("CLRTRAIL_FIXTURES")) skip();
    snprintf(path, sizeof(path), "%s/his-fixed.core.zst", getenv("CLRTRAIL_FIXTURES"));
    options.path = path;
    assert_null(session_open(&options, &session));
    assert_null(session_clr(session, &clr));
    assert_null(session_malloc(session, &malloc));
    assert_null(native_references_init(session, &references));
    assert_true(references.hits.count > 0);
    for (size_t i = 1; i < references.hits.count; i++)
        assert_true(references.hits.data[i - 1].target <= references.hits.data[i].target);
    malloc_cursor_init(&cursor, malloc, 0, malloc->heaps.count);
    while (malloc_cursor_next(&cursor, &chunk)) {
        size_t count;
        const struct native_hit *hits = native_references_of(&references, &chunk, &count);

        for (size_t i = 0; i < count; i++) {
            assert_in_range(hits[i].target, chunk.addr + MALLOC_HEADER, chunk.addr + chunk.size - 1);
            if (seen + i < 200) check_hit(session, clr, &references, &hits[i]);
        }
        seen += count;
    }
    assert_true(seen > 0 && seen <= references.hits.count);
    native_references_deinit(&references);
    session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_pointed_at_by_other_memory_or_by_nothing),
        cmocka_unit_test(a_word_beside_a_block_is_no_pointer_to_it),
        cmocka_unit_test(hits_are_words_of_objects_that_hold_an_address_in_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
