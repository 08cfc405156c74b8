/*
 * Timers that go on for objects that nobody else needs.
 *
 *     static TimerQueue.Instances[] -> _shortTimers, _longTimers -> TimerQueueTimer -> _next -> ...
 *       TimerQueueTimer {_timerCallback: delegate, _state, _dueTime, _period, _canceled}
 *
 * A timer that was started and not disposed stays in its queue, and with it all that its callback refers to: a periodic one for
 * ever. The class library's own timers (Task.Delay, timeouts of tokens, pools) come and go by themselves and are left out; so are
 * timers of objects that are alive for another reason, like a heartbeat of a connection that is open.
 */
#include <string.h>

#include "managed/collection.h"
#include "managed/timer_queue.h"
#include "rules/call_sites.h"
#include "rules/keeping.h"
#include "rules/rule.h"
#include "session/session.h"

enum { TIMERS_MIN = 100, TIMERS_PROVEN = 200, PERIOD_NONE = -1 };

static const struct call_pattern calls[] = {
    { .type = "System.Threading.Timer", .method = ".ctor" },
    { .type = "System.Timers.Timer", .method = ".ctor" },
};

struct timers {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    address_list active;
};

/* By what their callbacks belong to; those of the class library are nobody's. */
static bool group_timers(struct timers *timers, const struct retained *retained, struct keeping_groups *groups)
{
    for (size_t i = 0; i < timers->active.count; i++) {
        uint64_t timer = timers->active.data[i];
        uint64_t subject = delegate_subject(timers->clr,
                                            managed_follow_object(timers->clr, timer, "_timerCallback|m_timerCallback"));
        struct keeping_group *group;
        struct clr_object object;
        int64_t period;

        if (!clr_object_try(timers->clr, subject, &object) || is_framework_type(timers->clr, object.type->mt_addr)) continue;
        if (!keeping_groups_add(groups, timers->clr, retained, subject, timer, &group)) return false;
        if (group && managed_follow_number(timers->clr, timer, "_period|m_period", &period) &&
            (uint32_t)period != (uint32_t)PERIOD_NONE)
            group->marked++;
    }
    keeping_groups_sort(groups);
    return true;
}

static bool set_holder(struct timers *timers, struct finding *finding, const char *owner)
{
    finding->root_kind = "static";
    finding->root_name = TIMER_QUEUE ".<Instances>k__BackingField";
    return vec_push(&finding->path, finding->root_name) && vec_push(&finding->path, "TimerQueue._longTimers") &&
           vec_push(&finding->path, "TimerQueueTimer._timerCallback") &&
           vec_push(&finding->path, finding_text(timers->findings, "TimerCallback._target: %s", owner));
}

static struct error *report(struct timers *timers, const struct keeping_group *group)
{
    struct findings *f = timers->findings;
    const char *owner = finding_text(f, "%s", clr_type_name(timers->clr, group->mt_addr));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "timers", .kind = "managed", .doc = "docs/causes/timers.md" });

    if (!finding || !set_holder(timers, finding, owner)) return &error_enomem;
    finding->count = group->count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = group->marked >= TIMERS_PROVEN && group->alone >= TIMERS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "timers keep %s %s objects alive", finding_number(f, group->alone), owner);
    finding->cause = finding_text(
        f, "%s starts a timer and does not dispose it: the queue of timers keeps it and all that it refers to", owner);
    finding->fix = "dispose the timer when its owner is done with, or use one timer for all";
    finding_evidence(finding, finding_text(f, "%s timers are active in the process, %s of them call %s, %s of these periodically",
                                           finding_number(f, timers->active.count), finding_number(f, group->count), owner,
                                           finding_number(f, group->marked)));
    finding_evidence(
        finding, finding_text(f, "%s of these objects are kept alive by nothing but their timer", finding_number(f, group->alone)));
    finding_type(finding, owner, group->count, group->bytes, true);
    finding_cost(finding, "gc heap", group->bytes);
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)group->example));
    finding_look(finding, finding_text(f, "object_fields %llx", (unsigned long long)group->keeper));
    return call_sites_find(timers->session, f, finding, calls, ARRAY_LENGTH(calls));
}

static struct error *look_at_groups(struct timers *timers)
{
    const struct retained *retained;
    struct keeping_groups groups;
    struct error *err = NULL;

    TRY(session_retained(timers->session, &retained));
    keeping_groups_init(&groups);
    if (!group_timers(timers, retained, &groups)) err = &error_enomem;
    for (size_t i = 0; i < groups.list.count && !err; i++) {
        const struct keeping_group *group = &groups.list.data[i];
        if (group->alone >= TIMERS_MIN && group->alone * 2 >= group->count) err = report(timers, group);
    }
    keeping_groups_deinit(&groups);
    return err;
}

static struct error *timers_run(struct session *session, struct findings *findings)
{
    struct timers timers = { .session = session, .findings = findings };
    struct error *err;

    TRY(session_clr(session, &timers.clr));
    err = timer_queue_find(timers.clr, &timers.active);
    if (!err && timers.active.count >= TIMERS_MIN) err = look_at_groups(&timers);
    vec_deinit(&timers.active);
    return err;
}

const struct rule rule_timers = {
    .name = "timers",
    .summary = "timers keep objects alive that nothing else needs",
    .run = timers_run,
};
