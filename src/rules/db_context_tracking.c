/*
 * A DbContext that tracks whatever it saw.
 *
 *     DbContext -> StateManager {_entityReferenceMap {_unchangedReferenceMap: Dictionary<entity, InternalEntityEntry>}}
 *
 * A context keeps every entity that a tracking query gave, with a snapshot of its values, to see what was changed. It is meant for
 * one unit of work; one that lives on (a singleton, a field, a batch over everything) grows, and SaveChanges gets slower each time.
 */
#include "rules/hoard.h"

/* More than a unit of work loads on purpose. */
enum { TRACKED_MIN = 10000 };

static const char *const owners[] = { "Microsoft.EntityFrameworkCore.ChangeTracking.Internal.StateManager", NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.EntityFrameworkCore.DbContext", .method = "Attach*" },
    { .type = "Microsoft.EntityFrameworkCore.EntityFrameworkQueryableExtensions", .method = "ToListAsync" },
    { .type = "Microsoft.EntityFrameworkCore.DbContext", .method = "SaveChanges*" },
};

static const struct hoard tracked = {
    .rule = "db-context-tracking",
    .doc = "docs/causes/db-context-tracking.md",
    .kind = "managed",
    .owners = owners,
    .path = "_entityReferenceMap._unchangedReferenceMap",
    .least = TRACKED_MIN,
    .proven = UINT64_MAX,
    .noun = "unchanged entities",
    .place = "are tracked by one DbContext",
    .cause = "a DbContext lives longer than one unit of work, and tracks every entity that its queries gave",
    .fix = "one context for each unit of work (IDbContextFactory, a scope); AsNoTracking for what is only read; "
           "ChangeTracker.Clear() in batches",
    .element = "<Entity>k__BackingField|_entity",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
};

static struct error *tracked_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &tracked);
}

const struct rule rule_db_context_tracking = {
    .name = "db-context-tracking",
    .summary = "a DbContext tracks whatever it saw",
    .refines = "accumulation",
    .run = tracked_run,
};
