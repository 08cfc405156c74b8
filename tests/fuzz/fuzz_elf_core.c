/*
 * Any bytes as a core: what opens must have sorted ranges that do not overlap and whose content is in the file.
 */
#include <stdlib.h>
#include <string.h>

#include "dump/dump.h"

static volatile uint64_t sink;

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
        require(dump_range_at(dump, range->start) == range && dump_range_at(dump, range->end - 1) == range);
        end = range->end;
    }
}

static void check_the_rest(const struct dump *dump)
{
    for (size_t i = 0; i < dump->file_maps.count; i++) {
        const struct dump_file_map *map = &dump->file_maps.data[i];
        require(map->start < map->end && (i == 0 || map[-1].start <= map->start));
        sink += strlen(map->path);
    }
    for (size_t i = 0; i < dump->auxv.size; i++)
        sink += dump->auxv.data[i];
    if (dump->command) sink += strlen(dump->command);
    require(dump->kind && dump->os && dump->arch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct byte_file *file;
    struct dump *dump;
    struct gaps gaps;
    struct error *err;

    if (byte_file_from_memory((struct span) { data, size }, &file)) return 0;
    gaps_init(&gaps);
    err = dump_open_file(file, &gaps, &dump);
    if (!err && !strcmp(dump->format, "elf-core")) {
        check_ranges(dump);
        check_the_rest(dump);
    }
    if (!err) dump_close(dump);
    error_destroy(err);
    gaps_deinit(&gaps);
    return 0;
}
