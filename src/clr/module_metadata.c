/*
 * Where a module's ECMA-335 metadata lies.
 *
 *     file module     PEImageLayout base -> PE headers -> CLI header -> metadata, in memory or in the mapped file
 *     dynamic module  the saved copy that the runtime keeps of every reflection-emit module: Module.DynamicMetadata -> {u32 size,
 * bytes}, before 9.0 an SBuffer {u32 size, u32 capacity, u32 flags, bytes*}
 */
#include <string.h>

#include "base/limits.h"
#include "clr/module_image.h"

enum { METADATA_SIZE_MAX = 1 << 29, CLI_HEADER_METADATA = 8 };

/* Range of the metadata in memory. */
static bool file_metadata_range(const struct clr *clr, const struct clr_module *module, uint64_t *addr_ret, uint32_t *size_ret)
{
    struct pe pe;
    uint64_t cli;
    uint32_t directory[2];

    if (!module_image_headers(clr, module, &pe) || !pe.directories[PE_DIRECTORY_CLI].rva) return false;
    cli = module_image_address(module, &pe, pe.directories[PE_DIRECTORY_CLI].rva);
    if (!cli || !memory_try_read(clr->memory, cli + CLI_HEADER_METADATA, directory, sizeof(directory))) return false;
    *addr_ret = module_image_address(module, &pe, directory[0]);
    *size_ret = directory[1];
    return *addr_ret != 0;
}

/* The saved copy of a dynamic module. */
static bool dynamic_metadata_range(const struct clr *clr, const struct clr_module *module, uint64_t *addr_ret, uint32_t *size_ret)
{
    enum { SBUFFER_SIZE = 0, SBUFFER_BYTES = 16 };
    uint64_t copy, buffer;

    if (clr_try_u64(clr, module->addr, FIELD_Module_DynamicMetadata, &copy) && copy) {
        *addr_ret = clr_field_addr(clr, copy, FIELD_DynamicMetadata_Data);
        return clr_try_u32(clr, copy, FIELD_DynamicMetadata_Size, size_ret);
    }
    if (!clr_try_u64(clr, module->addr, FIELD_Module_DynamicMetadataBuffer, &buffer) || !buffer) return false;
    return memory_try_u32(clr->memory, buffer + SBUFFER_SIZE, size_ret) &&
           memory_try_u64(clr->memory, buffer + SBUFFER_BYTES, addr_ret);
}

static bool metadata_range(const struct clr *clr, const struct clr_module *module, uint64_t *addr_ret, uint32_t *size_ret)
{
    bool found = module->is_dynamic ? dynamic_metadata_range(clr, module, addr_ret, size_ret)
                                    : file_metadata_range(clr, module, addr_ret, size_ret);

    return found && *addr_ret && *size_ret > 16 && *size_ret <= METADATA_SIZE_MAX;
}

bool clr_module_try_metadata(struct clr *clr, const struct clr_module *module, struct metadata *ret)
{
    uint64_t addr;
    uint32_t size;
    const uint8_t *bytes;

    if (module->metadata) {
        *ret = *module->metadata;
        return true;
    }
    if (!metadata_range(clr, module, &addr, &size)) return false;
    bytes = memory_try_span(clr->memory, addr, size);
    return bytes && metadata_try_open((struct span) { bytes, size }, ret);
}

/* Metadata that lies in several pieces is put together; pages that nobody has read as zeros, and are counted. */
static const uint8_t *gather(struct clr *clr, const struct clr_module *module, uint64_t addr, uint32_t size)
{
    uint8_t *copy;
    uint32_t missing = 0;

    if (!memory_has(clr->memory, addr, 16)) return NULL;
    copy = arena_alloc(&clr->arena, size);
    if (!copy) return NULL;
    for (uint32_t done = 0; done < size;) {
        uint64_t piece;
        const uint8_t *view = memory_view(clr->memory, addr + done, size - done, &piece);
        uint32_t step = 4096 - (uint32_t)((addr + done) % 4096);

        if (view && piece < step) step = (uint32_t)piece;
        if (view && piece > step) step = piece > size ? size : (uint32_t)piece;
        if (step > size - done) step = size - done;
        if (view)
            memcpy(copy + done, view, step);
        else
            missing += step;
        done += step;
    }
    if (missing) gaps_add(clr->gaps, "module metadata", addr, 1, "%u of %u bytes not in the dump: %s", missing, size, module->path);
    return copy;
}

static struct metadata *read_metadata(struct clr *clr, const struct clr_module *module)
{
    uint64_t addr;
    uint32_t size;
    const uint8_t *bytes;
    struct metadata *metadata;

    if (!metadata_range(clr, module, &addr, &size)) return NULL;
    bytes = memory_try_span(clr->memory, addr, size);
    if (!bytes) bytes = gather(clr, module, addr, size);
    if (!bytes) return NULL;
    metadata = arena_alloc(&clr->arena, sizeof(*metadata));
    return metadata && metadata_try_open((struct span) { bytes, size }, metadata) ? metadata : NULL;
}

const struct metadata *clr_module_metadata(struct clr *clr, struct clr_module *module)
{
    if (!module->metadata_tried) {
        module->metadata_tried = true;
        module->metadata = read_metadata(clr, module);
        if (!module->metadata && module->is_dynamic)
            gaps_add(clr->gaps, "module metadata", module->addr, 1, "the saved copy of a dynamic module is not in the dump");
        else if (!module->metadata)
            gaps_add(clr->gaps, "module metadata", module->addr, 1, "not in the dump, and no file with it was found: %s",
                     *module->path ? module->path : "(loaded from bytes)");
    }
    return module->metadata;
}

/* "His.Core" out of "/app/His.Core.dll". */
static const char *stem_of_path(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
    const char *name = slash > backslash ? slash + 1 : backslash ? backslash + 1 : path;
    const char *dot = strrchr(name, '.');
    const char *ret = arena_strndup(arena, name, dot ? (size_t)(dot - name) : strlen(name));

    return ret ? ret : "";
}

const char *clr_module_simple_name(struct clr *clr, struct clr_module *module)
{
    struct metadata storage;
    struct metadata_assembly assembly;

    if (module->simple_name) return module->simple_name;
    if (clr_module_try_metadata(clr, module, &storage) && metadata_assembly(&storage, &assembly) && *assembly.name)
        module->simple_name = arena_strdup(&clr->arena, assembly.name);
    else
        module->simple_name = stem_of_path(&clr->arena, module->path);
    if (!module->simple_name) module->simple_name = "";
    return module->simple_name;
}

void clr_version_from_core_library(struct clr *clr)
{
    struct clr_module_iterator iterator;
    struct clr_module *module;
    const struct metadata *md;
    struct span value;
    uint32_t length;
    size_t number;
    const uint8_t *servicing;
    bool more = false;
    struct error *err = clr_module_iterator_init(clr, &iterator);

    if (!err) err = clr_module_iterator_next(&iterator, &module, &more);
    error_destroy(err);
    if (!more || !(md = clr_module_metadata(clr, module))) return;
    /* AssemblyInformationalVersion("10.0.12+commit"): blob {u16 1, compressed length, text} (II.23.3). */
    value = metadata_column_blob(md, METADATA_CUSTOM_ATTRIBUTE_VALUE,
                                 metadata_find_attribute(md, metadata_token(METADATA_ASSEMBLY, 1), "System.Reflection",
                                                         "AssemblyInformationalVersionAttribute"));
    if (value.size < 4) return;
    value = span_from(value, 2);
    if (!metadata_compressed(&value, &length) || length > value.size) return;
    for (number = 0; number < length && value.data[number] != '+'; number++)
        if (value.data[number] < 0x20 || value.data[number] > 0x7e) return;
    if (number == 0 || number > 48) return;
    /* "10.0.12-servicing.26422.108" is what its users call 10.0.12; "11.0.0-preview.3" stays. */
    servicing = memmem(value.data, number, "-servicing", 10);
    if (servicing) number = (size_t)(servicing - value.data);
    clr->version = arena_strndup(&clr->arena, (const char *)value.data, number);
}
