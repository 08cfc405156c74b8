#include "clr/field_desc.h"
#include "clr/object.h"
#include "managed/instances.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * Requests that Kestrel is answering: an HttpProtocol for each connection of HTTP/1 and each stream of HTTP/2 and 3, used again
 * for the next request. Source: HttpProtocol.cs, HttpProtocol.Generated.cs of ASP.NET Core.
 */
struct http_requests_cursor {
    struct clr *clr;
    address_list list;
    struct map is_protocol; /* MethodTable -> 0 or 1 */
    bool with_idle;
    size_t index, idle;
    struct text method, target, id, connection;
};

enum { ADDRESS, STATUS, METHOD, TARGET, RESPONSE, REQUEST_ID, CONNECTION, TYPE };
enum { STATUS_PENDING, STATUS_COMPLETED = 6 };

static bool is_protocol(void *user, uint64_t mt_addr)
{
    struct http_requests_cursor *cursor = user;
    bool added;
    uint64_t *known = map_slot(&cursor->is_protocol, mt_addr, &added);
    struct clr_field field;

    if (!known) return false;
    if (added)
        *known = clr_field_find(cursor->clr, mt_addr, "_requestProcessingStatus", &field) &&
                 clr_field_find(cursor->clr, mt_addr, "<RawTarget>k__BackingField", &field);
    return *known;
}

static struct error *http_requests_begin(struct session *session, const struct request *request, void *cursor_)
{
    enum { CONNECTIONS_MAX = 1 << 22 };
    struct http_requests_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    cursor->with_idle = request->arguments[0].given;
    map_init(&cursor->is_protocol);
    text_init(&cursor->method);
    text_init(&cursor->target);
    text_init(&cursor->id);
    text_init(&cursor->connection);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &heaps));
    TRY(instances_find(cursor->clr, heaps, is_protocol, cursor, CONNECTIONS_MAX, &cursor->list));
    if (cursor->list.count >= CONNECTIONS_MAX)
        gaps_add(session_gaps(session), "requests", 0, 1, "limit of %d connections", CONNECTIONS_MAX);
    return NULL;
}

/* A string that a path leads to; null and empty ones stay unknown. */
static void fill_string(struct http_requests_cursor *cursor, uint64_t addr, const char *path, struct text *text,
                        struct value *value)
{
    enum { SHOWN_MAX = 1024 };
    struct clr_object string;

    text_clear(text);
    if (clr_object_try(cursor->clr, managed_follow_object(cursor->clr, addr, path), &string) &&
        clr_string_characters(cursor->clr, &string, SHOWN_MAX, text) && text->length)
        value_text(value, text_cstr(text));
}

static const char *status_text(int64_t status)
{
    static const char *const names[] = {
        "idle", "reading the request line", "reading headers", "in the application", "answer begun", "headers sent", "answered"
    };

    return status >= 0 && status < (int64_t)ARRAY_COUNT(names) ? names[status] : "unknown";
}

/* Known methods are numbers (HttpMethod), others a text. */
static void fill_method(struct http_requests_cursor *cursor, uint64_t addr, struct value *row)
{
    static const char *const names[] = { "GET", "PUT", "DELETE", "POST", "HEAD", "TRACE", "PATCH", "CONNECT", "OPTIONS" };
    int64_t number;

    fill_string(cursor, addr, "_methodText", &cursor->method, &row[METHOD]);
    if (!row[METHOD].known && managed_follow_number(cursor->clr, addr, "<Method>k__BackingField", &number) && number >= 0 &&
        number < (int64_t)ARRAY_COUNT(names))
        value_text(&row[METHOD], names[number]);
}

static void fill(struct http_requests_cursor *cursor, uint64_t addr, int64_t status, struct value *row)
{
    int64_t response;

    value_u64(&row[ADDRESS], addr);
    value_text(&row[STATUS], status_text(status));
    fill_method(cursor, addr, row);
    fill_string(cursor, addr, "<RawTarget>k__BackingField", &cursor->target, &row[TARGET]);
    if (!row[TARGET].known) fill_string(cursor, addr, "<Path>k__BackingField", &cursor->target, &row[TARGET]);
    if (managed_follow_number(cursor->clr, addr, "_statusCode", &response) && response > 0)
        value_u64(&row[RESPONSE], (uint64_t)response);
    fill_string(cursor, addr, "_requestId", &cursor->id, &row[REQUEST_ID]);
    fill_string(cursor, addr, "_context.<ConnectionId>k__BackingField", &cursor->connection, &row[CONNECTION]);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, addr));
}

static struct error *http_requests_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct http_requests_cursor *cursor = cursor_;

    while (cursor->index < cursor->list.count) {
        uint64_t addr = cursor->list.data[cursor->index++];
        int64_t status;
        bool is_idle;

        if (!managed_follow_number(cursor->clr, addr, "_requestProcessingStatus", &status)) continue;
        is_idle = status == STATUS_PENDING || status == STATUS_COMPLETED;
        cursor->idle += is_idle;
        if (is_idle && !cursor->with_idle) continue;
        fill(cursor, addr, status, row);
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void http_requests_end(void *cursor_)
{
    struct http_requests_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    map_deinit(&cursor->is_protocol);
    text_deinit(&cursor->method);
    text_deinit(&cursor->target);
    text_deinit(&cursor->id);
    text_deinit(&cursor->connection);
}

static void http_requests_footer(void *cursor_, struct text *ret)
{
    const struct http_requests_cursor *cursor = cursor_;

    text_printf(ret, "%zu connections and streams on the heap, %zu of them idle", cursor->list.count, cursor->idle);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the HttpProtocol: a connection of HTTP/1, a stream of HTTP/2 or 3" },
    { "status", COLUMN_TEXT, "idle, reading the request line, reading headers, in the application, answer begun, headers sent" },
    { "method", COLUMN_TEXT, "GET, POST, ...; of an idle one the last" },
    { "target", COLUMN_TEXT, "path and query as the client sent them" },
    { "response", COLUMN_NUMBER, "status code as of now", COLUMN_VERBOSE },
    { "request_id", COLUMN_TEXT, "HttpContext.TraceIdentifier, when somebody asked for it", COLUMN_VERBOSE },
    { "connection", COLUMN_TEXT, "the connection's id", COLUMN_VERBOSE },
    { "type", COLUMN_TEXT, "class", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "all", "-all", PARAMETER_SWITCH, false, "connections without a request, too" },
};

const struct relation relation_http_requests = {
    .name = "http_requests",
    .summary = "requests that Kestrel is answering: method, path, how far",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "http_requests" }, { "dumprequests", .help = "as SOS calls it" } },
    .group_by = "status",
    .empty = "no request is being answered (-all lists idle connections)",
    .cursor_size = sizeof(struct http_requests_cursor),
    .begin = http_requests_begin,
    .next = http_requests_next,
    .end = http_requests_end,
    .footer = http_requests_footer,
};
