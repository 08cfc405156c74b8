#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/elf_library_writer.h"
#include "support/minidump_writer.h"
#include "support/pe_writer.h"
#include "support/target_opened.h"

enum { R = ELF_SEGMENT_READ, W = ELF_SEGMENT_WRITE, X = ELF_SEGMENT_EXEC, PAGE = 4096 };

#define BASE UINT64_C(0x7f0000000000)

/* A core that is being described, what its memory was made of, and the target. */
struct core {
    struct elf_writer w;
    struct span library, dll;
    struct target_opened opened;
};

static void core_init(struct core *core)
{
    static const char *const exports[] = { "g_dacTable" };

    core->library = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 0xa1, .loaded_at = BASE });
    core->dll = pe_writer_file(&(struct pe_writer) { .timestamp = 0x11, .exports = exports, .export_count = 1 });
    elf_writer_init(&core->w);
}

static const struct target *core_open(struct core *core)
{
    target_opened_init(&core->opened, elf_writer_build(&core->w), NULL, NULL);
    return core->opened.target;
}

static void core_deinit(struct core *core)
{
    target_opened_deinit(&core->opened);
    elf_writer_deinit(&core->w);
    free((void *)(uintptr_t)core->library.data);
    free((void *)(uintptr_t)core->dll.data);
}

static void map_library(struct core *core, uint64_t base, const char *path)
{
    elf_writer_load(&core->w, base, PAGE, R, core->library.data, PAGE);
    elf_writer_load(&core->w, base + 0x2000, 0x1800, R | W, core->library.data + 0x1000, 0x1800);
    elf_writer_file(&core->w, base, base + 0x1000, 0, path);
    elf_writer_file(&core->w, base + 0x2000, base + 0x4000, 1, path);
}

static void map_dll(struct core *core, uint64_t start, uint64_t size, uint64_t page_off, const char *path)
{
    elf_writer_load(&core->w, start, PAGE, R, core->dll.data, PAGE);
    elf_writer_file(&core->w, start, start + size, page_off, path);
}

static void a_library_is_a_module_with_its_identity(void **state)
{
    const struct target_module *module;
    const struct target *target;
    struct core core;
    uint64_t addr;

    (void)state;
    core_init(&core);
    map_library(&core, BASE, "/usr/lib/libx.so.1");
    target = core_open(&core);
    assert_int_equal(target->modules.count, 1);
    module = target_module_at(target, BASE + ELF_LIBRARY_END - 1);
    assert_non_null(module);
    assert_null(target_module_at(target, BASE + ELF_LIBRARY_END));
    assert_null(target_module_at(target, BASE - 1));
    assert_string_equal(module->name, "libx.so.1");
    assert_int_equal(module->build_id_size, 20);
    assert_int_equal(module->build_id[0], 0xa1);
    assert_true(target_export(target, module, "answer", &addr));
    assert_int_equal(addr, BASE + ELF_LIBRARY_ANSWER);
    assert_false(target_export(target, module, "question", &addr));
    core_deinit(&core);
}

static void a_replaced_file_keeps_its_name(void **state)
{
    const struct target *target;
    struct core core;

    (void)state;
    core_init(&core);
    map_library(&core, BASE, "/app/libx.so (deleted)");
    target = core_open(&core);
    assert_string_equal(target->modules.data[0].name, "libx.so");
    assert_string_equal(target->modules.data[0].path, "/app/libx.so (deleted)");
    core_deinit(&core);
}

static void what_is_no_file_is_no_module(void **state)
{
    struct core core;

    (void)state;
    core_init(&core);
    map_library(&core, BASE, "/memfd:doublemapper (deleted)");
    map_library(&core, BASE + 0x10000, "/dev/zero");
    assert_int_equal(core_open(&core)->modules.count, 0);
    core_deinit(&core);
}

static void a_data_file_is_no_module(void **state)
{
    static const char text[PAGE] = "just text";
    struct core core;

    (void)state;
    core_init(&core);
    elf_writer_load(&core.w, BASE, PAGE, R, text, PAGE);
    elf_writer_file(&core.w, BASE, BASE + PAGE, 0, "/usr/share/x.dll");
    elf_writer_file(&core.w, BASE + 0x10000, BASE + 0x11000, 0, "/usr/share/locale.dat");
    assert_int_equal(core_open(&core)->modules.count, 0);
    core_deinit(&core);
}

static void of_a_single_file_app_the_executable_is_the_module(void **state)
{
    const struct target *target;
    struct core core;

    (void)state;
    core_init(&core);
    map_dll(&core, BASE - 0x100000, 0x3000, 100, "/app/bundle");
    map_library(&core, BASE, "/app/bundle");
    target = core_open(&core);
    assert_int_equal(target->modules.count, 1);
    assert_int_equal(target->modules.data[0].base, BASE);
    assert_false(target->modules.data[0].is_pe);
    core_deinit(&core);
}

static void a_dll_is_a_module_wherever_it_is_mapped(void **state)
{
    const struct target *target;
    struct core core;

    (void)state;
    core_init(&core);
    map_dll(&core, BASE, 0x3000, 0, "/app/x.dll");            /* flat */
    map_dll(&core, BASE + 0x100000, 0x1000, 0, "/app/x.dll"); /* header of the laid-out one */
    map_dll(&core, BASE + 0x101000, 0x1000, 0, "/app/x.dll"); /* its code, from the file's first page too */
    target = core_open(&core);
    assert_int_equal(target->modules.count, 2);
    assert_int_equal(target->modules.data[0].end, BASE + 0x3000);
    assert_int_equal(target->modules.data[1].end, BASE + 0x100000 + PE_WRITER_IMAGE_SIZE);
    assert_int_equal(target->modules.data[1].timestamp, 0x11);
    assert_true(target->modules.data[1].is_pe);
    core_deinit(&core);
}

static void without_headers_the_name_and_the_maps_tell(void **state)
{
    const struct target *target;
    struct core core;

    (void)state;
    core_init(&core);
    elf_writer_load(&core.w, 0x1000, PAGE, R | W, NULL, PAGE);
    elf_writer_file(&core.w, BASE, BASE + 0x3000, 0, "/app/x.dll");
    elf_writer_file(&core.w, BASE + 0x100000, BASE + 0x101000, 0, "/app/y.dll");
    elf_writer_file(&core.w, BASE + 0x110000, BASE + 0x140000, 0, "/app/y.dll");
    elf_writer_file(&core.w, BASE + 0x150000, BASE + 0x158000, 48, "/app/y.dll");
    elf_writer_file(&core.w, BASE + 0x200000, BASE + 0x300000, 0, "/usr/share/icudt72l.dat");
    target = core_open(&core);
    assert_int_equal(target->modules.count, 2);
    assert_int_equal(target->modules.data[1].base, BASE + 0x100000);
    assert_int_equal(target->modules.data[1].end, BASE + 0x158000);
    assert_int_equal(target->modules.data[1].image_size, 0);
    core_deinit(&core);
}

static void committed_is_what_is_written_or_no_file(void **state)
{
    static const char diagnostic[PAGE] = "DIAGINFOHEADER";
    struct core core;

    (void)state;
    core_init(&core);
    elf_writer_load(&core.w, 0x10000, 4 * PAGE, R | W, NULL, 4 * PAGE);      /* counts */
    elf_writer_load(&core.w, 0x20000, PAGE, R | X, NULL, PAGE);              /* code from a memfd: counts */
    elf_writer_load(&core.w, 0x30000, PAGE, R | X, core.library.data, PAGE); /* a file's code */
    elf_writer_load(&core.w, 0x40000, PAGE, R | W, core.library.data, PAGE); /* a file's data: counts */
    elf_writer_load(&core.w, 0x50000, 2 * PAGE, R, NULL, 2 * PAGE);          /* the second page is a file */
    elf_writer_load(&core.w, 0x7ffffff10000, PAGE, R, diagnostic, PAGE);     /* createdump's own */
    elf_writer_file(&core.w, 0x20000, 0x21000, 0, "/memfd:doublemapper (deleted)");
    elf_writer_file(&core.w, 0x30000, 0x31000, 5, "/usr/lib/libx.so");
    elf_writer_file(&core.w, 0x40000, 0x41000, 6, "/usr/lib/libx.so");
    elf_writer_file(&core.w, 0x51000, 0x58000, 9, "/usr/lib/libx.so");
    assert_int_equal(target_committed(core_open(&core)), (4 + 1 + 1 + 1) * PAGE);
    core_deinit(&core);
}

/* ---- Windows ---- */

struct windows {
    struct minidump_writer w;
    struct span image;
    struct target_opened opened;
};

#define COREDLL UINT64_C(0x1600000)

static const char *const dll_exports[] = { "Alpha", "*Forwarded", "g_dacTable", "omega" };

static const struct pe_writer core_dll = {
    .timestamp = 0x6387cbf1,
    .exports = dll_exports,
    .export_count = 4,
    .resource_name = "COREXTERNALDATAACCESSRESOURCE",
    .resource = "\x78\0\0\0\x44\0\0\0",
    .resource_size = 8,
};

/* The dump holds the image's bytes [0, size) in pieces, or of its header only the part from the PE signature on. */
static const struct target *windows_open(struct windows *windows, bool whole_header)
{
    const struct writer_module module = {
        COREDLL, PE_WRITER_IMAGE_SIZE, core_dll.timestamp, "C:\\app\\coreclr.dll", { 6, 0, 13, 0 }, NULL
    };
    struct writer_memory memory[3];
    struct writer_process process = {
        .architecture = 9,
        .flags = 2,
        .modules = &module,
        .module_count = 1,
        .memory = memory,
        .memory_count = 3,
    };

    windows->image = pe_writer_mapped(&core_dll);
    memory[0] = (struct writer_memory) { COREDLL, 0x400, windows->image.data };
    if (!whole_header) memory[0] = (struct writer_memory) { COREDLL + 0x80, 0x108, windows->image.data + 0x80 };
    memory[1] = (struct writer_memory) { COREDLL + 0x1000, 0x400, windows->image.data + 0x1000 };
    memory[2] = (struct writer_memory) { COREDLL + 0x3000, 0x800, windows->image.data + 0x3000 };
    minidump_writer_wine(&windows->w, &process);
    target_opened_init(&windows->opened, minidump_writer_span(&windows->w), NULL, NULL);
    return windows->opened.target;
}

static void windows_close(struct windows *windows)
{
    target_opened_deinit(&windows->opened);
    minidump_writer_deinit(&windows->w);
    free((void *)(uintptr_t)windows->image.data);
}

static void exports_of_a_dll_are_read_from_memory(void **state)
{
    (void)state;
    for (int whole_header = 0; whole_header < 2; whole_header++) {
        struct windows windows;
        const struct target *target = windows_open(&windows, whole_header);
        const struct target_module *module = target_module_at(target, COREDLL);
        uint64_t addr;
        assert_true(target->is_windows && module->is_pe);
        assert_string_equal(module->name, "coreclr.dll");
        assert_true(target_export(target, module, "g_dacTable", &addr));
        assert_int_equal(addr, COREDLL + PE_WRITER_CODE + 32);
        assert_true(target_export(target, module, "Alpha", &addr));
        assert_false(target_export(target, module, "Forwarded", &addr));
        assert_false(target_export(target, module, "Beta", &addr));
        windows_close(&windows);
    }
}

static void resources_of_a_dll_are_read_from_memory(void **state)
{
    struct windows windows;
    const struct target *target = windows_open(&windows, true);
    uint64_t addr, size;
    uint32_t word;

    (void)state;
    assert_true(target_resource(target, &target->modules.data[0], "COREXTERNALDATAACCESSRESOURCE", &addr, &size));
    assert_int_equal(size, 8);
    assert_true(memory_try_u32(&target->memory, addr, &word));
    assert_int_equal(word, 0x78);
    assert_false(target_resource(target, &target->modules.data[0], "CLRDEBUGINFO", &addr, &size));
    windows_close(&windows);
}

static void all_memory_of_a_minidump_is_committed(void **state)
{
    struct windows windows;

    (void)state;
    assert_int_equal(target_committed(windows_open(&windows, true)), 0x400 + 0x400 + 0x800);
    windows_close(&windows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_is_a_module_with_its_identity),
        cmocka_unit_test(a_replaced_file_keeps_its_name),
        cmocka_unit_test(what_is_no_file_is_no_module),
        cmocka_unit_test(a_data_file_is_no_module),
        cmocka_unit_test(of_a_single_file_app_the_executable_is_the_module),
        cmocka_unit_test(a_dll_is_a_module_wherever_it_is_mapped),
        cmocka_unit_test(without_headers_the_name_and_the_maps_tell),
        cmocka_unit_test(committed_is_what_is_written_or_no_file),
        cmocka_unit_test(exports_of_a_dll_are_read_from_memory),
        cmocka_unit_test(resources_of_a_dll_are_read_from_memory),
        cmocka_unit_test(all_memory_of_a_minidump_is_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
