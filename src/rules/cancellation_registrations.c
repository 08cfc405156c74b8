/*
 * Callbacks that were registered with a long-lived cancellation token and never taken back.
 *
 *     CancellationTokenSource -> _registrations -> Callbacks -> CallbackNode -> Next -> ...
 *       CallbackNode {Callback, CallbackState, ExecutionContext}
 *       Registrations.NextAvailableId   one more than all that were ever registered
 *
 * The token of the process, or of a connection, keeps what was registered with it until it is cancelled or disposed. A linked
 * source registers itself with its parents; it has to be disposed for the same reason. What is under way and waits with a token is
 * alive by itself; a forgotten registration is all that keeps its object.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/graph.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "rules/call_sites.h"
#include "rules/holder.h"
#include "rules/keeping.h"
#include "rules/rule.h"
#include "session/session.h"

enum { REGISTRATIONS_MIN = 100, REGISTRATIONS_PROVEN = 200, NODES_MAX = 1 << 24, SOURCES_MAX = 1 << 22, REPORTS_MAX = 8 };

#define SOURCE_TYPE "System.Threading.CancellationTokenSource"

static const struct call_pattern calls[] = {
    { .type = "System.Threading.CancellationToken", .method = "*Register" },
    { .type = "System.Threading.CancellationTokenSource", .method = "CreateLinkedTokenSource" },
};

struct registrations {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    struct place next; /* in a node; known when one was met */
};

static bool wants(void *user, uint64_t mt_addr)
{
    struct registrations *r = user;

    return !strncmp(clr_type_name(r->clr, mt_addr), SOURCE_TYPE, strlen(SOURCE_TYPE)) &&
           place_find(r->clr, mt_addr, true, "_registrations").known;
}

/* The first node of a source's registrations, 0: none. */
static uint64_t first_node(struct registrations *r, uint64_t source)
{
    uint64_t node = managed_follow_object(r->clr, source, "_registrations.Callbacks");
    struct clr_object object;

    if (node && !r->next.known && clr_object_try(r->clr, node, &object))
        r->next = place_find(r->clr, object.type->mt_addr, true, "Next");
    return node;
}

/* Length of the chain, but not beyond `max`. */
static size_t chain_length(struct registrations *r, uint64_t node, size_t max)
{
    size_t length = 0;

    for (; node && length < max; length++)
        node = place_object(r->clr, &r->next, node);
    return length;
}

/* What a registration is there for: the object behind its callback, or, of one that calls back with a state, behind that. */
static uint64_t subject_of(struct registrations *r, uint64_t node)
{
    uint64_t subject = delegate_subject(r->clr, managed_follow_object(r->clr, node, "CallbackState"));
    struct clr_object object;

    if (!clr_object_try(r->clr, subject, &object))
        subject = delegate_subject(r->clr, managed_follow_object(r->clr, node, "Callback"));
    return subject;
}

static bool group_registrations(struct registrations *r, uint64_t node, const struct retained *retained,
                                struct keeping_groups *groups, size_t *count_ret)
{
    struct keeping_group *group;
    uint64_t mark = 0;

    /* A mark is left behind at doubling distances; whoever meets it runs in a circle. */
    for (*count_ret = 0; node && node != mark && *count_ret < NODES_MAX; ++*count_ret) {
        if ((*count_ret & (*count_ret + 1)) == 0) mark = node;
        if (!keeping_groups_add(groups, r->clr, retained, subject_of(r, node), node, &group)) return false;
        node = place_object(r->clr, &r->next, node);
    }
    keeping_groups_sort(groups);
    return true;
}

static struct error *report(struct registrations *r, uint64_t source, const struct keeping_group *group, size_t count)
{
    struct findings *f = r->findings;
    const char *owner = finding_text(f, "%s", clr_type_name(r->clr, group->mt_addr));
    bool is_linked = !strncmp(owner, SOURCE_TYPE "+Linked", strlen(SOURCE_TYPE "+Linked"));
    struct finding *finding = findings_add(f, &(struct finding) { .rule = "cancellation-registrations",
                                                                  .kind = "managed",
                                                                  .doc = "docs/causes/cancellation-registrations.md" });
    int64_t next_id = 0;
    bool live;

    if (!finding) return &error_enomem;
    finding->count = count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = group->alone >= REGISTRATIONS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    TRY(holder_of_object(r->session, f, finding, source, &live));
    finding->title = finding_text(f, "a cancellation token keeps %s %s objects alive", finding_number(f, group->alone), owner);
    finding->cause =
        is_linked ? "linked token sources are made and not disposed: each stays registered with the token that it is linked to"
                  : finding_text(f, "%s registers with a token that lives longer, and does not take the registration back", owner);
    finding->fix =
        is_linked ? "dispose what CreateLinkedTokenSource returns (using)"
                  : "dispose the CancellationTokenRegistration that Register returns (using), or register with a token of the call";
    finding_evidence(finding, finding_text(f, "%s registrations with one token source, %s of them for %s", finding_number(f, count),
                                           finding_number(f, group->count), owner));
    finding_evidence(finding, finding_text(f, "%s of these objects are kept alive by nothing but the registration",
                                           finding_number(f, group->alone)));
    if (managed_follow_number(r->clr, source, "_registrations.NextAvailableId", &next_id) && next_id > 0)
        finding_evidence(finding, finding_text(f, "%s were made in all since the source exists: %.0f %% of them are still there",
                                               finding_number(f, (uint64_t)next_id - 1),
                                               next_id > 1 ? 100.0 * (double)count / (double)(next_id - 1) : 100.0));
    finding_type(finding, owner, group->count, group->bytes, true);
    finding_cost(finding, "gc heap", group->bytes);
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)group->example));
    finding_look(finding, finding_text(f, "object_fields %llx", (unsigned long long)source));
    return is_linked ? call_sites_find(r->session, f, finding, calls + 1, 1) : call_sites_find(r->session, f, finding, calls, 1);
}

static struct error *look_at(struct registrations *r, uint64_t source, uint64_t node)
{
    const struct retained *retained;
    struct keeping_groups groups;
    struct error *err = NULL;
    size_t count;

    TRY(session_retained(r->session, &retained));
    keeping_groups_init(&groups);
    if (!group_registrations(r, node, retained, &groups, &count)) err = &error_enomem;
    if (!err && groups.list.count && groups.list.data[0].alone >= REGISTRATIONS_MIN &&
        groups.list.data[0].alone * 2 >= groups.list.data[0].count)
        err = report(r, source, &groups.list.data[0], count);
    keeping_groups_deinit(&groups);
    return err;
}

static struct error *registrations_run(struct session *session, struct findings *findings)
{
    struct registrations r = { .session = session, .findings = findings };
    address_list sources = { 0 };
    const struct graph *graph;
    const struct gc_heaps *heaps;
    struct error *err;
    unsigned looked_at = 0;

    TRY(session_clr(session, &r.clr));
    TRY(session_gc_heaps(session, &heaps));
    err = instances_find(r.clr, heaps, wants, &r, SOURCES_MAX, &sources);
    for (size_t i = 0; i < sources.count && !err && looked_at < REPORTS_MAX; i++) {
        uint64_t node = first_node(&r, sources.data[i]);

        if (chain_length(&r, node, REGISTRATIONS_MIN) < REGISTRATIONS_MIN) continue;
        err = session_graph(session, &graph);
        if (err || !graph_is_live(graph, sources.data[i])) continue;
        looked_at++;
        err = look_at(&r, sources.data[i], node);
    }
    vec_deinit(&sources);
    return err;
}

const struct rule rule_cancellation_registrations = {
    .name = "cancellation-registrations",
    .summary = "a cancellation token keeps objects alive that nothing else needs",
    .run = registrations_run,
};
