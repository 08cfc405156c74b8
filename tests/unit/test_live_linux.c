#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump/live_linux.h"
#include "dump/proc_file.h"

enum { PAGES = 64, PAGE = 4096, TOUCHED = 40 };

/* A child that sleeps, with memory of which it wrote one page and no other. */
struct child {
    pid_t pid;
    uint8_t *memory;
    char target[32];
};

static void child_start(struct child *child)
{
    child->memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(child->memory, MAP_FAILED);
    memset(child->memory + TOUCHED * PAGE, 0x5a, PAGE);
    child->pid = fork();
    if (child->pid == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    assert_true(child->pid > 0);
    snprintf(child->target, sizeof(child->target), "pid:%d", (int)child->pid);
}

static void child_end(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    munmap(child->memory, PAGES * PAGE);
}

static bool is_traced(const struct child *child)
{
    int proc = proc_open(child->pid);
    struct text status = { 0 };
    uint64_t tracer = 0;

    assert_true(proc_read(proc, "status", 1 << 16, &status));
    assert_true(proc_status_number(&status, "TracerPid", &tracer));
    text_deinit(&status);
    close(proc);
    return tracer != 0;
}

static struct dump *open_child(const struct child *child, bool hold, struct gaps *gaps)
{
    struct dump *dump = NULL;
    struct error *err;

    gaps_init(gaps);
    err = live_open(child->target, hold, gaps, &dump);
    if (err && strstr(error_message(err), "CAP_SYS_PTRACE")) {
        error_destroy(err);
        skip(); /* not even one's own children may be read here */
    }
    assert_null(err);
    return dump;
}

static void memory_is_read_where_it_was_touched_and_zero_elsewhere(void **state)
{
    struct child child;
    struct gaps gaps;
    struct dump *dump;
    const struct dump_range *range;
    uint64_t off;

    (void)state;
    child_start(&child);
    dump = open_child(&child, false, &gaps);
    range = dump_range_at(dump, (uintptr_t)child.memory);
    assert_non_null(range);
    assert_int_equal(range->protection, PROTECTION_READ | PROTECTION_WRITE);
    off = range->file_off + ((uintptr_t)child.memory - range->start);
    assert_true(byte_file_ensure(dump->file, off, PAGES * PAGE));
    assert_memory_equal(dump->file->bytes.data + off, child.memory, PAGES * PAGE);
    byte_file_release(dump->file, off, PAGES * PAGE);
    assert_true(byte_file_ensure(dump->file, off, PAGES * PAGE));
    assert_memory_equal(dump->file->bytes.data + off, child.memory, PAGES * PAGE);
    assert_false(byte_file_ensure(dump->file, dump->file->bytes.size - 1, 2));
    assert_false(byte_file_ensure(dump->file, UINT64_MAX, 2));
    dump_close(dump);
    gaps_deinit(&gaps);
    child_end(&child);
}

static void a_thread_has_registers_and_is_let_go(void **state)
{
    struct child child;
    struct gaps gaps;
    struct dump *dump;

    (void)state;
    child_start(&child);
    dump = open_child(&child, false, &gaps);
    assert_int_equal(dump->threads.count, 1);
    assert_int_not_equal(dump->threads.data[0].sp, 0);
    assert_non_null(dump_range_at(dump, dump->threads.data[0].sp));
    assert_false(is_traced(&child));
    dump_close(dump);
    gaps_deinit(&gaps);
    child_end(&child);
}

static void a_held_process_is_held_until_it_is_closed(void **state)
{
    struct child child;
    struct gaps gaps;
    struct dump *dump;

    (void)state;
    child_start(&child);
    dump = open_child(&child, true, &gaps);
    assert_true(is_traced(&child));
    dump_close(dump);
    assert_false(is_traced(&child));
    gaps_deinit(&gaps);
    child_end(&child);
}

static void a_process_that_ended_gives_no_more_bytes(void **state)
{
    struct child child;
    struct gaps gaps;
    struct dump *dump;
    const struct dump_range *range;

    (void)state;
    child_start(&child);
    dump = open_child(&child, false, &gaps);
    range = dump_range_at(dump, (uintptr_t)child.memory + TOUCHED * PAGE);
    child_end(&child);
    assert_false(byte_file_ensure(dump->file, range->file_off + ((uintptr_t)child.memory - range->start) + TOUCHED * PAGE, PAGE));
    assert_int_equal(gaps.list.count, 1);
    dump_close(dump);
    gaps_deinit(&gaps);
}

static void what_is_no_process_is_told(void **state)
{
    static const struct {
        const char *target, *part;
    } cases[] = { { "pid:", "a number is a process" }, { "pid:x", "a number is a process" }, { "pid:2147483647", "no process" } };
    struct dump *dump;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error *err = live_open(cases[i].target, false, NULL, &dump);
        assert_non_null(err);
        assert_non_null(strstr(error_message(err), cases[i].part));
        error_destroy(err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_read_where_it_was_touched_and_zero_elsewhere),
        cmocka_unit_test(a_thread_has_registers_and_is_let_go),
        cmocka_unit_test(a_held_process_is_held_until_it_is_closed),
        cmocka_unit_test(a_process_that_ended_gives_no_more_bytes),
        cmocka_unit_test(what_is_no_process_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
