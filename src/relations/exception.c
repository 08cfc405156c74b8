#include "clr/exception.h"
#include "clr/code_lines.h"
#include "clr/field_value.h"
#include "clr/stack_walk.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/* An exception with its inner ones: for each a row of its own, then a row for every frame of its stack trace. */
struct exception_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_exception exception; /* being listed */
    uint64_t next_addr;             /* the next one, 0: none */
    uint32_t depth, next_frame;
    bool is_listing;
    bool with_inner;
    uint32_t thread_id; /* that is handling it, 0: none */
    struct code_lines lines;
    struct code_place place;
    struct text message, what;
};

enum { DEPTH, EXCEPTION, TYPE, MESSAGE, HRESULT, THREAD, INDEX, SP, IP, METHOD, WHAT, SOURCE, FILE_NAME, LINE };
enum { ARGUMENT_OBJECT, ARGUMENT_OUTER };

/* Sets the thread that handles `addr`; without one (0) takes the first exception that a thread is handling, or threw last. */
static struct error *find_thread(struct exception_cursor *cursor, uint64_t addr)
{
    struct clr_thread *threads;
    size_t count;

    TRY(clr_threads(cursor->clr, session_arena(cursor->session), &threads, &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t exceptions[THREAD_EXCEPTIONS_MAX];
        size_t found = clr_thread_exceptions(cursor->clr, &threads[i], exceptions);

        for (size_t k = 0; k < found; k++) {
            if (addr && exceptions[k] != addr) continue;
            cursor->thread_id = threads[i].managed_id;
            cursor->next_addr = exceptions[k];
            return NULL;
        }
    }
    for (size_t i = 0; !addr && i < count; i++) {
        uint64_t last = clr_thread_last_exception(cursor->clr, &threads[i]);

        if (!last) continue;
        cursor->next_addr = last;
        return NULL;
    }
    return NULL;
}

static struct error *exception_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct exception_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[ARGUMENT_OBJECT].given ? request->arguments[ARGUMENT_OBJECT].u : 0;

    cursor->session = session;
    cursor->with_inner = !request->arguments[ARGUMENT_OUTER].given;
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    text_init(&cursor->message);
    text_init(&cursor->what);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    if (addr && !clr_exception_try(cursor->clr, addr, &cursor->exception))
        return error_fault(addr, "no exception at '%llx'", (unsigned long long)addr);
    cursor->next_addr = addr;
    return find_thread(cursor, addr);
}

static void fill_exception(struct exception_cursor *cursor, struct value *row)
{
    enum { MESSAGE_MAX = 1 << 20 };
    const struct clr_exception *exception = &cursor->exception;
    const char *type = clr_type_name(cursor->clr, exception->object.type->mt_addr);
    struct clr_object message;

    value_text(&row[TYPE], type);
    value_u64(&row[HRESULT], exception->hresult);
    if (!cursor->depth && cursor->thread_id) value_u64(&row[THREAD], cursor->thread_id);
    text_puts(&cursor->what, cursor->depth ? "caused by " : "");
    text_puts(&cursor->what, type);
    text_clear(&cursor->message);
    if (!clr_object_try(cursor->clr, exception->message_addr, &message) || !clr_type_is_string(cursor->clr, message.type) ||
        !clr_string_characters(cursor->clr, &message, MESSAGE_MAX, &cursor->message))
        return;
    value_text(&row[MESSAGE], text_cstr(&cursor->message));
    text_printf(&cursor->what, ": %s", text_cstr(&cursor->message));
}

static void fill_frame(struct exception_cursor *cursor, uint32_t index, struct value *row)
{
    struct clr_exception_frame frame;

    value_u64(&row[INDEX], index);
    if (!clr_exception_frame(cursor->clr, &cursor->exception, index, &frame)) {
        gaps_add(session_gaps(cursor->session), "stack trace of an exception", cursor->exception.frames_addr, 1,
                 "frame not in the dump");
        return;
    }
    code_lines_describe(&cursor->lines, frame.method_desc_addr, frame.ip, frame.is_adjusted, &cursor->place);
    value_u64(&row[SP], frame.sp);
    value_u64(&row[IP], frame.ip);
    text_printf(&cursor->what, "   at %s", cursor->place.method.length ? text_cstr(&cursor->place.method) : "?");
    place_cells(&cursor->place, &row[METHOD], &row[SOURCE], &row[FILE_NAME], &row[LINE]);
}

/* Goes on to the next exception of the chain; false at its end. */
static bool open_next(struct exception_cursor *cursor)
{
    enum { DEPTH_MAX = 1000 };

    if (!cursor->next_addr || !clr_exception_try(cursor->clr, cursor->next_addr, &cursor->exception)) return false;
    if (cursor->depth >= DEPTH_MAX) {
        gaps_add(session_gaps(cursor->session), "inner exceptions", cursor->next_addr, 1, "limit of %d in a chain", DEPTH_MAX);
        return false;
    }
    cursor->next_addr = cursor->with_inner ? cursor->exception.inner_addr : 0;
    return true;
}

static struct error *exception_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct exception_cursor *cursor = cursor_;

    text_clear(&cursor->what);
    *more_ret = true;
    if (cursor->is_listing && cursor->next_frame < cursor->exception.frame_count) {
        fill_frame(cursor, cursor->next_frame++, row);
    } else {
        cursor->depth += cursor->is_listing;
        cursor->is_listing = *more_ret = open_next(cursor);
        if (!*more_ret) return NULL;
        cursor->next_frame = 0;
        fill_exception(cursor, row);
    }
    value_u64(&row[DEPTH], cursor->depth);
    value_u64(&row[EXCEPTION], cursor->exception.object.addr);
    value_text(&row[WHAT], text_cstr(&cursor->what));
    return NULL;
}

static void exception_end(void *cursor_)
{
    struct exception_cursor *cursor = cursor_;

    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
    text_deinit(&cursor->message);
    text_deinit(&cursor->what);
}

static const struct column columns[] = {
    { "depth", COLUMN_NUMBER, "0 the exception that was asked for, 1 its inner one, and so on", COLUMN_VERBOSE },
    { "exception", COLUMN_ADDRESS, "of the exception that the row is of" },
    { "type", COLUMN_TEXT, "class; none in rows of frames", COLUMN_VERBOSE },
    { "message", COLUMN_TEXT, "as it was given; none in rows of frames", COLUMN_VERBOSE },
    { "hresult", COLUMN_TOKEN, "Exception.HResult", COLUMN_VERBOSE },
    { "thread", COLUMN_NUMBER, "managed id of the thread that is handling it now" },
    { "index", COLUMN_NUMBER, "of the frame, 0 is where it was thrown; none in the exception's own row", COLUMN_VERBOSE },
    { "sp", COLUMN_ADDRESS, "stack pointer then", COLUMN_VERBOSE },
    { "ip", COLUMN_ADDRESS, "instruction", COLUMN_VERBOSE },
    { "method", COLUMN_TEXT, "type, name and parameters", COLUMN_VERBOSE },
    { "what", COLUMN_TEXT, "the exception, or the frame", COLUMN_TEXT_ONLY },
    { "source", COLUMN_TEXT, "file and line", COLUMN_TEXT_ONLY },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "in the file", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "the exception (default: one that a thread is handling, or threw last)" },
    { "outer", "-outer", PARAMETER_SWITCH, false, "without its inner exceptions" },
};

const struct relation relation_exception = {
    .name = "exception",
    .summary = "an exception: message, stack trace with lines, inner exceptions",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "exception" },
                  { "printexception", .help = "as SOS calls it; lines and inner exceptions are always shown" },
                  { "pe", .help = "as SOS calls it" } },
    .empty = "no thread has an exception (exceptions lists those on the heap)",
    .cursor_size = sizeof(struct exception_cursor),
    .begin = exception_begin,
    .next = exception_next,
    .end = exception_end,
};
