/*
 * Handlers that were added to an event and never taken off.
 *
 *     publisher.Changed: MulticastDelegate -> _invocationList: object[] -> n delegates -> _target: the listeners
 *
 * A publisher that outlives its listeners keeps them. Many handlers alone are no leak: the listeners of a big user interface are
 * alive because they are shown. What tells is that most listeners would be gone without the event.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/graph.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/keeping.h"
#include "rules/rule.h"
#include "session/session.h"

/* Fewer handlers on one event are common in user interfaces and message buses. */
enum { HANDLERS_MIN = 100, HANDLERS_PROVEN = 200, DELEGATES_MAX = 1 << 24, EVENTS_MAX = 16 };

struct events {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    const struct graph *graph; /* NULL until there is something to look at */
    struct map is_delegate;    /* MethodTable -> 0 not yet known, 1 no, 2 yes */
    struct place list;         /* of MulticastDelegate */
};

/* An event's delegate with very many handlers. */
struct event {
    uint64_t addr, list_addr;
    uint32_t handlers; /* the list may be longer */
};

static bool wants(void *user, uint64_t mt_addr)
{
    struct events *events = user;
    uint64_t *known = map_slot(&events->is_delegate, mt_addr, NULL);

    if (known && !*known) {
        struct clr_type *type = clr_type_get(events->clr, mt_addr);
        bool is_one = type && type->parent_addr && !type->component_size &&
                      !strcmp(clr_type_name(events->clr, type->parent_addr), "System.MulticastDelegate");
        map_put(&events->is_delegate, mt_addr, is_one ? 2 : 1);
        return is_one;
    }
    return known && *known == 2;
}

/* The delegate's list of handlers; false when it has none, or few. */
static bool read_event(struct events *events, uint64_t addr, struct event *ret)
{
    struct clr_object object, list;
    int64_t count = 0;

    if (!events->list.known && clr_object_try(events->clr, addr, &object))
        events->list = place_find(events->clr, object.type->mt_addr, true, "_invocationList");
    ret->addr = addr;
    ret->list_addr = place_object(events->clr, &events->list, addr);
    if (!ret->list_addr || !clr_object_try(events->clr, ret->list_addr, &list) || !clr_type_is_array(list.type)) return false;
    if (!managed_follow_number(events->clr, addr, "_invocationCount", &count) || count < HANDLERS_MIN || count > list.count)
        return false;
    ret->handlers = (uint32_t)count;
    return true;
}

/* Listeners by type. */
static bool group_listeners(struct events *events, const struct event *event, const struct retained *retained,
                            struct keeping_groups *groups)
{
    for (uint32_t i = 0; i < event->handlers; i++) {
        struct keeping_group *group;
        uint64_t handler;

        if (!memory_try_u64(events->clr->memory, event->list_addr + ARRAY_DATA_OFF + 8ull * i, &handler)) continue;
        if (!keeping_groups_add(groups, events->clr, retained, delegate_subject(events->clr, handler), event->addr, &group))
            return false;
    }
    keeping_groups_sort(groups);
    return true;
}

/* Who calls add_Changed of the event whose field the path names last: "Publisher.Changed". */
static struct error *add_code(struct events *events, struct finding *finding)
{
    const char *step = finding->path.count >= 2 ? finding->path.data[finding->path.count - 2] : NULL;
    const char *dot = step ? strrchr(step, '.') : NULL;
    struct call_pattern pattern = { 0 };

    if (!dot || !dot[1]) return NULL;
    pattern.method = finding_text(events->findings, "add_%s", dot + 1);
    return call_sites_find_in(events->session, events->findings, finding, &pattern, 1, CALLS_OF_APPLICATION);
}

static struct error *report(struct events *events, const struct event *event, const struct keeping_group *group)
{
    struct findings *f = events->findings;
    const char *listener = finding_text(f, "%s", clr_type_name(events->clr, group->mt_addr));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "event-handlers", .kind = "managed", .doc = "docs/causes/event-handlers.md" });
    bool live;

    if (!finding) return &error_enomem;
    finding->count = group->count;
    finding->certainty = group->alone >= HANDLERS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->severity = SEVERITY_WARNING;
    TRY(holder_of_object(events->session, f, finding, event->addr, &live));
    finding->title = finding_text(f, "an event keeps %s %s objects alive", finding_number(f, group->alone), listener);
    finding->cause = finding_text(
        f, "%s adds a handler to an event of an object that lives longer (%s), and does not take it off again", listener,
        finding->root_name ? finding->root_name : "see who holds it");
    finding->fix =
        "take the handler off (-=) when the listener is done with, mostly in Dispose; or make the publisher hold its listeners "
        "weakly";
    finding_evidence(finding, finding_text(f, "one event has %s handlers, %s of them of %s", finding_number(f, event->handlers),
                                           finding_number(f, group->count), listener));
    finding_evidence(
        finding, finding_text(f, "%s of these objects are kept alive by nothing but the event", finding_number(f, group->alone)));
    finding_type(finding, listener, group->count, group->bytes, true);
    finding_cost(finding, "gc heap", group->bytes);
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)group->example));
    finding_look(finding, finding_text(f, "elements %llx", (unsigned long long)event->list_addr));
    return add_code(events, finding);
}

/* options-listeners tells of these, by who listens. */
static bool has_own_rule(struct events *events, const struct keeping_group *group)
{
    static const char *const types[] = { "Microsoft.Extensions.Options.OptionsMonitor<*>+ChangeTrackerDisposable", NULL };

    return type_name_matches(clr_type_name(events->clr, group->mt_addr), types);
}

static struct error *look_at(struct events *events, const struct event *event)
{
    const struct retained *retained;
    struct keeping_groups groups;
    struct error *err = NULL;

    TRY(session_retained(events->session, &retained));
    keeping_groups_init(&groups);
    if (!group_listeners(events, event, retained, &groups)) err = &error_enomem;
    if (!err && groups.list.count && groups.list.data[0].alone >= HANDLERS_MIN &&
        groups.list.data[0].alone * 2 >= groups.list.data[0].count && !has_own_rule(events, &groups.list.data[0]))
        err = report(events, event, &groups.list.data[0]);
    keeping_groups_deinit(&groups);
    return err;
}

static struct error *look_at_all(struct events *events, const address_list *delegates)
{
    unsigned seen = 0;

    for (size_t i = 0; i < delegates->count && seen < EVENTS_MAX; i++) {
        struct event event;

        if (!read_event(events, delegates->data[i], &event)) continue;
        if (!events->graph) TRY(session_graph(events->session, &events->graph));
        /* An event makes a new delegate for each handler; all but the last one are garbage. */
        if (!graph_is_live(events->graph, event.addr)) continue;
        seen++;
        TRY(look_at(events, &event));
    }
    return NULL;
}

static struct error *events_run(struct session *session, struct findings *findings)
{
    struct events events = { .session = session, .findings = findings };
    address_list delegates = { 0 };
    const struct gc_heaps *heaps;
    struct error *err;

    TRY(session_clr(session, &events.clr));
    TRY(session_gc_heaps(session, &heaps));
    map_init(&events.is_delegate);
    err = instances_find(events.clr, heaps, wants, &events, DELEGATES_MAX, &delegates);
    if (!err) err = look_at_all(&events, &delegates);
    vec_deinit(&delegates);
    map_deinit(&events.is_delegate);
    return err;
}

const struct rule rule_event_handlers = {
    .name = "event-handlers",
    .summary = "an event keeps objects alive that nothing else needs",
    .run = events_run,
};
