/* Cycles of threads that wait for each other's locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "managed/blocked.h"

enum { THREADS = 9, LOCK = 0x1000 };

struct fixture {
    struct clr_thread threads[THREADS];
    struct blocked_thread list[THREADS];
    struct blocked_threads all;
};

/* Thread i + 1 waits for a lock that thread owners[i] holds; 0: it waits for none. */
static void fixture_init(struct fixture *f, const uint32_t *owners, size_t count)
{
    *f = (struct fixture) { 0 };
    for (size_t i = 0; i < count; i++) {
        f->threads[i].managed_id = (uint32_t)i + 1;
        f->list[i] =
            (struct blocked_thread) { .thread = &f->threads[i], .owner_id = owners[i], .lock_object = owners[i] ? LOCK + i : 0 };
    }
    f->all = (struct blocked_threads) { f->threads, count, f->list };
}

static void each_cycle_is_told_once(void **state)
{
    /* 1 -> 2 -> 1; 3 behind them; 4 -> 6 -> 5 -> 4; 7 waits for one that waits for nothing; 9's owner is no thread. */
    static const uint32_t owners[THREADS] = { 2, 1, 1, 6, 4, 5, 8, 0, 77 };
    const struct blocked_thread *cycle[THREADS];
    struct fixture f;
    size_t next = 0;

    (void)state;
    fixture_init(&f, owners, THREADS);
    assert_int_equal(blocked_threads_cycle(&f.all, &next, cycle, THREADS), 2);
    assert_int_equal(cycle[0]->thread->managed_id, 1);
    assert_int_equal(cycle[1]->thread->managed_id, 2);
    assert_int_equal(blocked_threads_cycle(&f.all, &next, cycle, THREADS), 3);
    assert_int_equal(cycle[0]->thread->managed_id, 4);
    assert_int_equal(cycle[1]->thread->managed_id, 6);
    assert_int_equal(cycle[2]->thread->managed_id, 5);
    assert_int_equal(blocked_threads_cycle(&f.all, &next, cycle, THREADS), 0);
}

static void a_cycle_that_is_too_long_is_not_followed_for_ever(void **state)
{
    static const uint32_t owners[4] = { 2, 3, 4, 1 };
    const struct blocked_thread *cycle[3];
    struct fixture f;
    size_t next = 0;

    (void)state;
    fixture_init(&f, owners, 4);
    assert_int_equal(blocked_threads_cycle(&f.all, &next, cycle, 3), 0);
}

static void threads_are_found_by_their_ids(void **state)
{
    static const uint32_t owners[2] = { 0, 0 };
    struct fixture f;

    (void)state;
    fixture_init(&f, owners, 2);
    assert_ptr_equal(blocked_thread_by_id(&f.all, 2), &f.list[1]);
    assert_null(blocked_thread_by_id(&f.all, 3));
    assert_null(blocked_thread_by_id(&f.all, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cycle_is_told_once),
        cmocka_unit_test(a_cycle_that_is_too_long_is_not_followed_for_ever),
        cmocka_unit_test(threads_are_found_by_their_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
