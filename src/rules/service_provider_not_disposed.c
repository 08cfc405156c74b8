/*
 * Containers built one after the other, and kept.
 *
 *     ServiceProvider {Root: its scope, CallSiteFactory {_descriptors: ServiceDescriptor[]}, _serviceAccessors, _disposed}
 *
 * A process has one root provider, a test host or a modular one some. Each BuildServiceProvider() makes another one, with caches
 * and singletons of its own. One that nobody refers to is garbage and no leak, disposed or not; those that are alive and were not
 * disposed count here. EF Core's internal providers have a rule of their own.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/graph.h"
#include "heap/retained.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/rule.h"
#include "session/session.h"

enum { PROVIDERS_MIN = 20, PROVIDERS_PROVEN = 50, PROVIDERS_MAX = 1 << 22 };

#define PROVIDER_TYPE "Microsoft.Extensions.DependencyInjection.ServiceProvider"

static const struct call_pattern calls[] = {
    { .method = "BuildServiceProvider" },
};

struct providers {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    struct map internal; /* EF Core's */
    address_list all, live;
    uint64_t disposed_count, garbage_count;
    uint64_t services, same_count; /* the number of services that most have, and how many have it */
    uint64_t bytes;
};

/* EF Core's own providers. */
static bool find_internal(struct providers *p)
{
    uint64_t cache = managed_static_object(p->clr, "Microsoft.EntityFrameworkCore",
                                           "Microsoft.EntityFrameworkCore.Internal.ServiceProviderCache",
                                           "<Instance>k__BackingField");
    struct collection_types types;
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;
    bool ret = true;

    if (!cache) return true;
    collection_types_init(&types, p->clr);
    if (collection_open(&types, managed_follow_object(p->clr, cache, "_configurations"), &collection)) {
        collection_begin(&collection, &it);
        while (ret && collection_next(&it, &element)) {
            struct place place = { .known = true, .element_type = element.value.element_type };

            if (element.value.value_mt) place = place_find(p->clr, element.value.value_mt, false, "Item1");
            ret = map_put(&p->internal, place_object(p->clr, &place, element.value.addr), 1);
        }
    }
    collection_types_deinit(&types);
    return ret;
}

static struct error *sort_out(struct providers *p, const struct graph *graph)
{
    for (size_t i = 0; i < p->all.count; i++) {
        uint64_t addr = p->all.data[i], ignored;
        int64_t disposed = 0;

        if (map_get(&p->internal, addr, &ignored)) continue;
        if (managed_follow_number(p->clr, addr, "_disposed", &disposed) && disposed) {
            p->disposed_count++;
        } else if (!graph_is_live(graph, addr)) {
            p->garbage_count++;
        } else if (!vec_push(&p->live, addr)) {
            return &error_enomem;
        }
    }
    return NULL;
}

/* Built from the same registrations again and again? The number of services tells. */
static bool compare_services(struct providers *p)
{
    struct map counts;
    bool ret = true;

    map_init(&counts);
    for (size_t i = 0; i < p->live.count && ret; i++) {
        struct clr_object array;
        uint64_t *slot;

        if (!clr_object_try(p->clr, managed_follow_object(p->clr, p->live.data[i], "<CallSiteFactory>k__BackingField._descriptors"),
                            &array) ||
            !clr_type_is_array(array.type))
            continue;
        slot = map_slot(&counts, array.count, NULL);
        ret = slot != NULL;
        if (slot && ++*slot > p->same_count) {
            p->same_count = *slot;
            p->services = array.count;
        }
    }
    map_deinit(&counts);
    return ret;
}

static struct error *add_cost(struct providers *p, struct finding *finding)
{
    const struct retained *retained;
    struct error *err = session_retained(p->session, &retained);

    if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
    gaps_add_error(session_gaps(p->session), "retained sizes", err);
    for (size_t i = 0; !err && i < p->live.count; i++)
        p->bytes += retained_size(retained, p->live.data[i]);
    finding_cost(finding, "gc heap", p->bytes);
    return NULL;
}

static struct error *report(struct providers *p)
{
    struct findings *f = p->findings;
    struct finding *finding = findings_add(f, &(struct finding) { .rule = "service-provider-not-disposed",
                                                                  .kind = "managed",
                                                                  .doc = "docs/causes/service-provider-not-disposed.md" });
    bool live;

    if (!finding || !compare_services(p)) return &error_enomem;
    finding->count = p->live.count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = p->same_count >= PROVIDERS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s root service providers are alive and not disposed", finding_number(f, p->live.count));
    finding->cause = "BuildServiceProvider() is called again and again, and what it returns is kept";
    finding->fix =
        "build the container once and inject what is needed; where another one is needed for a while, dispose it and let it go";
    TRY(holder_of_object(p->session, f, finding, p->live.data[0], &live));
    finding_evidence(finding, finding_text(f, "%s root ServiceProviders are alive and not disposed; one or a few are normal",
                                           finding_number(f, p->live.count)));
    if (p->same_count)
        finding_evidence(finding, finding_text(f, "%s of them are made of the same number of services, %s",
                                               finding_number(f, p->same_count), finding_number(f, p->services)));
    if (p->disposed_count || p->garbage_count)
        finding_evidence(finding, finding_text(f, "%s more are disposed, %s are garbage already",
                                               finding_number(f, p->disposed_count), finding_number(f, p->garbage_count)));
    TRY(add_cost(p, finding));
    finding_type(finding, PROVIDER_TYPE, p->live.count, p->bytes, p->bytes != 0);
    finding_look(finding, "objects -type " PROVIDER_TYPE);
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)p->live.data[0]));
    return call_sites_find(p->session, f, finding, calls, ARRAY_LENGTH(calls));
}

static struct error *look(struct providers *p)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    const struct graph *graph;

    TRY(session_histogram(p->session, &histogram));
    if (heap_sum_by_name(p->clr, histogram, PROVIDER_TYPE).count < PROVIDERS_MIN) return NULL;
    TRY(session_gc_heaps(p->session, &heaps));
    TRY(instances_find_named(p->clr, heaps, PROVIDER_TYPE, PROVIDERS_MAX, &p->all));
    if (!find_internal(p)) return &error_enomem;
    TRY(session_graph(p->session, &graph));
    TRY(sort_out(p, graph));
    return p->live.count < PROVIDERS_MIN ? NULL : report(p);
}

static struct error *providers_run(struct session *session, struct findings *findings)
{
    struct providers p = { .session = session, .findings = findings };
    struct error *err;

    TRY(session_clr(session, &p.clr));
    map_init(&p.internal);
    err = look(&p);
    map_deinit(&p.internal);
    vec_deinit(&p.all);
    vec_deinit(&p.live);
    return err;
}

const struct rule rule_service_provider_not_disposed = {
    .name = "service-provider-not-disposed",
    .summary = "containers are built one after the other, and kept",
    .run = providers_run,
};
