/* The words behind `watch`, its database, and what the kernel says of a process's limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump/process_usage.h"
#include "surfaces/watch_options.h"
#include "surfaces/watch_store.h"

static void intervals_have_units(void **state)
{
    static const struct {
        const char *word;
        uint64_t ms; /* 0: refused */
    } cases[] = {
        { "60", 60000 },   { "60s", 60000 }, { "5m", 300000 },    { "5min", 300000 },
        { "1h", 3600000 }, { "500ms", 500 }, { "24h", 86400000 }, { "", 0 },
        { "s", 0 },        { "0", 0 },       { "99ms", 0 },       { "25h", 0 },
        { "-5", 0 },       { "1 h", 0 },     { "1d", 0 },         { "99999999999999999999", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ms = 0;
        bool ok = watch_parse_interval(cases[i].word, &ms);
        assert_int_equal(ok, cases[i].ms != 0);
        if (ok) assert_int_equal(ms, cases[i].ms);
    }
}

static void conditions_compare_a_metric(void **state)
{
    static const struct {
        const char *text, *metric;
        uint64_t value;
        bool below, at, above; /* does it hold with a smaller value, this one, a larger one? */
    } cases[] = {
        { "total > 2GB", "total", 2000000000, false, false, true },
        { "  GC heap gen2>=64K ", NULL, 0, false, false, false },
        { "GC heap gen2>=64K", "gc heap gen2", 65536, false, true, true },
        { "threads<=10", "threads", 10, true, true, false },
        { "threads < 10", "threads", 10, true, false, false },
        { "total", NULL, 0, false, false, false },
        { "> 5", NULL, 0, false, false, false },
        { "total > x", NULL, 0, false, false, false },
        { "total >", NULL, 0, false, false, false },
        { "0123456789012345678901234567890123456789012345678901234567890123 > 1", NULL, 0, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct watch_condition condition = { 0 };
        struct error *err = watch_condition_parse(&condition, cases[i].text);

        assert_int_equal(err == NULL, cases[i].metric != NULL);
        error_destroy(err);
        if (!cases[i].metric) continue;
        assert_int_equal(watch_condition_holds(&condition, cases[i].metric, cases[i].value - 1), cases[i].below);
        assert_int_equal(watch_condition_holds(&condition, cases[i].metric, cases[i].value), cases[i].at);
        assert_int_equal(watch_condition_holds(&condition, cases[i].metric, cases[i].value + 1), cases[i].above);
        assert_false(watch_condition_holds(&condition, "another", cases[i].value + 1));
    }
}

static void lines_of_cgroup_files(void **state)
{
    static const struct {
        const char *line, *path; /* NULL: it counts no memory */
        bool is_v1;
    } cases[] = {
        { "0::/kubepods/pod1/c", "/kubepods/pod1/c", false },
        { "0::/", "", false },
        { "9:memory:/docker/abc", "/docker/abc", true },
        { "3:cpu,cpuacct:/docker/abc", NULL, false },
        { "0::", NULL, false },
        { "0", NULL, false },
        { "", NULL, false },
        { "0::relative", NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = NULL;
        size_t length = 0;
        bool is_v1 = false, ok = cgroup_line_path(cases[i].line, strlen(cases[i].line), &is_v1, &path, &length);

        assert_int_equal(ok, cases[i].path != NULL);
        if (!ok) continue;
        assert_int_equal(is_v1, cases[i].is_v1);
        assert_int_equal(length, strlen(cases[i].path));
        assert_memory_equal(path, cases[i].path, length);
    }
}

static void a_process_tells_of_itself(void **state)
{
    struct process_usage usage = { 0 };

    (void)state;
    assert_true(process_usage_read(getpid(), &usage));
    assert_true(usage.resident_size > 4096 && usage.thread_count >= 1);
    assert_true(usage.limit_of && usage.limit >= usage.resident_size);
    assert_true(usage.started > 1000000000);
    assert_false(process_usage_read(0x7fffffff, &usage));
}

#ifdef HAVE_SQLITE

struct expected {
    double values[8];
    size_t count;
    unsigned metrics;
};

static struct error *see(void *user, const char *metric, bool is_bytes, const struct trend_series *series)
{
    struct expected *seen = user;

    seen->metrics++;
    if (strcmp(metric, "resident") != 0) return NULL;
    assert_true(is_bytes);
    seen->count = series->points.count;
    for (size_t i = 0; i < series->points.count && i < 8; i++)
        seen->values[i] = series->points.data[i].value;
    return NULL;
}

static void add(struct watch_store *store, double time, uint64_t resident)
{
    assert_null(watch_store_begin_sample(store, time));
    assert_null(watch_store_put(store, "assemblies", false, 7));
    assert_null(watch_store_put(store, "resident", true, resident));
    assert_null(watch_store_end_sample(store, 0.01));
}

static void check_series(struct watch_store *store, size_t count, double last)
{
    struct expected seen = { { 0 }, 0, 0 };

    assert_null(watch_store_each(store, see, &seen));
    assert_int_equal(seen.count, count);
    assert_int_equal(seen.metrics, count ? 2 : 0);
    if (count && count <= 8) assert_float_equal(seen.values[count - 1], last, 0.1);
}

static void a_file_is_gone_on_with(void **state)
{
    char folder[] = "/tmp/clrtrail-watch-XXXXXX", path[64], link[64];
    struct watch_store *store = NULL;
    struct error *err;
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/w.db", folder);
    snprintf(link, sizeof(link), "%s/link", folder);
    assert_null(watch_store_open(path, &store));
    assert_null(watch_store_begin(store, 7, 1000, "x"));
    add(store, 1, 100);
    add(store, 2, 200);
    assert_null(watch_store_begin_sample(store, 3));
    assert_null(watch_store_put(store, "resident", true, 999));
    watch_store_drop_sample(store);
    check_series(store, 2, 200);
    watch_store_close(store);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_null(watch_store_open(path, &store));
    assert_null(watch_store_begin(store, 7, 1001, "x"));
    check_series(store, 2, 200);
    add(store, 3, 300);
    check_series(store, 3, 300);
    /* Another process that got the same number. */
    assert_null(watch_store_begin(store, 7, 5000, NULL));
    check_series(store, 0, 0);
    watch_store_close(store);
    assert_int_equal(symlink(path, link), 0);
    err = watch_store_open(link, &store);
    assert_non_null(err);
    error_destroy(err);
    unlink(link);
    unlink(path);
    rmdir(folder);
}

static void other_files_are_left_alone(void **state)
{
    char path[] = "/tmp/clrtrail-watch-XXXXXX";
    struct watch_store *store = NULL;
    struct error *err;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "somebody's notes, no database at all", 36), 36);
    close(fd);
    err = watch_store_open(path, &store);
    assert_non_null(err);
    error_destroy(err);
    unlink(path);
    err = watch_store_open("/dev/null", &store);
    assert_non_null(err);
    error_destroy(err);
}

static void a_series_is_made_of_the_newest(void **state)
{
    struct watch_store *store = NULL;

    (void)state;
    assert_null(watch_store_open(NULL, &store));
    assert_null(watch_store_begin(store, 1, 1, NULL));
    for (unsigned i = 0; i < WATCH_STORE_WINDOW + 20; i++)
        add(store, i, i);
    check_series(store, WATCH_STORE_WINDOW, 0);
    watch_store_close(store);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_have_units),           cmocka_unit_test(conditions_compare_a_metric),
        cmocka_unit_test(lines_of_cgroup_files),          cmocka_unit_test(a_process_tells_of_itself),
#ifdef HAVE_SQLITE
        cmocka_unit_test(a_file_is_gone_on_with),         cmocka_unit_test(other_files_are_left_alone),
        cmocka_unit_test(a_series_is_made_of_the_newest),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
