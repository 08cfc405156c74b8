/*
 * Activities that are started and never stopped.
 *
 *     Activity {<Parent>: the one before, ...}     Activity.Current: an AsyncLocal
 *
 * Start() makes the activity the current one, and the current one the parent of the next. Without Stop() the chain only grows,
 * with the tags and events of each.
 */
#include "rules/many.h"

enum { ACTIVITIES_MIN = 1000, ACTIVITIES_PROVEN = 2000 };

static const char *const types[] = { "System.Diagnostics.Activity", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Diagnostics.Activity", .method = "Start" },
    { .type = "System.Diagnostics.ActivitySource", .method = "StartActivity" },
};

static bool has_parent(struct clr *clr, uint64_t addr)
{
    return managed_follow_object(clr, addr, "_previousActiveActivity|<Parent>k__BackingField|_parent") != 0;
}

static const struct many activities = {
    .rule = "activities-not-stopped",
    .doc = "docs/causes/activities-not-stopped.md",
    .kind = "managed",
    .types = types,
    .least = ACTIVITIES_MIN,
    .proven = ACTIVITIES_PROVEN - ACTIVITIES_PROVEN / 10, /* the first of a chain has no parent, and paths differ near its ends */
    .noun = "activities",
    .state = "are started on top of another one and alive",
    .cause = "an Activity is started at each call and not stopped: it is the parent of the next one",
    .fix = "using var activity = source.StartActivity(...): Dispose stops it; for a new trace set Activity.Current = null before",
    .label = "<OperationName>k__BackingField",
    .label_noun = "operations",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = has_parent,
};

static struct error *activities_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &activities);
}

const struct rule rule_activities_not_stopped = {
    .name = "activities-not-stopped",
    .summary = "activities are started and not stopped, each on top of the one before",
    .run = activities_run,
};
