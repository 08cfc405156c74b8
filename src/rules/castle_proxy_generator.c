/*
 * Castle DynamicProxy that makes proxy types without end.
 *
 *     a ProxyGenerator per call    each has a ModuleScope of its own, each scope emits an assembly of its own; assemblies of
 * reflection emit that are not collectible stay until the process ends, whoever else lets go of them a hook or selector per call
 * one generator, but its type cache compares ProxyGenerationOptions with Equals; options that are never equal make a new type at
 * each call, in one module that grows
 *
 * In a healthy process Castle has one module or a few, and each proxied interface has one proxy type in each.
 */
#include <string.h>

#include "rules/call_sites.h"
#include "rules/dynamic_modules.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/rule.h"
#include "session/session.h"

/* The same proxy type made again so many times is no coincidence: a process with several generators has a handful. */
enum { REPEATS_LIKELY = 8, REPEATS_PROVEN = 20, TYPES_SHOWN = 12, NAMES_SHOWN = 5 };

/* What makes a generator, and options. */
static const struct call_pattern generator_calls[] = { { .type = "Castle.DynamicProxy.ProxyGenerator", .method = ".ctor" } };
static const struct call_pattern options_calls[] = { { .type = "Castle.DynamicProxy.ProxyGenerationOptions", .method = ".ctor" } };

struct castle {
    struct session *session;
    struct findings *findings;
    struct dynamic_survey *survey;
    struct dynamic_generator *generator;
    const struct histogram *histogram; /* NULL: no heap in this dump */
    uint64_t repeated_modules;         /* modules beyond the first with a type that another module has, too */
    uint64_t repeated_types;           /* types beyond the first of their kind in one module */
};

static void count_repeats(struct castle *castle)
{
    for (size_t i = 0; i < castle->generator->patterns.count; i++) {
        const struct dynamic_pattern *pattern = &castle->generator->patterns.data[i];

        castle->repeated_modules += pattern->module_count - 1;
        castle->repeated_types += pattern->type_count - pattern->module_count;
    }
}

/* "A, B and 3 more" of the types with objects that implement `interface`. NULL when there are none. */
static const char *implementers(struct castle *castle, const char *interface)
{
    struct clr *clr = castle->survey->clr;
    const struct histogram_row *row;
    const char *ret = NULL;
    size_t index = 0;
    unsigned count = 0;

    while ((row = heap_next_implementing(clr, castle->histogram, interface, &index))) {
        const char *name = clr_type_name(clr, row->mt_addr);

        if (!strncmp(name, "Castle.DynamicProxy.", 20)) continue;
        if (count++ < NAMES_SHOWN)
            ret = finding_text(castle->findings, "%s%s%s (%s object%s)", ret ? ret : "", ret ? ", " : "", name,
                               finding_number(castle->findings, row->count), row->count == 1 ? "" : "s");
    }
    return count > NAMES_SHOWN ? finding_text(castle->findings, "%s and %u more", ret, count - NAMES_SHOWN) : ret;
}

static void add_types(struct castle *castle, struct finding *finding)
{
    const struct dynamic_generator *generator = castle->generator;

    for (size_t i = 0; i < generator->patterns.count && i < TYPES_SHOWN; i++) {
        const struct dynamic_pattern *pattern = &generator->patterns.data[i];
        finding_type(finding, pattern->name, pattern->type_count, pattern->instance_bytes, castle->histogram != NULL);
    }
}

static void add_proxied(struct castle *castle, struct finding *finding)
{
    const struct dynamic_generator *generator = castle->generator;

    for (size_t i = 0; i < generator->patterns.count && i < NAMES_SHOWN; i++) {
        const struct dynamic_pattern *pattern = &generator->patterns.data[i];
        const char *what = *pattern->extends ? pattern->extends : pattern->interfaces;

        if (!*what) what = "System.Object";
        finding_evidence(finding, finding_text(castle->findings, "%s is a proxy for %s: %s types in %s module%s", pattern->name,
                                               what, finding_number(castle->findings, pattern->type_count),
                                               finding_number(castle->findings, pattern->module_count),
                                               pattern->module_count == 1 ? "" : "s"));
    }
    if (generator->patterns.count > NAMES_SHOWN)
        finding_evidence(finding,
                         finding_text(castle->findings, "and %zu more kinds of proxies", generator->patterns.count - NAMES_SHOWN));
}

static struct error *add_costs(struct castle *castle, struct finding *finding)
{
    struct heap_sum castles = heap_sum_by_name(castle->survey->clr, castle->histogram, "Castle.DynamicProxy.*");
    struct heap_sum emit = heap_sum_by_name(castle->survey->clr, castle->histogram, "System.Reflection.Emit.*");
    uint64_t loader = 0, instances = 0;
    struct error *err = dynamic_survey_loader_bytes(castle->session, castle->survey, castle->generator, &loader);

    if (err == &error_enomem) return err;
    gaps_add_error(session_gaps(castle->session), "loader heaps", err);
    for (size_t i = 0; i < castle->generator->patterns.count; i++)
        instances += castle->generator->patterns.data[i].instance_bytes;
    finding_cost(finding, "loader heap", loader);
    finding_cost(finding, "gc heap", castles.bytes + emit.bytes + instances);
    finding_cost(finding, "native heap", castle->generator->metadata_bytes);
    if (!castle->histogram) return NULL;
    return holder_find(castle->session, castle->findings, finding, &castle->generator->instance_types, "proxies");
}

static void add_common(struct castle *castle, struct finding *finding)
{
    const char *interceptors = implementers(castle, "Castle.DynamicProxy.IInterceptor");

    if (interceptors) finding_evidence(finding, finding_text(castle->findings, "interceptors: %s", interceptors));
    add_types(castle, finding);
    finding_look(finding, "modules --where dynamic --group name");
    finding_look(finding,
                 finding_text(castle->findings, "dumpmodule -mt %llx", (unsigned long long)castle->generator->largest_module));
    finding->doc = "docs/causes/castle-proxy-generator.md";
}

static struct error *report_generator_per_call(struct castle *castle)
{
    struct findings *f = castle->findings;
    const struct dynamic_generator *generator = castle->generator;
    const struct dynamic_survey *survey = castle->survey;
    struct heap_sum generators = heap_sum_by_name(survey->clr, castle->histogram, "Castle.DynamicProxy.ProxyGenerator");
    struct heap_sum scopes = heap_sum_by_name(survey->clr, castle->histogram, "Castle.DynamicProxy.ModuleScope");
    struct finding *finding = findings_add(f, &(struct finding) { .rule = "castle-proxy-generator", .kind = "loader" });

    if (!finding) return &error_enomem;
    finding->severity = castle->repeated_modules >= REPEATS_PROVEN ? SEVERITY_CRITICAL : SEVERITY_WARNING;
    finding->certainty = castle->repeated_modules >= REPEATS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->count = generator->module_count;
    finding->title = finding_text(f, "dynamic assemblies without end: %s of %s modules", finding_number(f, generator->module_count),
                                  finding_number(f, survey->module_count));
    finding->cause =
        "a new Castle.DynamicProxy.ProxyGenerator per call, each with its own ModuleScope: no generated type is ever reused, and "
        "assemblies made by reflection emit stay until the process ends";
    finding->fix = "keep one ProxyGenerator for the process (static readonly, or a singleton of the container)";
    finding_evidence(
        finding, finding_text(f,
                              "%s modules are named %s and hold proxies of %zu kind%s; %s of them repeat a type that an earlier "
                              "one has",
                              finding_number(f, generator->module_count), generator->assembly, generator->patterns.count,
                              generator->patterns.count == 1 ? "" : "s", finding_number(f, castle->repeated_modules)));
    add_proxied(castle, finding);
    if (castle->histogram)
        finding_evidence(
            finding, finding_text(f,
                                  "on the heap now: %s ProxyGenerator, %s ModuleScope objects (dead ones that no GC has met yet "
                                  "included)",
                                  finding_number(f, generators.count), finding_number(f, scopes.count)));
    add_common(castle, finding);
    finding_look(finding, "dumpheap -stat -type Castle.DynamicProxy");
    TRY(call_sites_find(castle->session, f, finding, generator_calls, ARRAY_LENGTH(generator_calls)));
    return add_costs(castle, finding);
}

/* Hooks and selectors of the application that cannot be equal: they take Equals from System.Object. */
static void add_unequal(struct castle *castle, struct finding *finding, const char *interface, bool *proven)
{
    struct clr *clr = castle->survey->clr;
    const struct histogram_row *row;
    size_t index = 0;

    while ((row = heap_next_implementing(clr, castle->histogram, interface, &index))) {
        const char *name = clr_type_name(clr, row->mt_addr);

        if (!strncmp(name, "Castle.DynamicProxy.", 20) || type_declares_method(clr, row->mt_addr, "Equals")) continue;
        *proven = true;
        finding_evidence(finding, finding_text(castle->findings,
                                               "%s implements %s and has no Equals of its own: no two of its %s objects are equal",
                                               name, interface, finding_number(castle->findings, row->count)));
    }
}

static struct error *report_options_per_call(struct castle *castle)
{
    struct findings *f = castle->findings;
    const struct dynamic_generator *generator = castle->generator;
    struct heap_sum options = heap_sum_by_name(castle->survey->clr, castle->histogram,
                                               "Castle.DynamicProxy.ProxyGenerationOptions");
    struct finding *finding = findings_add(f, &(struct finding) { .rule = "castle-proxy-generator", .kind = "loader" });
    bool proven = castle->repeated_types >= 2 * REPEATS_PROVEN;

    if (!finding) return &error_enomem;
    finding->count = castle->repeated_types;
    finding->title = finding_text(f, "dynamic types without end: %s proxy types of %zu kind%s in %s module%s",
                                  finding_number(f, generator->type_count), generator->patterns.count,
                                  generator->patterns.count == 1 ? "" : "s", finding_number(f, generator->module_count),
                                  generator->module_count == 1 ? "" : "s");
    finding->cause =
        "ProxyGenerationOptions that are never equal (a new hook, selector or mixin per call without Equals and GetHashCode): the "
        "ProxyGenerator's type cache misses at each call and makes the same type again";
    finding->fix = "keep the ProxyGenerationOptions in a static field, or give the hook and the selector Equals and GetHashCode";
    add_proxied(castle, finding);
    if (castle->histogram)
        finding_evidence(finding,
                         finding_text(f, "on the heap now: %s ProxyGenerationOptions objects", finding_number(f, options.count)));
    add_unequal(castle, finding, "Castle.DynamicProxy.IProxyGenerationHook", &proven);
    add_unequal(castle, finding, "Castle.DynamicProxy.IInterceptorSelector", &proven);
    finding->certainty = proven ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->severity = proven ? SEVERITY_CRITICAL : SEVERITY_WARNING;
    add_common(castle, finding);
    TRY(call_sites_find(castle->session, f, finding, options_calls, ARRAY_LENGTH(options_calls)));
    return add_costs(castle, finding);
}

static struct error *castle_report(struct castle *castle)
{
    struct error *err = session_histogram(castle->session, &castle->histogram);

    if (err) {
        castle->histogram = NULL;
        if (err->code == ERROR_CANCELLED || err == &error_enomem) return err;
        gaps_add_error(session_gaps(castle->session), "objects of proxies", err);
    } else {
        TRY(dynamic_survey_instances(castle->session, castle->survey, castle->generator));
    }
    if (castle->repeated_modules >= REPEATS_LIKELY) TRY(report_generator_per_call(castle));
    if (castle->repeated_types >= REPEATS_PROVEN) TRY(report_options_per_call(castle));
    return NULL;
}

static struct error *castle_run(struct session *session, struct findings *findings)
{
    struct dynamic_survey survey;
    struct castle castle = { .session = session, .findings = findings, .survey = &survey };
    struct error *err;

    TRY(dynamic_survey_init(session, &survey));
    for (size_t i = 0; i < survey.generators.count; i++)
        if (survey.generators.data[i].kind == &generator_castle) castle.generator = &survey.generators.data[i];
    err = NULL;
    if (castle.generator) {
        count_repeats(&castle);
        if (castle.repeated_modules >= REPEATS_LIKELY || castle.repeated_types >= REPEATS_PROVEN) err = castle_report(&castle);
    }
    for (size_t i = 0; i < findings->list.count; i++)
        for (size_t k = 0; k < findings->list.data[i].types.count; k++)
            findings->list.data[i].types.data[k].name = finding_text(findings, "%s", findings->list.data[i].types.data[k].name);
    dynamic_survey_deinit(&survey);
    return err;
}

const struct rule rule_castle_proxy_generator = {
    .name = "castle-proxy-generator",
    .summary = "Castle DynamicProxy makes proxy types without end",
    .refines = "dynamic-assemblies",
    .run = castle_run,
};
