#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session/ledger.h"
#include "session/memory_scan.h"
#include "session/session.h"
#include "support/target_opened.h"
#include "target/target.h"

/* A core without .NET: a thread with its stack, the stack of one that ended, executable memory, and memory of nobody. */
enum { PAGE = 4096, STACK_SIZE = 16 * PAGE, NOBODYS_SIZE = 3 * PAGE, CODE_SIZE = 2 * PAGE };

#define STACK UINT64_C(0x7f1000001000)
#define ENDED UINT64_C(0x7f1100001000)
#define NOBODYS UINT64_C(0x7f1200000000)
#define CODE UINT64_C(0x7f1300000000)
#define RESERVED UINT64_C(0x7f1400000000)

/* struct pthread near the stack's end: block, size, guard size. */
enum { PTHREAD = 0x900, STACK_WORDS = 0x690, REGISTER_SP = 19, REGISTER_FS_BASE = 21 };

static uint8_t stack[STACK_SIZE], ended[STACK_SIZE];

static void write_stack(uint8_t *bytes, uint64_t start)
{
    uint64_t words[3] = { start - PAGE, STACK_SIZE + PAGE, PAGE };

    memset(bytes, 0, STACK_SIZE);
    memcpy(bytes + STACK_SIZE - PTHREAD + STACK_WORDS, words, sizeof(words));
}

static struct session *open_core(struct scratch *scratch)
{
    struct elf_writer writer;
    struct session_options options = { 0 };
    struct session *session;
    uint64_t registers[27] = { [REGISTER_SP] = STACK + STACK_SIZE - PAGE, [REGISTER_FS_BASE] = STACK + STACK_SIZE - PTHREAD };
    char path[96];

    elf_writer_init(&writer);
    write_stack(stack, STACK);
    write_stack(ended, ENDED);
    elf_writer_load(&writer, STACK, STACK_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, stack, STACK_SIZE);
    elf_writer_load(&writer, ENDED, STACK_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, ended, STACK_SIZE);
    elf_writer_load(&writer, NOBODYS, NOBODYS_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, NULL, PAGE);
    elf_writer_load(&writer, CODE, CODE_SIZE, ELF_SEGMENT_READ | ELF_SEGMENT_EXEC, NULL, CODE_SIZE);
    elf_writer_load(&writer, RESERVED, 64 * PAGE, 0, NULL, 0);
    elf_writer_thread(&writer, 7, registers);
    scratch_init(scratch);
    scratch_write(scratch, "core", elf_writer_build(&writer));
    elf_writer_deinit(&writer);
    snprintf(path, sizeof(path), "%s/core", scratch->path);
    options.path = path;
    assert_null(session_open(&options, &session));
    return session;
}

static void every_committed_byte_has_one_use(void **state)
{
    struct scratch scratch;
    struct session *session = open_core(&scratch);
    const struct ledger *ledger;
    uint64_t rows = 0, pieces = 0, end = 0;

    (void)state;
    assert_null(session_ledger(session, &ledger));
    for (unsigned use = 0; use < USE_COUNT; use++)
        rows += ledger->rows[use].committed;
    for (size_t i = 0; i < ledger->pieces.count; i++) {
        assert_true(ledger->pieces.data[i].start >= end);
        end = ledger->pieces.data[i].end;
        pieces += end - ledger->pieces.data[i].start;
    }
    assert_int_equal(ledger->committed, 2 * STACK_SIZE + NOBODYS_SIZE + CODE_SIZE);
    assert_int_equal(rows, ledger->committed);
    assert_int_equal(pieces, ledger->committed);
    session_close(session);
    scratch_deinit(&scratch);
}

static void live_and_ended_stacks_differ(void **state)
{
    struct scratch scratch;
    struct session *session = open_core(&scratch);
    const struct ledger *ledger;

    (void)state;
    assert_null(session_ledger(session, &ledger));
    assert_int_equal(ledger->rows[USE_STACK].committed, STACK_SIZE);
    assert_int_equal(ledger->rows[USE_STACK].count, 1);
    assert_int_equal(ledger->rows[USE_ENDED_STACK].committed, STACK_SIZE);
    assert_int_equal(ledger->rows[USE_EXECUTABLE].committed, CODE_SIZE);
    session_close(session);
    scratch_deinit(&scratch);
}

static void uses_of_a_range_add_up(void **state)
{
    struct scratch scratch;
    struct session *session = open_core(&scratch);
    const struct ledger *ledger;
    uint64_t bytes[USE_COUNT] = { 0 };

    (void)state;
    assert_null(session_ledger(session, &ledger));
    ledger_range_uses(ledger, STACK + PAGE, STACK + 3 * PAGE, bytes);
    assert_int_equal(bytes[USE_STACK], 2 * PAGE);
    ledger_range_uses(ledger, RESERVED, RESERVED + 64 * PAGE, bytes);
    assert_int_equal(bytes[USE_OTHER], 0);
    session_close(session);
    scratch_deinit(&scratch);
}

static void words_of_a_piece_are_scanned(void **state)
{
    struct scratch scratch;
    struct session *session = open_core(&scratch);
    const struct ledger *ledger;
    const struct ledger_piece *piece;
    struct memory_scan scan;
    uint64_t addr, word;

    (void)state;
    assert_null(session_ledger(session, &ledger));
    piece = ledger_piece_at(ledger, STACK + PAGE);
    assert_non_null(piece);
    assert_int_equal(piece->use, USE_STACK);
    assert_null(ledger_piece_at(ledger, STACK - 1));
    assert_null(ledger_piece_at(ledger, STACK + STACK_SIZE));
    assert_null(ledger_piece_at(ledger, RESERVED));

    /* Of the three words of struct pthread, block and size can be addresses; the guard's size cannot. */
    memory_scan_begin_piece(&scan, session_target(session), piece);
    assert_true(memory_scan_next(&scan, &addr, &word));
    assert_int_equal(addr, STACK + STACK_SIZE - PTHREAD + STACK_WORDS);
    assert_int_equal(word, STACK - PAGE);
    assert_true(memory_scan_next(&scan, &addr, &word));
    assert_int_equal(word, STACK_SIZE + PAGE);
    assert_false(memory_scan_next(&scan, &addr, &word));

    /* Pages that the dump leaves out end a scan without a word. */
    piece = ledger_piece_at(ledger, NOBODYS + 2 * PAGE);
    assert_non_null(piece);
    memory_scan_begin_piece(&scan, session_target(session), piece);
    assert_false(memory_scan_next(&scan, &addr, &word));
    session_close(session);
    scratch_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_committed_byte_has_one_use),
        cmocka_unit_test(live_and_ended_stacks_differ),
        cmocka_unit_test(uses_of_a_range_add_up),
        cmocka_unit_test(words_of_a_piece_are_scanned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
