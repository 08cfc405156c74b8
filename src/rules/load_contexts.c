/*
 * Load contexts that were told to unload, and cannot.
 *
 *     AssemblyLoadContext {_state Unloading, _isCollectible}, and who holds its System.Reflection.LoaderAllocator: an object of one
 * of its types, a static field, a thread, a handle
 *
 * Unload() only asks: assemblies, types, code and statics go when nothing refers to any of them any more.
 */
#include <string.h>

#include "rules/many.h"
#include "session/session.h"

enum { CONTEXTS_MIN = 5, CONTEXTS_PROVEN = 10, CONTEXTS_MAX = 1 << 16, STATE_UNLOADING = 1, PARENTS_MAX = 8 };

static const char *const types[] = { "System.Reflection.LoaderAllocator", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Runtime.Loader.AssemblyLoadContext", .method = "Unload" },
    { .method = "LoadFromAssemblyPath" },
    { .method = "LoadFromStream" },
};

static bool is_context(void *user, uint64_t mt_addr)
{
    struct clr *clr = user;

    for (unsigned i = 0; i < PARENTS_MAX && mt_addr; i++) {
        struct clr_type *type = clr_type_get(clr, mt_addr);

        if (!type) return false;
        if (!strcmp(clr_type_name(clr, mt_addr), "System.Runtime.Loader.AssemblyLoadContext")) return true;
        mt_addr = type->parent_addr;
    }
    return false;
}

/* *example_ret: one of them. */
static struct error *count_unloading(struct many_found *found, uint64_t *count_ret, uint64_t *example_ret)
{
    const struct gc_heaps *heaps;
    address_list contexts = { 0 };
    struct error *err;

    *count_ret = *example_ret = 0;
    TRY(session_gc_heaps(found->session, &heaps));
    err = instances_find(found->clr, heaps, is_context, found->clr, CONTEXTS_MAX, &contexts);
    for (size_t i = 0; !err && i < contexts.count; i++) {
        int64_t state = 0;

        if (!managed_follow_number(found->clr, contexts.data[i], "_state", &state) || state != STATE_UNLOADING ||
            !graph_is_live(found->graph, contexts.data[i]))
            continue;
        *example_ret = contexts.data[i];
        ++*count_ret;
    }
    vec_deinit(&contexts);
    return err;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    struct findings *f = found->findings;
    uint64_t unloading, example;

    TRY(count_unloading(found, &unloading, &example));
    *drop_ret = unloading < CONTEXTS_MIN;
    if (*drop_ret) return NULL;
    finding->count = unloading;
    finding->title = finding_text(f, "%s load contexts were told to unload, and are still there", finding_number(f, unloading));
    finding_type(finding, finding_text(f, "%s", clr_object_type_name(found->clr, example)), unloading, 0, false);
    finding_evidence(finding, finding_text(f, "%s AssemblyLoadContexts are in the state Unloading", finding_number(f, unloading)));
    if (found->held >= CONTEXTS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    finding_look(finding, "load_contexts");
    return NULL;
}

static const struct many contexts = {
    .rule = "load-contexts",
    .doc = "docs/causes/load-contexts.md",
    .kind = "loader",
    .types = types,
    .least = CONTEXTS_MIN,
    .proven = UINT64_MAX,
    .noun = "loader allocators of collectible assemblies",
    .state = "are alive",
    .cause = "collectible load contexts are unloaded while something still refers to an object, type or method of theirs",
    .fix = "let go of what the path above names (results, delegates, cached types, threads) before or after Unload()",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .tell = tell,
};

static struct error *contexts_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &contexts);
}

const struct rule rule_load_contexts = {
    .name = "load-contexts",
    .summary = "load contexts were told to unload, and cannot",
    .refines = "accumulation",
    .run = contexts_run,
};
