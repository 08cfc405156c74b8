#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clr/clr.h"
#include "support/minidump_writer.h"
#include "support/target_opened.h"

/* Which runtimes a process has, told from its modules alone. */

static const struct writer_thread threads[] = { { .id = 0x24, .teb = 0x67fe0000, .ip = 0x7ffa11112222, .sp = 0x21000 } };
static const struct writer_memory memory[] = { { 0x20000, 0x2000, NULL } };

struct opened {
    struct minidump_writer writer;
    struct target_opened target;
};

enum { X86 = 0, X64 = 9 };

static void open_with_architecture(struct opened *opened, uint16_t architecture, const struct writer_module *modules, size_t count)
{
    const struct writer_process process = {
        .architecture = architecture,
        .pid = 4711,
        .timestamp = 1795319195,
        .flags = 0x2,
        .threads = threads,
        .thread_count = 1,
        .modules = modules,
        .module_count = count,
        .memory = memory,
        .memory_count = 1,
    };

    minidump_writer_wine(&opened->writer, &process);
    target_opened_init(&opened->target, minidump_writer_span(&opened->writer), NULL, NULL);
}

static void open_with(struct opened *opened, const struct writer_module *modules, size_t count)
{
    open_with_architecture(opened, X64, modules, count);
}

static void close_all(struct opened *opened)
{
    target_opened_deinit(&opened->target);
    minidump_writer_deinit(&opened->writer);
}

static void assert_refused(struct opened *opened, unsigned n, const char *part)
{
    struct clr *clr = NULL;
    struct error *err = clr_open(opened->target.target, n, &clr);

    assert_non_null(err);
    assert_null(clr);
    assert_non_null(strstr(error_message(err), part));
    error_destroy(err);
}

static void a_process_without_dotnet_has_none(void **state)
{
    static const struct writer_module modules[] = { { 0x140000000, 0x2d000, 0x6ada0000, "C:\\app\\other.exe", { 1 }, NULL } };
    struct opened opened;

    (void)state;
    open_with(&opened, modules, 1);
    assert_int_equal(clr_find_runtimes(opened.target.target, NULL, 0), 0);
    assert_refused(&opened, 0, "no .NET runtime in this process");
    close_all(&opened);
}

static void a_runtime_of_another_architecture_has_no_table(void **state)
{
    static const struct writer_module modules[] = {
        { 0x6f000000, 0x47a000, 0x6adaee43, "C:\\app\\coreclr.dll", { 10, 0, 1426, 52326 }, NULL }
    };
    struct opened opened;

    (void)state;
    open_with_architecture(&opened, X86, modules, 1);
    assert_int_equal(clr_find_runtimes(opened.target.target, NULL, 0), 1);
    assert_refused(&opened, 0, "no table for windows x86, .NET");
    close_all(&opened);
}

static void the_framework_is_recognised_and_refused(void **state)
{
    static const struct writer_module modules[] = {
        { 0x140000000, 0x2d000, 0x6ada0000, "C:\\app\\old.exe", { 1 }, NULL },
        { 0x7ffa00000000,
          0xac1000,
          0x6ada0001,
          "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\clr.dll",
          { 4, 8, 9037, 0 },
          NULL },
    };
    struct opened opened;

    (void)state;
    open_with(&opened, modules, 2);
    assert_int_equal(clr_find_runtimes(opened.target.target, NULL, 0), 1);
    assert_refused(&opened, 0, ".NET Framework 4.8.9037.0, whose structures are not read yet");
    close_all(&opened);
}

static void of_several_the_framework_comes_last(void **state)
{
    static const struct writer_module modules[] = {
        { 0x7ff900000000,
          0xac1000,
          0x6ada0001,
          "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\clr.dll",
          { 4, 8, 9037, 0 },
          NULL },
        { 0x7ffa00000000, 0x47a000, 0x6adaee43, "C:\\app\\CoreCLR.dll", { 10, 0, 1426, 52326 }, NULL },
        { 0x7ffb00000000, 0x47a000, 0x6adaee43, "C:\\app\\second\\coreclr.dll", { 10, 0, 1426, 52326 }, NULL },
    };
    struct opened opened;
    size_t indices[2];

    (void)state;
    open_with(&opened, modules, 3);
    assert_int_equal(clr_find_runtimes(opened.target.target, indices, 2), 3);
    assert_int_equal(opened.target.target->modules.data[indices[0]].base, 0x7ffa00000000);
    assert_int_equal(opened.target.target->modules.data[indices[1]].base, 0x7ffb00000000);
    assert_refused(&opened, 2, "is .NET Framework");
    assert_refused(&opened, 3, "there is no runtime 3: the process has 3");
    close_all(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_without_dotnet_has_none),
        cmocka_unit_test(a_runtime_of_another_architecture_has_no_table),
        cmocka_unit_test(the_framework_is_recognised_and_refused),
        cmocka_unit_test(of_several_the_framework_comes_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
