/*
 * Scopes of a container that nobody disposed.
 *
 *     ServiceProviderEngineScope {_disposables: List<object>, <ResolvedServices>, _disposed, <IsRootScope>}
 *
 * A scope that nobody refers to is garbage, disposed or not; those that are alive hold their scoped services and all disposables
 * that were made in them. A server has one for each request that is being served.
 */
#include "rules/many.h"
#include "session/session.h"

/* Requests in flight are hundreds at most in a process that is not overloaded. */
enum { SCOPES_MIN = 200, SCOPES_PROVEN = 400 };

static const char *const types[] = { "Microsoft.Extensions.DependencyInjection.ServiceLookup.ServiceProviderEngineScope", NULL };
static const struct call_pattern calls[] = {
    { .method = "CreateScope" },
    { .method = "CreateAsyncScope" },
};

static bool is_open(struct clr *clr, uint64_t addr)
{
    int64_t disposed = 0, root = 0;

    return managed_follow_number(clr, addr, "_disposed", &disposed) && !disposed &&
           managed_follow_number(clr, addr, "<IsRootScope>k__BackingField", &root) && !root;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    (void)drop_ret;
    return many_tell_old(found, finding, SCOPES_PROVEN, "older than a request");
}

static const struct many scopes = {
    .rule = "scopes-not-disposed",
    .doc = "docs/causes/scopes-not-disposed.md",
    .kind = "managed",
    .types = types,
    .least = SCOPES_MIN,
    .proven = UINT64_MAX,
    .noun = "service scopes",
    .state = "are alive and not disposed",
    .cause = "CreateScope() is called again and again, and what it returns is kept and not disposed",
    .fix = "dispose the scope (using, await using) when its work is done, and do not keep what came out of it",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_open,
    .tell = tell,
};

static struct error *scopes_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &scopes);
}

const struct rule rule_scopes_not_disposed = {
    .name = "scopes-not-disposed",
    .summary = "scopes of a container are kept, and not disposed",
    .refines = "accumulation",
    .run = scopes_run,
};
