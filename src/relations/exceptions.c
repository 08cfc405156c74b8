#include "clr/code_lines.h"
#include "clr/exception.h"
#include "clr/field_value.h"
#include "managed/instances.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/* Exception objects of the heap, and which threads are handling them. */
struct exceptions_cursor {
    struct session *session;
    struct clr *clr;
    address_list list;
    size_t index, with_stack;
    struct map is_exception; /* MethodTable -> 0 or 1 */
    struct map handled_by;   /* exception -> managed id of the thread */
    struct code_lines lines;
    struct code_place place;
    struct text message;
};

enum {
    ADDRESS,
    TYPE,
    MESSAGE,
    INNER,
    INNER_TYPE,
    FRAME_COUNT,
    THROWN_IN,
    SOURCE,
    FILE_NAME,
    LINE,
    HANDLED_BY,
    HRESULT,
    METHOD_TABLE
};

static bool is_exception(void *user, uint64_t mt_addr)
{
    struct exceptions_cursor *cursor = user;
    bool added;
    uint64_t *known = map_slot(&cursor->is_exception, mt_addr, &added);

    if (!known) return false;
    if (added) *known = clr_type_is_exception(cursor->clr, mt_addr);
    return *known;
}

static struct error *find_handled(struct exceptions_cursor *cursor)
{
    struct clr_thread *threads;
    size_t count;

    TRY(clr_threads(cursor->clr, session_arena(cursor->session), &threads, &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t exceptions[THREAD_EXCEPTIONS_MAX];
        size_t found = clr_thread_exceptions(cursor->clr, &threads[i], exceptions);

        for (size_t k = 0; k < found; k++)
            if (!map_put(&cursor->handled_by, exceptions[k], threads[i].managed_id)) return &error_enomem;
    }
    return NULL;
}

static struct error *exceptions_begin(struct session *session, const struct request *request, void *cursor_)
{
    enum { EXCEPTIONS_MAX = 1 << 24 };
    struct exceptions_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    (void)request;
    cursor->session = session;
    map_init(&cursor->is_exception);
    map_init(&cursor->handled_by);
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    text_init(&cursor->message);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    TRY(session_gc_heaps(session, &heaps));
    TRY(find_handled(cursor));
    TRY(instances_find(cursor->clr, heaps, is_exception, cursor, EXCEPTIONS_MAX, &cursor->list));
    if (cursor->list.count >= EXCEPTIONS_MAX)
        gaps_add(session_gaps(session), "exceptions", 0, 1, "limit of %d exceptions", EXCEPTIONS_MAX);
    return NULL;
}

static void fill_origin(struct exceptions_cursor *cursor, const struct clr_exception *exception, struct value *row)
{
    struct clr_exception_frame frame;

    value_u64(&row[FRAME_COUNT], exception->frame_count);
    if (!clr_exception_frame(cursor->clr, exception, 0, &frame)) return;
    cursor->with_stack++;
    code_lines_describe(&cursor->lines, frame.method_desc_addr, frame.ip, frame.is_adjusted, &cursor->place);
    place_cells(&cursor->place, &row[THROWN_IN], &row[SOURCE], &row[FILE_NAME], &row[LINE]);
}

static void fill(struct exceptions_cursor *cursor, const struct clr_exception *exception, struct value *row)
{
    enum { MESSAGE_MAX = 1 << 16 };
    struct clr_object message;
    uint64_t thread;

    value_u64(&row[ADDRESS], exception->object.addr);
    value_u64(&row[METHOD_TABLE], exception->object.type->mt_addr);
    value_text(&row[TYPE], clr_type_name(cursor->clr, exception->object.type->mt_addr));
    value_u64(&row[HRESULT], exception->hresult);
    text_clear(&cursor->message);
    if (clr_object_try(cursor->clr, exception->message_addr, &message) && clr_type_is_string(cursor->clr, message.type) &&
        clr_string_characters(cursor->clr, &message, MESSAGE_MAX, &cursor->message))
        value_text(&row[MESSAGE], text_cstr(&cursor->message));
    if (exception->inner_addr) {
        value_u64(&row[INNER], exception->inner_addr);
        value_text(&row[INNER_TYPE], clr_object_type_name(cursor->clr, exception->inner_addr));
    }
    if (map_get(&cursor->handled_by, exception->object.addr, &thread)) value_u64(&row[HANDLED_BY], thread);
    fill_origin(cursor, exception, row);
}

static struct error *exceptions_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct exceptions_cursor *cursor = cursor_;
    struct clr_exception exception;

    while (cursor->index < cursor->list.count) {
        if (!clr_exception_try(cursor->clr, cursor->list.data[cursor->index++], &exception)) continue;
        fill(cursor, &exception, row);
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void exceptions_end(void *cursor_)
{
    struct exceptions_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    map_deinit(&cursor->is_exception);
    map_deinit(&cursor->handled_by);
    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
    text_deinit(&cursor->message);
}

static void exceptions_footer(void *cursor_, struct text *ret)
{
    const struct exceptions_cursor *cursor = cursor_;

    text_printf(ret, "%zu exceptions, %zu of them were thrown; threads are handling %zu", cursor->list.count, cursor->with_stack,
                cursor->handled_by.count);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the exception; printexception shows all of it" },
    { "type", COLUMN_TEXT, "class" },
    { "message", COLUMN_TEXT, "as it was given; none: the class's own" },
    { "inner", COLUMN_ADDRESS, "inner exception", COLUMN_VERBOSE },
    { "inner_type", COLUMN_TEXT, "class of the inner exception" },
    { "frame_count", COLUMN_COUNT, "methods in its stack trace; 0: it was never thrown", COLUMN_VERBOSE },
    { "thrown_in", COLUMN_TEXT, "method that threw it" },
    { "source", COLUMN_TEXT, "file and line", COLUMN_TEXT_ONLY },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "in the file", COLUMN_VERBOSE },
    { "handled_by", COLUMN_NUMBER, "managed id of the thread that is handling it now" },
    { "hresult", COLUMN_TOKEN, "Exception.HResult", COLUMN_VERBOSE },
    { "method_table", COLUMN_ADDRESS, "identity of the class", COLUMN_VERBOSE },
};

const struct relation relation_exceptions = {
    .name = "exceptions",
    .summary = "exception objects on the heap: message, where thrown, who handles it",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "exceptions" }, { "dumpexceptions", .help = "as SOS calls it" } },
    .group_by = "type",
    .empty = "there is no exception on the heap",
    .cursor_size = sizeof(struct exceptions_cursor),
    .begin = exceptions_begin,
    .next = exceptions_next,
    .end = exceptions_end,
    .footer = exceptions_footer,
};
