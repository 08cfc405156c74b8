/*
 * Listeners for changes of options that never stop.
 *
 *     OptionsMonitor {_onChange: delegate -> ChangeTrackerDisposable {_listener: Action -> the listener}}
 *
 * IOptionsMonitor is a singleton; OnChange returns what must be disposed to stop. A short-lived service that does not stays.
 */
#include "heap/retained.h"
#include "rules/keeping.h"
#include "rules/many.h"
#include "session/session.h"

enum { LISTENERS_MIN = 100, LISTENERS_PROVEN = 200 };

static const char *const types[] = { "Microsoft.Extensions.Options.OptionsMonitor<*>+ChangeTrackerDisposable", NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.Extensions.Options.IOptionsMonitor`1", .method = "OnChange" },
    { .type = "Microsoft.Extensions.Options.OptionsMonitorExtensions", .method = "OnChange" },
};

/* Extension methods wrap the listener in a closure with a field `listener`. */
static uint64_t listener_of(struct clr *clr, uint64_t tracker)
{
    uint64_t subject = delegate_subject(clr, managed_follow_object(clr, tracker, "_listener"));
    uint64_t wrapped = subject ? managed_follow_object(clr, subject, "listener") : 0;

    return wrapped ? delegate_subject(clr, wrapped) : subject;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    struct findings *f = found->findings;
    const struct retained *retained;
    struct keeping_groups groups;
    bool ok = true;

    TRY(session_retained(found->session, &retained));
    keeping_groups_init(&groups);
    for (size_t i = 0; i < found->live.count && ok; i++) {
        struct keeping_group *group;
        uint64_t tracker = found->live.data[i];

        ok = keeping_groups_add(&groups, found->clr, retained, listener_of(found->clr, tracker), tracker, &group);
    }
    keeping_groups_sort(&groups);
    *drop_ret = !groups.list.count;
    if (ok && groups.list.count) {
        const struct keeping_group *most = &groups.list.data[0];
        const char *owner = finding_text(f, "%s", clr_type_name(found->clr, most->mt_addr));

        finding_evidence(finding, finding_text(f, "%s of them call %s; %s of these objects are kept alive by nothing else",
                                               finding_number(f, most->count), owner, finding_number(f, most->alone)));
        finding_type(finding, owner, most->count, most->bytes, true);
        if (most->alone >= LISTENERS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
        *drop_ret = most->alone * 2 < most->count;
    }
    keeping_groups_deinit(&groups);
    return ok ? NULL : &error_enomem;
}

static const struct many listeners = {
    .rule = "options-listeners",
    .doc = "docs/causes/options-listeners.md",
    .kind = "managed",
    .types = types,
    .least = LISTENERS_MIN,
    .proven = UINT64_MAX,
    .noun = "listeners",
    .state = "wait for changes of options",
    .cause = "IOptionsMonitor.OnChange is called by objects that do not live as long as the monitor, and what it returns is not "
             "disposed",
    .fix = "dispose what OnChange returns with the listener, or take IOptionsSnapshot (or CurrentValue) instead of listening",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .tell = tell,
};

static struct error *listeners_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &listeners);
}

const struct rule rule_options_listeners = {
    .name = "options-listeners",
    .summary = "listeners for changes of options are not disposed",
    .refines = "event-handlers",
    .run = listeners_run,
};
