/*
 * Options of System.Text.Json made at each call, and kept.
 *
 *     JsonSerializerOptions {_cachingContext: what was learned of every type, with dynamic methods to read and write it}
 *
 * Since .NET 7 equal options share one cache; options with a converter of their own are never equal. A program has a handful that
 * are used.
 */
#include "rules/many.h"

enum { OPTIONS_MIN = 50, OPTIONS_PROVEN = 200 };

static const char *const types[] = { "System.Text.Json.JsonSerializerOptions", NULL };
static const struct call_pattern calls[] = { { .type = "System.Text.Json.JsonSerializerOptions", .method = ".ctor" } };

/* Options that nobody has serialized with cost nothing. */
static bool was_used(struct clr *clr, uint64_t addr)
{
    return managed_follow_object(clr, addr, "_cachingContext|_context|_memberAccessorStrategy") != 0;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    uint64_t contexts = 0;
    struct map seen;

    (void)drop_ret;
    map_init(&seen);
    for (size_t i = 0; i < found->live.count; i++) {
        uint64_t context = managed_follow_object(found->clr, found->live.data[i], "_cachingContext|_context");
        bool added = false;

        if (!context) continue;
        if (!map_slot(&seen, context, &added)) {
            map_deinit(&seen);
            return &error_enomem;
        }
        contexts += added;
    }
    map_deinit(&seen);
    finding_evidence(finding,
                     finding_text(found->findings, "they have %s caches of types: %s", finding_number(found->findings, contexts),
                                  contexts * 2 > found->live.count ? "no two of them are equal, so each learns all anew"
                                                                   : "many are equal and share one"));
    if (contexts >= OPTIONS_PROVEN && found->held >= OPTIONS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    return NULL;
}

static const struct many options = {
    .rule = "serializer-options-per-call",
    .doc = "docs/causes/serializer-options-per-call.md",
    .kind = "managed",
    .types = types,
    .least = OPTIONS_MIN,
    .proven = UINT64_MAX,
    .noun = "JsonSerializerOptions",
    .state = "are alive and in use",
    .cause = "JsonSerializerOptions are made at each call and kept; each has a cache of types of its own",
    .fix = "make the options once (static readonly) and pass them on",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = was_used,
    .tell = tell,
};

static struct error *options_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &options);
}

const struct rule rule_serializer_options_per_call = {
    .name = "serializer-options-per-call",
    .summary = "JsonSerializerOptions are made again and again, and kept",
    .refines = "accumulation",
    .run = options_run,
};
