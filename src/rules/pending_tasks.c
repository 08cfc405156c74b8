/*
 * Tasks that never complete: sources of tasks that nobody sets, with who waits for them.
 *
 *     TaskCompletionSource {_task: Task {m_stateFlags not completed, m_continuationObject: the async method that waits}}
 *
 * Each keeps its method's locals and all that awaits that. A server that waits for thousands of answers is possible; that they have
 * all outlived collections of generation 2, in one place, tells that nobody will answer.
 */
#include "managed/async.h"
#include "rules/awaiting.h"
#include "rules/many.h"
#include "session/session.h"

enum { PENDING_MIN = 500, PENDING_PROVEN = 900 };

static const char *const types[] = { "System.Threading.Tasks.TaskCompletionSource",
                                     "System.Threading.Tasks.TaskCompletionSource<*>", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Threading.Tasks.TaskCompletionSource", .method = ".ctor" },
    { .type = "System.Threading.Tasks.TaskCompletionSource`1", .method = ".ctor" },
};

/* Not completed, and somebody waits. */
static bool is_pending(struct clr *clr, uint64_t addr)
{
    uint64_t task = managed_follow_object(clr, addr, "_task");
    uint32_t flags;

    return task && task_state_flags(clr, task, &flags) && !task_is_completed(flags) &&
           managed_follow_object(clr, task, "m_continuationObject") != 0;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    (void)drop_ret;
    TRY(many_tell_old(found, finding, PENDING_PROVEN, "they have waited for long"));
    finding_look(finding, "async");
    return awaiting_tell(found, finding, "_task");
}

static const struct many pending = {
    .rule = "pending-tasks",
    .doc = "docs/causes/pending-tasks.md",
    .kind = "managed",
    .types = types,
    .least = PENDING_MIN,
    .proven = UINT64_MAX,
    .noun = "tasks",
    .state = "are waited for and never completed by their TaskCompletionSource",
    .cause = "a TaskCompletionSource is made for each request and kept, but never completed: an answer is lost, or an error path "
             "forgets it",
    .fix = "complete the source on every path (TrySetException, TrySetCanceled), with a timeout (WaitAsync), and remove it from "
           "where it is kept",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_pending,
    .tell = tell,
};

static struct error *pending_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &pending);
}

const struct rule rule_pending_tasks = {
    .name = "pending-tasks",
    .summary = "tasks are waited for that nobody completes",
    .refines = "accumulation",
    .run = pending_run,
};
