/*
 * Which table fits the runtime, and whether it does.
 *
 *     build known to a table -> that one; else those of its major version; else the nearest ones
 *       with the dump's own descriptor read over it
 *       -> globals: the descriptor's pointers, the DAC table, else the variables that lead to things of the right shape
 *       -> self-check: what these lead to must make sense, else the next table is tried
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clr/descriptor.h"
#include "clr/global_shape.h"
#include "clr/loader.h"
#include "clr/method_table.h"

static void resolve_globals(struct clr *clr)
{
    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        const struct layout_global *global = &clr->layout.global[i];

        clr->global[i] = 0;
        clr->global_source[i] = GLOBAL_UNKNOWN;
        if (global->addr) {
            clr->global[i] = global->addr;
            clr->global_source[i] = GLOBAL_FROM_DESCRIPTOR;
        } else if (global->has_dac_index && global->dac_index < clr->dac.count) {
            clr->global[i] = clr->dac.words[global->dac_index];
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
static void find_free_object_type(struct clr *clr)
{
    if (is_free_object_type(clr, clr->global[GLOBAL_FreeObjectMethodTable])) return;
    clr->global[GLOBAL_FreeObjectMethodTable] = 0;
    for (uint32_t i = 0; i < clr->dac.count; i++)
        if (is_free_object_type(clr, clr->dac.words[i])) {
            clr->global[GLOBAL_FreeObjectMethodTable] = clr->dac.words[i];
            clr->global_source[GLOBAL_FreeObjectMethodTable] = GLOBAL_FROM_SHAPE;
            return;
        }
    gaps_add(clr->gaps, "free objects", 0, 1, "their type was not found: unused room between objects ends a segment's walk");
}

static struct error *wrong(uint64_t addr, const char *what)
{
    return error_create_at(ERROR_BAD_DATA, addr, __FILE__, __LINE__, "%s", what);
}

/* The types that the core library defines: MethodTable -> EEClass -> MethodTable, and back to the module. */
static struct error *check_types(struct clr *clr, const struct clr_module *module)
{
    enum { LOOKED_AT = 16 };
    struct clr_type_map_iterator iterator;
    uint64_t mt = 0;
    uint32_t rid;
    unsigned right = 0, bad = 0;

    clr_type_map_begin(clr, module, &iterator);
    while (right + bad < LOOKED_AT && clr_type_map_next(&iterator, &mt, &rid)) {
        struct clr_type type;

        if (!clr_type_try_read(clr, mt, &type)) continue;
        if (type.module_addr == module->addr && (type.token & 0xffffff) == rid && clr_type_is_consistent(clr, &type))
            right++;
        else if (!type.class_addr || memory_has(clr->memory, type.class_addr, 64))
            bad++;
    }
    return bad > right ? wrong(mt, "the types of the core library do not lead back to it") : NULL;
}

/* The first module of the process is the core library in every runtime. */
static struct error *check_modules(struct clr *clr)
{
    struct clr_module_iterator iterator;
    struct clr_module *module = NULL;
    bool more;

    TRY(clr_module_iterator_init(clr, &iterator));
    TRY(clr_module_iterator_next(&iterator, &module, &more));
    if (!more) {
        /* Windows heap dumps written without the DAC have the list, but not the loader heaps that modules lie in. */
        gaps_add(clr->gaps, "modules", 0, 1, "none of the modules that the application domain lists is in the dump");
        return NULL;
    }
    if (*module->path && !strcasestr(module->path, "System.Private.CoreLib"))
        return wrong(module->addr, "the first module is not the core library");
    return check_types(clr, module);
}

/* A wrong table fails here instead of printing nonsense later. */
static struct error *self_check(struct clr *clr)
{
    uint64_t domain, store;
    enum shape domain_shape, threads;

    if (!clr_try_global(clr, GLOBAL_AppDomain, &domain) || !domain)
        return error_create(ERROR_FAULT, "cannot read the application domain: its address is not in the dump");
    domain_shape = shape_of_app_domain(clr, domain);
    threads = clr_try_global(clr, GLOBAL_ThreadStore, &store) ? shape_of_thread_store(clr, store) : SHAPE_UNREADABLE;
    if (domain_shape == SHAPE_WRONG)
        return wrong(domain, "the application domain's assemblies do not lead to modules that point back");
    if (threads == SHAPE_WRONG) return wrong(store, "the chain of threads is not as long as their number");
    if (domain_shape == SHAPE_UNREADABLE && threads == SHAPE_UNREADABLE)
        return error_fault(domain, "cannot read the application domain's assembly list: address not in dump");
    return check_modules(clr);
}

void clr_caches_clear(struct clr *clr)
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

/* The tables are ours, each is read in a test: one that cannot be read lacks memory, which jansson calls an invalid token. */
static struct error *read_table(struct clr *clr, const struct layout_builtin *table)
{
    struct error *err = layout_read(&clr->layout, (struct span) { (const uint8_t *)table->json, table->json_size },
                                    LAYOUT_BUILT_IN);

    if (!err) return NULL;
    error_destroy(err);
    return &error_enomem;
}

/* Tries one built-in table (NULL: none), with the descriptors over it. What is missed on the way counts only if it is taken. */
static struct error *read_layout(struct clr *clr, const struct layout_builtin *table, const struct descriptors *descriptors)
{
    layout_init(&clr->layout);
    clr_caches_clear(clr);
    if (table) TRY(read_table(clr, table));
    for (size_t i = 0; i < descriptors->count; i++)
        TRY(layout_read_descriptor(&clr->layout, descriptors->items[i].json, descriptors->items[i].pointers,
                                   descriptors->items[i].pointer_count));
    if (!layout_has_method_table(&clr->layout))
        return error_create(ERROR_UNSUPPORTED, "nothing says how a method table is laid out");
    clr->layout_name = clr->layout.name = table ? table->name : "descriptor";
    return NULL;
}

static struct error *try_layout(struct clr *clr, const struct layout_builtin *table, const struct descriptors *descriptors)
{
    struct gaps *gaps = clr->gaps;
    struct gaps scratch;
    struct error *err = read_layout(clr, table, descriptors);

    if (err) return err;
    gaps_init(&scratch);
    clr->gaps = &scratch;
    resolve_globals(clr);
    clr_check_globals(clr);
    err = self_check(clr);
    clr->gaps = gaps;
    gaps_deinit(&scratch);
    if (!err) find_free_object_type(clr);
    return err;
}

/* The build as the tables name it; "" when the dump does not say. */
static void build_id(const struct target_module *module, char *ret, size_t size)
{
    *ret = 0;
    if (module->is_pe && module->timestamp) snprintf(ret, size, "%08X-%x", module->timestamp, module->image_size);
    for (uint32_t i = 0; !module->is_pe && i < module->build_id_size && 2 * i + 3 <= size; i++)
        snprintf(ret + 2 * i, size - 2 * i, "%02x", module->build_id[i]);
}

static const struct layout_build *find_build(const struct target_module *module)
{
    char id[2 * sizeof(module->build_id) + 1];

    build_id(module, id, sizeof(id));
    for (const struct layout_build *build = layout_builds; *id && build->id; build++)
        if (!strcasecmp(build->id, id)) return build;
    return NULL;
}

/* The major version by the runtime's path ("10.0.12"), else its file version, else 0. */
static uint32_t major_hint(const struct clr *clr)
{
    const char *version = clr->version ? clr->version : clr_file_version(clr->target, clr->module);

    return version ? (uint32_t)strtoul(version, NULL, 10) : 0;
}

struct candidate {
    const struct layout_builtin *table;
    enum layout_choice choice;
    uint32_t distance; /* from the version that is looked for; the newest first when none is */
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    if (left->choice != right->choice) return left->choice < right->choice ? -1 : 1;
    if (left->distance != right->distance) return left->distance < right->distance ? -1 : 1;
    return left->table->major > right->table->major ? -1 : 1;
}

/* The built-in tables of this platform, the most likely one first. */
static size_t order_layouts(const struct clr *clr, const struct layout_build *build, uint32_t major, struct candidate *ret,
                            size_t max)
{
    size_t count = 0;

    for (const struct layout_builtin *table = layouts_builtin; table->name && count < max; table++) {
        struct candidate candidate = { .table = table, .choice = LAYOUT_NEAREST };

        if (strcmp(table->os, clr->target->dump->os) || strcmp(table->arch, clr->target->dump->arch)) continue;
        if (build && !strcmp(build->table, table->name))
            candidate.choice = LAYOUT_BY_BUILD;
        else if (table->major == major)
            candidate.choice = LAYOUT_BY_VERSION;
        candidate.distance = major > table->major ? major - table->major : major ? table->major - major : UINT32_MAX - table->major;
        ret[count++] = candidate;
    }
    qsort(ret, count, sizeof(*ret), compare_candidates);
    return count;
}

static void take(struct clr *clr, const struct candidate *candidate, const struct layout_build *build)
{
    clr->layout_choice = candidate->choice;
    clr->version_is_family = candidate->choice != LAYOUT_BY_BUILD;
    if (candidate->choice == LAYOUT_BY_BUILD)
        clr->version = build->version;
    else if (!clr->version && candidate->table)
        clr->version = strrchr(candidate->table->name, '-') + 1;
}

struct error *clr_choose_layout(struct clr *clr, const struct descriptors *descriptors)
{
    const struct layout_build *build = find_build(clr->module);
    struct candidate candidates[32];
    size_t count = order_layouts(clr, build, major_hint(clr), candidates, ARRAY_LENGTH(candidates) - 1);
    struct error *first = NULL;

    /* A runtime that no table fits may still say enough by itself. */
    if (descriptors->count) candidates[count++] = (struct candidate) { .choice = LAYOUT_NEAREST };
    for (size_t i = 0; i < count; i++) {
        struct error *err = try_layout(clr, candidates[i].table, descriptors);

        if (!err) {
            error_destroy(first);
            take(clr, &candidates[i], build);
            return NULL;
        }
        /* What was not read for want of memory says nothing of a table. */
        if (err == &error_enomem) {
            error_destroy(first);
            return err;
        }
        if (first)
            error_destroy(err);
        else
            first = error_prefix(err, "table %s", candidates[i].table ? candidates[i].table->name : "of the dump itself");
    }
    if (!first)
        return error_create(ERROR_UNSUPPORTED, "no table for %s %s, .NET %s", clr->target->dump->os, clr->target->dump->arch,
                            clr->version ? clr->version : "of an unknown version");
    return error_prefix(first, "the structures of .NET %s at '%s' cannot be read with any of %zu tables",
                        clr->version ? clr->version : "(unknown version)", clr->module->path, count);
}
