/*
 * Threads that wait for each other's locks: none of them will ever go on, nor will those that wait behind them.
 */
#include "clr/object.h"
#include "rules/thread_site.h"
#include "session/session.h"

enum { CYCLE_MAX = 256, THREADS_SHOWN = 16 };

/* Threads outside of the cycle whose way of owners leads into it. */
static size_t count_behind(const struct blocked_threads *threads, const struct blocked_thread *const *cycle, size_t count)
{
    size_t behind = 0;

    for (size_t i = 0; i < threads->count; i++) {
        const struct blocked_thread *at = &threads->list[i];

        for (size_t step = 0; at && at->lock_object && step < threads->count; step++) {
            bool is_in = false;

            for (size_t k = 0; k < count && !is_in; k++)
                is_in = cycle[k] == at;
            if (is_in) {
                behind += step > 0;
                break;
            }
            at = blocked_thread_by_id(threads, at->owner_id);
        }
    }
    return behind;
}

static struct error *report(const struct blocked_threads *threads, const struct blocked_thread *const *cycle, size_t count,
                            struct code_lines *lines, struct findings *f)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "deadlock", .kind = "threads", .doc = "docs/causes/deadlock.md" });
    size_t behind = count_behind(threads, cycle, count);

    if (!finding) return &error_enomem;
    finding->severity = SEVERITY_CRITICAL;
    finding->certainty = CERTAINTY_PROVEN;
    finding->count = count;
    finding->title = finding_text(f, "deadlock: %zu threads wait for each other's locks", count);
    finding->cause = "each of them holds a lock that the one before it waits for: none can go on";
    finding->fix = "enter these locks in the same order everywhere, or hold only one at a time";
    for (size_t i = 0; i < count; i++) {
        const char *type = clr_object_type_name(lines->clr, cycle[i]->lock_object);

        if (!cycle[i]->lock_is_sure) finding->certainty = CERTAINTY_LIKELY;
        if (i >= THREADS_SHOWN) continue;
        finding_evidence(finding, finding_text(f, "thread %u waits in %s for the lock of %s 0x%llx, which thread %u holds",
                                               cycle[i]->thread->managed_id, thread_site_text(f, lines, cycle[i]),
                                               type ? type : "?", (unsigned long long)cycle[i]->lock_object, cycle[i]->owner_id));
        thread_site_add(f, finding, lines, cycle[i], "Monitor.Enter");
    }
    if (behind) finding_evidence(finding, finding_text(f, "%zu more threads wait behind them", behind));
    finding_look(finding, "deadlocks");
    finding_look(finding, finding_text(f, "clrstack %u", cycle[0]->thread->managed_id));
    return NULL;
}

static struct error *deadlock_run(struct session *session, struct findings *findings)
{
    const struct blocked_threads *threads;
    const struct blocked_thread *cycle[CYCLE_MAX];
    struct code_lines lines;
    struct error *err = NULL;
    struct clr *clr;
    size_t next = 0, count;

    TRY(session_clr(session, &clr));
    TRY(session_blocked_threads(session, &threads));
    code_lines_init(&lines, clr);
    while (!err && (count = blocked_threads_cycle(threads, &next, cycle, CYCLE_MAX)) != 0)
        err = report(threads, cycle, count, &lines, findings);
    code_lines_deinit(&lines);
    return err;
}

const struct rule rule_deadlock = {
    .name = "deadlock",
    .summary = "threads wait for each other's locks",
    .run = deadlock_run,
};
