/*
 * Cancellation token sources with a timeout, not disposed.
 *
 *     TimerQueue -> TimerQueueTimer -> CancellationTokenSource {_timer, _state not cancelled}
 *
 * A source with a timeout has a timer in the queue of the process, and stays until that fires: with a timeout of hours for hours.
 * One in use has other references too; here only those count that nothing but their timer keeps.
 */
#include <string.h>

#include "heap/retained.h"
#include "rules/many.h"
#include "session/session.h"

enum { SOURCES_MIN = 200, SOURCES_PROVEN = 400, STATE_NOT_CANCELED = 0, DOMINATORS_MAX = 3 };

static const char *const types[] = { "System.Threading.CancellationTokenSource", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Threading.CancellationTokenSource", .method = ".ctor", .excepts = "()" },
    { .type = "System.Threading.CancellationTokenSource", .method = "CancelAfter" },
};

static bool has_timer(struct clr *clr, uint64_t addr)
{
    int64_t state = -1;

    return managed_follow_object(clr, addr, "_timer") && managed_follow_number(clr, addr, "_state", &state) &&
           state == STATE_NOT_CANCELED;
}

static bool is_kept_by_timer(struct clr *clr, const struct retained *retained, uint64_t addr)
{
    for (unsigned i = 0; i < DOMINATORS_MAX; i++) {
        const char *name;

        addr = retained_dominator(retained, addr);
        name = addr ? clr_object_type_name(clr, addr) : NULL;
        if (!name) return false;
        if (!strcmp(name, "System.Threading.TimerQueueTimer")) return true;
    }
    return false;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    const struct retained *retained;
    uint64_t alone = 0;

    TRY(session_retained(found->session, &retained));
    for (size_t i = 0; i < found->live.count; i++)
        alone += is_kept_by_timer(found->clr, retained, found->live.data[i]);
    *drop_ret = alone < SOURCES_MIN || alone * 2 < found->live.count;
    finding_evidence(finding, finding_text(found->findings, "%s of them are kept alive by nothing but their timer",
                                           finding_number(found->findings, alone)));
    if (alone >= SOURCES_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    finding_look(finding, "timers");
    return NULL;
}

static const struct many sources = {
    .rule = "token-timeouts",
    .doc = "docs/causes/token-timeouts.md",
    .kind = "managed",
    .types = types,
    .least = SOURCES_MIN,
    .proven = UINT64_MAX,
    .noun = "cancellation token sources",
    .state = "have a timeout that has not come, and are not disposed",
    .cause = "a CancellationTokenSource with a timeout is made at each call and not disposed: its timer keeps it until the timeout",
    .fix = "dispose the source when the call is done (using), which takes its timer out of the queue",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = has_timer,
    .tell = tell,
};

static struct error *sources_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &sources);
}

const struct rule rule_token_timeouts = {
    .name = "token-timeouts",
    .summary = "token sources with a long timeout are not disposed",
    .run = sources_run,
};
