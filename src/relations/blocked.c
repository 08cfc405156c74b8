#include "managed/blocked.h"
#include "clr/object.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/* Threads that stand still, grouped by what they wait for and where. */
struct group {
    const struct blocked_thread *first;
    uint32_t count, pool_count;
};

struct blocked_cursor {
    struct clr *clr;
    const struct blocked_threads *threads;
    VEC(struct group) groups;
    size_t index, blocked;
    struct code_lines lines;
    struct code_place place;
    struct text ids;
};

enum { COUNT, POOL_COUNT, WAITS, METHOD, SOURCE, LOCK, OWNER, THREADS, FILE_NAME, LINE };

static bool is_same(const struct blocked_thread *a, const struct blocked_thread *b)
{
    return a->in == b->in && a->site_method == b->site_method && a->site_ip == b->site_ip && a->lock_object == b->lock_object;
}

static int compare_groups(const void *a_, const void *b_)
{
    const struct group *a = a_, *b = b_;

    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->first->thread < b->first->thread ? -1 : a->first->thread > b->first->thread;
}

static struct error *add(struct blocked_cursor *cursor, const struct blocked_thread *blocked)
{
    bool pool = blocked->thread->state & THREAD_STATE_THREADPOOL_WORKER;

    cursor->blocked++;
    for (size_t i = 0; i < cursor->groups.count; i++) {
        struct group *group = &cursor->groups.data[i];

        if (!is_same(group->first, blocked)) continue;
        group->count++;
        group->pool_count += pool;
        return NULL;
    }
    return vec_push(&cursor->groups, (struct group) { blocked, 1, pool }) ? NULL : &error_enomem;
}

static struct error *blocked_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct blocked_cursor *cursor = cursor_;

    (void)request;
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    text_init(&cursor->ids);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    TRY(session_blocked_threads(session, &cursor->threads));
    for (size_t i = 0; i < cursor->threads->count; i++)
        if (cursor->threads->list[i].site_method && cursor->threads->list[i].in) TRY(add(cursor, &cursor->threads->list[i]));
    vec_sort(&cursor->groups, compare_groups);
    return NULL;
}

static void append_ids(struct blocked_cursor *cursor, const struct group *group)
{
    enum { IDS_MAX = 1000 };
    unsigned shown = 0;

    for (size_t i = 0; i < cursor->threads->count; i++) {
        if (!is_same(group->first, &cursor->threads->list[i])) continue;
        if (shown++ >= IDS_MAX) {
            text_puts(&cursor->ids, ", ...");
            return;
        }
        text_printf(&cursor->ids, "%s%u", shown > 1 ? ", " : "", cursor->threads->list[i].thread->managed_id);
    }
}

static struct error *blocked_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct blocked_cursor *cursor = cursor_;
    const struct group *group;

    *more_ret = cursor->index < cursor->groups.count;
    if (!*more_ret) return NULL;
    group = &cursor->groups.data[cursor->index++];
    text_clear(&cursor->ids);
    append_ids(cursor, group);
    value_u64(&row[COUNT], group->count);
    value_u64(&row[POOL_COUNT], group->pool_count);
    value_text(&row[WAITS], blocked_in_text(group->first->in));
    if (group->first->lock_object) value_u64(&row[LOCK], group->first->lock_object);
    if (group->first->owner_id) value_u64(&row[OWNER], group->first->owner_id);
    value_text(&row[THREADS], text_cstr(&cursor->ids));
    code_lines_describe(&cursor->lines, group->first->site_method, group->first->site_ip, group->first->site_is_leaf,
                        &cursor->place);
    place_cells(&cursor->place, &row[METHOD], &row[SOURCE], &row[FILE_NAME], &row[LINE]);
    return NULL;
}

static void blocked_end(void *cursor_)
{
    struct blocked_cursor *cursor = cursor_;

    vec_deinit(&cursor->groups);
    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
    text_deinit(&cursor->ids);
}

static void blocked_footer(void *cursor_, struct text *ret)
{
    const struct blocked_cursor *cursor = cursor_;

    text_printf(ret, "%zu of %zu threads stand still in the application's code", cursor->blocked, cursor->threads->count);
}

static const struct column columns[] = {
    { "count", COLUMN_COUNT, "threads that wait here for the same" },
    { "pool", COLUMN_COUNT, "of these, workers of the thread pool" },
    { "waits", COLUMN_TEXT, "for what" },
    { "method", COLUMN_TEXT, "where, the first method on the stack that is not the framework's" },
    { "source", COLUMN_TEXT, "file and line", COLUMN_TEXT_ONLY },
    { "lock", COLUMN_ADDRESS, "object whose lock they wait to enter" },
    { "owner", COLUMN_NUMBER, "managed id of the thread that holds it" },
    { "threads", COLUMN_TEXT, "managed ids" },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "in the file", COLUMN_VERBOSE },
};

const struct relation relation_blocked = {
    .name = "blocked",
    .summary = "threads that stand still, by what they wait for and where",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "blocked" } },
    .empty = "no thread waits in the application's code",
    .cursor_size = sizeof(struct blocked_cursor),
    .begin = blocked_begin,
    .next = blocked_next,
    .end = blocked_end,
    .footer = blocked_footer,
};
