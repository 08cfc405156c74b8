/*
 * Continuations on a task that does not complete.
 *
 *     Task {m_stateFlags not completed, m_continuationObject: List<object> of continuations}
 *
 * Whoever says "when the process shuts down, do ..." at each call (ContinueWith, a combinator over a long-lived task) leaves an
 * entry in that task's list until it completes, with all that the entry refers to.
 */
#include "managed/async.h"
#include "rules/hoard.h"

enum { CONTINUATIONS_MIN = 500, CONTINUATIONS_PROVEN = 1000 };

static const char *const owners[] = { "System.Threading.Tasks.Task", "System.Threading.Tasks.Task<*>", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Threading.Tasks.Task", .method = "ContinueWith" },
    { .type = "System.Threading.Tasks.Task`1", .method = "ContinueWith" },
    { .type = "System.Threading.Tasks.Task", .method = "When*" },
};

static bool is_pending(struct clr *clr, uint64_t task)
{
    uint32_t flags;

    return task_state_flags(clr, task, &flags) && !task_is_completed(flags);
}

static struct error *tell(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    (void)drop_ret;
    if (found->count >= CONTINUATIONS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    finding_evidence(finding, "the task is not completed, so none of them has run or can go");
    return NULL;
}

static const struct hoard continuations = {
    .rule = "task-continuations",
    .doc = "docs/causes/task-continuations.md",
    .kind = "managed",
    .owners = owners,
    .path = "m_continuationObject",
    .least = CONTINUATIONS_MIN,
    .proven = UINT64_MAX,
    .noun = "continuations",
    .place = "wait for one task",
    .cause = "a continuation is added at each call to a task that lives as long as the process, and is never taken off",
    .fix = "use a CancellationToken and dispose the registration, or give ContinueWith (WaitAsync) a token that is cancelled when "
           "the call ends",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_pending,
    .tell = tell,
};

static struct error *continuations_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &continuations);
}

const struct rule rule_task_continuations = {
    .name = "task-continuations",
    .summary = "continuations pile up on a task that does not complete",
    .refines = "accumulation",
    .run = continuations_run,
};
