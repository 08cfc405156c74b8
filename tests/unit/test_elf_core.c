#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dump/dump.h"
#include "support/elf_writer.h"

enum { R = ELF_SEGMENT_READ, W = ELF_SEGMENT_WRITE, X = ELF_SEGMENT_EXEC, PAGE = 4096 };

struct opened {
    uint8_t *copy; /* of exactly the core's size, so that a read beyond is seen */
    struct dump *dump;
    struct gaps gaps;
    struct error *err;
};

static void opened_init(struct opened *opened, struct span core)
{
    struct byte_file *file;

    *opened = (struct opened) { .copy = malloc(core.size ? core.size : 1) };
    assert_non_null(opened->copy);
    if (core.size) memcpy(opened->copy, core.data, core.size);
    gaps_init(&opened->gaps);
    assert_null(byte_file_from_memory((struct span) { opened->copy, core.size }, &file));
    opened->err = dump_open_file(file, &opened->gaps, &opened->dump);
}

static void opened_deinit(struct opened *opened)
{
    dump_close(opened->dump);
    error_destroy(opened->err);
    gaps_deinit(&opened->gaps);
    free(opened->copy);
}

static bool has_gap(const struct opened *opened, const char *why_part)
{
    for (size_t i = 0; i < opened->gaps.list.count; i++) {
        if (strstr(opened->gaps.list.data[i].why, why_part)) return true;
    }
    return false;
}

/* Opens what `w` describes and releases the writer. */
static void open_writer(struct opened *opened, struct elf_writer *w)
{
    opened_init(opened, elf_writer_build(w));
    elf_writer_deinit(w);
    assert_null(opened->err);
}

static void add_thread(struct elf_writer *w, uint32_t tid, uint64_t sp)
{
    uint64_t registers[27];

    for (size_t i = 0; i < 27; i++)
        registers[i] = 1000 + i;
    registers[19] = sp;
    elf_writer_thread(w, tid, registers);
}

static const struct dump_range *range(const struct opened *opened, size_t i)
{
    assert_true(i < opened->dump->ranges.count);
    return &opened->dump->ranges.data[i];
}

static void kernel_core_tells_memory_apart(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 0x2000, R | W, "text", 4);
    elf_writer_load(&w, 0x20000, 0x9000, 0, NULL, 0);
    elf_writer_load(&w, 0x30000, 0x1000, 0, NULL, 0x1000);
    elf_writer_load(&w, 0x40000, 0x3000, R | X, NULL, 0);
    open_writer(&opened, &w);
    assert_string_equal(opened.dump->kind, "kernel");
    assert_string_equal(opened.dump->arch, "x64");
    assert_int_equal(range(&opened, 0)->file_size, 4);
    assert_int_equal(range(&opened, 0)->protection, PROTECTION_READ | PROTECTION_WRITE);
    assert_memory_equal(opened.copy + range(&opened, 0)->file_off, "text", 4);
    assert_int_equal(range(&opened, 1)->state, RANGE_RESERVE);
    assert_int_equal(range(&opened, 2)->state, RANGE_RESERVE);
    assert_int_equal(range(&opened, 2)->file_size, 0);
    assert_int_equal(range(&opened, 3)->state, RANGE_COMMIT);
    assert_int_equal(opened.gaps.list.count, 0);
    assert_false(opened.dump->truncated);
    opened_deinit(&opened);
}

static void notes_give_process_and_threads(void **state)
{
    struct elf_writer w;
    struct opened opened;
    const struct dump_thread *thread;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 0x2000, R | W, NULL, 0x2000);
    elf_writer_process(&w, 4711, "dotnet", "dotnet his.dll  ");
    add_thread(&w, 4711, 0x11000);
    add_thread(&w, 4712, 0x11800);
    elf_writer_note(&w, "CORE", 6, "auxv", 4);
    open_writer(&opened, &w);
    assert_int_equal(opened.dump->pid, 4711);
    assert_string_equal(opened.dump->command, "dotnet his.dll");
    assert_int_equal(opened.dump->threads.count, 2);
    thread = &opened.dump->threads.data[1];
    assert_int_equal(thread->os_id, 4712);
    assert_int_equal(thread->sp, 0x11800);
    assert_int_equal(thread->ip, 1016);
    assert_int_equal(thread->tls_base, 1021);
    assert_true(thread->has_registers);
    assert_int_equal(thread->registers[0], 1010); /* rax */
    assert_int_equal(thread->registers[4], 0x11800);
    assert_int_equal(thread->registers[15], 1000); /* r15 */
    assert_int_equal(opened.dump->auxv.size, 4);
    opened_deinit(&opened);
}

static void arm64_threads_have_sp_pc_and_tls(void **state)
{
    uint8_t status[392] = { 0 };
    const uint64_t sp = 0x10800, pc = 0xabc, tls = 0xdef;
    struct elf_writer w;
    struct opened opened;

    (void)state;
    memcpy(status + 112 + 31 * 8, &sp, 8);
    memcpy(status + 112 + 32 * 8, &pc, 8);
    elf_writer_init(&w);
    w.machine = ELF_MACHINE_ARM64;
    elf_writer_load(&w, 0x10000, 0x2000, R | W, NULL, 0x2000);
    elf_writer_note(&w, "CORE", 1, status, sizeof(status));
    elf_writer_note(&w, "LINUX", 0x401, &tls, 8);
    open_writer(&opened, &w);
    assert_string_equal(opened.dump->arch, "arm64");
    assert_int_equal(opened.dump->threads.data[0].sp, sp);
    assert_int_equal(opened.dump->threads.data[0].ip, pc);
    assert_int_equal(opened.dump->threads.data[0].tls_base, tls);
    assert_false(opened.dump->threads.data[0].has_registers);
    opened_deinit(&opened);
}

static void mapped_files_are_sorted_and_found(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 0x1000, R, NULL, 0x1000);
    elf_writer_file(&w, 0x40000, 0x42000, 7, "/app/b.so");
    elf_writer_file(&w, 0x20000, 0x21000, 0, "/app/a.so");
    elf_writer_file(&w, 0x21000, 0x23000, 1, "/app/a.so");
    open_writer(&opened, &w);
    assert_int_equal(opened.dump->file_maps.count, 3);
    assert_string_equal(dump_file_map_at(opened.dump, 0x41fff)->path, "/app/b.so");
    assert_int_equal(dump_file_map_at(opened.dump, 0x41fff)->file_off, 7 * PAGE);
    assert_string_equal(dump_file_map_at(opened.dump, 0x20000)->path, "/app/a.so");
    assert_null(dump_file_map_at(opened.dump, 0x23000));
    assert_null(dump_file_map_at(opened.dump, 0));
    opened_deinit(&opened);
}

/* NT_FILE with its count, its page size, an entry and its names damaged. */
static void damaged_file_tables_are_gaps(void **state)
{
    static const struct {
        uint64_t words[5];
        size_t size;
        size_t maps;
    } cases[] = {
        { { 1, PAGE, 0x1000, 0x2000, 0 }, 40, 0 },                   /* no name */
        { { 2, PAGE, 0x1000, 0x2000, 0 }, 40, 0 },                   /* no second entry */
        { { UINT64_MAX, PAGE, 0x1000, 0x2000, 0 }, 40, 0 },          /* overflows */
        { { UINT64_MAX / 24 + 1, PAGE, 0x1000, 0x2000, 0 }, 40, 0 }, /* overflows to nothing */
        { { 1, PAGE }, 8, 0 },                                       /* no page size */
        { { 1, UINT64_MAX, 0x1000, 0x2000, 2 }, 43, 0 },             /* offset overflows */
        { { 1, PAGE, 0x2000, 0x2000, 0 }, 43, 0 },                   /* empty */
        { { 1, PAGE, 0x1000, 0x2000, 0 }, 42, 0 },                   /* name without end */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t desc[43] = { 0 };
        struct elf_writer w;
        struct opened opened;
        memcpy(desc, cases[i].words, 40);
        memcpy(desc + 40, "/a", 3);
        elf_writer_init(&w);
        elf_writer_load(&w, 0x10000, 0x1000, R, NULL, 0x1000);
        elf_writer_note(&w, "CORE", 0x46494c45, desc, cases[i].size);
        open_writer(&opened, &w);
        assert_int_equal(opened.dump->file_maps.count, cases[i].maps);
        assert_int_equal(opened.gaps.list.count, 1);
        opened_deinit(&opened);
    }
}

static void short_notes_are_gaps(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 0x1000, R, NULL, 0x1000);
    elf_writer_note(&w, "CORE", 1, "xy", 2);
    elf_writer_note(&w, "CORE", 3, "xy", 2);
    open_writer(&opened, &w);
    assert_int_equal(opened.dump->threads.count, 0);
    assert_null(opened.dump->command);
    assert_int_equal(opened.gaps.list.count, 2);
    opened_deinit(&opened);
}

static void overlapping_and_unsorted_loads_become_flat(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x30000, 0x1000, R, NULL, 0x1000);
    elf_writer_load(&w, 0x11000, 0x3000, R, "0123", 4);
    elf_writer_load(&w, 0x10000, 0x2000, R, NULL, 0x2000);
    elf_writer_load(&w, 0x10800, 0x800, R, NULL, 0x800);
    elf_writer_load(&w, UINT64_MAX - 10, 0x800, R, NULL, 0x800);
    open_writer(&opened, &w);
    assert_int_equal(opened.dump->ranges.count, 3);
    assert_int_equal(range(&opened, 0)->end, 0x12000);
    assert_int_equal(range(&opened, 1)->start, 0x12000);
    assert_int_equal(range(&opened, 1)->end, 0x14000);
    assert_int_equal(range(&opened, 1)->file_size, 0);
    assert_ptr_equal(dump_range_at(opened.dump, 0x30fff), range(&opened, 2));
    assert_null(dump_range_at(opened.dump, 0x31000));
    assert_null(dump_range_at(opened.dump, 0xffff));
    assert_true(has_gap(&opened, "overlaps"));
    assert_true(has_gap(&opened, "outside the address space"));
    opened_deinit(&opened);
}

/* ---- who wrote it ---- */

static uint8_t diag_page[PAGE] = "DIAGINFOHEADER";

/* One file of 16 pages, one stack of 32; of both `file_pages` and the upper `stack_pages` are in the dump. */
static const char *createdump_kind(uint64_t file_pages, uint64_t stack_pages)
{
    struct elf_writer w;
    struct opened opened;
    const char *kind;

    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, file_pages * PAGE, R, NULL, file_pages * PAGE);
    elf_writer_load(&w, 0x60000 - stack_pages * PAGE, stack_pages * PAGE, R | W, NULL, stack_pages * PAGE);
    elf_writer_load(&w, 0x7ffffff10000, PAGE, R, diag_page, PAGE);
    elf_writer_file(&w, 0x10000, 0x20000, 0, "/app/a.so");
    add_thread(&w, 1, 0x60000 - 2 * PAGE);
    open_writer(&opened, &w);
    kind = opened.dump->kind;
    assert_null(dump_range_at(opened.dump, 0x7ffffff10000));
    opened_deinit(&opened);
    return kind;
}

static void createdumps_kinds_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(createdump_kind(16, 32), "full");
    assert_string_equal(createdump_kind(2, 32), "heap");
    assert_string_equal(createdump_kind(2, 2), "mini");
}

static void gcores_reserved_ranges_are_found(void **state)
{
    uint8_t bytes[PAGE] = { 0 };
    struct elf_writer w;
    struct opened opened;

    (void)state;
    bytes[PAGE - 1] = 1;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, PAGE, R, bytes, PAGE);
    elf_writer_load(&w, 0x20000, PAGE, R, NULL, PAGE);
    elf_writer_load(&w, 0x30000, PAGE, R, NULL, PAGE);
    elf_writer_load(&w, 0x40000, PAGE, R, NULL, PAGE);
    elf_writer_load(&w, 0x50000, PAGE, R | W, NULL, PAGE);
    elf_writer_file(&w, 0x30000, 0x31000, 0, "/app/zeros.so");
    elf_writer_file(&w, 0x40000, 0x41000, 0, "/memfd:doublemapper (deleted)");
    elf_writer_note(&w, "GDB", 0xff000000, "<xml>", 5);
    open_writer(&opened, &w);
    assert_string_equal(opened.dump->kind, "gcore");
    assert_int_equal(range(&opened, 0)->state, RANGE_COMMIT);
    assert_int_equal(range(&opened, 1)->state, RANGE_RESERVE);
    assert_int_equal(range(&opened, 1)->file_size, 0);
    assert_int_equal(range(&opened, 2)->state, RANGE_COMMIT);
    assert_int_equal(range(&opened, 3)->state, RANGE_RESERVE);
    assert_int_equal(range(&opened, 4)->state, RANGE_COMMIT);
    opened_deinit(&opened);
}

/* ---- size ---- */

static void seventy_thousand_headers_open(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    for (uint64_t i = 0; i < 70000; i++)
        elf_writer_load(&w, 0x10000 + i * 0x2000, 0x1000, R | W, NULL, 0);
    open_writer(&opened, &w);
    assert_int_equal(opened.dump->ranges.count, 70000);
    assert_int_equal(range(&opened, 69999)->start, 0x10000 + 69999 * 0x2000);
    opened_deinit(&opened);
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void a_million_mappings_open_quickly(void **state)
{
    struct elf_writer w;
    struct opened opened;
    double start;

    (void)state;
    elf_writer_init(&w);
    for (uint64_t i = 1000000; i-- > 0;) {
        elf_writer_load(&w, i * 0x2000, 0x1000, R | W, NULL, 0);
        elf_writer_file(&w, i * 0x2000, i * 0x2000 + 0x1000, 0, i % 2 ? "/app/one.dll" : "/app/two.dll");
    }
    elf_writer_build(&w);
    start = seconds();
    opened_init(&opened, (struct span) { w.image.data, w.image.count });
    assert_true(seconds() - start < 10); /* 0.4 s without sanitizers */
    assert_null(opened.err);
    assert_int_equal(opened.dump->ranges.count, 1000000);
    assert_int_equal(opened.dump->file_maps.count, 1000000);
    opened_deinit(&opened);
    elf_writer_deinit(&w);
}

/* ---- damage ---- */

static void write_small_core(struct elf_writer *w)
{
    elf_writer_init(w);
    elf_writer_load(w, 0x10000, 64, R, "some memory", 12);
    elf_writer_load(w, 0x20000, 64, R | W, NULL, 64);
    elf_writer_process(w, 7, "small", "small core");
    add_thread(w, 7, 0x20010);
    elf_writer_file(w, 0x10000, 0x11000, 0, "/bin/small");
    elf_writer_build(w);
}

static void every_cut_opens_or_says_why(void **state)
{
    struct elf_writer w;

    (void)state;
    write_small_core(&w);
    for (size_t size = 0; size < w.image.count; size++) {
        struct opened opened;
        opened_init(&opened, (struct span) { w.image.data, size });
        assert_true((opened.err != NULL) != (opened.dump != NULL));
        if (opened.dump) {
            assert_true(opened.dump->truncated);
            assert_true(opened.gaps.list.count > 0);
        }
        opened_deinit(&opened);
    }
    elf_writer_deinit(&w);
}

static void a_cut_names_the_missing_bytes_once(void **state)
{
    struct elf_writer w;
    struct opened opened;

    (void)state;
    elf_writer_init(&w);
    for (uint64_t i = 0; i < 10; i++)
        elf_writer_load(&w, 0x10000 + i * 0x10000, PAGE, R | W, NULL, PAGE);
    elf_writer_build(&w);
    opened_init(&opened, (struct span) { w.image.data, w.image.count - 3 * PAGE - 100 });
    assert_null(opened.err);
    assert_true(opened.dump->truncated);
    assert_int_equal(opened.gaps.list.count, 1);
    assert_int_equal(opened.gaps.list.data[0].count, 4);
    assert_true(has_gap(&opened, "12388 bytes of memory are missing"));
    assert_int_equal(range(&opened, 6)->file_size, PAGE - 100);
    assert_int_equal(range(&opened, 9)->file_size, 0);
    opened_deinit(&opened);
    elf_writer_deinit(&w);
}

static void every_byte_may_be_wrong(void **state)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    struct elf_writer w;

    (void)state;
    write_small_core(&w);
    for (size_t at = 0; at < 1200; at++) {
        for (size_t i = 0; i < sizeof(values); i++) {
            uint8_t before = w.image.data[at];
            struct opened opened;
            elf_writer_patch(&w, at, &values[i], 1);
            opened_init(&opened, (struct span) { w.image.data, w.image.count });
            opened_deinit(&opened);
            elf_writer_patch(&w, at, &before, 1);
        }
    }
    elf_writer_deinit(&w);
}

static void headers_that_share_their_notes_do_not_multiply_them(void **state)
{
    struct elf_writer w;
    struct opened opened;
    const uint32_t note = ELF_SEGMENT_NOTE;
    uint64_t place[2], size;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 64, R, NULL, 64);
    for (uint64_t i = 0; i < 40; i++)
        elf_writer_load(&w, 0x20000 + i * 0x1000, 0x1000, R, NULL, 0);
    for (uint32_t i = 0; i < 20; i++)
        add_thread(&w, i, 0x10010);
    elf_writer_build(&w);
    memcpy(place, w.image.data + ELF_HEADER_SIZE + 8, 8);
    memcpy(&size, w.image.data + ELF_HEADER_SIZE + 32, 8);
    for (uint64_t i = 2; i < 42; i++) {
        elf_writer_patch(&w, ELF_HEADER_SIZE + i * ELF_SEGMENT_SIZE, &note, 4);
        elf_writer_patch(&w, ELF_HEADER_SIZE + i * ELF_SEGMENT_SIZE + 8, place, 8);
        elf_writer_patch(&w, ELF_HEADER_SIZE + i * ELF_SEGMENT_SIZE + 32, &size, 8);
    }
    opened_init(&opened, (struct span) { w.image.data, w.image.count });
    assert_null(opened.err);
    assert_true(opened.dump->threads.count <= 40);
    assert_true(has_gap(&opened, "several headers"));
    opened_deinit(&opened);
    elf_writer_deinit(&w);
}

/* ---- what is refused ---- */

static void assert_refused(struct elf_writer *w, const char *message_part)
{
    struct opened opened;

    opened_init(&opened, (struct span) { w->image.data, w->image.count });
    assert_non_null(opened.err);
    assert_non_null(strstr(error_message(opened.err), message_part));
    opened_deinit(&opened);
}

static void foreign_cores_are_refused_with_the_reason(void **state)
{
    struct elf_writer w;

    (void)state;
    write_small_core(&w);
    elf_writer_patch(&w, 18, "\3", 1);
    assert_refused(&w, "machine 3 (x86)");
    elf_writer_patch(&w, 4, "\1", 1);
    assert_refused(&w, "32-bit");
    elf_writer_patch(&w, 4, "\2\2", 2);
    elf_writer_patch(&w, 16, "\0\4", 2);
    assert_refused(&w, "big endian");
    elf_writer_deinit(&w);
}

static void an_executable_is_not_a_dump(void **state)
{
    struct elf_writer w;

    (void)state;
    write_small_core(&w);
    elf_writer_patch(&w, 16, "\3", 1);
    assert_refused(&w, "is an ELF executable or library, not a dump");
    elf_writer_deinit(&w);
}

static void a_core_without_memory_is_refused(void **state)
{
    struct elf_writer w;

    (void)state;
    elf_writer_init(&w);
    elf_writer_build(&w);
    assert_refused(&w, "no memory");
    elf_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_core_tells_memory_apart),
        cmocka_unit_test(notes_give_process_and_threads),
        cmocka_unit_test(arm64_threads_have_sp_pc_and_tls),
        cmocka_unit_test(mapped_files_are_sorted_and_found),
        cmocka_unit_test(damaged_file_tables_are_gaps),
        cmocka_unit_test(short_notes_are_gaps),
        cmocka_unit_test(overlapping_and_unsorted_loads_become_flat),
        cmocka_unit_test(createdumps_kinds_are_told_apart),
        cmocka_unit_test(gcores_reserved_ranges_are_found),
        cmocka_unit_test(seventy_thousand_headers_open),
        cmocka_unit_test(a_million_mappings_open_quickly),
        cmocka_unit_test(every_cut_opens_or_says_why),
        cmocka_unit_test(a_cut_names_the_missing_bytes_once),
        cmocka_unit_test(every_byte_may_be_wrong),
        cmocka_unit_test(headers_that_share_their_notes_do_not_multiply_them),
        cmocka_unit_test(foreign_cores_are_refused_with_the_reason),
        cmocka_unit_test(an_executable_is_not_a_dump),
        cmocka_unit_test(a_core_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
