/*
 * Generic types without end.
 *
 *     Module.AvailableTypeParams -> MethodTables that share one type_def: Pair<int, string>, Pair<Pair<int, string>, long>, ...
 *
 * Each instance has a MethodTable, and over value types code of its own, in a loader heap that never shrinks. No assembly is added,
 * so it is only seen here.
 */
#include <string.h>

#include "clr/instantiations.h"
#include "clr/method_table.h"
#include "rules/call_sites.h"
#include "rules/keeping.h"
#include "rules/rule.h"
#include "session/session.h"

/* Of the class library's types (List, Func, Task) a large program has thousands, of its own generics hundreds. */
enum { INSTANCES_MIN = 1000, FRAMEWORK_MIN = 10000, REPORTS_MAX = 4, TYPES_MAX = 1 << 22 };

static const struct call_pattern calls[] = {
    { .type = "System.Type", .method = "MakeGenericType" },
    { .type = "System.Reflection.MethodInfo", .method = "MakeGenericMethod" },
};

struct generic {
    uint64_t example_mt, count;
};

typedef VEC(struct generic) generic_list;

struct generics {
    struct clr *clr;
    struct map by_def; /* module ^ token -> index + 1 */
    struct map seen;   /* MethodTables: several modules may list one */
    generic_list list;
    bool is_exact; /* without shared code's own types, Pair<__Canon, ...>, whose names are only looked at when there is a suspect */
};

static bool add_instance(struct generics *generics, uint64_t mt_addr)
{
    struct clr_type *type = clr_type_get(generics->clr, mt_addr);
    bool added = false;
    uint64_t *slot;

    if (!type || clr_type_is_array(type) || (type->flags & MT_FLAG_GENERICS_MASK) == MT_FLAG_GENERICS_TYPICAL) return true;
    if (!map_slot(&generics->seen, mt_addr, &added)) return false;
    if (!added || (generics->is_exact && strstr(clr_type_name(generics->clr, mt_addr), "System.__Canon"))) return true;
    slot = map_slot(&generics->by_def, type->module_addr ^ ((uint64_t)type->token << 32), NULL);
    if (!slot || (!*slot && !vec_push(&generics->list, (struct generic) { mt_addr, 0 }))) return false;
    if (!*slot) *slot = generics->list.count;
    generics->list.data[*slot - 1].count++;
    return true;
}

static struct error *count_instances(struct generics *generics)
{
    struct clr_module *const *modules;
    size_t count;

    TRY(clr_modules(generics->clr, &modules, &count));
    for (size_t i = 0; i < count; i++) {
        struct clr_instantiation_iterator it;
        uint64_t mt_addr;

        clr_instantiations_begin(generics->clr, modules[i], &it);
        while (generics->seen.count < TYPES_MAX && clr_instantiations_next(&it, &mt_addr))
            if (!add_instance(generics, mt_addr)) return &error_enomem;
    }
    return NULL;
}

static struct error *report(struct session *session, struct generics *generics, struct findings *f, const struct generic *generic)
{
    const char *example = clr_type_name(generics->clr, generic->example_mt);
    const char *name = finding_text(f, "%.*s", (int)strcspn(example, "<"), example);
    struct finding *finding = findings_add(
        f,
        &(struct finding) { .rule = "generic-instantiations", .kind = "loader", .doc = "docs/causes/generic-instantiations.md" });

    if (!finding) return &error_enomem;
    finding->count = generic->count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s types are instances of the generic type %s", finding_number(f, generic->count), name);
    finding->cause = "generic types are made of types that are made themselves (MakeGenericType, recursive generics): they stay "
                     "until the process ends";
    finding->fix =
        "use data instead of types: a dictionary, an array of parts, one type for all; bound the depth of recursive generics";
    finding_evidence(finding, finding_text(f, "%s MethodTables share the type_def of %s, for example %.200s",
                                           finding_number(f, generic->count), name, example));
    finding_type(finding, name, generic->count, 0, false);
    finding_look(finding, finding_text(f, "types --where 'name ~ \"%s<\"'", name));
    finding_look(finding, "loader_heaps");
    return call_sites_find(session, f, finding, calls, ARRAY_LENGTH(calls));
}

static int compare_generics(const void *a, const void *b)
{
    const struct generic *left = a, *right = b;

    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return left->example_mt < right->example_mt ? -1 : left->example_mt > right->example_mt;
}

static void start(struct generics *generics)
{
    map_init(&generics->by_def);
    map_init(&generics->seen);
    generics->list.count = 0;
}

static void end(struct generics *generics)
{
    map_deinit(&generics->by_def);
    map_deinit(&generics->seen);
}

static struct error *generics_run(struct session *session, struct findings *findings)
{
    struct generics generics = { 0 };
    unsigned told = 0;
    struct error *err;

    TRY(session_clr(session, &generics.clr));
    start(&generics);
    err = count_instances(&generics);
    vec_sort(&generics.list, compare_generics);
    if (!err && generics.list.count && generics.list.data[0].count >= INSTANCES_MIN) {
        end(&generics);
        start(&generics);
        generics.is_exact = true;
        err = count_instances(&generics);
        vec_sort(&generics.list, compare_generics);
    }
    for (size_t i = 0; i < generics.list.count && !err && told < REPORTS_MAX; i++) {
        const struct generic *generic = &generics.list.data[i];

        if (generic->count < INSTANCES_MIN) break;
        if (is_framework_type(generics.clr, generic->example_mt) && generic->count < FRAMEWORK_MIN) continue;
        told++;
        err = report(session, &generics, findings, generic);
    }
    end(&generics);
    vec_deinit(&generics.list);
    return err;
}

const struct rule rule_generic_instantiations = {
    .name = "generic-instantiations",
    .summary = "generic types are made of generic types without end",
    .run = generics_run,
};
