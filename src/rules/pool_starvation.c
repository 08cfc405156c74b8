/*
 * Workers of the thread pool that wait synchronously for asynchronous work, which needs a worker itself.
 *
 *     Orders.Load -> LoadAsync(...).Result -> Task.InternalWait       16 of 16 workers, 86 work items in the queues
 */
#include "managed/thread_pool.h"
#include "rules/thread_site.h"
#include "session/session.h"

enum { BLOCKED_MIN = 4, SITES_SHOWN = 8 };

static bool is_worker_on_task(const struct blocked_thread *blocked)
{
    return (blocked->thread->state & THREAD_STATE_THREADPOOL_WORKER) && blocked->in == BLOCKED_TASK;
}

static struct error *report(const struct thread_pool *pool, const thread_sites *sites, uint64_t blocked, struct code_lines *lines,
                            struct findings *f)
{
    uint64_t queued = pool->queued_global + pool->queued_local;
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "pool-starvation", .kind = "pool", .doc = "docs/causes/pool-starvation.md" });

    if (!finding) return &error_enomem;
    finding->count = blocked;
    finding->severity = SEVERITY_CRITICAL;
    finding->certainty = blocked >= pool->processing ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "the thread pool starves: %s of %u workers wait for tasks, %s work items wait for a worker",
                                  finding_number(f, blocked), pool->existing, finding_number(f, queued));
    finding->cause =
        "code that runs on the pool waits synchronously (Wait, Result) for tasks, whose rest needs a worker of the same pool";
    finding->fix = "await the task there, and let the callers be async up to the pool's entry";
    finding_evidence(finding, finding_text(f, "the pool has %u workers, %u of them at work, and may have %lld", pool->existing,
                                           pool->processing, (long long)pool->max_threads));
    for (size_t i = 0; i < sites->count && i < SITES_SHOWN; i++) {
        finding_evidence(finding, finding_text(f, "%s workers wait in %s", finding_number(f, sites->data[i].count),
                                               thread_site_text(f, lines, sites->data[i].first)));
        thread_site_add(f, finding, lines, sites->data[i].first, "Task.Wait");
    }
    finding_look(finding, "threadpool");
    finding_look(finding, "dumpasync");
    finding_look(finding, finding_text(f, "clrstack %u", sites->data[0].first->thread->managed_id));
    return NULL;
}

static struct error *pool_starvation_run(struct session *session, struct findings *findings)
{
    const struct blocked_threads *threads;
    thread_sites sites = { 0 };
    struct thread_pool pool;
    struct code_lines lines;
    struct error *err;
    struct clr *clr;
    uint64_t blocked = 0;

    TRY(session_clr(session, &clr));
    if (!thread_pool_read(clr, &pool) || !pool.counts_known || !pool.queues_known) return NULL;
    if (!pool.queued_global && !pool.queued_local) return NULL;
    TRY(session_blocked_threads(session, &threads));
    err = thread_sites_find(threads, is_worker_on_task, &sites);
    for (size_t i = 0; i < sites.count; i++)
        blocked += sites.data[i].count;
    code_lines_init(&lines, clr);
    /* Three of four that are at work: the rest may be on its way into the same wait. */
    if (!err && blocked >= BLOCKED_MIN && blocked * 4 >= (uint64_t)pool.processing * 3)
        err = report(&pool, &sites, blocked, &lines, findings);
    code_lines_deinit(&lines);
    vec_deinit(&sites);
    return err;
}

const struct rule rule_pool_starvation = {
    .name = "pool-starvation",
    .summary = "workers of the thread pool wait for tasks that need a worker",
    .run = pool_starvation_run,
};
