/*
 * Exported symbols and resources of a module, read where it lies in memory: a heap dump holds the pieces that the DAC touched, and
 * what is absent comes from the image file through the same reads. Every read may fail on its own.
 */
#include <string.h>
#include <strings.h>

#include "formats/pe.h"
#include "target/elf_image.h"
#include "target/target.h"

enum { HEADER_SIZE = 4096, MAX_EXPORT_NAME = 512, MAX_RESOURCE_ENTRIES = 4096 };

/* ---- PE headers ---- */

/* The DAC saves the NT headers without the DOS header before them: a signature that is followed by an optional header's magic will
 * do. */
static void restore_dos_header(uint8_t header[HEADER_SIZE])
{
    if (load_u16(header) == 0x5a4d) return;
    for (uint32_t off = 0x40; off + 264 <= HEADER_SIZE; off += 8) {
        if (load_u32(header + off) != 0x4550 || load_u16(header + off + 24) != 0x20b) continue;
        memcpy(header, "MZ", 2);
        memcpy(header + 0x3c, &off, 4);
        return;
    }
}

/* Reads the headers at `base`; what is absent is zero. The result points into `header`. */
static bool read_pe(const struct target *target, uint64_t base, uint8_t header[HEADER_SIZE], struct pe *ret)
{
    struct error *err;

    memset(header, 0, HEADER_SIZE);
    if (!memory_try_read(&target->memory, base, header, HEADER_SIZE)) {
        for (uint32_t off = 0; off < HEADER_SIZE; off += 8)
            memory_try_read(&target->memory, base + off, header + off, 8);
    }
    restore_dos_header(header);
    err = pe_open((struct span) { header, HEADER_SIZE }, PE_LAYOUT_MAPPED, ret);
    error_destroy(err);
    return !err;
}

/* ---- PE exports ---- */

struct exports {
    const struct target *target;
    uint64_t base;
    struct pe_directory directory;
    uint32_t function_count, name_count, functions, names, ordinals; /* counts, RVAs */
};

static bool read_exports(const struct target *target, uint64_t base, struct exports *ret)
{
    uint8_t header[HEADER_SIZE];
    uint32_t fields[5]; /* of IMAGE_EXPORT_DIRECTORY, from NumberOfFunctions */
    struct pe pe;

    if (!read_pe(target, base, header, &pe) || !pe.directories[PE_DIRECTORY_EXPORT].rva) return false;
    if (!memory_try_read(&target->memory, base + pe.directories[PE_DIRECTORY_EXPORT].rva + 20, fields, sizeof(fields)))
        return false;
    *ret = (struct exports) {
        target, base, pe.directories[PE_DIRECTORY_EXPORT], fields[0], fields[1], fields[2], fields[3], fields[4],
    };
    return true;
}

/* As strcmp(name, the `index`th name); false when that is absent. Reads no further than needed: names lie in pieces in a heap dump.
 */
static bool compare_name(const struct exports *exports, uint32_t index, const char *name, int *ret)
{
    const struct memory *memory = &exports->target->memory;
    uint64_t addr;
    uint32_t rva;

    if (!memory_try_u32(memory, exports->base + exports->names + 4 * (uint64_t)index, &rva)) return false;
    addr = exports->base + rva;
    for (size_t i = 0; i < MAX_EXPORT_NAME; i++) {
        uint8_t byte;
        if (!memory_try_u8(memory, addr + i, &byte)) return false;
        if (byte != (uint8_t)name[i] || byte == 0) {
            *ret = (uint8_t)name[i] - byte;
            return true;
        }
    }
    return false;
}

static bool export_address(const struct exports *exports, uint32_t index, uint64_t *ret)
{
    const struct memory *memory = &exports->target->memory;
    uint16_t ordinal;
    uint32_t rva;

    if (!memory_try_u16(memory, exports->base + exports->ordinals + 2 * (uint64_t)index, &ordinal)) return false;
    if (ordinal >= exports->function_count) return false;
    if (!memory_try_u32(memory, exports->base + exports->functions + 4 * (uint64_t)ordinal, &rva) || rva == 0) return false;
    if (rva >= exports->directory.rva && rva - exports->directory.rva < exports->directory.size) return false; /* a forwarder */
    *ret = exports->base + rva;
    return true;
}

static bool pe_symbol(const struct target *target, uint64_t base, const char *symbol, uint64_t *ret)
{
    struct exports exports;
    uint32_t low = 0, high;

    if (!read_exports(target, base, &exports)) return false;
    high = exports.name_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order;
        if (!compare_name(&exports, middle, symbol, &order)) return false;
        if (order == 0) return export_address(&exports, middle, ret);
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

static bool elf_symbol(const struct target *target, uint64_t base, const char *symbol, uint64_t *ret)
{
    struct elf_image image;
    uint64_t vaddr;

    if (!elf_image_from_memory(&target->memory, base, false, &image) || !elf_image_symbol(&image, symbol, &vaddr)) return false;
    *ret = image.bias + vaddr;
    return true;
}

bool target_export(const struct target *target, const struct target_module *module, const char *symbol, uint64_t *ret)
{
    if (!module->is_pe) return elf_symbol(target, module->base, symbol, ret);
    if (!target->is_windows) return false; /* a managed dll: it has none, and asking would open its file */
    return pe_symbol(target, module->base, symbol, ret);
}

/* ---- PE resources; the tree is described in formats/pe.c ---- */

#define RESOURCE_IS_NAMED UINT32_C(0x80000000) /* of the key: an offset to text; of the value: another directory follows */

struct resources {
    const struct memory *memory;
    uint64_t tree;
};

static bool resource_name_is(const struct resources *resources, uint32_t off, const char *wanted)
{
    size_t length = strlen(wanted);
    uint16_t count, unit;

    if (!memory_try_u16(resources->memory, resources->tree + off, &count) || count != length) return false;
    for (size_t i = 0; i < length; i++) {
        if (!memory_try_u16(resources->memory, resources->tree + off + 2 + 2 * i, &unit) || unit >= 0x80) return false;
        if (strncasecmp((char[]) { (char)unit }, wanted + i, 1) != 0) return false;
    }
    return true;
}

/* Goes down one level, to `name`, or to `id` when that is NULL, or to the first when both are 0. */
static bool resource_descend(const struct resources *resources, uint32_t *off, uint32_t id, const char *name)
{
    uint64_t directory = resources->tree + (*off & ~RESOURCE_IS_NAMED);
    uint16_t counts[2];

    if (!(*off & RESOURCE_IS_NAMED) || !memory_try_read(resources->memory, directory + 12, counts, sizeof(counts))) return false;
    for (uint32_t i = 0; i < (uint32_t)counts[0] + counts[1] && i < MAX_RESOURCE_ENTRIES; i++) {
        uint32_t entry[2];
        bool is_named;
        if (!memory_try_read(resources->memory, directory + 16 + 8 * (uint64_t)i, entry, sizeof(entry))) return false;
        is_named = entry[0] & RESOURCE_IS_NAMED;
        if (name && !(is_named && resource_name_is(resources, entry[0] & ~RESOURCE_IS_NAMED, name))) continue;
        if (!name && id && (is_named || entry[0] != id)) continue;
        *off = entry[1];
        return true;
    }
    return false;
}

bool target_resource(const struct target *target, const struct target_module *module, const char *name, uint64_t *addr_ret,
                     uint64_t *size_ret)
{
    struct resources resources = { .memory = &target->memory };
    uint8_t header[HEADER_SIZE];
    uint32_t off = RESOURCE_IS_NAMED, data[2];
    struct pe pe;

    if (!module->is_pe || !read_pe(target, module->base, header, &pe) || !pe.directories[PE_DIRECTORY_RESOURCE].rva) return false;
    resources.tree = module->base + pe.directories[PE_DIRECTORY_RESOURCE].rva;
    if (!resource_descend(&resources, &off, PE_RESOURCE_RCDATA, NULL) || !resource_descend(&resources, &off, 0, name)) return false;
    if (!resource_descend(&resources, &off, 0, NULL) || off & RESOURCE_IS_NAMED) return false;
    if (!memory_try_read(resources.memory, resources.tree + off, data, sizeof(data))) return false;
    *addr_ret = module->base + data[0];
    *size_ret = data[1];
    return true;
}
