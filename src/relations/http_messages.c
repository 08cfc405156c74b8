#include "clr/object.h"
#include "managed/instances.h"
#include "relations/relation.h"
#include "session/session.h"

/* Requests that the process sends: HttpRequestMessages on the heap, with the answers that lead back to them. */
struct http_messages_cursor {
    struct clr *clr;
    address_list list, responses;
    struct map response_of; /* request -> response */
    size_t index, answered;
    struct text method, uri;
};

enum { ADDRESS, METHOD, URI, STATUS, RESPONSE, SENT };

static struct error *http_messages_begin(struct session *session, const struct request *request, void *cursor_)
{
    enum { MESSAGES_MAX = 1 << 24 };
    struct http_messages_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    (void)request;
    map_init(&cursor->response_of);
    text_init(&cursor->method);
    text_init(&cursor->uri);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &heaps));
    TRY(instances_find_named(cursor->clr, heaps, "System.Net.Http.HttpRequestMessage", MESSAGES_MAX, &cursor->list));
    TRY(instances_find_named(cursor->clr, heaps, "System.Net.Http.HttpResponseMessage", MESSAGES_MAX, &cursor->responses));
    for (size_t i = 0; i < cursor->responses.count; i++) {
        uint64_t sent = managed_follow_object(cursor->clr, cursor->responses.data[i], "_requestMessage");

        if (sent && !map_put(&cursor->response_of, sent, cursor->responses.data[i])) return &error_enomem;
    }
    return NULL;
}

static void fill_string(struct http_messages_cursor *cursor, uint64_t addr, const char *path, struct text *text,
                        struct value *value)
{
    enum { SHOWN_MAX = 2048 };
    struct clr_object string;

    text_clear(text);
    if (clr_object_try(cursor->clr, managed_follow_object(cursor->clr, addr, path), &string) &&
        clr_string_characters(cursor->clr, &string, SHOWN_MAX, text))
        value_text(value, text_cstr(text));
}

static struct error *http_messages_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct http_messages_cursor *cursor = cursor_;
    uint64_t addr, response;
    int64_t number;

    *more_ret = cursor->index < cursor->list.count;
    if (!*more_ret) return NULL;
    addr = cursor->list.data[cursor->index++];
    value_u64(&row[ADDRESS], addr);
    fill_string(cursor, addr, "_method._method", &cursor->method, &row[METHOD]);
    fill_string(cursor, addr, "_requestUri._string", &cursor->uri, &row[URI]);
    if (managed_follow_number(cursor->clr, addr, "_sendStatus", &number)) value_u64(&row[SENT], number != 0);
    if (!map_get(&cursor->response_of, addr, &response)) return NULL;
    cursor->answered++;
    value_u64(&row[RESPONSE], response);
    if (managed_follow_number(cursor->clr, response, "_statusCode", &number) && number > 0)
        value_u64(&row[STATUS], (uint64_t)number);
    return NULL;
}

static void http_messages_end(void *cursor_)
{
    struct http_messages_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    vec_deinit(&cursor->responses);
    map_deinit(&cursor->response_of);
    text_deinit(&cursor->method);
    text_deinit(&cursor->uri);
}

static void http_messages_footer(void *cursor_, struct text *ret)
{
    const struct http_messages_cursor *cursor = cursor_;

    text_printf(ret, "%zu requests, %zu of them with an answer; some may be garbage", cursor->list.count, cursor->answered);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the HttpRequestMessage" },
    { "method", COLUMN_TEXT, "GET, POST, ..." },
    { "uri", COLUMN_TEXT, "where it goes" },
    { "status", COLUMN_NUMBER, "of the answer; none: it is not there yet, or gone" },
    { "response", COLUMN_ADDRESS, "the HttpResponseMessage", COLUMN_VERBOSE },
    { "sent", COLUMN_BOOL, "a client was asked to send it", COLUMN_VERBOSE },
};

const struct relation relation_http_messages = {
    .name = "http_messages",
    .summary = "requests that the process sends, and their answers",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "http_messages" }, { "dumphttp", .help = "as SOS calls it" } },
    .group_by = "uri",
    .empty = "no HttpRequestMessage is on the heap",
    .cursor_size = sizeof(struct http_messages_cursor),
    .begin = http_messages_begin,
    .next = http_messages_next,
    .end = http_messages_end,
    .footer = http_messages_footer,
};
