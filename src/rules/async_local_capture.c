/*
 * Values of AsyncLocals kept by what captured the flow.
 *
 *     Timer, registration, socket, ... -> ExecutionContext {m_localValues: a map of AsyncLocal -> value}
 *
 * Whatever will call back later takes the execution context along, with the value that every AsyncLocal had: a request's context, a
 * user, a transaction. A timer that stays keeps them, though its callback never asks for them.
 */
#include "heap/retained.h"
#include "managed/collection.h"
#include "rules/keeping.h"
#include "rules/many.h"
#include "session/session.h"

enum { CONTEXTS_MIN = 200, CONTEXTS_PROVEN = 400, ITEMS_MAX = 16 };

static const char *const types[] = { "System.Threading.ExecutionContext", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Threading.AsyncLocal`1", .method = "set_Value" },
    { .type = "System.Threading.Timer", .method = ".ctor" },
    { .type = "System.Threading.CancellationToken", .method = "Register" },
};

static bool has_values(struct clr *clr, uint64_t addr)
{
    return managed_follow_object(clr, addr, "m_localValues") != 0;
}

struct captured {
    struct many_found *found;
    const struct retained *retained;
    struct collection_types types;
    struct keeping_groups groups;
};

static bool add_value(struct captured *captured, uint64_t value, uint64_t context)
{
    struct clr *clr = captured->found->clr;
    struct keeping_group *group;
    struct clr_object object;

    if (!clr_object_try(clr, value, &object) || is_framework_type(clr, object.type->mt_addr)) return true;
    return keeping_groups_add(&captured->groups, clr, captured->retained, value, context, &group);
}

/* Maps of up to four have their pairs in fields, larger ones in an array, very large ones are a dictionary. */
static bool add_values(struct captured *captured, uint64_t context)
{
    static const char *const fields[] = { "_item0.value|_value1", "_item1.value|_value2", "_item2.value|_value3",
                                          "_item3.value|_value4" };
    struct clr *clr = captured->found->clr;
    uint64_t map = managed_follow_object(clr, context, "m_localValues");
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;

    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        if (!add_value(captured, managed_follow_object(clr, map, fields[i]), context)) return false;
    if (!collection_open(&captured->types, managed_follow_object(clr, map, "_keyValues"), &collection) &&
        !collection_open(&captured->types, map, &collection))
        return true;
    collection_begin(&collection, &it);
    for (unsigned i = 0; i < ITEMS_MAX && collection_next(&it, &element); i++) {
        struct place place = { .known = true, .element_type = element.value.element_type };

        if (element.value.value_mt) place = place_find(clr, element.value.value_mt, false, "Value|value");
        if (!add_value(captured, place_object(clr, &place, element.value.addr), context)) return false;
    }
    return true;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    struct captured captured = { .found = found };
    struct findings *f = found->findings;
    bool ok = true;

    TRY(session_retained(found->session, &captured.retained));
    collection_types_init(&captured.types, found->clr);
    keeping_groups_init(&captured.groups);
    for (size_t i = 0; i < found->live.count && ok; i++)
        ok = add_values(&captured, found->live.data[i]);
    keeping_groups_sort(&captured.groups);
    *drop_ret = !ok || !captured.groups.list.count || captured.groups.list.data[0].alone < CONTEXTS_MIN;
    if (!*drop_ret) {
        const struct keeping_group *most = &captured.groups.list.data[0];
        const char *type = finding_text(f, "%s", clr_type_name(found->clr, most->mt_addr));

        finding->count = most->alone;
        finding->title = finding_text(f, "captured execution contexts keep %s %s objects alive", finding_number(f, most->alone),
                                      type);
        finding_type(finding, type, most->count, most->bytes, true);
        finding_evidence(finding, finding_text(f, "%s values of AsyncLocals are %s; %s of them are kept by nothing but the context",
                                               finding_number(f, most->count), type, finding_number(f, most->alone)));
        if (most->alone >= CONTEXTS_PROVEN && found->held >= CONTEXTS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    }
    keeping_groups_deinit(&captured.groups);
    collection_types_deinit(&captured.types);
    return ok ? NULL : &error_enomem;
}

static const struct many contexts = {
    .rule = "async-local-capture",
    .doc = "docs/causes/async-local-capture.md",
    .kind = "managed",
    .types = types,
    .least = CONTEXTS_MIN,
    .proven = UINT64_MAX,
    .noun = "execution contexts",
    .state = "with values of AsyncLocals are alive",
    .cause = "timers, registrations or the like are made where an AsyncLocal has a value, and take it along: it lives as long as "
             "they do",
    .fix = "suppress the flow where long-lived things are made (ExecutionContext.SuppressFlow, UnsafeRegister), or set the value "
           "to null before",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = has_values,
    .tell = tell,
};

static struct error *contexts_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &contexts);
}

const struct rule rule_async_local_capture = {
    .name = "async-local-capture",
    .summary = "captured execution contexts keep values of AsyncLocals",
    .refines = "accumulation",
    .run = contexts_run,
};
