#include "clr/clr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clr/loader.h"
#include "clr/method_table.h"
#include "clr/thread.h"

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

size_t clr_find_runtimes(const struct target *target, size_t *indices, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < target->modules.count; i++) {
        if (!module_is_runtime(target, &target->modules.data[i])) continue;
        if (count < max) indices[count] = i;
        count++;
    }
    if (count) return count;
    /* A single-file app is its own runtime: the executable exports what libcoreclr.so does (src/native/corehost/apphost/static). */
    for (size_t i = 0; i < target->modules.count; i++) {
        uint64_t addr;

        if (!target_export(target, &target->modules.data[i], "DotNetRuntimeInfo", &addr)) continue;
        if (count < max) indices[count] = i;
        count++;
    }
    return count;
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

static void resolve_globals(struct clr *clr, const struct descriptor *descriptor)
{
    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        const struct layout_global *own = &clr->layout.own_global[i], *built_in = &clr->layout.global[i];

        clr->global[i] = 0;
        clr->global_source[i] = GLOBAL_UNKNOWN;
        if (descriptor && own->form == GLOBAL_POINTER_INDEX && own->index < descriptor->pointer_count &&
            descriptor->pointers[own->index]) {
            clr->global[i] = descriptor->pointers[own->index];
            clr->global_source[i] = GLOBAL_FROM_DESCRIPTOR;
        } else if (built_in->form == GLOBAL_DAC_INDEX && built_in->index < clr->dac.count) {
            clr->global[i] = clr->dac.words[built_in->index];
            clr->global_source[i] = (uint8_t)clr->dac.source;
        }
    }
}

/* The free object's MethodTable: bytes of an array that has no class (src/coreclr/vm/vars.hpp, g_pFreeObjectMethodTable). */
static bool is_free_object_type(const struct clr *clr, uint64_t variable)
{
    enum { FLAGS_FREE = 0x80000001u, BASE_SIZE_FREE = 24 };
    uint64_t mt, class_word;
    uint32_t flags, base_size;

    return variable && memory_try_u64(clr->memory, variable, &mt) && mt &&
           clr_try_u32(clr, mt, FIELD_MethodTable_MTFlags, &flags) &&
           clr_try_u32(clr, mt, FIELD_MethodTable_BaseSize, &base_size) &&
           clr_try_u64(clr, mt, FIELD_MethodTable_EEClassOrCanonMT, &class_word) && flags == FLAGS_FREE &&
           base_size == BASE_SIZE_FREE && class_word == 0;
}

/* By the table's index, else the one entry of the DAC table that leads to such a type: builds of one version differ in this place.
 */
static bool find_free_object_type(struct clr *clr)
{
    if (is_free_object_type(clr, clr->global[GLOBAL_FreeObjectMethodTable])) return true;
    for (uint32_t i = 0; i < clr->dac.count; i++)
        if (is_free_object_type(clr, clr->dac.words[i])) {
            clr->global[GLOBAL_FreeObjectMethodTable] = clr->dac.words[i];
            clr->global_source[GLOBAL_FreeObjectMethodTable] = (uint8_t)clr->dac.source;
            return true;
        }
    clr->global[GLOBAL_FreeObjectMethodTable] = 0;
    return false;
}

/*
 * Does the layout lead from the globals to structures that make sense? The first module of the process is the core library in every
 * runtime; it points back to its assembly; the free object's type is an array of bytes. A wrong table fails here instead of
 * printing nonsense later.
 */
static struct error *self_check(struct clr *clr)
{
    struct clr_module_iterator iterator;
    struct clr_module *module = NULL;
    uint64_t assembly;
    bool more;

    TRY(clr_module_iterator_init(clr, &iterator));
    TRY(clr_module_iterator_next(&iterator, &module, &more));
    if (!more) return error_create(ERROR_BAD_DATA, "the application domain has no modules");
    if (!clr_try_u64(clr, module->addr, FIELD_Module_Assembly, &assembly) || assembly != module->assembly_addr)
        return error_create_at(ERROR_BAD_DATA, module->addr, __FILE__, __LINE__,
                               "module '%llx' does not point back to its assembly", (unsigned long long)module->addr);
    if (*module->path && !strcasestr(module->path, "System.Private.CoreLib"))
        return error_create_at(ERROR_BAD_DATA, module->addr, __FILE__, __LINE__, "the first module is not the core library");
    if (!find_free_object_type(clr))
        gaps_add(clr->gaps, "free objects", 0, 1, "their type was not found: unused room between objects ends a segment's walk");
    return NULL;
}

static void clr_caches_clear(struct clr *clr)
{
    map_deinit(&clr->modules);
    map_deinit(&clr->types);
    map_deinit(&clr->fields);
    map_deinit(&clr->generics);
    clr->field_count = 0;
    clr->generics_done = false;
    vec_deinit(&clr->module_list);
    clr->module_list_done = false;
}

/* Tries one built-in table, with the descriptor over it. */
static struct error *clr_try_layout(struct clr *clr, const struct layout_builtin *table, const struct descriptor *descriptor)
{
    layout_init(&clr->layout);
    clr_caches_clear(clr);
    if (table) TRY(layout_read(&clr->layout, (struct span) { (const uint8_t *)table->json, table->json_size }, LAYOUT_BUILT_IN));
    if (descriptor) TRY(layout_read(&clr->layout, descriptor->json, LAYOUT_DESCRIPTOR));
    clr->layout_name = clr->layout.name = table ? table->name : "descriptor";
    resolve_globals(clr, descriptor);
    return self_check(clr);
}

/* The built-in tables of this platform, the hinted major version first, then from the newest to the oldest. */
static size_t order_layouts(const struct clr *clr, uint32_t major, const struct layout_builtin **ret, size_t max)
{
    size_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        size_t first = count;
        for (const struct layout_builtin *table = layouts_builtin; table->name; table++) {
            if (strcmp(table->os, clr->target->dump->os) || strcmp(table->arch, clr->target->dump->arch)) continue;
            if ((table->major == major) == (pass == 0) && count < max) ret[count++] = table;
        }
        for (size_t i = first; pass == 1 && i < count; i++)
            for (size_t k = i + 1; k < count; k++)
                if (ret[k]->major > ret[i]->major) {
                    const struct layout_builtin *swap = ret[i];
                    ret[i] = ret[k];
                    ret[k] = swap;
                }
    }
    return count;
}

static struct error *clr_choose_layout(struct clr *clr, const struct descriptor *descriptor)
{
    const struct layout_builtin *tables[32];
    uint32_t major = clr->version ? (uint32_t)strtoul(clr->version, NULL, 10) : 0;
    size_t count = order_layouts(clr, major, tables, ARRAY_LENGTH(tables));
    struct error *first = NULL;

    for (size_t i = 0; i < count; i++) {
        struct error *err = clr_try_layout(clr, tables[i], descriptor);

        if (!err) {
            error_destroy(first);
            clr->version_is_family = tables[i]->major != major;
            if (clr->version_is_family && !clr->version) clr->version = strrchr(tables[i]->name, '-') + 1;
            return NULL;
        }
        if (first)
            error_destroy(err);
        else
            first = error_prefix(err, "table %s", tables[i]->name);
    }
    if (!first)
        return error_create(ERROR_UNSUPPORTED, "no table for %s %s, .NET %s", clr->target->dump->os, clr->target->dump->arch,
                            clr->version ? clr->version : "of an unknown version");
    return error_prefix(first, "the structures of .NET %s at '%s' cannot be read with any of %zu tables",
                        clr->version ? clr->version : "(unknown version)", clr->module->path, count);
}

static struct error *clr_start(struct clr *clr)
{
    struct descriptor descriptor;
    struct error *err = descriptor_read(clr->target, clr->module, &clr->arena, &descriptor);
    bool has_descriptor = !err;

    /* Heap dumps lack its pages, older runtimes the export: the built-in tables are for both. */
    error_destroy(err);
    if (has_descriptor) clr->descriptor_addr = descriptor.addr;
    if (!dac_table_read(clr->target, clr->module, &clr->dac) && !has_descriptor)
        return error_create(
            ERROR_FAULT,
            "cannot find the runtime's globals: neither g_dacTable nor the contract descriptor of '%s' is in the dump; "
            "pass --images DIR with the same file",
            clr->module->path);
    clr->version = version_from_path(&clr->arena, clr->module->path);
    err = clr_choose_layout(clr, has_descriptor ? &descriptor : NULL);
    if (err) return err;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        clr->descriptor_fields += clr->layout.offset_source[i] == LAYOUT_DESCRIPTOR;
    clr_version_from_core_library(clr);
    return NULL;
}

struct error *clr_open(struct target *target, unsigned n, struct clr **ret)
{
    size_t indices[16];
    size_t count = clr_find_runtimes(target, indices, ARRAY_LENGTH(indices));
    struct error *err;
    struct clr *clr;

    if (count == 0)
        return error_create(ERROR_UNSUPPORTED, "no .NET runtime in this process: none of its %zu modules is %s, nor exports one",
                            target->modules.count, target->is_windows ? "coreclr.dll" : "libcoreclr.so");
    if (n >= count || n >= ARRAY_LENGTH(indices))
        return error_create(ERROR_USAGE, "there is no runtime %u: the process has %zu, counted from 0", n, count);
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

void clr_close(struct clr *clr)
{
    if (!clr) return;
    clr_caches_clear(clr);
    arena_deinit(&clr->arena);
    free(clr);
}
