/*
 * Any bytes as a minidump: the records of every list, then the dump as the program opens it, whose ranges must be sorted, must
 * not overlap, and must have their content in the file.
 */
#include <stdlib.h>
#include <string.h>

#include "dump/dump.h"
#include "formats/minidump.h"

static volatile uint64_t sink;

static void use_string(const struct minidump *md, uint64_t off)
{
    struct span text;

    if (!minidump_string(md, off, 64, &text)) return;
    for (size_t i = 0; i < text.size; i++)
        sink += text.data[i];
}

static void use_code_view(const struct minidump *md, struct minidump_location at)
{
    struct minidump_code_view view;

    if (!minidump_code_view(md, at, &view)) return;
    for (size_t i = 0; i < view.id.size; i++)
        sink += view.id.data[i];
    for (size_t i = 0; i < view.pdb_path.size; i++)
        sink += view.pdb_path.data[i];
}

static void use_lists(const struct minidump *md)
{
    struct minidump_list list;

    if (minidump_list(md, MINIDUMP_MODULE_LIST, &list))
        for (uint64_t i = 0; i < list.count; i++)
            use_code_view(md, minidump_module(&list, i).code_view);
    if (minidump_list(md, MINIDUMP_UNLOADED_MODULE_LIST, &list))
        for (uint64_t i = 0; i < list.count; i++)
            use_string(md, minidump_unloaded_module(&list, i).name_off);
    if (minidump_list(md, MINIDUMP_HANDLE_DATA, &list))
        for (uint64_t i = 0; i < list.count; i++)
            use_string(md, minidump_handle(&list, i).object_name_off);
}

static void decode(struct span bytes)
{
    struct minidump md;
    struct minidump_misc_info misc;
    struct minidump_exception exception;
    struct error *err = minidump_parse(bytes, NULL, NULL, &md);

    if (err) {
        error_destroy(err);
        return;
    }
    use_lists(&md);
    if (minidump_misc_info(&md, &misc)) sink += misc.build_string.size ? misc.build_string.data[misc.build_string.size - 1] : 0;
    if (minidump_exception(&md, &exception)) sink += exception.parameters[MINIDUMP_EXCEPTION_PARAMETERS - 1];
}

static void require(bool what)
{
    if (!what) abort();
}

static void check_ranges(const struct dump *dump)
{
    uint64_t end = 0;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        require(range->start >= end && range->start < range->end);
        require(range->file_size <= range->end - range->start);
        require(span_holds(dump->file->bytes, range->file_off, range->file_size));
        end = range->end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct byte_file file = { .bytes = { data, size } };
    struct dump dump = { .file = &file };
    struct gaps gaps;

    decode(file.bytes);
    arena_init(&dump.arena);
    gaps_init(&gaps);
    error_destroy(dump_format_minidump.open(&dump, &gaps));
    check_ranges(&dump);
    vec_deinit(&dump.ranges);
    vec_deinit(&dump.modules);
    vec_deinit(&dump.threads);
    arena_deinit(&dump.arena);
    gaps_deinit(&gaps);
    return 0;
}
