#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dump/dump.h"

static void every_other_file_is_named(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *named;
    } cases[] = {
        { "", 0, "is empty, not a dump" },
        { "hello\nworld\n", 12, "is text, not a dump" },
        { "\0\1\2\3", 4, "of a format that is not known" },
        { "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0", 18, "an ELF executable, not" },
        { "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0", 18, "an ELF executable or library" },
        { "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0", 18, "an ELF object file" },
        { "\177ELF", 4, "the beginning of an ELF file" },
        { "MZ\220\0", 4, "a Windows executable" },
        { "\x14\0\0\0!FastSerialization.1", 24, "a gcdump" },
        { "Nettrace\x14\0\0\0!FastSerialization.1", 32, "nettrace" },
        { "PK\3\4", 4, "a zip archive" },
        { "BZh91AY", 7, "bzip2" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct byte_file *file;
        struct dump *dump;
        struct error *err;
        assert_null(byte_file_from_memory((struct span) { (const uint8_t *)cases[i].bytes, cases[i].size }, &file));
        err = dump_open_file(file, NULL, &dump);
        assert_non_null(err);
        if (!strstr(error_message(err), cases[i].named)) fail_msg("'%s' not in '%s'", cases[i].named, error_message(err));
        error_destroy(err);
    }
}

static void assert_open_fails(const char *path, const char *message_part)
{
    struct dump *dump;
    struct error *err = dump_open(path, NULL, NULL, &dump);

    assert_non_null(err);
    assert_non_null(strstr(error_message(err), message_part));
    error_destroy(err);
}

static void paths_that_cannot_be_opened_say_why(void **state)
{
    (void)state;
    assert_open_fails("pid:me", "a number is a process");
    assert_open_fails("/no/such/file", "cannot open '/no/such/file': No such file or directory");
}

static void addresses_are_looked_up_between_gaps(void **state)
{
    struct dump_range ranges[] = { { .start = 10, .end = 20 }, { .start = 20, .end = 30 }, { .start = 40, .end = UINT64_MAX } };
    struct dump dump = { 0 };

    (void)state;
    assert_null(dump_range_at(&dump, 15));
    dump.ranges.data = ranges;
    dump.ranges.count = 3;
    assert_null(dump_range_at(&dump, 9));
    assert_ptr_equal(dump_range_at(&dump, 10), &ranges[0]);
    assert_ptr_equal(dump_range_at(&dump, 19), &ranges[0]);
    assert_ptr_equal(dump_range_at(&dump, 20), &ranges[1]);
    assert_null(dump_range_at(&dump, 30));
    assert_ptr_equal(dump_range_at(&dump, UINT64_MAX - 1), &ranges[2]);
    assert_null(dump_range_at(&dump, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_file_is_named),
        cmocka_unit_test(paths_that_cannot_be_opened_say_why),
        cmocka_unit_test(addresses_are_looked_up_between_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
