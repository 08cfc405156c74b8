#include "clr/code_lines.h"
#include "clr/method_desc.h"
#include "clr/stack_walk.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* The frames of threads, thread by thread. */
struct frames_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_thread *threads;
    size_t thread_count, thread_index; /* the one whose frames are being listed is before thread_index */
    struct stack stack;
    size_t index;
    uint64_t only_id;
    bool has_only;
    struct text name, source;
    struct code_lines lines;
    uint64_t columns_needed;
    size_t managed_count, stack_count;
};

enum {
    MANAGED_ID,
    OS_ID,
    INDEX,
    KIND,
    SP,
    IP,
    METHOD,
    MODULE,
    METHOD_DESC,
    FRAME,
    OFFSET,
    IL_OFFSET,
    FILE_NAME,
    LINE,
    SOURCE,
    CODE,
    GUESSED
};

static struct error *begin(struct session *session, const struct request *request, struct frames_cursor *cursor)
{
    text_init(&cursor->name);
    text_init(&cursor->source);
    code_lines_init(&cursor->lines, NULL);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    return clr_threads(cursor->clr, session_arena(session), &cursor->threads, &cursor->thread_count);
}

static struct error *frames_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct frames_cursor *cursor = cursor_;

    cursor->has_only = request->arguments[0].given;
    cursor->only_id = request->arguments[0].u;
    return begin(session, request, cursor);
}

/* The thread that made the dump, or crashed, is its first; where that is none of the runtime's, the first managed one. */
static uint32_t current_thread(const struct frames_cursor *cursor)
{
    const struct target *target = session_target(cursor->session);
    uint32_t os_id = target->dump->threads.count ? target->dump->threads.data[0].os_id : 0;

    for (size_t i = 0; i < cursor->thread_count; i++)
        if (cursor->threads[i].os_id == os_id) return cursor->threads[i].managed_id;
    return cursor->thread_count ? cursor->threads[0].managed_id : 0;
}

static struct error *clrstack_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct frames_cursor *cursor = cursor_;

    TRY(begin(session, request, cursor));
    cursor->has_only = !request->arguments[1].given;
    cursor->only_id = request->arguments[0].given ? request->arguments[0].u : current_thread(cursor);
    return NULL;
}

/* Walks the next thread's stack; *more_ret false when there is none. */
static struct error *next_thread(struct frames_cursor *cursor, bool *more_ret)
{
    while (cursor->thread_index < cursor->thread_count) {
        const struct clr_thread *thread = &cursor->threads[cursor->thread_index++];

        if (cursor->has_only && thread->managed_id != cursor->only_id) continue;
        stack_deinit(&cursor->stack);
        cursor->index = 0;
        TRY(stack_walk(cursor->clr, thread, stack_native_thread(cursor->clr, thread->os_id), &cursor->stack));
        cursor->stack_count += cursor->stack.frames.count != 0;
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void fill_method(struct frames_cursor *cursor, uint64_t addr, struct value *row)
{
    struct clr_method method;
    struct clr_type *type;
    struct clr_module *module;

    text_clear(&cursor->name);
    if (!clr_method_at(cursor->clr, addr, &method)) return;
    value_u64(&row[METHOD_DESC], addr);
    if (clr_method_name(cursor->clr, &method, &cursor->name)) value_text(&row[METHOD], text_cstr(&cursor->name));
    type = clr_type_get(cursor->clr, method.mt_addr);
    module = type ? clr_module_get(cursor->clr, type->module_addr) : NULL;
    if (module) value_text(&row[MODULE], clr_module_simple_name(cursor->clr, module));
}

static void fill_line(struct frames_cursor *cursor, const struct stack_frame *frame, struct value *row)
{
    struct clr_method method;
    const char *file;
    uint32_t il_offset, line;

    if (!(cursor->columns_needed & (1u << IL_OFFSET | 1u << FILE_NAME | 1u << LINE | 1u << SOURCE))) return;
    if (!code_lines_il_offset(&cursor->lines, &frame->code, frame->ip, frame->is_leaf, &il_offset)) return;
    value_u64(&row[IL_OFFSET], il_offset);
    if (!clr_method_at(cursor->clr, frame->method_desc_addr, &method) ||
        !code_lines_find(&cursor->lines, &method, il_offset, &file, &line))
        return;
    value_text(&row[FILE_NAME], file);
    value_u64(&row[LINE], line);
    text_clear(&cursor->source);
    text_printf(&cursor->source, "%s:%u", code_lines_file_name(file), line);
    value_text(&row[SOURCE], text_cstr(&cursor->source));
}

static void fill(struct frames_cursor *cursor, const struct clr_thread *thread, const struct stack_frame *frame, struct value *row)
{
    value_u64(&row[MANAGED_ID], thread->managed_id);
    if (thread->os_id) value_u64(&row[OS_ID], thread->os_id);
    value_u64(&row[INDEX], cursor->index);
    value_text(&row[KIND], frame->kind == STACK_MANAGED ? "managed" : "explicit");
    value_u64(&row[SP], frame->sp);
    if (frame->ip) value_u64(&row[IP], frame->ip);
    value_text(&row[FRAME], frame->name);
    fill_method(cursor, frame->method_desc_addr, row);
    if (frame->kind != STACK_MANAGED) return;
    cursor->managed_count++;
    value_u64(&row[OFFSET], frame->ip - frame->code.start);
    value_text(&row[CODE], frame->code.kind == CODE_JITTED ? "jitted" : "ready_to_run");
    value_u64(&row[GUESSED], frame->is_guess);
    fill_line(cursor, frame, row);
}

static struct error *frames_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct frames_cursor *cursor = cursor_;

    while (cursor->index >= cursor->stack.frames.count) {
        TRY(next_thread(cursor, more_ret));
        if (!*more_ret) return NULL;
    }
    fill(cursor, &cursor->threads[cursor->thread_index - 1], &cursor->stack.frames.data[cursor->index], row);
    cursor->index++;
    *more_ret = true;
    return NULL;
}

static void frames_end(void *cursor_)
{
    struct frames_cursor *cursor = cursor_;

    stack_deinit(&cursor->stack);
    text_deinit(&cursor->name);
    text_deinit(&cursor->source);
    code_lines_deinit(&cursor->lines);
}

static void frames_footer(void *cursor_, struct text *ret)
{
    const struct frames_cursor *cursor = cursor_;

    text_printf(ret, "%zu managed frames, %zu of %zu threads have a stack", cursor->managed_count, cursor->stack_count,
                cursor->thread_count);
}

static const struct column columns[] = {
    { "managed_id", COLUMN_NUMBER, "Thread.ManagedThreadId" },
    { "os_id", COLUMN_NUMBER, "thread id of the system" },
    { "index", COLUMN_NUMBER, "0 is where the thread stands" },
    { "kind", COLUMN_TEXT, "managed: a method; explicit: a mark that the runtime left where managed code was left" },
    { "sp", COLUMN_ADDRESS, "stack pointer; address of an explicit frame" },
    { "ip", COLUMN_ADDRESS, "instruction pointer, or return address" },
    { "method", COLUMN_TEXT, "type, name and parameters" },
    { "module", COLUMN_TEXT, "assembly of the method" },
    { "method_desc", COLUMN_ADDRESS, "identity of the method", COLUMN_VERBOSE },
    { "frame", COLUMN_TEXT, "kind of an explicit frame" },
    { "offset", COLUMN_NUMBER, "of ip from the start of the method's code", COLUMN_VERBOSE },
    { "il_offset", COLUMN_NUMBER, "of the IL that the code here came from", COLUMN_VERBOSE },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "in the file", COLUMN_VERBOSE },
    { "source", COLUMN_TEXT, "file and line", COLUMN_TEXT_ONLY },
    { "code", COLUMN_TEXT, "jitted, ready_to_run", COLUMN_VERBOSE },
    { "guessed", COLUMN_BOOL, "found by the frame pointer, for want of unwind data", COLUMN_VERBOSE },
};

static const struct parameter frames_parameters[] = {
    { "thread", NULL, PARAMETER_NUMBER, false, "only the thread with this managed id" },
};

static const struct parameter clrstack_parameters[] = {
    { "thread", NULL, PARAMETER_NUMBER, false, "managed id (default: the thread that the dump names first)" },
    { "all", "-all", PARAMETER_SWITCH, false, "every thread" },
};

const struct relation relation_frames = {
    .name = "frames",
    .summary = "managed stacks of all threads, a row a frame",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = frames_parameters,
    .parameter_count = ARRAY_COUNT(frames_parameters),
    .commands = { { "frames" },
                  { "eestack", .columns = "managed_id,sp,ip,frame,method,source",
                    .titles = "Thread|Child SP|IP|Frame|Call Site|Source", .help = "as SOS calls it: every thread" } },
    .empty = "no thread has managed code on its stack, or there is no such thread",
    .cursor_size = sizeof(struct frames_cursor),
    .begin = frames_begin,
    .next = frames_next,
    .end = frames_end,
    .footer = frames_footer,
};

const struct relation relation_clrstack = {
    .name = "clrstack",
    .summary = "managed stack of a thread",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = clrstack_parameters,
    .parameter_count = ARRAY_COUNT(clrstack_parameters),
    .commands = { { "clrstack", .columns = "managed_id,sp,ip,frame,method,source",
                    .titles = "Thread|Child SP|IP|Frame|Call Site|Source", .help = "as SOS calls it; -all for every thread" } },
    .empty = "the thread has no managed code on its stack, or there is no such thread (threads lists them)",
    .cursor_size = sizeof(struct frames_cursor),
    .begin = clrstack_begin,
    .next = frames_next,
    .end = frames_end,
};
