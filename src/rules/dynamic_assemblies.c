/*
 * Assemblies made at run time without end, by anything but Castle (which has a rule of its own): XmlSerializer's uncached
 * constructors, AssemblyBuilder per call, scripts, the same bytes loaded again and again.
 *
 * One such assembly, or one for each of many different purposes, is normal. The same types in assembly after assembly are not.
 */
#include <string.h>

#include "rules/call_sites.h"
#include "rules/dynamic_modules.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/rule.h"
#include "session/session.h"

enum { REPEATS_HINT = 10, REPEATS_LIKELY = 20, REPEATS_PROVEN = 50, TYPES_SHOWN = 12, PATTERNS_SHOWN = 4 };

/* What makes such assemblies: of the generator that is known, else all ways to define one. */
static const struct call_pattern xml_calls[] = {
    { .type = "System.Xml.Serialization.XmlSerializer",
      .method = ".ctor",
      .excepts = "(System.Type)(System.Type, System.String)()" },
};
static const struct call_pattern bytes_calls[] = {
    { .type = "System.Reflection.Assembly", .method = "Load", .params = "(System.Byte[]*" },
    { .type = "System.AppDomain", .method = "Load", .params = "(System.Byte[]*" },
    { .type = "System.Runtime.Loader.AssemblyLoadContext", .method = "LoadFromStream" },
    { .type = "Microsoft.CodeAnalysis.CSharp.Scripting.CSharpScript", .method = "*" },
    { .type = "Microsoft.CodeAnalysis.VisualBasic.Scripting.VisualBasicScript", .method = "*" },
};
static const struct call_pattern emit_calls[] = {
    { .type = "System.Reflection.Emit.AssemblyBuilder", .method = "DefineDynamicAssembly" },
    { .type = "System.AppDomain", .method = "DefineDynamicAssembly" },
    { .type = "System.Reflection.Emit.ModuleBuilder", .method = "DefineType" },
};

/* Modules beyond the first that define a type of the most frequent pattern. */
static uint64_t module_repeats(const struct dynamic_generator *generator)
{
    uint64_t most = 0;

    for (size_t i = 0; i < generator->patterns.count; i++)
        if (generator->patterns.data[i].module_count > most) most = generator->patterns.data[i].module_count;
    return most ? most - 1 : 0;
}

/* Types beyond one in each module, of the most frequent pattern: one module that grows. */
static uint64_t type_repeats(const struct dynamic_generator *generator)
{
    uint64_t most = 0;

    for (size_t i = 0; i < generator->patterns.count; i++) {
        const struct dynamic_pattern *pattern = &generator->patterns.data[i];
        if (pattern->type_count - pattern->module_count > most) most = pattern->type_count - pattern->module_count;
    }
    return most;
}

static void add_patterns(struct findings *f, struct finding *finding, const struct dynamic_generator *generator, bool with_heap)
{
    for (size_t i = 0; i < generator->patterns.count && i < TYPES_SHOWN; i++) {
        const struct dynamic_pattern *pattern = &generator->patterns.data[i];

        finding_type(finding, finding_text(f, "%s", pattern->name), pattern->type_count, pattern->instance_bytes, with_heap);
        if (i >= PATTERNS_SHOWN) continue;
        finding_evidence(finding,
                         finding_text(f, "%s%s%s%s%s: %s times in %s modules", pattern->name, *pattern->extends ? ", a " : "",
                                      pattern->extends, *pattern->interfaces ? ", implements " : "", pattern->interfaces,
                                      finding_number(f, pattern->type_count), finding_number(f, pattern->module_count)));
    }
}

static struct error *add_costs(struct session *session, struct dynamic_survey *survey, const struct dynamic_generator *generator,
                               const struct histogram *histogram, struct finding *finding)
{
    uint64_t loader = 0, instances = 0;
    struct error *err = dynamic_survey_loader_bytes(session, survey, generator, &loader);

    if (err == &error_enomem) return err;
    gaps_add_error(session_gaps(session), "loader heaps", err);
    for (size_t i = 0; i < generator->patterns.count; i++)
        instances += generator->patterns.data[i].instance_bytes;
    if (!generator->from_bytes) instances += heap_sum_by_name(survey->clr, histogram, "System.Reflection.Emit.*").bytes;
    finding_cost(finding, "loader heap", loader);
    finding_cost(finding, "gc heap", instances);
    finding_cost(finding, generator->from_bytes ? "metadata of the images" : "native heap", generator->metadata_bytes);
    return NULL;
}

static void describe(struct findings *f, const struct dynamic_survey *survey, const struct dynamic_generator *generator,
                     struct finding *finding, uint64_t repeats, bool modules_grow)
{
    const struct generator_kind *kind = generator->kind;

    if (modules_grow)
        finding->title = finding_text(f, "%s without end: %s of %s modules",
                                      generator->from_bytes ? "assemblies loaded from bytes" : "dynamic assemblies",
                                      finding_number(f, generator->module_count), finding_number(f, survey->module_count));
    else
        finding->title = finding_text(f, "dynamic types without end: %s types in %s module%s",
                                      finding_number(f, generator->type_count), finding_number(f, generator->module_count),
                                      generator->module_count == 1 ? "" : "s");
    if (generator->from_bytes) {
        finding->cause = finding_text(
            f,
            "the assembly %s is loaded from bytes again and again (Assembly.Load(byte[]), LoadFromStream): each load is "
            "an assembly of its own, even of the same bytes",
            generator->assembly);
        finding->fix = "load it once and keep the Assembly; what has to go away belongs into a collectible AssemblyLoadContext "
                       "that is unloaded";
    } else if (kind) {
        finding->cause = finding_text(f, "%s generates %s again and again%s%s", kind->name, modules_grow ? "an assembly" : "types",
                                      kind->why ? ": " : "", kind->why ? kind->why : "");
        finding->fix = kind->fix ? kind->fix : "keep what was generated and use it again";
    } else {
        finding->cause = finding_text(
            f,
            "reflection emit defines %s %s again and again; assemblies that are not collectible stay until the process "
            "ends",
            modules_grow ? "the assembly" : "types in", generator->assembly);
        finding->fix = "define it once and keep it, or use AssemblyBuilderAccess.RunAndCollect and let go of its types";
    }
    finding_evidence(finding, finding_text(f, "%s %s named %s; the same type was made again %s times",
                                           finding_number(f, generator->module_count),
                                           generator->module_count == 1 ? "module is" : "modules are", generator->assembly,
                                           finding_number(f, repeats)));
    if (generator->collectible_count)
        finding_evidence(finding, finding_text(f, "%s of them are collectible: something still holds them, or no full GC has run",
                                               finding_number(f, generator->collectible_count)));
}

static struct error *add_code(struct session *session, struct findings *f, const struct dynamic_generator *generator,
                              struct finding *finding)
{
    if (generator->from_bytes) return call_sites_find(session, f, finding, bytes_calls, ARRAY_LENGTH(bytes_calls));
    if (generator->kind && generator->kind->name_space)
        return call_sites_find(session, f, finding, xml_calls, ARRAY_LENGTH(xml_calls));
    return call_sites_find(session, f, finding, emit_calls, ARRAY_LENGTH(emit_calls));
}

static struct error *report(struct session *session, struct findings *f, struct dynamic_survey *survey,
                            struct dynamic_generator *generator)
{
    uint64_t in_modules = module_repeats(generator), in_types = type_repeats(generator);
    bool modules_grow = in_modules >= in_types;
    uint64_t repeats = modules_grow ? in_modules : in_types;
    const struct histogram *histogram = NULL;
    struct finding *finding;
    struct error *err;

    if (repeats < REPEATS_HINT) return NULL;
    err = session_histogram(session, &histogram);
    if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
    if (err)
        gaps_add_error(session_gaps(session), "objects of dynamic types", err);
    else
        TRY(dynamic_survey_instances(session, survey, generator));
    finding = findings_add(
        f, &(struct finding) { .rule = "dynamic-assemblies", .kind = "loader", .doc = "docs/causes/dynamic-assemblies.md" });
    if (!finding) return &error_enomem;
    finding->count = modules_grow ? generator->module_count : generator->type_count;
    /* Proven needs a reason why nothing is reused: identical bytes loaded again, or a generator that is known for it. */
    finding->certainty = repeats < REPEATS_LIKELY ? CERTAINTY_HINT
                         : (generator->from_bytes || (generator->kind && generator->kind->why) || repeats >= REPEATS_PROVEN)
                             ? CERTAINTY_PROVEN
                             : CERTAINTY_LIKELY;
    finding->severity = repeats >= REPEATS_PROVEN   ? SEVERITY_CRITICAL
                        : repeats >= REPEATS_LIKELY ? SEVERITY_WARNING
                                                    : SEVERITY_NOTE;
    describe(f, survey, generator, finding, repeats, modules_grow);
    add_patterns(f, finding, generator, histogram != NULL);
    finding_look(finding,
                 generator->from_bytes ? "modules --where 'kind = memory' --group name" : "modules --where dynamic --group name");
    finding_look(finding, finding_text(f, "dumpmodule -mt %llx", (unsigned long long)generator->largest_module));
    TRY(add_code(session, f, generator, finding));
    TRY(add_costs(session, survey, generator, histogram, finding));
    if (!generator->instance_types.count) return NULL;
    return holder_find(session, f, finding, &generator->instance_types, "objects of these types");
}

static struct error *dynamic_assemblies_run(struct session *session, struct findings *findings)
{
    struct dynamic_survey survey;
    struct error *err = NULL;

    TRY(dynamic_survey_init(session, &survey));
    for (size_t i = 0; i < survey.generators.count && !err; i++)
        if (survey.generators.data[i].kind != &generator_castle)
            err = report(session, findings, &survey, &survey.generators.data[i]);
    if (survey.unread_count && !err)
        gaps_add(session_gaps(session), "dynamic modules", 0, survey.unread_count,
                 "their metadata is not in the dump: what they define is not known");
    dynamic_survey_deinit(&survey);
    return err;
}

const struct rule rule_dynamic_assemblies = {
    .name = "dynamic-assemblies",
    .summary = "assemblies or types are made at run time without end",
    .run = dynamic_assemblies_run,
};
