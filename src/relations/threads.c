#include "clr/stack_walk.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/stack.h"
#include "target/target.h"

/* Managed threads in the runtime's order; with -all then the native ones that the runtime does not know. */
struct threads_cursor {
    struct session *session;
    const struct target *target;
    struct clr *clr;
    struct clr_thread *threads;
    size_t count, index, native_index;
    struct map managed; /* os ids of managed threads */
    struct text state;
    size_t native;
    bool with_native, with_frames, with_stacks;
};

enum { MANAGED_ID, OS_ID, NAME, STATE, BACKGROUND, POOL, FRAME_COUNT, ADDRESS, IP, SP, STACK_BYTES, STACK_TOUCHED };

static struct error *threads_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct threads_cursor *cursor = cursor_;
    struct error *err;

    cursor->with_stacks = request->columns_needed & (1u << STACK_BYTES | 1u << STACK_TOUCHED);
    cursor->with_frames = request->columns_needed & 1u << FRAME_COUNT;
    cursor->with_native = request->arguments[0].given;
    text_init(&cursor->state);
    map_init(&cursor->managed);
    cursor->session = session;
    cursor->target = session_target(session);
    err = session_clr(session, &cursor->clr);
    if (!err) err = clr_threads(cursor->clr, session_arena(session), &cursor->threads, &cursor->count);
    if (err == &error_enomem) return err;
    gaps_add_error(session_gaps(session), "managed threads", err);
    for (size_t i = 0; i < cursor->count; i++)
        if (!map_put(&cursor->managed, cursor->threads[i].os_id, i)) return &error_enomem;
    return NULL;
}

static void fill_native(const struct threads_cursor *cursor, const struct dump_thread *thread, struct value *row)
{
    uint64_t start, end;

    value_u64(&row[OS_ID], thread->os_id);
    value_text(&row[NAME], thread->name);
    if (cursor->with_stacks && target_stack(cursor->target, thread, &start, &end)) {
        value_u64(&row[STACK_BYTES], end - start);
        value_u64(&row[STACK_TOUCHED], target_stack_touched(cursor->target, start, end));
    }
    if (!thread->has_registers) return;
    value_u64(&row[IP], thread->ip);
    value_u64(&row[SP], thread->sp);
}

static struct error *fill_frame_count(const struct clr *clr, const struct clr_thread *thread, const struct dump_thread *native,
                                      struct value *row)
{
    struct stack stack;
    struct error *err = stack_walk(clr, thread, native, &stack);
    uint64_t count = 0;

    for (size_t i = 0; !err && i < stack.frames.count; i++)
        count += stack.frames.data[i].kind == STACK_MANAGED;
    stack_deinit(&stack);
    value_u64(&row[FRAME_COUNT], count);
    return err;
}

static struct error *fill_managed(struct threads_cursor *cursor, const struct clr_thread *thread, struct value *row)
{
    const struct dump_thread *native = stack_native_thread(cursor->clr, thread->os_id);

    if (native) fill_native(cursor, native, row);
    value_u64(&row[MANAGED_ID], thread->managed_id);
    if (thread->os_id) value_u64(&row[OS_ID], thread->os_id);
    value_u64(&row[BACKGROUND], (thread->state & THREAD_STATE_BACKGROUND) != 0);
    value_u64(&row[POOL], (thread->state & THREAD_STATE_THREADPOOL_WORKER) != 0);
    value_u64(&row[ADDRESS], thread->addr);
    text_clear(&cursor->state);
    text_puts(&cursor->state, thread->state & THREAD_STATE_DEAD        ? "dead"
                              : thread->state & THREAD_STATE_UNSTARTED ? "unstarted"
                                                                       : "alive");
    if (thread->is_finalizer) text_puts(&cursor->state, ", finalizer");
    value_text(&row[STATE], text_cstr(&cursor->state));
    return cursor->with_frames ? fill_frame_count(cursor->clr, thread, native, row) : NULL;
}

static struct error *threads_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct threads_cursor *cursor = cursor_;
    uint64_t ignored;

    *more_ret = true;
    if (cursor->index < cursor->count) {
        return fill_managed(cursor, &cursor->threads[cursor->index++], row);
    }
    while (cursor->with_native && cursor->native_index < cursor->target->dump->threads.count) {
        const struct dump_thread *thread = &cursor->target->dump->threads.data[cursor->native_index++];

        if (map_get(&cursor->managed, thread->os_id, &ignored)) continue;
        value_text(&row[STATE], "native");
        fill_native(cursor, thread, row);
        cursor->native++;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void threads_end(void *cursor_)
{
    struct threads_cursor *cursor = cursor_;

    text_deinit(&cursor->state);
    map_deinit(&cursor->managed);
}

static void threads_footer(void *cursor_, struct text *ret)
{
    const struct threads_cursor *cursor = cursor_;

    text_printf(ret, "%zu managed threads", cursor->count);
    if (cursor->with_native)
        text_printf(ret, ", %zu native ones", cursor->native);
    else
        text_printf(ret, "; %zu threads in all (-all)", cursor->target->dump->threads.count);
}

static const struct column columns[] = {
    { "managed_id", COLUMN_NUMBER, "Thread.ManagedThreadId; none for native threads" },
    { "os_id", COLUMN_NUMBER, "thread id of the system" },
    { "name", COLUMN_TEXT, "name of the native thread, where the dump has one" },
    { "state", COLUMN_TEXT, "alive, unstarted, dead, native; the finalizer thread is marked" },
    { "background", COLUMN_BOOL, "does not keep the process alive" },
    { "pool", COLUMN_BOOL, "worker of the thread pool" },
    { "frame_count", COLUMN_COUNT, "methods on its stack", COLUMN_VERBOSE },
    { "address", COLUMN_ADDRESS, "the Thread structure", COLUMN_VERBOSE },
    { "ip", COLUMN_ADDRESS, "instruction pointer", COLUMN_VERBOSE },
    { "sp", COLUMN_ADDRESS, "stack pointer" },
    { "stack_bytes", COLUMN_BYTES, "of its stack, without the guard pages", COLUMN_VERBOSE },
    { "stack_touched", COLUMN_BYTES, "of these: at least so many were written", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "all", "-all", PARAMETER_SWITCH, false, "native threads, too" },
};

const struct relation relation_threads = {
    .name = "threads",
    .summary = "managed threads, in the runtime's order",
    .topic = "process",
    .growth = { .kind = "thread", .key = "name,state", .rank = 7 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "threads" }, { "clrthreads", .help = "as SOS calls it" } },
    .empty = "the list of threads is not in this dump",
    .cursor_size = sizeof(struct threads_cursor),
    .begin = threads_begin,
    .next = threads_next,
    .end = threads_end,
    .footer = threads_footer,
};
