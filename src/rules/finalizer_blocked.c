/*
 * A finalizer that waits: there is one thread for all finalizers, and what stands behind it is never freed.
 */
#include "clr/finalizer.h"
#include "rules/thread_site.h"
#include "session/session.h"

enum { WAITING_LIKELY = 1, WAITING_PROVEN = 50 };

static struct error *report(const struct blocked_thread *blocked, uint64_t waiting, struct code_lines *lines, struct findings *f)
{
    const char *method = thread_method_name(f, lines->clr, blocked->outer_method);
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "finalizer-blocked", .kind = "threads", .doc = "docs/causes/finalizer-blocked.md" });

    if (!finding) return &error_enomem;
    if (!method) method = "a finalizer";
    finding->count = waiting;
    finding->severity = SEVERITY_CRITICAL;
    finding->certainty = waiting >= WAITING_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "the finalizer thread stands still in %s, %s objects wait behind it", method,
                                  finding_number(f, waiting));
    finding->cause = finding_text(f, "%s waits, and all finalizers share one thread: no object with a finalizer is freed any more",
                                  method);
    finding->fix =
        "a finalizer must not wait, lock or call into other objects: release only the native handle there, do the rest in Dispose";
    finding_evidence(finding, finding_text(f, "thread %u, the finalizer thread, %s in %s", blocked->thread->managed_id,
                                           blocked_in_text(blocked->in), thread_site_text(f, lines, blocked)));
    finding_evidence(finding, finding_text(f, "%s objects are dead and wait for their finalizer", finding_number(f, waiting)));
    if (blocked->owner_id)
        finding_evidence(finding, finding_text(f, "thread %u holds the lock that it waits for", blocked->owner_id));
    thread_site_add(f, finding, lines, blocked, blocked_in_text(blocked->in));
    finding_look(finding, finding_text(f, "clrstack %u", blocked->thread->managed_id));
    finding_look(finding, "finalizequeue");
    return NULL;
}

static struct error *finalizer_blocked_run(struct session *session, struct findings *findings)
{
    const struct blocked_threads *threads;
    const struct finalizables *finalizables;
    struct code_lines lines;
    struct error *err = NULL;
    struct clr *clr;
    uint64_t waiting = 0;

    TRY(session_clr(session, &clr));
    TRY(session_blocked_threads(session, &threads));
    TRY(session_finalizables(session, &finalizables));
    for (size_t i = 0; i < finalizables->list.count; i++)
        waiting += finalizables->list.data[i].is_f_reachable;
    code_lines_init(&lines, clr);
    for (size_t i = 0; i < threads->count && !err; i++) {
        const struct blocked_thread *blocked = &threads->list[i];

        if (blocked->thread->is_finalizer && blocked->site_method && blocked->in && waiting >= WAITING_LIKELY)
            err = report(blocked, waiting, &lines, findings);
    }
    code_lines_deinit(&lines);
    return err;
}

const struct rule rule_finalizer_blocked = {
    .name = "finalizer-blocked",
    .summary = "a finalizer waits, and with it all objects that have one",
    .run = finalizer_blocked_run,
};
