#include "clr/thread.h"
#include "relations/relation.h"
#include "session/session.h"

/* The bits of Thread::m_State in words: of every thread, or of a number. */
struct thread_states_cursor {
    struct clr_thread *threads;
    size_t count, index;
    uint32_t only_state;
    bool has_only;
    struct text flags;
};

enum { MANAGED_ID, OS_ID, STATE, FLAGS };

/* Thread::ThreadState, src/coreclr/vm/threads.h; those that were the same from 3.1 to 10. */
static const struct {
    uint32_t bit;
    const char *name;
} flags[] = {
    { 0x00000001, "abort requested" },
    { 0x00000004, "debugger suspend pending" },
    { 0x00000020, "legal to join" },
    { 0x00000200, "background" },
    { 0x00000400, "unstarted" },
    { 0x00000800, "dead" },
    { 0x00001000, "weakly owned" },
    { 0x00004000, "in a single-threaded apartment" },
    { 0x00008000, "in the multi-threaded apartment" },
    { 0x00010000, "reported dead" },
    { 0x00020000, "fully initialized" },
    { 0x01000000, "worker of the thread pool" },
    { 0x02000000, "interruptible wait" },
};

static struct error *thread_states_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct thread_states_cursor *cursor = cursor_;
    struct clr *clr;

    text_init(&cursor->flags);
    cursor->has_only = request->arguments[0].given;
    cursor->only_state = (uint32_t)request->arguments[0].u;
    if (cursor->has_only) {
        cursor->count = 1;
        return NULL;
    }
    TRY(session_clr(session, &clr));
    return clr_threads(clr, session_arena(session), &cursor->threads, &cursor->count);
}

/* What no name stands for is given as a number. */
static void append_flags(uint32_t state, struct text *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        if (!(state & flags[i].bit)) continue;
        text_printf(ret, "%s%s", ret->length ? ", " : "", flags[i].name);
        state &= ~flags[i].bit;
    }
    if (state) text_printf(ret, "%s0x%x", ret->length ? ", " : "", state);
}

static struct error *thread_states_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct thread_states_cursor *cursor = cursor_;
    uint32_t state = cursor->only_state;

    *more_ret = cursor->index < cursor->count;
    if (!*more_ret) return NULL;
    if (!cursor->has_only) {
        state = cursor->threads[cursor->index].state;
        value_u64(&row[MANAGED_ID], cursor->threads[cursor->index].managed_id);
        if (cursor->threads[cursor->index].os_id) value_u64(&row[OS_ID], cursor->threads[cursor->index].os_id);
    }
    cursor->index++;
    value_u64(&row[STATE], state);
    text_clear(&cursor->flags);
    append_flags(state, &cursor->flags);
    if (cursor->flags.length) value_text(&row[FLAGS], text_cstr(&cursor->flags));
    return NULL;
}

static void thread_states_end(void *cursor_)
{
    struct thread_states_cursor *cursor = cursor_;

    text_deinit(&cursor->flags);
}

static const struct column columns[] = {
    { "managed_id", COLUMN_NUMBER, "Thread.ManagedThreadId; none where a number was asked" },
    { "os_id", COLUMN_NUMBER, "thread id of the system" },
    { "state", COLUMN_TOKEN, "the bits" },
    { "flags", COLUMN_TEXT, "what they say; bits that have no name here as a number" },
};

static const struct parameter parameters[] = {
    { "state", NULL, PARAMETER_NUMBER, false, "bits to explain, e.g. 0x1029220 (default: those of every thread)" },
};

const struct relation relation_thread_states = {
    .name = "thread_states",
    .summary = "the state bits of threads in words",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "thread_states" }, { "threadstate", .help = "as SOS calls it" } },
    .empty = "the list of threads is not in this dump",
    .cursor_size = sizeof(struct thread_states_cursor),
    .begin = thread_states_begin,
    .next = thread_states_next,
    .end = thread_states_end,
};
