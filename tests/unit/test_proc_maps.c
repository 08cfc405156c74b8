#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dump/dump.h"
#include "dump/proc_file.h"
#include "dump/proc_maps.h"

static struct proc_maps begin(const char *text)
{
    struct proc_maps iter;

    proc_maps_begin(&iter, (struct span) { (const uint8_t *)text, strlen(text) });
    return iter;
}

static void assert_path(const struct proc_map *map, const char *path)
{
    assert_int_equal(map->path.size, strlen(path));
    assert_memory_equal(map->path.data, path, map->path.size);
}

static void a_line_gives_all_its_fields(void **state)
{
    struct proc_maps iter = begin("7f5606a60000-7f5606a63000 rw-s 00001000 00:01 21287      /memfd:doublemapper (deleted)\n");
    struct proc_map map;

    (void)state;
    assert_true(proc_maps_next(&iter, &map));
    assert_int_equal(map.start, 0x7f5606a60000);
    assert_int_equal(map.end, 0x7f5606a63000);
    assert_int_equal(map.protection, PROTECTION_READ | PROTECTION_WRITE);
    assert_int_equal(map.file_off, 0x1000);
    assert_int_equal(map.inode, 21287);
    assert_true(map.is_shared);
    assert_true(proc_map_is_file(&map));
    assert_path(&map, "/memfd:doublemapper (deleted)");
    assert_false(proc_maps_next(&iter, &map));
    assert_int_equal(iter.bad_count, 0);
}

static void memory_of_no_file_has_no_path(void **state)
{
    struct proc_maps iter = begin("1000-3000 ---p 00000000 00:00 0 \n7ffff000-80000000 r--p 00000000 00:00 0      [vvar]\n");
    struct proc_map map;

    (void)state;
    assert_true(proc_maps_next(&iter, &map));
    assert_int_equal(map.protection, 0);
    assert_path(&map, "");
    assert_false(proc_map_is_file(&map) || proc_map_is_special(&map));
    assert_true(proc_maps_next(&iter, &map));
    assert_true(proc_map_is_special(&map));
}

static void a_path_may_hold_blanks(void **state)
{
    struct proc_maps iter = begin("1000-2000 r-xp 00000000 fe:00 12 /a b/c  d.so\n");
    struct proc_map map;

    (void)state;
    assert_true(proc_maps_next(&iter, &map));
    assert_path(&map, "/a b/c  d.so");
}

static void nonsense_is_counted_and_left_out(void **state)
{
    static const char *const lines[] = {
        "\n",
        "x\n",
        "1000\n",
        "1000-\n",
        "2000-1000 r--p 0 0:0 0\n",
        "1000-2000 r--p\n",
        "1000-2000 r--p 0 0 0\n",
        "11111111111111111-2 r--p 00000000 00:00 0\n",
        "1000-2000 r--p 00000000 00:00 0" /* cut off */,
    };
    struct proc_map map;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        struct proc_maps iter = begin(lines[i]);
        assert_false(proc_maps_next(&iter, &map));
        assert_int_equal(iter.bad_count, 1);
    }
}

static void status_gives_the_last_of_several_numbers(void **state)
{
    struct text status = { 0 };
    uint64_t number = 0;

    (void)state;
    text_puts(&status, "Name:\tx\nNSpid:\t4711\t12\t1\nVmRSS:\t  20 kB\nThreads:\n");
    assert_true(proc_status_number(&status, "NSpid", &number));
    assert_int_equal(number, 1);
    assert_true(proc_status_number(&status, "VmRSS", &number));
    assert_int_equal(number, 20);
    assert_false(proc_status_number(&status, "Threads", &number));
    assert_false(proc_status_number(&status, "Nothing", &number));
    text_deinit(&status);
}

static void a_pid_is_digits_only(void **state)
{
    static const char *const wrong[] = { "", "0", "-1", "+1", " 1", "1 ", "1x", "0x1", "99999999999" };
    pid_t pid = 0;

    (void)state;
    assert_true(proc_parse_pid("4711", &pid));
    assert_int_equal(pid, 4711);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_false(proc_parse_pid(wrong[i], &pid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_gives_all_its_fields),
        cmocka_unit_test(memory_of_no_file_has_no_path),
        cmocka_unit_test(a_path_may_hold_blanks),
        cmocka_unit_test(nonsense_is_counted_and_left_out),
        cmocka_unit_test(status_gives_the_last_of_several_numbers),
        cmocka_unit_test(a_pid_is_digits_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
