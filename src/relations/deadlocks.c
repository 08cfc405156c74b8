#include "clr/object.h"
#include "managed/blocked.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/* Cycles of threads that wait for each other's locks: a row for each thread of a cycle. */
enum { CYCLE_MAX = 256 };

struct deadlocks_cursor {
    struct session *session;
    struct clr *clr;
    const struct blocked_threads *threads;
    const struct blocked_thread *cycle[CYCLE_MAX];
    size_t count, index, next, cycles;
    struct code_lines lines;
    struct code_place place;
};

enum { CYCLE, THREAD, OS_ID, WAITS_FOR, TYPE, HELD_BY, METHOD, SOURCE, FILE_NAME, LINE, SURE };

static struct error *deadlocks_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct deadlocks_cursor *cursor = cursor_;

    (void)request;
    cursor->session = session;
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    return session_blocked_threads(session, &cursor->threads);
}

static struct error *deadlocks_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct deadlocks_cursor *cursor = cursor_;
    const struct blocked_thread *blocked;

    if (cursor->index >= cursor->count) {
        cursor->count = blocked_threads_cycle(cursor->threads, &cursor->next, cursor->cycle, CYCLE_MAX);
        cursor->index = 0;
        cursor->cycles += cursor->count != 0;
    }
    *more_ret = cursor->index < cursor->count;
    if (!*more_ret) return NULL;
    blocked = cursor->cycle[cursor->index++];
    value_u64(&row[CYCLE], cursor->cycles);
    value_u64(&row[THREAD], blocked->thread->managed_id);
    value_u64(&row[OS_ID], blocked->thread->os_id);
    value_u64(&row[WAITS_FOR], blocked->lock_object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, blocked->lock_object));
    value_u64(&row[HELD_BY], blocked->owner_id);
    value_u64(&row[SURE], blocked->lock_is_sure);
    code_lines_describe(&cursor->lines, blocked->site_method, blocked->site_ip, blocked->site_is_leaf, &cursor->place);
    place_cells(&cursor->place, &row[METHOD], &row[SOURCE], &row[FILE_NAME], &row[LINE]);
    return NULL;
}

static void deadlocks_end(void *cursor_)
{
    struct deadlocks_cursor *cursor = cursor_;

    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
}

static const struct column columns[] = {
    { "cycle", COLUMN_NUMBER, "threads with the same number wait for each other, the last one for the first" },
    { "thread", COLUMN_NUMBER, "managed id" },
    { "os_id", COLUMN_NUMBER, "thread id of the system", COLUMN_VERBOSE },
    { "waits_for", COLUMN_ADDRESS, "object whose lock it waits to enter" },
    { "type", COLUMN_TEXT, "of that object" },
    { "held_by", COLUMN_NUMBER, "managed id of the thread that holds it" },
    { "method", COLUMN_TEXT, "where it waits, the first method that is not the framework's" },
    { "source", COLUMN_TEXT, "file and line", COLUMN_TEXT_ONLY },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "in the file", COLUMN_VERBOSE },
    { "sure", COLUMN_BOOL, "the lock is the only one that its stack can mean", COLUMN_VERBOSE },
};

const struct relation relation_deadlocks = {
    .name = "deadlocks",
    .summary = "threads that wait for each other's locks (Monitor)",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "deadlocks" } },
    .empty = "no threads wait for each other's locks",
    .cursor_size = sizeof(struct deadlocks_cursor),
    .begin = deadlocks_begin,
    .next = deadlocks_next,
    .end = deadlocks_end,
};
