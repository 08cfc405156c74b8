#include "minidump_opened.h"

#include <string.h>

void minidump_opened_init(struct minidump_opened *opened, struct span bytes)
{
    memset(opened, 0, sizeof(*opened));
    opened->file.bytes = bytes;
    opened->dump.file = &opened->file;
    arena_init(&opened->dump.arena);
    gaps_init(&opened->gaps);
    opened->err = dump_format_minidump.open(&opened->dump, &opened->gaps);
}

void minidump_opened_deinit(struct minidump_opened *opened)
{
    error_destroy(opened->err);
    vec_deinit(&opened->dump.ranges);
    vec_deinit(&opened->dump.modules);
    vec_deinit(&opened->dump.threads);
    arena_deinit(&opened->dump.arena);
    gaps_deinit(&opened->gaps);
}

bool minidump_opened_has_gap(const struct minidump_opened *opened, const char *what)
{
    for (size_t i = 0; i < opened->gaps.list.count; i++)
        if (!strcmp(opened->gaps.list.data[i].what, what)) return true;
    return false;
}

bool minidump_opened_is_sound(const struct minidump_opened *opened)
{
    const struct dump *dump = &opened->dump;
    uint64_t end = 0;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        if (range->start < end || range->end <= range->start) return false;
        if (range->file_size > range->end - range->start) return false;
        if (!span_holds(opened->file.bytes, range->file_off, range->file_size)) return false;
        end = range->end;
    }
    for (size_t i = 0; i < dump->modules.count; i++)
        if (!dump->modules.data[i].path) return false;
    return true;
}
