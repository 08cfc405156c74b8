#include "clr/clr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clr/descriptor.h"
#include "clr/loader.h"
#include "target/images.h"

bool clr_try_u8(const struct clr *clr, uint64_t base, enum field field, uint8_t *ret)
{
    return layout_has(&clr->layout, field) && memory_try_u8(clr->memory, clr_field_addr(clr, base, field), ret);
}

bool clr_try_u16(const struct clr *clr, uint64_t base, enum field field, uint16_t *ret)
{
    return layout_has(&clr->layout, field) && memory_try_u16(clr->memory, clr_field_addr(clr, base, field), ret);
}

bool clr_try_u32(const struct clr *clr, uint64_t base, enum field field, uint32_t *ret)
{
    return layout_has(&clr->layout, field) && memory_try_u32(clr->memory, clr_field_addr(clr, base, field), ret);
}

bool clr_try_u64(const struct clr *clr, uint64_t base, enum field field, uint64_t *ret)
{
    return layout_has(&clr->layout, field) && memory_try_u64(clr->memory, clr_field_addr(clr, base, field), ret);
}

bool clr_try_global(const struct clr *clr, enum global global, uint64_t *ret)
{
    return clr->global[global] && memory_try_u64(clr->memory, clr->global[global], ret);
}

static bool module_is_runtime(const struct target *target, const struct target_module *module)
{
    return !strcasecmp(module->name, target->is_windows ? "coreclr.dll" : "libcoreclr.so");
}

/* clr.dll since .NET Framework 4, mscorwks.dll before it. */
static bool module_is_framework(const struct target *target, const struct target_module *module)
{
    return target->is_windows && (!strcasecmp(module->name, "clr.dll") || !strcasecmp(module->name, "mscorwks.dll"));
}

/* A single-file app is its own runtime: the executable exports what libcoreclr.so does (src/native/corehost/apphost/static). */
static bool module_is_single_file(const struct target *target, const struct target_module *module)
{
    uint64_t addr;

    return target_export(target, module, "DotNetRuntimeInfo", &addr);
}

static size_t find_modules(const struct target *target, bool (*is_one)(const struct target *, const struct target_module *),
                           size_t *indices, size_t max, size_t count)
{
    for (size_t i = 0; i < target->modules.count; i++) {
        if (!is_one(target, &target->modules.data[i])) continue;
        if (count < max) indices[count] = i;
        count++;
    }
    return count;
}

size_t clr_find_runtimes(const struct target *target, size_t *indices, size_t max)
{
    size_t count = find_modules(target, module_is_runtime, indices, max, 0);

    if (!count) count = find_modules(target, module_is_single_file, indices, max, 0);
    return find_modules(target, module_is_framework, indices, max, count);
}

const char *clr_file_version(const struct target *target, const struct target_module *module)
{
    for (size_t i = 0; i < target->dump->modules.count; i++)
        if (target->dump->modules.data[i].base == module->base) return target->dump->modules.data[i].version;
    return NULL;
}

static struct error *refuse_framework(const struct target *target, const struct target_module *module)
{
    const char *version = clr_file_version(target, module);

    return error_create(ERROR_UNSUPPORTED,
                        "'%s' is .NET Framework%s%s, whose structures are not read yet: only memory, native modules and threads",
                        module->path, version ? " " : "", version ? version : "");
}

/* "10.0.12" out of ".../Microsoft.NETCore.App/10.0.12/libcoreclr.so"; NULL when the path has no such part. */
static const char *version_from_path(struct arena *arena, const char *path)
{
    static const char folder[] = "Microsoft.NETCore.App";
    const char *at = strstr(path, folder);
    size_t length;

    if (!at) return NULL;
    at += sizeof(folder) - 1;
    if (*at != '/' && *at != '\\') return NULL;
    at++;
    length = strcspn(at, "/\\");
    if (length == 0 || length > 32 || strspn(at, "0123456789") == 0) return NULL;
    return arena_strndup(arena, at, length);
}

static struct error *clr_start(struct clr *clr)
{
    struct descriptors descriptors;

    /* The runtime's file has it where a heap dump has not; the built-in tables do without both. */
    images_probe_begin();
    error_destroy(descriptors_read(clr->target, clr->module, &clr->arena, &descriptors));
    images_probe_end();
    if (descriptors.count) clr->descriptor_addr = descriptors.items[0].addr;
    dac_table_read(clr->target, clr->module, &clr->dac);
    clr->version = version_from_path(&clr->arena, clr->module->path);
    TRY(clr_choose_layout(clr, &descriptors));
    for (size_t i = 0; i < FIELD_COUNT; i++)
        clr->descriptor_fields += clr->layout.offset_source[i] == LAYOUT_DESCRIPTOR;
    clr_version_from_core_library(clr);
    return NULL;
}

struct error *clr_open(struct target *target, unsigned n, struct clr **ret)
{
    size_t indices[CLR_RUNTIMES_MAX];
    size_t count = clr_find_runtimes(target, indices, ARRAY_LENGTH(indices));
    struct error *err;
    struct clr *clr;

    if (count == 0)
        return error_create(ERROR_UNSUPPORTED, "no .NET runtime in this process: none of its %zu modules is %s, nor exports one",
                            target->modules.count, target->is_windows ? "coreclr.dll" : "libcoreclr.so");
    if (n >= count || n >= ARRAY_LENGTH(indices))
        return error_create(ERROR_USAGE, "there is no runtime %u: the process has %zu, counted from 0", n, count);
    if (module_is_framework(target, &target->modules.data[indices[n]]))
        return refuse_framework(target, &target->modules.data[indices[n]]);
    clr = calloc(1, sizeof(*clr));
    if (!clr) return &error_enomem;
    arena_init(&clr->arena);
    clr->target = target;
    clr->memory = &target->memory;
    clr->gaps = target->gaps;
    clr->module = &target->modules.data[indices[n]];
    clr->is_single_file = !module_is_runtime(target, clr->module);
    err = clr_start(clr);
    if (err) {
        clr_close(clr);
        return err;
    }
    *ret = clr;
    return NULL;
}

struct error *clr_open_any(struct target *target, struct clr **ret)
{
    size_t count = clr_find_runtimes(target, NULL, 0);
    struct error *first = clr_open(target, 0, ret);

    if (count > CLR_RUNTIMES_MAX) count = CLR_RUNTIMES_MAX;
    for (unsigned n = 1; first && first != &error_enomem && n < count; n++) {
        struct error *err = clr_open(target, n, ret);

        if (!err) {
            gaps_add(target->gaps, "runtimes", 0, 1, "what is shown is of runtime %u, '%s', since runtime 0 cannot be read: %s", n,
                     (*ret)->module->path, error_message(first));
            error_destroy(first);
            return NULL;
        }
        error_destroy(err);
    }
    return first;
}

void clr_close(struct clr *clr)
{
    if (!clr) return;
    clr_caches_clear(clr);
    arena_deinit(&clr->arena);
    free(clr);
}
