#include "clr/method_desc.h"
#include "managed/async.h"
#include "managed/delegate.h"
#include "relations/relation.h"
#include "session/session.h"

/* Tasks on the heap that are not complete. */
struct tasks_cursor {
    struct session *session;
    struct clr *clr;
    address_list list;
    struct map is_task; /* MethodTable -> 0 or 1 */
    bool with_completed;
    size_t index, completed;
    struct text method;
};

enum { ADDRESS, STATUS, TYPE, METHOD, CONTINUATION, CONTINUATION_TYPE, FLAGS, METHOD_TABLE };
enum { ARGUMENT_TASK, ARGUMENT_COMPLETED };

static bool is_task(void *user, uint64_t mt_addr)
{
    struct tasks_cursor *cursor = user;
    bool added;
    uint64_t *known = map_slot(&cursor->is_task, mt_addr, &added);
    struct clr_field field;

    if (!known) return false;
    if (added)
        *known = clr_field_find(cursor->clr, mt_addr, "m_stateFlags", &field) &&
                 clr_field_find(cursor->clr, mt_addr, "m_continuationObject", &field);
    return *known;
}

static struct error *tasks_begin(struct session *session, const struct request *request, void *cursor_)
{
    enum { TASKS_MAX = 1 << 24 };
    struct tasks_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    cursor->session = session;
    cursor->with_completed = request->arguments[ARGUMENT_COMPLETED].given || request->arguments[ARGUMENT_TASK].given;
    map_init(&cursor->is_task);
    text_init(&cursor->method);
    TRY(session_clr(session, &cursor->clr));
    if (request->arguments[ARGUMENT_TASK].given)
        return vec_push(&cursor->list, request->arguments[ARGUMENT_TASK].u) ? NULL : &error_enomem;
    TRY(session_gc_heaps(session, &heaps));
    TRY(instances_find(cursor->clr, heaps, is_task, cursor, TASKS_MAX, &cursor->list));
    if (cursor->list.count >= TASKS_MAX) gaps_add(session_gaps(session), "tasks", 0, 1, "limit of %d tasks", TASKS_MAX);
    return NULL;
}

static void fill(struct tasks_cursor *cursor, uint64_t task, uint32_t flags, struct value *row)
{
    uint64_t continuation = managed_follow_object(cursor->clr, task, "m_continuationObject");
    uint64_t action = managed_follow_object(cursor->clr, task, "m_action");
    struct clr_method method;
    struct clr_object object;

    value_u64(&row[ADDRESS], task);
    value_u64(&row[FLAGS], flags);
    value_text(&row[STATUS], task_status_text(flags));
    if (clr_object_try(cursor->clr, task, &object)) value_u64(&row[METHOD_TABLE], object.type->mt_addr);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, task));
    text_clear(&cursor->method);
    if (action && clr_method_at(cursor->clr, delegate_method(cursor->clr, action), &method) &&
        clr_method_name(cursor->clr, &method, &cursor->method))
        value_text(&row[METHOD], text_cstr(&cursor->method));
    if (!continuation) return;
    value_u64(&row[CONTINUATION], continuation);
    value_text(&row[CONTINUATION_TYPE], clr_object_type_name(cursor->clr, continuation));
}

static struct error *tasks_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct tasks_cursor *cursor = cursor_;

    while (cursor->index < cursor->list.count) {
        uint64_t task = cursor->list.data[cursor->index++];
        uint32_t flags;

        if (!task_state_flags(cursor->clr, task, &flags)) continue;
        cursor->completed += task_is_completed(flags);
        if (task_is_completed(flags) && !cursor->with_completed) continue;
        fill(cursor, task, flags, row);
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void tasks_end(void *cursor_)
{
    struct tasks_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    map_deinit(&cursor->is_task);
    text_deinit(&cursor->method);
}

static void tasks_footer(void *cursor_, struct text *ret)
{
    const struct tasks_cursor *cursor = cursor_;

    text_printf(ret, "%zu tasks, %zu of them complete", cursor->list.count, cursor->completed);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the task" },
    { "status", COLUMN_TEXT, "Task.Status in words" },
    { "type", COLUMN_TEXT, "class; an async method's is its state machine's box" },
    { "method", COLUMN_TEXT, "that it was started with; none for async methods and completion sources" },
    { "continuation", COLUMN_ADDRESS, "what is called when it is complete", COLUMN_VERBOSE },
    { "continuation_type", COLUMN_TEXT, "its type; none: nobody awaits it" },
    { "flags", COLUMN_TOKEN, "Task.m_stateFlags", COLUMN_VERBOSE },
    { "method_table", COLUMN_ADDRESS, "identity of the class", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "task", NULL, PARAMETER_ADDRESS, false, "only this one, complete or not" },
    { "completed", "-completed", PARAMETER_SWITCH, false, "those that are complete, too" },
};

const struct relation relation_tasks = {
    .name = "tasks",
    .summary = "tasks that are not complete: status, what they run, who awaits them",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "tasks" }, { "taskstate", .help = "as SOS calls it" }, { "tks", .help = "as SOS calls it" } },
    .group_by = "type",
    .empty = "no task waits for anything (-completed lists those that are done)",
    .cursor_size = sizeof(struct tasks_cursor),
    .begin = tasks_begin,
    .next = tasks_next,
    .end = tasks_end,
    .footer = tasks_footer,
};
