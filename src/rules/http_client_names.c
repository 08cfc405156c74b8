/*
 * Named clients of IHttpClientFactory, with names made from data.
 *
 *     DefaultHttpClientFactory {_activeHandlers: ConcurrentDictionary<string, Lazy<ActiveHandlerTrackingEntry>>, _expiredHandlers}
 *
 * The factory has a handler, with connections, a scope and a timer, for each name, and the options of each name stay for ever.
 */
#include "rules/hoard.h"

enum { NAMES_MIN = 100, NAMES_PROVEN = 200 };

static const char *const owners[] = { "Microsoft.Extensions.Http.DefaultHttpClientFactory", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Net.Http.IHttpClientFactory", .method = "CreateClient" },
    { .type = "System.Net.Http.IHttpMessageHandlerFactory", .method = "CreateHandler" },
};

static const struct hoard names = {
    .rule = "http-client-names",
    .doc = "docs/causes/http-client-names.md",
    .kind = "pool",
    .owners = owners,
    .path = "_activeHandlers",
    .least = NAMES_MIN,
    .proven = NAMES_PROVEN,
    .noun = "handlers",
    .place = "are kept by one IHttpClientFactory, one for each name of a client",
    .cause = "CreateClient is called with names that hold data; the factory makes a handler for each name, and keeps its options",
    .fix = "use one name a kind of service, and put what varies into the request (URL, headers)",
    .element = "_state._value|_value",
    .label = "",
    .label_noun = "names",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
};

static struct error *names_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &names);
}

const struct rule rule_http_client_names = {
    .name = "http-client-names",
    .summary = "clients of IHttpClientFactory under names made from data",
    .refines = "accumulation",
    .run = names_run,
};
