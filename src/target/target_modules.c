#include "target/target_modules.h"

#include <string.h>
#include <strings.h>

#include "formats/pe.h"
#include "target/elf_image.h"

enum { HEADER_PAGE = 4096, LARGEST_SECTION_GAP = 1 << 20 };

bool target_is_file_path(const char *path)
{
    static const char *const others[] = { "/memfd:", "/dev/", "/SYSV", "/anon_hugepage", "/[" };

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (strncmp(path, others[i], strlen(others[i])) == 0) return false;
    }
    return path[0] == '/';
}

/* The last part of the path, as a string of the arena when it has to be cut. */
static const char *path_name(struct arena *arena, const char *path, bool is_windows)
{
    static const char deleted[] = " (deleted)";
    const char *name = path;
    size_t length;

    for (const char *p = path; *p; p++) {
        if (*p == '/' || (is_windows && *p == '\\')) name = p + 1;
    }
    length = strlen(name);
    if (length < sizeof(deleted) || strcmp(name + length - (sizeof(deleted) - 1), deleted) != 0) return name;
    return arena_strndup(arena, name, length - (sizeof(deleted) - 1));
}

static struct error *push_module(struct target *target, struct target_module *module)
{
    module->name = path_name(&target->arena, module->path, target->is_windows);
    return module->name && vec_push(&target->modules, *module) ? NULL : &error_enomem;
}

/* ---- minidumps ---- */

static struct error *take_listed(struct target *target, const struct dump_module *listed)
{
    struct target_module module = { .base = listed->base, .path = listed->path ? listed->path : "" };
    uint8_t magic[4];

    if (__builtin_add_overflow(listed->base, listed->size, &module.end) || listed->size == 0) return NULL;
    module.is_pe = !memory_try_read(&target->memory, listed->base, magic, sizeof(magic)) || memcmp(magic,
                                                                                                   "\x7f"
                                                                                                   "ELF",
                                                                                                   4) != 0;
    if (module.is_pe) {
        module.timestamp = listed->timestamp;
        module.image_size = listed->size > UINT32_MAX ? 0 : (uint32_t)listed->size;
    } else if (listed->build_id && listed->build_id_size <= sizeof(module.build_id)) {
        memcpy(module.build_id, listed->build_id, listed->build_id_size);
        module.build_id_size = listed->build_id_size;
    }
    return push_module(target, &module);
}

/* ---- cores ---- */

static void take_elf(const struct elf_image *elf, struct target_module *module)
{
    module->end = elf->bias + elf->high;
    module->build_id_size = elf->build_id_size;
    memcpy(module->build_id, elf->build_id, elf->build_id_size);
}

/* End of the file content as the section table tells it. */
static uint64_t flat_size(const struct pe *pe)
{
    uint64_t size = pe->headers_size;
    struct pe_section section;

    for (uint32_t i = 0; pe_section(pe, i, &section); i++) {
        uint64_t end = (uint64_t)section.raw_off + section.raw_size;
        if (end > size) size = end;
    }
    return size;
}

/* The runtime maps a dll whole, as the file is, or section by section, as the loader of Windows would; the first map tells which.
 */
static void take_pe(const struct pe *pe, const struct dump_file_map *map, struct target_module *module)
{
    uint64_t first_size = map->end - map->start;

    module->timestamp = pe->timestamp;
    module->image_size = pe->image_size;
    module->end = first_size >= flat_size(pe) || pe->image_size < first_size ? map->end : map->start + pe->image_size;
}

/* Without a header: the mappings of that path that follow. The sections of a dll mapped one by one lie up to 64 KiB apart. */
static uint64_t end_by_maps(const struct dump *dump, size_t first)
{
    const struct dump_file_map *map = &dump->file_maps.data[first];
    uint64_t end = map->end;
    bool is_header = end - map->start <= HEADER_PAGE;

    for (size_t i = first + 1; i < dump->file_maps.count; i++) {
        const struct dump_file_map *next = &dump->file_maps.data[i];
        if (strcmp(next->path, map->path) != 0 || next->start - end > LARGEST_SECTION_GAP) break;
        if (next->file_off == 0 && !(i == first + 1 && is_header && next->end - next->start > HEADER_PAGE)) break;
        end = next->end;
    }
    return end;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);

    return length > end_length && strcasecmp(name + length - end_length, end) == 0;
}

/* A kernel's core has no page of a dll that nobody wrote; its name must do. */
static bool is_pe_by_name(const char *path)
{
    return ends_with(path, ".dll") || ends_with(path, ".exe") || ends_with(path, ".dll (deleted)");
}

static bool is_elf_by_name(const char *path)
{
    return ends_with(path, ".so") || ends_with(path, ".so (deleted)") || strstr(path, ".so.") != NULL;
}

/* What is mapped from the start of a file: an image or not? */
static bool describe_map(const struct target *target, size_t index, struct target_module *ret)
{
    const struct dump_file_map *map = &target->dump->file_maps.data[index];
    uint64_t size = 0;
    const uint8_t *start = memory_view_dumped(&target->memory, map->start, HEADER_PAGE, &size);
    struct elf_image elf;
    struct pe pe;
    struct error *err;

    *ret = (struct target_module) { .base = map->start, .path = map->path };
    if (elf_image_from_memory(&target->memory, map->start, true, &elf)) {
        take_elf(&elf, ret);
        return true;
    }
    if (start && size >= 2 && start[0] == 'M' && start[1] == 'Z') {
        ret->is_pe = true;
        ret->end = end_by_maps(target->dump, index);
        err = pe_open((struct span) { start, (size_t)size }, PE_LAYOUT_MAPPED, &pe);
        if (!err) take_pe(&pe, map, ret);
        error_destroy(err);
        return true;
    }
    if (start || (!is_pe_by_name(map->path) && !is_elf_by_name(map->path))) return false;
    ret->is_pe = is_pe_by_name(map->path);
    ret->end = end_by_maps(target->dump, index);
    return true;
}

/*
 * Only maps of file offset 0 begin a module: dlls in a single-file bundle are mapped from the middle of the executable, whose own
 * header is the one at offset 0. A dll's code is mapped from offset 0 too (its header page and its code share the file's first
 * page): inside the module before it, it is a part of that.
 */
static struct error *take_mapped(struct target *target, size_t index, size_t *last)
{
    const struct dump_file_map *map = &target->dump->file_maps.data[index];
    struct target_module module;

    if (map->file_off != 0 || map->end <= map->start || !target_is_file_path(map->path)) return NULL;
    if (*last < target->modules.count) {
        const struct target_module *before = &target->modules.data[*last];
        if (map->start < before->end && strcmp(before->path, map->path) == 0) return NULL;
    }
    if (!describe_map(target, index, &module)) return NULL;
    if (module.end < map->end) module.end = map->end;
    *last = target->modules.count;
    return push_module(target, &module);
}

static int compare_bases(const void *a, const void *b)
{
    const struct target_module *left = a, *right = b;

    if (left->base != right->base) return left->base < right->base ? -1 : 1;
    return left->end < right->end ? -1 : left->end > right->end;
}

struct error *target_find_modules(struct target *target)
{
    const struct dump *dump = target->dump;
    size_t last = SIZE_MAX;

    for (size_t i = 0; i < dump->modules.count; i++)
        TRY(take_listed(target, &dump->modules.data[i]));
    if (dump->modules.count == 0) {
        for (size_t i = 0; i < dump->file_maps.count; i++)
            TRY(take_mapped(target, i, &last));
    }
    vec_sort(&target->modules, compare_bases);
    return NULL;
}
