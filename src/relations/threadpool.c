#include "managed/blocked.h"
#include "managed/thread_pool.h"
#include "relations/relation.h"
#include "session/session.h"

/* The thread pool in one row. */
struct threadpool_cursor {
    struct clr *clr;
    struct thread_pool pool;
    const struct blocked_threads *threads;
    bool found;
    struct code_lines lines;
    struct code_place place;
    struct text sites;
};

enum { WORKERS, PROCESSING, GOAL, MIN, MAX, QUEUED, QUEUED_GLOBAL, QUEUED_LOCAL, BLOCKED, ON_TASKS, VERDICT, SITES, ADDRESS };

static struct error *threadpool_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct threadpool_cursor *cursor = cursor_;

    (void)request;
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    text_init(&cursor->sites);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    cursor->found = thread_pool_read(cursor->clr, &cursor->pool);
    return session_blocked_threads(session, &cursor->threads);
}

static bool is_blocked_worker(const struct blocked_thread *thread)
{
    return (thread->thread->state & THREAD_STATE_THREADPOOL_WORKER) && thread->site_method && thread->in;
}

static bool is_same_site(const struct blocked_thread *a, const struct blocked_thread *b)
{
    return a->site_method == b->site_method && a->site_ip == b->site_ip;
}

/* "16 in Orders.Load (Starvation.cs:24); 1 in ..." */
static void append_sites(struct threadpool_cursor *cursor)
{
    enum { SITES_MAX = 10 };
    const struct blocked_threads *threads = cursor->threads;
    unsigned sites = 0;

    for (size_t i = 0; i < threads->count && sites < SITES_MAX; i++) {
        const struct blocked_thread *blocked = &threads->list[i];
        size_t count = 0;
        bool is_first = true;

        for (size_t k = 0; k < threads->count && is_blocked_worker(blocked); k++) {
            if (!is_blocked_worker(&threads->list[k]) || !is_same_site(&threads->list[k], blocked)) continue;
            count++;
            is_first = is_first && k >= i;
        }
        if (!count || !is_first) continue;
        code_lines_describe(&cursor->lines, blocked->site_method, blocked->site_ip, blocked->site_is_leaf, &cursor->place);
        text_printf(&cursor->sites, "%s%zu in %s", sites++ ? "; " : "", count, text_cstr(&cursor->place.method));
        if (cursor->place.file) text_printf(&cursor->sites, " (%s)", text_cstr(&cursor->place.source));
    }
}

static const char *verdict(const struct thread_pool *pool, uint64_t blocked)
{
    uint64_t queued = pool->queued_global + pool->queued_local;

    if (!queued) return "nothing waits";
    if (blocked >= pool->processing && blocked) return "starved: work waits, and all workers stand still";
    return blocked * 2 > pool->processing ? "short of workers: work waits, and most workers stand still" : "busy";
}

static struct error *threadpool_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct threadpool_cursor *cursor = cursor_;
    const struct thread_pool *pool = &cursor->pool;
    uint64_t blocked = 0, on_tasks = 0;

    *more_ret = cursor->found;
    if (!cursor->found) return NULL;
    cursor->found = false;
    for (size_t i = 0; i < cursor->threads->count; i++) {
        if (!is_blocked_worker(&cursor->threads->list[i])) continue;
        blocked++;
        on_tasks += cursor->threads->list[i].in == BLOCKED_TASK;
    }
    if (pool->counts_known) {
        value_u64(&row[WORKERS], pool->existing);
        value_u64(&row[PROCESSING], pool->processing);
        value_u64(&row[GOAL], pool->goal);
        value_u64(&row[MIN], (uint64_t)pool->min_threads);
        value_u64(&row[MAX], (uint64_t)pool->max_threads);
    }
    if (pool->queues_known) {
        value_u64(&row[QUEUED], pool->queued_global + pool->queued_local);
        value_u64(&row[QUEUED_GLOBAL], pool->queued_global);
        value_u64(&row[QUEUED_LOCAL], pool->queued_local);
    }
    value_u64(&row[BLOCKED], blocked);
    value_u64(&row[ON_TASKS], on_tasks);
    if (pool->counts_known && pool->queues_known) value_text(&row[VERDICT], verdict(pool, blocked));
    append_sites(cursor);
    if (cursor->sites.length) value_text(&row[SITES], text_cstr(&cursor->sites));
    value_u64(&row[ADDRESS], pool->addr);
    return NULL;
}

static void threadpool_end(void *cursor_)
{
    struct threadpool_cursor *cursor = cursor_;

    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
    text_deinit(&cursor->sites);
}

static const struct column columns[] = {
    { "workers", COLUMN_COUNT, "worker threads that exist" },
    { "processing", COLUMN_COUNT, "of these, how many have work" },
    { "goal", COLUMN_COUNT, "how many the pool thinks right" },
    { "min", COLUMN_COUNT, "below which it starts workers at once" },
    { "max", COLUMN_COUNT, "above which it starts none" },
    { "queued", COLUMN_COUNT, "work items that wait for a worker" },
    { "queued_global", COLUMN_COUNT, "of these, in the queues of all" },
    { "queued_local", COLUMN_COUNT, "of these, in the queues of single workers" },
    { "blocked", COLUMN_COUNT, "workers that stand still in the application's code" },
    { "on_tasks", COLUMN_COUNT, "of these, in Task.Wait, Result and the like" },
    { "verdict", COLUMN_TEXT, "what that means" },
    { "sites", COLUMN_TEXT, "where workers stand still, and how many" },
    { "address", COLUMN_ADDRESS, "the PortableThreadPool", COLUMN_VERBOSE },
};

const struct relation relation_threadpool = {
    .name = "threadpool",
    .summary = "the thread pool: workers, limits, queues, and whether it starves",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "threadpool", .layout = LAYOUT_RECORD } },
    .empty = "the process has no managed thread pool, or its objects are not in the dump",
    .cursor_size = sizeof(struct threadpool_cursor),
    .begin = threadpool_begin,
    .next = threadpool_next,
    .end = threadpool_end,
};
