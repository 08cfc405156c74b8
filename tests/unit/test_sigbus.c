#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump/sigbus.h"

enum { PAGES = 16 };

struct mapping {
    int fd;
    size_t page, size;
    const volatile uint8_t *data;
    atomic_uint_fast64_t lost_pages;
};

static void mapping_init(struct mapping *mapping)
{
    uint8_t *bytes;

    *mapping = (struct mapping) { .page = (size_t)sysconf(_SC_PAGESIZE) };
    mapping->size = PAGES * mapping->page;
    mapping->fd = memfd_create("shrinks", MFD_CLOEXEC);
    bytes = malloc(mapping->size);
    memset(bytes, 'x', mapping->size);
    assert_int_equal(write(mapping->fd, bytes, mapping->size), mapping->size);
    free(bytes);
    mapping->data = mmap(NULL, mapping->size, PROT_READ, MAP_PRIVATE, mapping->fd, 0);
    assert_ptr_not_equal(mapping->data, MAP_FAILED);
    assert_true(sigbus_register((const void *)mapping->data, mapping->size, &mapping->lost_pages));
}

/*
 * cmocka takes over SIGBUS for each test, so all that faults runs in a child of its own. True: as expected, with `signal` as what
 * ends it, 0 for none.
 */
static bool child_ends(bool (*body)(struct mapping *mapping), int expected_signal)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct mapping mapping;
        signal(SIGBUS, SIG_DFL);
        mapping_init(&mapping);
        _exit(body(&mapping) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (expected_signal) return WIFSIGNALED(status) && WTERMSIG(status) == expected_signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool shrink(struct mapping *mapping, size_t pages)
{
    return ftruncate(mapping->fd, (off_t)(pages * mapping->page)) == 0;
}

static bool read_shrunk(struct mapping *mapping)
{
    const volatile uint8_t *end = mapping->data + 3 * mapping->page;

    if (mapping->data[mapping->size - 1] != 'x' || !shrink(mapping, 3)) return false;
    if (end[-1] != 'x' || end[0] || end[5] || mapping->data[mapping->size - 1]) return false;
    return atomic_load(&mapping->lost_pages) == 2;
}

static void a_file_that_shrinks_reads_as_zeros(void **state)
{
    (void)state;
    assert_true(child_ends(read_shrunk, 0));
}

static void *read_all(void *user)
{
    struct mapping *mapping = user;
    uintptr_t sum = 0;

    for (size_t i = 0; i < mapping->size; i += 64)
        sum += mapping->data[i];
    return (void *)sum;
}

static bool read_in_threads(struct mapping *mapping)
{
    pthread_t threads[4];
    bool good = shrink(mapping, 0);

    for (size_t i = 0; i < 4; i++)
        good = pthread_create(&threads[i], NULL, read_all, mapping) == 0 && good;
    for (size_t i = 0; i < 4; i++) {
        void *sum = NULL;
        pthread_join(threads[i], &sum);
        good = !sum && good;
    }
    return good && atomic_load(&mapping->lost_pages) >= PAGES;
}

static void many_threads_may_fault_at_once(void **state)
{
    (void)state;
    assert_true(child_ends(read_in_threads, 0));
}

static bool read_unknown(struct mapping *mapping)
{
    sigbus_unregister((const void *)mapping->data);
    return shrink(mapping, 0) && mapping->data[0] == 0;
}

static bool raise_it(struct mapping *mapping)
{
    (void)mapping;
    kill(getpid(), SIGBUS);
    return true;
}

static void other_faults_end_the_process_as_before(void **state)
{
    (void)state;
    assert_true(child_ends(read_unknown, SIGBUS));
    assert_true(child_ends(raise_it, SIGBUS));
}

static void the_table_refuses_more_than_it_holds(void **state)
{
    atomic_uint_fast64_t lost = 0;
    size_t taken = 0;

    (void)state;
    while (sigbus_register((const void *)(uintptr_t)((taken + 1) << 20), 4096, &lost))
        taken++;
    assert_int_equal(taken, SIGBUS_MAPPINGS);
    for (size_t i = 0; i < taken; i++)
        sigbus_unregister((const void *)(uintptr_t)((i + 1) << 20));
    assert_true(sigbus_register((const void *)(uintptr_t)(1 << 20), 4096, &lost));
    sigbus_unregister((const void *)(uintptr_t)(1 << 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_shrinks_reads_as_zeros), cmocka_unit_test(many_threads_may_fault_at_once),
        cmocka_unit_test(other_faults_end_the_process_as_before),
        cmocka_unit_test(the_table_refuses_more_than_it_holds), /* last: it installs the handler, which children inherit */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
