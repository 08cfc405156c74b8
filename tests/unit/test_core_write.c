#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dump/core_keep.h"
#include "dump/core_write.h"
#include "formats/elf_write.h"

enum { PAGE = 4096 };

/* A dump in memory: two pages of heap, a library's code of three pages, a page without access. */
struct made {
    struct dump dump;
    struct byte_file file;
    uint8_t bytes[5 * PAGE];
    uint64_t registers[27];
};

static void make(struct made *made)
{
    static const struct dump_range ranges[] = {
        { .start = 0x10000,
          .end = 0x12000,
          .file_off = 0,
          .file_size = 2 * PAGE,
          .protection = PROTECTION_READ | PROTECTION_WRITE },
        { .start = 0x20000,
          .end = 0x23000,
          .file_off = 2 * PAGE,
          .file_size = 3 * PAGE,
          .protection = PROTECTION_READ | PROTECTION_EXEC },
        { .start = 0x30000, .end = 0x31000, .state = RANGE_RESERVE },
    };
    struct dump_file_map map = { 0x20000, 0x23000, PAGE, "/lib/libx.so.1" };
    struct dump_thread thread = { .os_id = 12, .name = "worker" };

    memset(made, 0, sizeof(*made));
    for (size_t i = 0; i < sizeof(made->bytes); i++)
        made->bytes[i] = (uint8_t)(i * 7 + i / PAGE);
    memset(made->bytes + PAGE, 0, PAGE);
    made->registers[16] = 0x10010; /* rip: in the heap */
    made->registers[19] = 0x10020;
    thread.raw_registers = (struct span) { (const uint8_t *)made->registers, sizeof(made->registers) };
    made->file = (struct byte_file) { .path = (char *)"made", .bytes = { made->bytes, sizeof(made->bytes) } };
    made->dump = (struct dump) { .file = &made->file,
                                 .format = "elf-core",
                                 .kind = "full",
                                 .arch = "x64",
                                 .pid = 11,
                                 .time = 99,
                                 .command = "/usr/bin/app one two" };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++)
        assert_true(vec_push(&made->dump.ranges, ranges[i]));
    assert_true(vec_push(&made->dump.file_maps, map));
    assert_true(vec_push(&made->dump.threads, thread));
}

static void drop(struct made *made)
{
    vec_deinit(&made->dump.ranges);
    vec_deinit(&made->dump.file_maps);
    vec_deinit(&made->dump.threads);
}

struct folder {
    char path[64], name[96];
};

static const char *folder_name(struct folder *folder, const char *name)
{
    snprintf(folder->path, sizeof(folder->path), "/tmp/clrtrail-test-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->name, sizeof(folder->name), "%s/%s", folder->path, name);
    return folder->name;
}

static void folder_remove(struct folder *folder)
{
    unlink(folder->name);
    assert_int_equal(rmdir(folder->path), 0); /* nothing else was left in it */
}

static struct dump *write_and_open(struct made *made, bool everything, const char *path)
{
    struct core_write_options options = { .everything = everything, .kind = everything ? "full" : "heap" };
    struct core_write_result result;
    struct core_output output;
    struct dump *ret = NULL;

    assert_null(core_output_open(&output, path, 1));
    assert_null(core_write(&made->dump, &options, &output, NULL, NULL, &result));
    assert_null(core_output_finish(&output));
    core_output_close(&output);
    assert_null(dump_open(path, NULL, NULL, &ret));
    return ret;
}

static const uint8_t *bytes_of(struct dump *dump, size_t range)
{
    const struct dump_range *r = &dump->ranges.data[range];

    assert_true(byte_file_ensure(dump->file, r->file_off, r->file_size));
    return dump->file->bytes.data + r->file_off;
}

static void what_is_written_reads_back(const char *name)
{
    struct folder folder;
    struct made made;
    struct dump *dump;

    make(&made);
    dump = write_and_open(&made, true, folder_name(&folder, name));
    assert_int_equal(dump->ranges.count, 3);
    assert_int_equal(dump->ranges.data[1].file_size, 3 * PAGE);
    assert_int_equal(dump->ranges.data[2].state, RANGE_RESERVE);
    assert_memory_equal(bytes_of(dump, 0), made.bytes, 2 * PAGE);
    assert_memory_equal(bytes_of(dump, 1), made.bytes + 2 * PAGE, 3 * PAGE);
    assert_int_equal(dump->threads.count, 1);
    assert_int_equal(dump->threads.data[0].ip, 0x10010);
    assert_string_equal(dump->threads.data[0].name, "worker");
    assert_string_equal(dump->file_maps.data[0].path, "/lib/libx.so.1");
    assert_int_equal(dump->file_maps.data[0].file_off, PAGE);
    assert_string_equal(dump->command, "/usr/bin/app one two");
    assert_string_equal(dump->kind, "full");
    assert_int_equal(dump->pid, 11);
    assert_int_equal(dump->time, 99);
    assert_int_equal(dump->left_out_size, 0);
    dump_close(dump);
    drop(&made);
    folder_remove(&folder);
}

static void plain_cores_read_back(void **state)
{
    (void)state;
    what_is_written_reads_back("a.core");
}

static void compressed_cores_read_back(void **state)
{
    (void)state;
    what_is_written_reads_back("a.core.zst");
}

static void code_of_libraries_is_left_out_and_said_so(void **state)
{
    struct folder folder;
    struct made made;
    struct dump *dump;

    (void)state;
    make(&made);
    dump = write_and_open(&made, false, folder_name(&folder, "a.core"));
    assert_string_equal(dump->kind, "heap");
    assert_int_equal(dump->ranges.data[1].file_size, PAGE);
    assert_int_equal(dump->ranges.data[1].end, 0x23000);
    assert_int_equal(dump->left_out_size, 2 * PAGE);
    dump_close(dump);
    drop(&made);
    folder_remove(&folder);
}

static void code_that_a_thread_stands_in_is_kept(void **state)
{
    struct core_pieces pieces;
    struct made made;

    (void)state;
    make(&made);
    made.dump.threads.data[0].ip = 0x22fff;
    assert_null(core_pieces_init(&pieces, &made.dump, false));
    assert_int_equal(pieces.left_out_size, 0);
    core_pieces_deinit(&pieces);
    drop(&made);
}

static void files_are_new_and_private(void **state)
{
    struct core_output output;
    struct folder folder;
    struct stat status;
    struct error *err;
    const char *path = folder_name(&folder, "a.core");

    (void)state;
    assert_null(core_output_open(&output, path, 1));
    assert_null(core_output_append(&output, "x", 1));
    assert_null(core_output_zeros(&output, 5000));
    assert_null(core_output_finish(&output));
    core_output_close(&output);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 5001);
    err = core_output_open(&output, path, 1);
    assert_non_null(err);
    assert_non_null(strstr(error_message(err), "exists"));
    error_destroy(err);
    folder_remove(&folder);
}

static void an_unfinished_file_is_removed(void **state)
{
    struct core_output output;
    struct folder folder;

    (void)state;
    assert_null(core_output_open(&output, folder_name(&folder, "a.core.zst"), 1));
    assert_null(core_output_append(&output, "x", 1));
    core_output_close(&output);
    folder_remove(&folder);
}

static void many_segments_are_counted_in_the_section(void **state)
{
    enum { COUNT = 70000 };
    struct elf_write core;
    struct text head = { 0 };
    struct elf elf;

    (void)state;
    elf_write_init(&core, ELF_MACHINE_X64);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_true(elf_write_load(&core, i * 2 * PAGE, PAGE, 0, ELF_SEGMENT_READ));
    elf_write_note(&core, "CORE", 6, (struct span) { (const uint8_t *)"abc", 3 });
    assert_null(elf_write_head(&core, &head));
    assert_int_equal(head.length % PAGE, 0);
    assert_null(elf_open((struct span) { (const uint8_t *)head.data, head.length }, &elf));
    assert_int_equal(elf.segment_count, COUNT + 1);
    assert_int_equal(elf.segment_promised, COUNT + 1);
    assert_int_equal(elf_segment(&elf, COUNT).addr, (COUNT - 1) * 2ull * PAGE);
    text_deinit(&head);
    elf_write_deinit(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_cores_read_back),
        cmocka_unit_test(compressed_cores_read_back),
        cmocka_unit_test(code_of_libraries_is_left_out_and_said_so),
        cmocka_unit_test(code_that_a_thread_stands_in_is_kept),
        cmocka_unit_test(files_are_new_and_private),
        cmocka_unit_test(an_unfinished_file_is_removed),
        cmocka_unit_test(many_segments_are_counted_in_the_section),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
