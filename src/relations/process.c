#include <string.h>

#include "dump/process_usage.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* One row. What the kernel tells of a running process is unknown of a dump. */
struct process_cursor {
    const struct dump *dump;
    bool done;
};

enum { PID, COMMAND, STARTED, RESIDENT, SWAPPED, THREAD_COUNT, LIMIT, LIMIT_OF };

static struct error *process_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct process_cursor *cursor = cursor_;

    (void)request;
    cursor->dump = session_target(session)->dump;
    return NULL;
}

static void fill_usage(const struct dump *dump, struct value *row)
{
    struct process_usage usage = { 0 };

    if (!process_usage_read((pid_t)dump->pid, &usage)) return;
    if (usage.started) value_u64(&row[STARTED], usage.started);
    value_u64(&row[RESIDENT], usage.resident_size);
    value_u64(&row[SWAPPED], usage.swapped_size);
    value_u64(&row[THREAD_COUNT], usage.thread_count);
    if (!usage.limit_of) return;
    value_u64(&row[LIMIT], usage.limit);
    value_text(&row[LIMIT_OF], usage.limit_of);
}

static struct error *process_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct process_cursor *cursor = cursor_;
    const struct dump *dump = cursor->dump;

    *more_ret = !cursor->done;
    if (cursor->done) return NULL;
    cursor->done = true;
    if (dump->pid) value_u64(&row[PID], dump->pid);
    value_text(&row[COMMAND], dump->command);
    if (dump->threads.count) value_u64(&row[THREAD_COUNT], dump->threads.count);
    if (!strcmp(dump->format, "live")) fill_usage(dump, row);
    return NULL;
}

static const struct column columns[] = {
    { "pid", COLUMN_NUMBER, "as its own namespace numbers it in a dump, as ours does of a running process" },
    { "command", COLUMN_TEXT, "command line, or name of the program" },
    { "started", COLUMN_NUMBER, "seconds since 1970; running processes only" },
    { "resident", COLUMN_BYTES, "memory that it occupies now; running processes only" },
    { "swapped", COLUMN_BYTES, "its memory on swap; running processes only" },
    { "thread_count", COLUMN_COUNT, "threads of the operating system" },
    { "limit", COLUMN_BYTES, "memory that it may have; running processes only" },
    { "limit_of", COLUMN_TEXT, "who sets that limit: cgroup (a container's), or machine (all there is)" },
};

const struct relation relation_process = {
    .name = "process",
    .summary = "the process: command, threads, memory that it has and may have",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "process", .layout = LAYOUT_RECORD } },
    .cursor_size = sizeof(struct process_cursor),
    .begin = process_begin,
    .next = process_next,
};
