/*
 * Meters, activity sources and diagnostic listeners made at each call.
 *
 *     Meter.s_allMeters, ActivitySource.s_activeSources, DiagnosticListener.s_allListeners -> each that was not disposed
 *
 * All three register themselves with the process when they are made, and are meant to be static.
 */
#include "rules/many.h"

enum { SOURCES_MIN = 100, SOURCES_PROVEN = 200 };

static const char *const types[] = { "System.Diagnostics.Metrics.Meter", "System.Diagnostics.ActivitySource",
                                     "System.Diagnostics.DiagnosticListener", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Diagnostics.Metrics.Meter", .method = ".ctor" },
    { .type = "System.Diagnostics.ActivitySource", .method = ".ctor" },
    { .type = "System.Diagnostics.DiagnosticListener", .method = ".ctor" },
};

static const struct many sources = {
    .rule = "metric-sources",
    .doc = "docs/causes/metric-sources.md",
    .kind = "managed",
    .types = types,
    .least = SOURCES_MIN,
    .proven = SOURCES_PROVEN,
    .noun = "meters, activity sources or diagnostic listeners",
    .state = "are registered with the process",
    .cause = "a Meter, ActivitySource or DiagnosticListener is made again and again; each stays in a list of the process until it "
             "is disposed",
    .fix = "make one a library (static readonly, or from IMeterFactory), or dispose it with its owner",
    .label = "<Name>k__BackingField|_name",
    .label_noun = "names",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
};

static struct error *sources_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &sources);
}

const struct rule rule_metric_sources = {
    .name = "metric-sources",
    .summary = "meters, activity sources or diagnostic listeners made again and again",
    .refines = "accumulation",
    .run = sources_run,
};
