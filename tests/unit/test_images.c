#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/elf_library_writer.h"
#include "support/minidump_writer.h"
#include "support/pe_writer.h"
#include "support/target_opened.h"
#include "target/images.h"

enum { R = ELF_SEGMENT_READ };

#define BASE UINT64_C(0x7f0000000000)
#define DLL UINT64_C(0x7f1000000000)
#define DLL_SECTIONS UINT64_C(0x7f2000000000)

static const struct elf_library_writer right = { .build_id_byte = 0xa1 }, wrong = { .build_id_byte = 0xb2 };
static const struct pe_writer right_dll = { .timestamp = 0x11, .is_managed = true }, wrong_dll = { .timestamp = 0x22 };

static void release(struct span span)
{
    free((void *)(uintptr_t)span.data);
}

static void write_library(const struct scratch *scratch, const char *name, const struct elf_library_writer *writer)
{
    struct span file = elf_library_file(writer);

    scratch_write(scratch, name, file);
    release(file);
}

static void write_dll(const struct scratch *scratch, const char *name, const struct pe_writer *writer)
{
    struct span file = pe_writer_file(writer);

    scratch_write(scratch, name, file);
    release(file);
}

/*
 * A core in which /app/lib/libx.so is mapped at BASE; of it the dump holds only the headers. /app/x.dll is mapped as the file is at
 * DLL and by sections at DLL_SECTIONS; its headers are there if `with_dll_header`.
 */
struct process {
    struct span library, dll;
    struct elf_writer core;
    struct scratch scratch;
    struct target_opened opened;
};

static void process_init(struct process *process, bool with_dll_header)
{
    struct elf_writer *w = &process->core;

    scratch_init(&process->scratch);
    process->library = elf_library_file(&right);
    process->dll = pe_writer_file(&right_dll);
    elf_writer_init(w);
    elf_writer_load(w, BASE, 0x230, R, process->library.data, 0x230);
    elf_writer_file(w, BASE, BASE + 0x1000, 0, "/app/lib/libx.so");
    elf_writer_file(w, BASE + 0x2000, BASE + 0x4000, 1, "/app/lib/libx.so");
    if (with_dll_header) elf_writer_load(w, DLL, 0x400, R, process->dll.data, 0x400);
    elf_writer_file(w, DLL, DLL + 0x3000, 0, "/app/x.dll");
    if (!with_dll_header) return;
    elf_writer_load(w, DLL_SECTIONS, 0x400, R, process->dll.data, 0x400);
    elf_writer_file(w, DLL_SECTIONS, DLL_SECTIONS + 0x1000, 0, "/app/x.dll");
    elf_writer_file(w, DLL_SECTIONS + 0x1000, DLL_SECTIONS + 0x3000, 1, "/app/x.dll");
}

static void process_open(struct process *process, bool with_images, bool with_sysroot)
{
    const char *path = process->scratch.path;

    target_opened_init(&process->opened, elf_writer_build(&process->core), with_images ? path : NULL, with_sysroot ? path : NULL);
}

static void process_deinit(struct process *process)
{
    target_opened_deinit(&process->opened);
    elf_writer_deinit(&process->core);
    release(process->library);
    release(process->dll);
    scratch_deinit(&process->scratch);
}

static bool reads(const struct process *process, uint64_t addr, uint64_t *ret)
{
    return memory_try_u64(&process->opened.target->memory, addr, ret);
}

static bool reads_constant(const struct process *process, uint64_t addr, uint64_t *ret)
{
    return memory_try_u64(&process->opened.target->constants, addr, ret);
}

static void absent_pages_come_from_any_tail_of_the_path(void **state)
{
    static const char *const names[] = { "libx.so", "lib/libx.so", "app/lib/libx.so" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct process process;
        uint64_t word;
        process_init(&process, true);
        write_library(&process.scratch, names[i], &right);
        process_open(&process, true, false);
        assert_true(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
        assert_memory_equal(&word, process.library.data + ELF_LIBRARY_TEXT, 8);
        assert_null(target_opened_gap(&process.opened, ""));
        process_deinit(&process);
    }
}

static void the_longest_tail_that_is_the_same_file_wins(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_library(&process.scratch, "lib/libx.so", &wrong);
    write_library(&process.scratch, "libx.so", &right);
    process_open(&process, true, false);
    assert_true(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    assert_null(target_opened_gap(&process.opened, ""));
    process_deinit(&process);
}

static void another_build_is_refused_and_both_are_named(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_library(&process.scratch, "libx.so", &wrong);
    process_open(&process, true, false);
    assert_false(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    assert_false(reads(&process, BASE + ELF_LIBRARY_TEXT + 8, &word));
    assert_string_equal(target_opened_gap(&process.opened, "libx.so"),
                        "/app/lib/libx.so: build-id a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 in the dump, "
                        "build-id b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2 on disk");
    assert_int_equal(process.opened.gaps.list.count, 1);
    process_deinit(&process);
}

static void a_missing_file_is_one_gap(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    process_open(&process, true, false);
    for (int i = 0; i < 5; i++)
        assert_false(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    assert_string_equal(target_opened_gap(&process.opened, "libx.so"), "/app/lib/libx.so: not found");
    assert_int_equal(process.opened.gaps.list.data[0].count, 1);
    process_deinit(&process);
}

static void relocated_data_is_served_but_not_what_may_be_written(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_library(&process.scratch, "libx.so", &right);
    process_open(&process, true, false);
    assert_true(reads(&process, BASE + ELF_LIBRARY_RELRO, &word));
    assert_int_equal(word, BASE + ELF_LIBRARY_TEXT);
    assert_false(reads(&process, BASE + ELF_LIBRARY_RELRO + 16, &word)); /* an import */
    assert_false(reads(&process, BASE + ELF_LIBRARY_DATA, &word));
    assert_true(reads_constant(&process, BASE + ELF_LIBRARY_DATA, &word));
    assert_int_equal(word, BASE + ELF_LIBRARY_TEXT);
    assert_false(reads_constant(&process, BASE + 0x3800, &word)); /* .bss */
    process_deinit(&process);
}

static void links_that_leave_the_images_are_not_followed(void **state)
{
    struct process process;
    struct scratch outside;
    char path[512], link[512];
    uint64_t word;

    (void)state;
    process_init(&process, true);
    scratch_init(&outside);
    write_library(&outside, "libx.so", &right);
    snprintf(path, sizeof(path), "%s/libx.so", outside.path);
    snprintf(link, sizeof(link), "%s/libx.so", process.scratch.path);
    assert_int_equal(symlink(path, link), 0);
    process_open(&process, true, false);
    assert_false(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    process_deinit(&process);
    scratch_deinit(&outside);
}

/* Without openat2 (an old kernel, a sandbox) no link is followed at all. */
static bool links_can_be_confined(void)
{
    struct open_how how = { .flags = O_PATH, .resolve = RESOLVE_IN_ROOT };
    long fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

    if (fd >= 0) close((int)fd);
    return fd >= 0;
}

static void links_inside_are_followed_and_sysroots_are_roots(void **state)
{
    struct process process;
    char link[512];
    uint64_t word;

    (void)state;
    if (!links_can_be_confined()) skip();
    process_init(&process, true);
    write_library(&process.scratch, "app/real/libx.so.1", &right);
    snprintf(link, sizeof(link), "%s/app/lib", process.scratch.path);
    assert_int_equal(symlink("/app/real", link), 0); /* absolute: counts from the sysroot */
    snprintf(link, sizeof(link), "%s/app/real/libx.so", process.scratch.path);
    assert_int_equal(symlink("libx.so.1", link), 0);
    process_open(&process, false, true);
    assert_true(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    process_deinit(&process);
}

static void only_regular_files_are_opened(void **state)
{
    struct process process;
    char path[512];
    uint64_t word;

    (void)state;
    process_init(&process, true);
    snprintf(path, sizeof(path), "%s/libx.so", process.scratch.path);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/x.dll", process.scratch.path);
    assert_int_equal(mkdir(path, 0700), 0);
    process_open(&process, true, false);
    assert_false(reads(&process, BASE + ELF_LIBRARY_TEXT, &word));
    assert_false(reads(&process, DLL + 0x1000, &word));
    process_deinit(&process);
}

static void the_process_own_path_is_the_last_resort(void **state)
{
    struct process process;
    char path[512];
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_library(&process.scratch, "own.so", &right);
    snprintf(path, sizeof(path), "%s/own.so", process.scratch.path);
    elf_writer_load(&process.core, BASE + 0x100000, 0x230, R, process.library.data, 0x230);
    elf_writer_file(&process.core, BASE + 0x100000, BASE + 0x101000, 0, path);
    process_open(&process, false, false);
    assert_true(reads(&process, BASE + 0x100000 + ELF_LIBRARY_TEXT, &word));
    process_deinit(&process);
}

static void a_dll_is_known_by_timestamp_and_size(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_dll(&process.scratch, "app/x.dll", &wrong_dll);
    process_open(&process, true, false);
    assert_false(reads(&process, DLL + 0x1000, &word));
    assert_string_equal(target_opened_gap(&process.opened, "x.dll"),
                        "/app/x.dll: timestamp 00000011 and size 5000 in the dump, timestamp 00000022 and size 5000 on disk");
    process_deinit(&process);
}

static void a_flat_dll_is_its_file_also_where_sections_are_written(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, true);
    write_dll(&process.scratch, "x.dll", &right_dll);
    process_open(&process, true, false);
    for (uint64_t off = 0x400; off + 8 <= PE_WRITER_FILE_SIZE; off += 0x100) {
        assert_true(reads(&process, DLL + off, &word));
        assert_memory_equal(&word, process.dll.data + off, 8);
    }
    assert_false(reads(&process, DLL + PE_WRITER_FILE_SIZE, &word));
    process_deinit(&process);
}

static void written_sections_of_a_dll_are_constants_only(void **state)
{
    struct process process;
    uint64_t word, size;

    (void)state;
    process_init(&process, true);
    write_dll(&process.scratch, "x.dll", &right_dll);
    process_open(&process, true, false);
    assert_non_null(memory_view(&process.opened.target->memory, DLL_SECTIONS + 0x1f00, 0x1000, &size));
    assert_int_equal(size, 0x100);
    assert_false(reads(&process, DLL_SECTIONS + PE_WRITER_DATA, &word));
    assert_true(reads_constant(&process, DLL_SECTIONS + PE_WRITER_DATA, &word));
    assert_int_equal(word, DLL_SECTIONS + PE_WRITER_CODE);
    process_deinit(&process);
}

static void a_dll_without_header_is_taken_on_trust(void **state)
{
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, false);
    write_dll(&process.scratch, "x.dll", &right_dll);
    process_open(&process, true, false);
    assert_true(reads(&process, DLL + 0x1000, &word));
    assert_string_equal(target_opened_gap(&process.opened, ""), "taken on trust: no header in the dump");
    process_deinit(&process);
}

static void a_dll_without_header_of_another_size_is_refused(void **state)
{
    static const uint8_t large[0x3001] = "MZ";
    struct process process;
    uint64_t word;

    (void)state;
    process_init(&process, false);
    scratch_write(&process.scratch, "x.dll", (struct span) { large, sizeof(large) });
    process_open(&process, true, false);
    assert_false(reads(&process, DLL + 0x1000, &word));
    assert_string_equal(target_opened_gap(&process.opened, ""), "/app/x.dll: 12288 bytes in the dump, 12289 bytes on disk");
    process_deinit(&process);
}

static void whole_files_are_given_to_readers(void **state)
{
    const struct image_identity other = { .timestamp = 0x22, .image_size = PE_WRITER_IMAGE_SIZE };
    const uint8_t build_id[20] = { 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1,
                                   0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1, 0xa1 };
    const struct image_identity same = { .build_id = build_id, .build_id_size = 20 };
    struct process process;
    struct images *images;
    struct span file;

    (void)state;
    process_init(&process, true);
    write_dll(&process.scratch, "x.dll", &right_dll);
    write_dll(&process.scratch, "y.dll", &wrong_dll);
    write_library(&process.scratch, "libx.so", &right);
    process_open(&process, true, false);
    images = process.opened.target->images;
    assert_true(images_file_span(images, "/app/x.dll", NULL, &file));
    assert_int_equal(file.size, PE_WRITER_FILE_SIZE);
    assert_false(images_file_span(images, "/app/x.dll", &other, &file));
    assert_true(images_file_span(images, "/elsewhere/y.dll", &other, &file));
    assert_false(images_file_span(images, "/elsewhere/y.dll", NULL, &file));
    assert_true(images_file_span(images, "/app/lib/libx.so", &same, &file));
    assert_true(target_image_file(process.opened.target, target_module_at(process.opened.target, BASE), &file));
    process_deinit(&process);
}

static bool is_pdb(void *user, struct span bytes)
{
    (*(int *)user)++;
    return bytes.size == 4 && memcmp(bytes.data, "good", 4) == 0;
}

static void other_files_are_judged_by_their_reader(void **state)
{
    struct process process;
    struct span file;
    int asked = 0;

    (void)state;
    process_init(&process, true);
    scratch_write(&process.scratch, "app/x.pdb", (struct span) { (const uint8_t *)"bad!", 4 });
    scratch_write(&process.scratch, "x.pdb", (struct span) { (const uint8_t *)"good", 4 });
    process_open(&process, true, false);
    assert_true(images_find_file(process.opened.target->images, "/build/app/x.pdb", is_pdb, &asked, &file));
    assert_int_equal(asked, 2);
    assert_false(images_find_file(process.opened.target->images, "../x.pdb", is_pdb, &asked, &file));
    process_deinit(&process);
}

static void *read_dll(void *user)
{
    const struct process *process = user;
    uintptr_t failures = 0;
    uint64_t word;

    for (uint64_t off = 0x400; off + 8 <= PE_WRITER_FILE_SIZE; off += 8) {
        failures += !reads(process, DLL + off, &word) || memcmp(&word, process->dll.data + off, 8) != 0;
        failures += !reads_constant(process, DLL_SECTIONS + PE_WRITER_DATA, &word) || word != DLL_SECTIONS + PE_WRITER_CODE;
    }
    return (void *)failures; /* a count, not an address */
}

static void the_first_touch_may_come_from_many_threads(void **state)
{
    struct process process;
    pthread_t threads[4];

    (void)state;
    process_init(&process, true);
    write_dll(&process.scratch, "x.dll", &right_dll);
    process_open(&process, true, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_dll, &process), 0);
    for (int i = 0; i < 4; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    process_deinit(&process);
}

/* A Windows dump with coreclr.dll at another base than it prefers, of which nothing is in the dump. */
static void dlls_of_minidumps_are_laid_out_and_relocated(void **state)
{
    static const struct writer_module module = { 0x7ff600000000,         PE_WRITER_IMAGE_SIZE, 0x11,
                                                 "C:\\app\\CoreCLR.dll", { 10, 0, 1, 2 },      NULL };
    static const struct writer_memory memory = { 0x1000, 16, NULL };
    const struct writer_process process = {
        .architecture = 9, .flags = 2, .modules = &module, .module_count = 1, .memory = &memory, .memory_count = 1
    };
    struct minidump_writer w;
    struct target_opened opened;
    struct scratch scratch;
    uint64_t word;

    (void)state;
    scratch_init(&scratch);
    write_dll(&scratch, "App/coreclr.dll", &right_dll);
    minidump_writer_wine(&w, &process);
    target_opened_init(&opened, minidump_writer_span(&w), scratch.path, NULL);
    assert_true(memory_try_u64(&opened.target->memory, module.base + PE_WRITER_CONSTANT_POINTER, &word));
    assert_int_equal(word, module.base + PE_WRITER_DATA);
    assert_false(memory_try_u64(&opened.target->memory, module.base + PE_WRITER_DATA, &word));
    assert_true(memory_try_u64(&opened.target->constants, module.base + PE_WRITER_DATA, &word));
    assert_int_equal(word, module.base + PE_WRITER_CODE);
    assert_false(memory_try_u64(&opened.target->memory, module.base + PE_WRITER_IMAGE_SIZE, &word));
    target_opened_deinit(&opened);
    minidump_writer_deinit(&w);
    scratch_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_pages_come_from_any_tail_of_the_path),
        cmocka_unit_test(the_longest_tail_that_is_the_same_file_wins),
        cmocka_unit_test(another_build_is_refused_and_both_are_named),
        cmocka_unit_test(a_missing_file_is_one_gap),
        cmocka_unit_test(relocated_data_is_served_but_not_what_may_be_written),
        cmocka_unit_test(links_that_leave_the_images_are_not_followed),
        cmocka_unit_test(links_inside_are_followed_and_sysroots_are_roots),
        cmocka_unit_test(only_regular_files_are_opened),
        cmocka_unit_test(the_process_own_path_is_the_last_resort),
        cmocka_unit_test(a_dll_is_known_by_timestamp_and_size),
        cmocka_unit_test(a_flat_dll_is_its_file_also_where_sections_are_written),
        cmocka_unit_test(written_sections_of_a_dll_are_constants_only),
        cmocka_unit_test(a_dll_without_header_is_taken_on_trust),
        cmocka_unit_test(a_dll_without_header_of_another_size_is_refused),
        cmocka_unit_test(whole_files_are_given_to_readers),
        cmocka_unit_test(other_files_are_judged_by_their_reader),
        cmocka_unit_test(the_first_touch_may_come_from_many_threads),
        cmocka_unit_test(dlls_of_minidumps_are_laid_out_and_relocated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
