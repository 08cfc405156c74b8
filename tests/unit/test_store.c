#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/vec.h"
#include "heap/store.h"

enum { IDENTITY = 0x1234, CONTEXT = 7, NUMBERS = 300000 /* more than a piece */ };

/* A cache folder of its own for each test. */
struct fixture {
    char cache[64], folder[96], file[160];
    uint64_t *numbers, *read;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f) return -1;
    strcpy(f->cache, "/tmp/clrtrail-store-XXXXXX");
    if (!mkdtemp(f->cache) || setenv("XDG_CACHE_HOME", f->cache, 1)) return -1;
    snprintf(f->folder, sizeof(f->folder), "%s/clrtrail", f->cache);
    snprintf(f->file, sizeof(f->file), "%s/%016x.index", f->folder, IDENTITY);
    f->numbers = calloc(NUMBERS, sizeof(*f->numbers));
    f->read = calloc(NUMBERS, sizeof(*f->read));
    for (uint64_t i = 0; f->numbers && i < NUMBERS; i++)
        f->numbers[i] = i * i;
    *state = f;
    return f->numbers && f->read ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", f->cache);
    free(f->numbers);
    free(f->read);
    free(f);
    return system(command);
}

static void keep(const struct fixture *f, const char *name, uint64_t identity)
{
    struct store store;

    assert_true(store_open(NULL, identity, 2, &store));
    store_offer(&store, name, CONTEXT, f->numbers, NUMBERS * sizeof(*f->numbers));
    store_save(&store);
    store_close(&store);
}

static bool has(struct fixture *f, const char *name, uint64_t identity, uint64_t context)
{
    struct store store;
    bool ret;

    if (!store_open(NULL, identity, 2, &store)) return false;
    memset(f->read, 0, NUMBERS * sizeof(*f->read));
    ret = store_read(&store, name, context, f->read, NUMBERS * sizeof(*f->read));
    store_close(&store);
    if (ret) assert_memory_equal(f->read, f->numbers, NUMBERS * sizeof(*f->read));
    return ret;
}

static void what_was_kept_is_read(void **state)
{
    struct fixture *f = *state;
    struct stat file;

    assert_false(has(f, "a", IDENTITY, CONTEXT));
    keep(f, "a", IDENTITY);
    assert_true(has(f, "a", IDENTITY, CONTEXT));
    assert_false(stat(f->file, &file));
    assert_int_equal(file.st_mode & 0777, 0600);
}

static void sections_kept_earlier_stay(void **state)
{
    struct fixture *f = *state;

    keep(f, "a", IDENTITY);
    f->numbers[5] = 55;
    keep(f, "b", IDENTITY);
    assert_true(has(f, "b", IDENTITY, CONTEXT));
    f->numbers[5] = 25;
    assert_true(has(f, "a", IDENTITY, CONTEXT));
}

static void another_dump_context_name_or_size_is_none(void **state)
{
    struct fixture *f = *state;
    struct store store;

    keep(f, "a", IDENTITY);
    assert_false(has(f, "a", IDENTITY + 1, CONTEXT));
    assert_false(has(f, "a", IDENTITY, CONTEXT + 1));
    assert_false(has(f, "b", IDENTITY, CONTEXT));
    assert_true(store_open(NULL, IDENTITY, 1, &store));
    assert_int_equal(store_size(&store, "a", CONTEXT), NUMBERS * sizeof(*f->numbers));
    assert_false(store_read(&store, "a", CONTEXT, f->read, 8));
    store_close(&store);
}

/* One bit anywhere that counts, or a cut, and nothing is taken from the file. */
static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void damaged_files_are_none(void **state)
{
    struct fixture *f = *state;
    off_t head = sizeof(struct store_header) + sizeof(struct store_section), data = 4096;

    keep(f, "a", IDENTITY);
    for (off_t at = 0; at < head; at++) {
        flip(f->file, at);
        assert_false(has(f, "a", IDENTITY, CONTEXT));
        flip(f->file, at);
    }
    for (off_t at = data; at < data + (off_t)(NUMBERS * sizeof(*f->numbers)); at += 100003) {
        flip(f->file, at);
        assert_false(has(f, "a", IDENTITY, CONTEXT));
        flip(f->file, at);
    }
    assert_true(has(f, "a", IDENTITY, CONTEXT));
    assert_false(truncate(f->file, data + 1000));
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    assert_false(truncate(f->file, 0));
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    keep(f, "a", IDENTITY);
    assert_true(has(f, "a", IDENTITY, CONTEXT));
}

static void a_file_under_another_key_is_none(void **state)
{
    struct fixture *f = *state;
    char key[128];

    keep(f, "a", IDENTITY);
    snprintf(key, sizeof(key), "%s/key", f->folder);
    flip(key, 3);
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    flip(key, 3);
    assert_true(has(f, "a", IDENTITY, CONTEXT));
}

static void a_folder_where_others_may_write_is_not_used(void **state)
{
    struct fixture *f = *state;

    keep(f, "a", IDENTITY);
    assert_false(chmod(f->folder, 0777));
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    assert_false(chmod(f->folder, 0700));
    assert_true(has(f, "a", IDENTITY, CONTEXT));
}

static void links_and_folders_in_the_place_of_the_file_are_none(void **state)
{
    struct fixture *f = *state;
    char other[192];

    keep(f, "a", IDENTITY);
    snprintf(other, sizeof(other), "%s.other", f->file);
    assert_false(rename(f->file, other));
    assert_false(symlink(other, f->file));
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    assert_false(unlink(f->file));
    assert_false(mkdir(f->file, 0700));
    assert_false(has(f, "a", IDENTITY, CONTEXT));
    keep(f, "a", IDENTITY); /* cannot be renamed onto a folder: no word, nothing left */
    assert_false(rmdir(f->file));
}

static void only_the_newest_files_stay(void **state)
{
    struct fixture *f = *state;
    unsigned left = 0;

    for (uint64_t i = 0; i < STORE_FILES_MAX + 3; i++) {
        struct store store;

        assert_true(store_open(NULL, i, 1, &store));
        store_offer(&store, "a", CONTEXT, f->numbers, 64);
        store_save(&store);
        store_close(&store);
    }
    for (uint64_t i = 0; i < STORE_FILES_MAX + 3; i++) {
        struct store store;

        assert_true(store_open(NULL, i, 1, &store));
        left += store_size(&store, "a", CONTEXT) == 64;
        store_close(&store);
    }
    assert_int_equal(left, STORE_FILES_MAX);
}

static void without_a_home_nothing_is_kept(void **state)
{
    struct store store;

    (void)state;
    assert_false(unsetenv("XDG_CACHE_HOME"));
    assert_false(setenv("HOME", "", 1));
    assert_false(store_open(NULL, IDENTITY, 1, &store));
    store_offer(&store, "a", CONTEXT, "12345678", 8);
    store_save(&store);
    assert_int_equal(store_size(&store, "a", CONTEXT), 0);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_kept_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(sections_kept_earlier_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(another_dump_context_name_or_size_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_files_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_under_another_key_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_where_others_may_write_is_not_used, setup, teardown),
        cmocka_unit_test_setup_teardown(links_and_folders_in_the_place_of_the_file_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_newest_files_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_home_nothing_is_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
