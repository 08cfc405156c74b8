#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/minidump.h"
#include "support/minidump_opened.h"

/* ---- a process, and its dump opened ---- */

static const struct writer_thread threads[] = {
    { .id = 0x24, .teb = 0x67fe0000, .ip = 0x7ffa11112222, .sp = 0x21000, .name = "main" },
    { .id = 0x110, .teb = 0x67fd0000, .ip = 0x7ffa11113333, .sp = 0x31000, .name = "" },
    { .id = 0x114, .teb = 0x67fc0000, .ip = 0x7ffa11114444, .sp = 0x41000, .name = ".NET Finalizer" },
};
static const struct writer_module modules[] = {
    { 0x140000000, 0x2d000, 0x6ada0000, "C:\\app\\his.exe", { 1, 0, 0, 0 }, "his.pdb" },
    { 0x7ffa00000000, 0x47a000, 0x6adaee43, "C:\\app\\coreclr.dll", { 10, 0, 1426, 52326 }, "D:\\b\\coreclr.pdb" },
    { 0x7ffb00000000, 0x8000, 0xccec7ab2, "C:\\app\\System.X.dll", { 0 }, NULL },
};
static const struct writer_region regions[] = {
    { 0, 0x20000, 0, 0x10000, 0x1, 0 },
    { 0x20000, 0x4000, 0x20000, 0x1000, 0x4, 0x20000 },
    { 0x24000, 0xfdc000, 0x20000, 0x2000, 0, 0x20000 },
};
static const struct writer_memory memory[] = { { 0x20000, 0x2000, NULL }, { 0x22000, 0x1000, NULL } };

static const struct writer_process process = {
    .architecture = 9,
    .pid = 4711,
    .timestamp = 1795319195,
    .flags = 0x61826,
    .threads = threads,
    .thread_count = 3,
    .modules = modules,
    .module_count = 3,
    .regions = regions,
    .region_count = 3,
    .memory = memory,
    .memory_count = 2,
    .exception_thread = 0x110,
};

static void open_dbgcore(struct minidump_writer *w, const struct writer_process *p, struct minidump_opened *opened)
{
    minidump_writer_dbgcore(w, p);
    minidump_opened_init(opened, minidump_writer_span(w));
    assert_null(opened->err);
}

static void close_both(struct minidump_writer *w, struct minidump_opened *opened)
{
    minidump_opened_deinit(opened);
    minidump_writer_deinit(w);
}

/* ---- whole dumps ---- */

static void dbgcore_dump_tells_its_process(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    open_dbgcore(&w, &process, &o);
    assert_string_equal(o.dump.format, "minidump");
    assert_string_equal(o.dump.kind, "full");
    assert_string_equal(o.dump.os, "windows");
    assert_string_equal(o.dump.arch, "x64");
    assert_string_equal(o.dump.os_version, "10.0.20348");
    assert_string_equal(o.dump.command, "C:\\app\\his.exe");
    assert_int_equal(o.dump.pid, 4711);
    assert_int_equal(o.dump.time, 1795319195);
    assert_true(o.dump.has_memory_info);
    assert_false(o.dump.truncated);
    assert_int_equal(o.gaps.list.count, 0);
    close_both(&w, &o);
}

static void wine_dump_has_no_regions_names_and_build_ids(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    minidump_writer_wine(&w, &process);
    minidump_opened_init(&o, minidump_writer_span(&w));
    assert_null(o.err);
    assert_int_equal(o.dump.pid, 4711);
    assert_false(o.dump.has_memory_info);
    assert_int_equal(o.dump.ranges.count, 2);
    assert_int_equal(o.dump.threads.count, 3);
    assert_null(o.dump.threads.data[0].name);
    assert_int_equal(o.dump.modules.count, 3);
    assert_null(o.dump.modules.data[1].build_id);
    assert_int_equal(o.gaps.list.count, 0);
    close_both(&w, &o);
}

static void modules_have_path_version_and_build_id(void **state)
{
    static const uint8_t id[20] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
                                    0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 1,    0,    0,    0 };
    struct minidump_writer w;
    struct minidump_opened o;
    struct dump_module *m;

    (void)state;
    open_dbgcore(&w, &process, &o);
    assert_int_equal(o.dump.modules.count, 3);
    m = &o.dump.modules.data[1];
    assert_string_equal(m->path, "C:\\app\\coreclr.dll");
    assert_string_equal(m->version, "10.0.1426.52326");
    assert_int_equal(m->base, 0x7ffa00000000);
    assert_int_equal(m->size, 0x47a000);
    assert_int_equal(m->timestamp, 0x6adaee43);
    assert_int_equal(m->checksum, 0xc5);
    assert_int_equal(m->build_id_size, 20);
    assert_memory_equal(m->build_id, id, 20);
    assert_null(o.dump.modules.data[2].version);
    assert_null(o.dump.modules.data[2].build_id);
    close_both(&w, &o);
}

static void kind_follows_flags_and_content(void **state)
{
    static const struct {
        uint64_t flags;
        size_t memory_count;
        const char *kind;
    } rows[] = {
        { 0x61826, 2, "full" }, { 0x41827, 2, "full" }, { 0x41a25, 2, "heap" },
        { 0x1005, 2, "mini" },  { 0, 2, "mini" },       { 0x121005, 2, "triage" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct writer_process p = process;
        struct minidump_writer w;
        struct minidump_opened o;
        p.flags = rows[i].flags;
        open_dbgcore(&w, &p, &o);
        assert_string_equal(o.dump.kind, rows[i].kind);
        close_both(&w, &o);
    }
}

static void full_flag_without_memory_is_a_mini_dump(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0x61826, 2);
    minidump_writer_system_info(&w, 9, "");
    minidump_opened_init(&o, minidump_writer_span(&w));
    assert_null(o.err);
    assert_string_equal(o.dump.kind, "mini");
    close_both(&w, &o);
}

/* ---- threads ---- */

static void registers_are_in_the_order_of_the_dump_header(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;
    struct dump_thread *t;

    (void)state;
    open_dbgcore(&w, &process, &o);
    t = &o.dump.threads.data[0];
    assert_int_equal(t->os_id, 0x24);
    assert_int_equal(t->tls_base, 0x67fe0000);
    assert_true(t->has_registers);
    assert_int_equal(t->ip, 0x7ffa11112222);
    assert_int_equal(t->sp, 0x21000);
    for (uint64_t i = 0; i < 16; i++)
        assert_int_equal(t->registers[i], i == 4 ? 0x21000 : 0x1000 + i);
    assert_int_equal(t->registers[16], t->ip);
    close_both(&w, &o);
}

static void empty_thread_name_is_no_name(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    open_dbgcore(&w, &process, &o);
    assert_string_equal(o.dump.threads.data[0].name, "main");
    assert_null(o.dump.threads.data[1].name);
    assert_string_equal(o.dump.threads.data[2].name, ".NET Finalizer");
    close_both(&w, &o);
}

static void thread_without_context_is_listed_without_registers(void **state)
{
    struct writer_thread own[] = { threads[0], threads[2] };
    struct writer_process p = process;
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    own[0].no_context = true;
    p.threads = own;
    p.thread_count = 2;
    minidump_writer_wine(&w, &p);
    minidump_opened_init(&o, minidump_writer_span(&w));
    assert_int_equal(o.dump.threads.count, 2);
    assert_false(o.dump.threads.data[0].has_registers);
    assert_int_equal(o.dump.threads.data[0].ip, 0);
    assert_true(o.dump.threads.data[1].has_registers);
    assert_true(minidump_opened_has_gap(&o, "registers of a thread"));
    close_both(&w, &o);
}

static void exception_context_stands_in_for_a_missing_one(void **state)
{
    struct writer_thread own = threads[1];
    struct writer_process p = process;
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    own.no_context = true;
    p.threads = &own;
    p.thread_count = 1;
    open_dbgcore(&w, &p, &o);
    assert_int_equal(o.dump.threads.data[0].ip, 0xe1);
    assert_int_equal(o.dump.threads.data[0].sp, 0xe2);
    close_both(&w, &o);
}

static void what_the_writer_calls_invalid_is_not_used(void **state)
{
    struct writer_thread own[] = { threads[0], threads[2] };
    struct writer_process p = process;
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    own[0].dump_flags = MINIDUMP_THREAD_INVALID_CONTEXT;
    own[1].dump_flags = MINIDUMP_THREAD_INVALID_TEB;
    p.threads = own;
    p.thread_count = 2;
    open_dbgcore(&w, &p, &o);
    assert_false(o.dump.threads.data[0].has_registers);
    assert_int_equal(o.dump.threads.data[0].sp, 0);
    assert_int_equal(o.dump.threads.data[0].tls_base, 0x67fe0000);
    assert_true(o.dump.threads.data[1].has_registers);
    assert_int_equal(o.dump.threads.data[1].tls_base, 0);
    close_both(&w, &o);
}

/* A dump with one thread whose context record is `size` bytes with three words set. */
static void open_context(struct minidump_writer *w, struct minidump_opened *o, uint16_t architecture, uint32_t size,
                         const uint32_t words[6])
{
    struct writer_thread thread = { .id = 1, .no_context = true };
    struct writer_process p = { .threads = &thread, .thread_count = 1 };
    uint32_t list, context;

    minidump_writer_init(w, MINIDUMP_VERSION, 0, 2);
    minidump_writer_system_info(w, architecture, "Service Pack 1");
    minidump_writer_threads(w, &p);
    list = minidump_writer_find(w, MINIDUMP_THREAD_LIST);
    context = minidump_writer_put(w, NULL, size);
    minidump_writer_patch_u32(w, list + 4 + 40, size);
    minidump_writer_patch_u32(w, list + 4 + 44, context);
    for (int i = 0; i < 6; i += 2)
        minidump_writer_patch_u32(w, context + words[i], words[i + 1]);
    minidump_opened_init(o, minidump_writer_span(w));
    assert_null(o->err);
}

static void arm64_and_x86_have_ip_and_sp_only(void **state)
{
    static const uint32_t arm64[6] = { 0, 0x400003, 0x108, 0x1111, 0x100, 0x2222 };
    static const uint32_t x86[6] = { 0, 0x10003, 0xb8, 0x1111, 0xc4, 0x2222 };
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    for (int i = 0; i < 2; i++) {
        open_context(&w, &o, i ? 0 : 12, i ? 716 : 912, i ? x86 : arm64);
        assert_string_equal(o.dump.arch, i ? "x86" : "arm64");
        assert_string_equal(o.dump.os_version, "10.0.20348 Service Pack 1");
        assert_int_equal(o.dump.threads.data[0].ip, 0x1111);
        assert_int_equal(o.dump.threads.data[0].sp, 0x2222);
        assert_false(o.dump.threads.data[0].has_registers);
        close_both(&w, &o);
    }
}

static void context_of_another_architecture_is_not_read(void **state)
{
    static const uint32_t arm64[6] = { 0, 0x400003, 0x108, 0x1111, 0x100, 0x2222 };
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    open_context(&w, &o, 9, 912, arm64);
    assert_false(o.dump.threads.data[0].has_registers);
    assert_int_equal(o.dump.threads.data[0].ip, 0);
    close_both(&w, &o);
}

/* ---- the command line ---- */

static void command_line_comes_from_the_environment_block(void **state)
{
    static const char line[] = "d\0o\0t\0n\0e\0t\0 \0a\0.\0d\0l\0l";
    uint8_t page[0x1000] = { 0 };
    struct writer_memory own = { 0x67fe0000, sizeof(page), page };
    struct writer_process p = process;
    struct minidump_writer w;
    struct minidump_opened o;
    uint64_t peb = 0x67fe0200, parameters = 0x67fe0400, text = 0x67fe0800;
    uint16_t size = 24;

    (void)state;
    memcpy(page + 0x60, &peb, 8);
    memcpy(page + 0x220, &parameters, 8);
    memcpy(page + 0x470, &size, 2);
    memcpy(page + 0x478, &text, 8);
    memcpy(page + 0x800, line, sizeof(line));
    p.memory = &own;
    p.memory_count = 1;
    open_dbgcore(&w, &p, &o);
    assert_string_equal(o.dump.command, "dotnet a.dll");
    close_both(&w, &o);
}

/* ---- decoders ---- */

static struct minidump parse(const struct minidump_writer *w)
{
    struct minidump md;

    assert_null(minidump_parse(minidump_writer_span(w), NULL, NULL, &md));
    return md;
}

static void handles_and_unloaded_modules_are_decoded(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_list list;
    struct span text;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    md = parse(&w);
    assert_true(minidump_list(&md, MINIDUMP_HANDLE_DATA, &list));
    assert_int_equal(list.count, 2);
    assert_int_equal(minidump_handle(&list, 1).handle, 8);
    assert_int_equal(minidump_handle(&list, 1).granted_access, 0x1f0003);
    assert_int_equal(minidump_handle(&list, 1).object_name_off, 0);
    assert_true(minidump_string(&md, minidump_handle(&list, 0).type_name_off, 100, &text));
    assert_memory_equal(text.data, "E\0v\0e\0n\0t", 10);
    assert_true(minidump_list(&md, MINIDUMP_UNLOADED_MODULE_LIST, &list));
    assert_int_equal(list.count, 1);
    assert_int_equal(minidump_unloaded_module(&list, 0).base, 0x7ff900000000);
    assert_int_equal(minidump_unloaded_module(&list, 0).timestamp, 0x60000000);
    minidump_writer_deinit(&w);
}

static void exception_is_decoded(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_exception exception;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    md = parse(&w);
    assert_true(minidump_exception(&md, &exception));
    assert_int_equal(exception.thread_id, 0x110);
    assert_int_equal(exception.code, 0xc0000005);
    assert_int_equal(exception.parameter_count, 2);
    assert_int_equal(exception.parameters[1], 0xdead);
    assert_int_equal(exception.context.size, 1232);
    minidump_writer_patch_u32(&w, minidump_writer_find(&w, MINIDUMP_EXCEPTION) + 32, 0xffffffff);
    assert_true(minidump_exception(&md, &exception));
    assert_int_equal(exception.parameter_count, MINIDUMP_EXCEPTION_PARAMETERS);
    minidump_writer_deinit(&w);
}

static void misc_info_of_all_sizes_tells_the_pid(void **state)
{
    static const uint32_t sizes[] = { 12, 24, 44, 232, 832, 1364 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct minidump_writer w;
        struct minidump md;
        struct minidump_misc_info info;
        minidump_writer_init(&w, MINIDUMP_VERSION, 0, 1);
        minidump_writer_misc_info(&w, sizes[i] < 24 ? 24 : sizes[i], 77);
        minidump_writer_patch_u32(&w, MINIDUMP_HEADER_SIZE + 4, sizes[i]);
        md = parse(&w);
        assert_true(minidump_misc_info(&md, &info));
        assert_true(info.has_pid);
        assert_int_equal(info.pid, 77);
        assert_int_equal(info.has_times, sizes[i] >= 24);
        assert_int_equal(info.build_string.size, sizes[i] >= 832 ? 32 : 0);
        minidump_writer_deinit(&w);
    }
}

static void misc_info_without_the_flag_tells_no_pid(void **state)
{
    struct minidump_writer w;
    struct minidump_opened o;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 2);
    minidump_writer_misc_info(&w, 24, 77);
    minidump_writer_patch_u32(&w, minidump_writer_find(&w, MINIDUMP_MISC_INFO) + 4, 0x2);
    minidump_opened_init(&o, minidump_writer_span(&w));
    assert_int_equal(o.dump.pid, 0);
    assert_true(minidump_opened_has_gap(&o, "process id"));
    close_both(&w, &o);
}

static void elf_build_id_of_breakpad_is_a_build_id(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_code_view view;
    uint32_t off;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 1);
    minidump_writer_misc_info(&w, 24, 1);
    off = minidump_writer_u32(&w, 0x4270454c);
    minidump_writer_put(&w, "0123456789abcdefghij", 20);
    md = parse(&w);
    assert_true(minidump_code_view(&md, (struct minidump_location) { off, 24 }, &view));
    assert_int_equal(view.id.size, 20);
    assert_memory_equal(view.id.data, "0123", 4);
    assert_int_equal(view.pdb_path.size, 0);
    minidump_writer_deinit(&w);
}

static void pdb_path_ends_with_its_record(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_code_view view;
    struct minidump_location at;
    struct minidump_list list;

    (void)state;
    minidump_writer_dbgcore(&w, &process);
    md = parse(&w);
    assert_true(minidump_list(&md, MINIDUMP_MODULE_LIST, &list));
    at = minidump_module(&list, 0).code_view;
    assert_true(minidump_code_view(&md, at, &view));
    assert_int_equal(view.pdb_path.size, 7);
    assert_memory_equal(view.pdb_path.data, "his.pdb", 7);
    at.size = 27;
    assert_true(minidump_code_view(&md, at, &view));
    assert_int_equal(view.pdb_path.size, 3);
    at.size = 23;
    assert_false(minidump_code_view(&md, at, &view));
    minidump_writer_deinit(&w);
}

static void breakpad_pads_the_count_of_a_list(void **state)
{
    struct minidump_writer w;
    struct minidump md;
    struct minidump_list list;
    uint32_t off;

    (void)state;
    minidump_writer_init(&w, MINIDUMP_VERSION, 0, 1);
    off = minidump_writer_u32(&w, 1);
    minidump_writer_u32(&w, 0);
    minidump_writer_u32(&w, 0x99);
    minidump_writer_put(&w, NULL, 44);
    minidump_writer_stream(&w, MINIDUMP_THREAD_LIST, off);
    md = parse(&w);
    assert_true(minidump_list(&md, MINIDUMP_THREAD_LIST, &list));
    assert_int_equal(list.count, 1);
    assert_int_equal(minidump_thread(&list, 0).id, 0x99);
    minidump_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dbgcore_dump_tells_its_process),
        cmocka_unit_test(wine_dump_has_no_regions_names_and_build_ids),
        cmocka_unit_test(modules_have_path_version_and_build_id),
        cmocka_unit_test(kind_follows_flags_and_content),
        cmocka_unit_test(full_flag_without_memory_is_a_mini_dump),
        cmocka_unit_test(registers_are_in_the_order_of_the_dump_header),
        cmocka_unit_test(empty_thread_name_is_no_name),
        cmocka_unit_test(thread_without_context_is_listed_without_registers),
        cmocka_unit_test(exception_context_stands_in_for_a_missing_one),
        cmocka_unit_test(what_the_writer_calls_invalid_is_not_used),
        cmocka_unit_test(arm64_and_x86_have_ip_and_sp_only),
        cmocka_unit_test(context_of_another_architecture_is_not_read),
        cmocka_unit_test(command_line_comes_from_the_environment_block),
        cmocka_unit_test(handles_and_unloaded_modules_are_decoded),
        cmocka_unit_test(exception_is_decoded),
        cmocka_unit_test(misc_info_of_all_sizes_tells_the_pid),
        cmocka_unit_test(misc_info_without_the_flag_tells_no_pid),
        cmocka_unit_test(elf_build_id_of_breakpad_is_a_build_id),
        cmocka_unit_test(pdb_path_ends_with_its_record),
        cmocka_unit_test(breakpad_pads_the_count_of_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
