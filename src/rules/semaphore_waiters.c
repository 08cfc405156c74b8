/*
 * A queue of waiters at a semaphore that grows.
 *
 *     SemaphoreSlim {m_currentCount 0, m_asyncHead: TaskNode -> Next -> ...}     each a task that WaitAsync returned
 *
 * Whoever entered did not leave (an exception between WaitAsync and Release), or the work behind the gate is slower than what
 * comes.
 */
#include "managed/async.h"
#include "rules/awaiting.h"
#include "rules/many.h"

enum { WAITERS_MIN = 200 };

static const char *const types[] = { "System.Threading.SemaphoreSlim+TaskNode", NULL };
static const struct call_pattern calls[] = { { .type = "System.Threading.SemaphoreSlim", .method = "WaitAsync" } };

static bool waits(struct clr *clr, uint64_t addr)
{
    uint32_t flags;

    return task_state_flags(clr, addr, &flags) && !task_is_completed(flags);
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    (void)drop_ret;
    finding_evidence(finding, "a semaphore has a queue only while its count is 0: those who entered have not called Release");
    finding_look(finding, "async");
    return awaiting_tell(found, finding, NULL);
}

static const struct many waiters = {
    .rule = "semaphore-waiters",
    .doc = "docs/causes/semaphore-waiters.md",
    .kind = "managed",
    .types = types,
    .least = WAITERS_MIN,
    .proven = UINT64_MAX,
    .noun = "async waiters",
    .state = "stand at a SemaphoreSlim",
    .cause = "a semaphore is entered and not released on every path, or what it guards is slower than what comes: its queue grows",
    .fix = "release in finally, give WaitAsync a timeout or token, and refuse work when the queue is long",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = waits,
    .tell = tell,
};

static struct error *waiters_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &waiters);
}

const struct rule rule_semaphore_waiters = {
    .name = "semaphore-waiters",
    .summary = "the queue of waiters at a semaphore grows",
    .refines = "accumulation",
    .run = waiters_run,
};
