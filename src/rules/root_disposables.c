/*
 * Disposable transients taken from the root container.
 *
 *     ServiceProviderEngineScope {<IsRootScope> true, _disposables: List<object>}
 *
 * A container disposes what it made, so it remembers each disposable until its scope ends. The root scope ends with the process:
 * every transient that is resolved from it, or by a singleton through IServiceProvider, stays.
 */
#include "rules/hoard.h"

/* A root scope remembers its singletons, some hundreds. Of one transient type it should remember none. */
enum { DISPOSABLES_MIN = 300, SAME_TYPE_MIN = 200, SAME_TYPE_PROVEN = 400 };

static const char *const owners[] = { "Microsoft.Extensions.DependencyInjection.ServiceLookup.ServiceProviderEngineScope", NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions", .method = "Get*Service*" },
    { .type = "System.IServiceProvider", .method = "GetService" },
};

static bool is_root(struct clr *clr, uint64_t scope)
{
    int64_t root = 0;

    return managed_follow_number(clr, scope, "<IsRootScope>k__BackingField", &root) && root;
}

static struct error *tell(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    struct map counts;
    uint64_t most = 0, type = 0;
    bool ok = true;

    map_init(&counts);
    for (size_t i = 0; i < found->elements.count && ok; i++) {
        struct clr_object object;
        uint64_t *slot;

        if (!clr_object_try(found->clr, found->elements.data[i], &object)) continue;
        slot = map_slot(&counts, object.type->mt_addr, NULL);
        ok = slot != NULL;
        if (slot && ++*slot > most) {
            most = *slot;
            type = object.type->mt_addr;
        }
    }
    map_deinit(&counts);
    if (!ok) return &error_enomem;
    *drop_ret = most < SAME_TYPE_MIN;
    if (*drop_ret) return NULL;
    finding->certainty = most >= SAME_TYPE_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding_evidence(finding, finding_text(found->findings, "%s of them are %s: a singleton would be there once",
                                           finding_number(found->findings, most), clr_type_name(found->clr, type)));
    return NULL;
}

static const struct hoard disposables = {
    .rule = "root-disposables",
    .doc = "docs/causes/root-disposables.md",
    .kind = "managed",
    .owners = owners,
    .path = "_disposables",
    .least = DISPOSABLES_MIN,
    .proven = UINT64_MAX,
    .noun = "disposable services",
    .place = "wait in the root container for its end",
    .cause = "a transient that is IDisposable is resolved from the root container, which keeps it until the process ends",
    .fix = "resolve it from a scope that ends (CreateScope, IServiceScopeFactory), or make it with a factory that the container "
           "does not own",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_root,
    .tell = tell,
};

static struct error *disposables_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &disposables);
}

const struct rule rule_root_disposables = {
    .name = "root-disposables",
    .summary = "disposable transients of the root container, which keeps them",
    .refines = "accumulation",
    .run = disposables_run,
};
