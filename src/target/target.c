#include "target/target.h"

#include <stdlib.h>
#include <string.h>

#include "target/images.h"
#include "target/target_modules.h"

/* ---- opening ---- */

static struct error *add_ranges(struct target *target)
{
    struct span bytes = target->dump->file->bytes;

    for (size_t i = 0; i < target->dump->ranges.count; i++) {
        const struct dump_range *range = &target->dump->ranges.data[i];
        uint64_t size = range->file_size;
        if (size == 0 || range->end <= range->start || range->file_off >= bytes.size) continue;
        if (size > range->end - range->start) size = range->end - range->start;
        if (size > bytes.size - range->file_off) size = bytes.size - range->file_off; /* the file ends early */
        TRY(memory_add(&target->memory, range->start, size, bytes.data + range->file_off, range->file_off));
    }
    return memory_freeze(&target->memory);
}

static struct error *open_parts(struct target *target, const struct target_options *options)
{
    TRY(add_ranges(target));
    TRY(target_find_modules(target));
    TRY(images_create(target, options, &target->images));
    memory_share(&target->constants, &target->memory);
    target->memory.image_view = images_view_constant;
    target->constants.image_view = images_view_initial;
    target->memory.image_user = target->constants.image_user = target->images;
    return NULL;
}

struct error *target_open(struct dump *dump, const struct target_options *options, struct gaps *gaps, struct target **ret)
{
    struct target *target = calloc(1, sizeof(*target));
    struct error *err;

    if (!target) {
        dump_close(dump);
        return &error_enomem;
    }
    target->dump = dump;
    target->gaps = gaps;
    target->is_windows = dump->os && strcmp(dump->os, "windows") == 0;
    arena_init(&target->arena);
    memory_init(&target->memory, dump->file);
    err = open_parts(target, options);
    if (err) {
        target_close(target);
        return err;
    }
    *ret = target;
    return NULL;
}

void target_close(struct target *target)
{
    if (!target) return;
    images_destroy(target->images);
    memory_deinit(&target->memory);
    vec_deinit(&target->modules);
    arena_deinit(&target->arena);
    dump_close(target->dump);
    free(target);
}

/* ---- modules ---- */

const struct target_module *target_module_at(const struct target *target, uint64_t addr)
{
    size_t low = 0, high = target->modules.count;
    const struct target_module *module;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (target->modules.data[middle].base <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return NULL;
    module = &target->modules.data[low - 1];
    return addr < module->end ? module : NULL;
}

bool target_image_file(const struct target *target, const struct target_module *module, struct span *ret)
{
    struct image_identity want = { .timestamp = module->timestamp, .image_size = module->image_size };

    if (!module->is_pe) want = (struct image_identity) { .build_id = module->build_id, .build_id_size = module->build_id_size };
    return images_file_span(target->images, module->path, &want, ret);
}

/* ---- committed bytes ---- */

/* createdump writes a page of its own into its cores: it is not the process's memory. Source: dotnet/runtime createdump,
 * specialdiaginfo.h. */
static bool is_diagnostic_page(const struct target *target, const struct dump_range *range)
{
    static const char magic[] = "DIAGINFOHEADER";
    char found[sizeof(magic) - 1];
    uint64_t size;
    const uint8_t *bytes = memory_view_dumped(&target->memory, range->start, sizeof(found), &size);

    return bytes && size == sizeof(found) && memcmp(bytes, magic, sizeof(found)) == 0;
}

/* Bytes of [start, end) that are mapped from files. */
static uint64_t file_bytes(const struct dump *dump, uint64_t start, uint64_t end)
{
    size_t low = 0, high = dump->file_maps.count;
    uint64_t sum = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dump->file_maps.data[middle].end <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < dump->file_maps.count && dump->file_maps.data[low].start < end; low++) {
        const struct dump_file_map *map = &dump->file_maps.data[low];
        uint64_t from = map->start > start ? map->start : start, to = map->end < end ? map->end : end;
        if (from < to && target_is_file_path(map->path)) sum += to - from;
    }
    return sum < end - start ? sum : end - start;
}

uint64_t target_range_committed(const struct target *target, const struct dump_range *range)
{
    uint64_t size;

    if (range->state != RANGE_COMMIT || range->end <= range->start || is_diagnostic_page(target, range)) return 0;
    size = range->end - range->start;
    if (target->is_windows || range->protection & PROTECTION_WRITE) return size;
    return size - file_bytes(target->dump, range->start, range->end);
}

uint64_t target_committed(const struct target *target)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < target->dump->ranges.count; i++)
        sum += target_range_committed(target, &target->dump->ranges.data[i]);
    return sum;
}
