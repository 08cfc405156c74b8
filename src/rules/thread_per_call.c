/*
 * Threads without end: many that are not the pool's, all started for the same method and waiting at the same place in it.
 */
#include "rules/thread_site.h"
#include "session/session.h"

enum { THREADS_MIN = 50, THREADS_LIKELY = 100 };

static bool is_own_thread(const struct blocked_thread *blocked)
{
    return !(blocked->thread->state & THREAD_STATE_THREADPOOL_WORKER) && !blocked->thread->is_finalizer;
}

static struct error *report(const struct blocked_threads *threads, const struct thread_site *site, struct code_lines *lines,
                            struct findings *f)
{
    const char *start = thread_method_name(f, lines->clr, site->first->outer_method);
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "thread-per-call", .kind = "threads", .doc = "docs/causes/thread-per-call.md" });

    if (!finding) return &error_enomem;
    if (!start) start = "?";
    finding->count = site->count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = site->count >= THREADS_LIKELY ? CERTAINTY_LIKELY : CERTAINTY_HINT;
    finding->title = finding_text(f, "%s threads wait in %s", finding_number(f, site->count), start);
    finding->cause = finding_text(f, "a thread is started for %s again and again, and does not end; each has a stack of its own",
                                  start);
    finding->fix = "start one thread (or a long-running task) for all of the work, or end it when its owner is disposed";
    finding_evidence(finding,
                     finding_text(f, "%s of %zu managed threads were started for it and %s in %s", finding_number(f, site->count),
                                  threads->count, blocked_in_text(site->first->in), thread_site_text(f, lines, site->first)));
    thread_site_add(f, finding, lines, site->first, blocked_in_text(site->first->in));
    finding_look(finding, "parallel_stacks");
    finding_look(finding, finding_text(f, "clrstack %u", site->first->thread->managed_id));
    return NULL;
}

static struct error *thread_per_call_run(struct session *session, struct findings *findings)
{
    const struct blocked_threads *threads;
    thread_sites sites = { 0 };
    struct code_lines lines;
    struct error *err;
    struct clr *clr;

    TRY(session_clr(session, &clr));
    TRY(session_blocked_threads(session, &threads));
    code_lines_init(&lines, clr);
    err = thread_sites_find(threads, is_own_thread, &sites);
    for (size_t i = 0; i < sites.count && !err && sites.data[i].count >= THREADS_MIN; i++)
        err = report(threads, &sites.data[i], &lines, findings);
    code_lines_deinit(&lines);
    vec_deinit(&sites);
    return err;
}

const struct rule rule_thread_per_call = {
    .name = "thread-per-call",
    .summary = "threads are started for the same work again and again, and wait for ever",
    .run = thread_per_call_run,
};
