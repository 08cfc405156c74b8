/*
 * The same assembly file loaded again and again, into load contexts of their own.
 *
 * Each copy has its own types, statics, jitted code and loader heaps. A context that is not collectible stays until the process
 * ends, whoever lets go of it. Assemblies loaded from bytes, or emitted, are dynamic-assemblies' matter.
 */
#include <string.h>

#include "base/text_map.h"
#include "clr/loader.h"
#include "rules/call_sites.h"
#include "rules/rule.h"
#include "session/session.h"

/* Plugins bring their dependencies along, some contexts each with a copy. */
enum { COPIES_MIN = 10, COPIES_PROVEN = 20, REPORTS_MAX = 4 };

static const struct call_pattern calls[] = {
    { .method = "LoadFromAssemblyPath" },
    { .method = "LoadFromAssemblyName" },
    { .type = "System.Reflection.Assembly", .method = "LoadFile" },
    { .type = "System.Runtime.Loader.AssemblyLoadContext", .method = ".ctor" },
};

struct copies {
    struct clr_module *first;
    uint64_t count, collectible, image_bytes;
};

typedef VEC(struct copies) copies_list;

static struct error *count_copies(struct clr *clr, struct text_map *paths, copies_list *ret)
{
    struct clr_module *const *modules;
    size_t count, index;

    TRY(clr_modules(clr, &modules, &count));
    for (size_t i = 0; i < count; i++) {
        struct clr_module *module = modules[i];

        if (module->is_dynamic || module->is_from_bytes || !*module->path) continue;
        if (!text_map_add(paths, module->path, strlen(module->path), &index)) return &error_enomem;
        if (index == ret->count && !vec_push(ret, (struct copies) { .first = module })) return &error_enomem;
        ret->data[index].count++;
        ret->data[index].collectible += module->is_collectible;
        ret->data[index].image_bytes += module->size;
    }
    return NULL;
}

static struct error *report(struct session *session, struct clr *clr, struct findings *f, const struct copies *copies)
{
    const char *name = finding_text(f, "%s", clr_module_simple_name(clr, copies->first));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "assembly-copies", .kind = "loader", .doc = "docs/causes/assembly-copies.md" });

    if (!finding) return &error_enomem;
    finding->count = copies->count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = copies->count >= COPIES_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "the assembly %s is loaded %s times", name, finding_number(f, copies->count));
    finding->cause = "an AssemblyLoadContext (or Assembly.LoadFile) is used at each call, and each loads the same file anew";
    finding->fix = "load the plugin once and keep its context; where it must go, make the context collectible and Unload() it";
    finding_evidence(finding,
                     finding_text(f, "%s modules have the path %s, %s of them in collectible contexts",
                                  finding_number(f, copies->count), copies->first->path, finding_number(f, copies->collectible)));
    finding_cost(finding, "images of the copies", copies->image_bytes);
    finding_look(finding, finding_text(f, "modules --where 'name ~ %s'", name));
    finding_look(finding, "load_contexts");
    return call_sites_find(session, f, finding, calls, ARRAY_LENGTH(calls));
}

/* Contexts that were told to unload have a rule that says why they cannot. */
static bool is_told(const struct findings *findings)
{
    for (size_t i = 0; i < findings->list.count; i++)
        if (!strcmp(findings->list.data[i].rule, "load-contexts")) return true;
    return false;
}

static struct error *copies_run(struct session *session, struct findings *findings)
{
    struct text_map paths;
    copies_list copies = { 0 };
    unsigned told = 0;
    struct clr *clr;
    struct error *err;

    TRY(session_clr(session, &clr));
    text_map_init(&paths);
    err = count_copies(clr, &paths, &copies);
    for (size_t i = 0; i < copies.count && !err && told < REPORTS_MAX; i++) {
        const struct copies *one = &copies.data[i];

        if (one->count < COPIES_MIN || (one->collectible * 2 > one->count && is_told(findings))) continue;
        told++;
        err = report(session, clr, findings, one);
    }
    text_map_deinit(&paths);
    vec_deinit(&copies);
    return err;
}

const struct rule rule_assembly_copies = {
    .name = "assembly-copies",
    .summary = "the same assembly file is loaded again and again",
    .run = copies_run,
    .is_general = true,
};
