/*
 * An HttpClient a call.
 *
 *     HttpClient -> handler ... -> SocketsHttpHandler -> HttpConnectionPoolManager -> _pools:
 * ConcurrentDictionary<HttpConnectionKey, pool>
 *
 * Each client that was made with a handler of its own has pools of its own: connections to a host are opened anew and not shared,
 * and stay open until they have been idle for long. Many live managers with a pool to one host tell that; clients made by a factory
 * share their handlers and so their manager.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/graph.h"
#include "heap/retained.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/rule.h"
#include "session/session.h"

/* A program with twenty kinds of clients to one host may have twenty handlers; a hundred are made by calls. */
enum { MANAGERS_MIN = 20, MANAGERS_PROVEN = 100, MANAGERS_MAX = 1 << 22, HOST_MAX = 255 };

#define MANAGER_TYPE "System.Net.Http.HttpConnectionPoolManager"

struct host {
    const char *name;
    uint64_t managers, pools;
};

static const struct call_pattern calls[] = {
    { .type = "System.Net.Http.HttpClient", .method = ".ctor" },
    { .type = "System.Net.Http.SocketsHttpHandler", .method = ".ctor" },
    { .type = "System.Net.Http.HttpClientHandler", .method = ".ctor" },
};

struct clients {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    struct collection_types types;
    const struct graph *graph;
    address_list managers;
    VEC(struct host) hosts;
    uint64_t live_count, first_live, bytes;
};

/* The text of a string object as the arena keeps it; NULL when there is none. */
static const char *string_text(struct clients *clients, uint64_t addr)
{
    struct clr_object object;
    struct text text = { 0 };
    const char *ret = NULL;

    if (clr_object_try(clients->clr, addr, &object) && clr_type_is_string(clients->clr, object.type) &&
        clr_string_text(clients->clr, &object, HOST_MAX, &text))
        ret = finding_text(clients->findings, "%s", text_cstr(&text));
    text_deinit(&text);
    return ret;
}

static bool count_host(struct clients *clients, const char *name, bool is_new_manager)
{
    struct host host = { name, 1, 1 };

    for (size_t i = 0; i < clients->hosts.count; i++) {
        if (strcmp(clients->hosts.data[i].name, name)) continue;
        clients->hosts.data[i].pools++;
        clients->hosts.data[i].managers += is_new_manager;
        return true;
    }
    return clients->hosts.count >= MANAGERS_MIN * 10 || vec_push(&clients->hosts, host);
}

/* Hosts that a manager has pools for. */
static bool read_pools(struct clients *clients, uint64_t manager)
{
    struct collection pools;
    struct collection_iterator it;
    struct collection_element element;
    const char *last = NULL;

    if (!collection_open(&clients->types, managed_follow_object(clients->clr, manager, "_pools"), &pools)) return true;
    collection_begin(&pools, &it);
    while (collection_next(&it, &element)) {
        struct place place = place_find(clients->clr, element.key.value_mt, false, "Host");
        const char *host = string_text(clients, place_object(clients->clr, &place, element.key.addr));

        if (!host) continue;
        if (!count_host(clients, host, !last || strcmp(host, last) != 0)) return false;
        last = host;
    }
    return true;
}

static const struct host *most_used(const struct clients *clients)
{
    const struct host *ret = NULL;

    for (size_t i = 0; i < clients->hosts.count; i++)
        if (!ret || clients->hosts.data[i].managers > ret->managers) ret = &clients->hosts.data[i];
    return ret;
}

static struct error *add_cost(struct clients *clients, struct finding *finding)
{
    const struct retained *retained;
    struct error *err = session_retained(clients->session, &retained);

    if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
    gaps_add_error(session_gaps(clients->session), "retained sizes", err);
    for (size_t i = 0; !err && i < clients->managers.count; i++)
        clients->bytes += retained_size(retained, clients->managers.data[i]);
    finding_cost(finding, "gc heap", clients->bytes);
    return NULL;
}

static struct error *report(struct clients *clients, const struct host *host)
{
    static const char *const shown[] = { "System.Net.Http.HttpClient", "System.Net.Http.SocketsHttpHandler",
                                         "System.Net.Http.HttpConnection", "System.Net.Sockets.Socket" };
    struct findings *f = clients->findings;
    const struct histogram *histogram;
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "http-client-per-call", .kind = "pool", .doc = "docs/causes/http-client-per-call.md" });
    bool live;

    if (!finding) return &error_enomem;
    finding->count = clients->live_count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = host->managers >= MANAGERS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s HTTP handlers are alive, %s of them with connections of their own to %s",
                                  finding_number(f, clients->live_count), finding_number(f, host->managers), host->name);
    finding->cause = "an HttpClient (or handler) is made for each call, so connections are not shared and stay open";
    finding->fix =
        "keep one HttpClient for the process (static readonly, with PooledConnectionLifetime), or use IHttpClientFactory";
    TRY(holder_of_object(clients->session, f, finding, clients->first_live, &live));
    finding_evidence(finding, finding_text(f, "%s connection pool managers are alive, one for each SocketsHttpHandler",
                                           finding_number(f, clients->live_count)));
    finding_evidence(finding, finding_text(f, "%s of them have a pool for %s", finding_number(f, host->managers), host->name));
    TRY(session_histogram(clients->session, &histogram));
    for (size_t i = 0; i < ARRAY_LENGTH(shown); i++) {
        struct heap_sum sum = heap_sum_by_name(clients->clr, histogram, shown[i]);
        if (sum.count) finding_type(finding, shown[i], sum.count, sum.bytes, true);
    }
    finding_look(finding, "differ -type HttpConnectionPoolManager -depth 3");
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)clients->first_live));
    TRY(add_cost(clients, finding));
    return call_sites_find(clients->session, f, finding, calls, ARRAY_LENGTH(calls));
}

static struct error *look(struct clients *clients)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    const struct host *host;

    TRY(session_histogram(clients->session, &histogram));
    if (heap_sum_by_name(clients->clr, histogram, MANAGER_TYPE).count < MANAGERS_MIN) return NULL;
    TRY(session_gc_heaps(clients->session, &heaps));
    TRY(instances_find_named(clients->clr, heaps, MANAGER_TYPE, MANAGERS_MAX, &clients->managers));
    TRY(session_graph(clients->session, &clients->graph));
    for (size_t i = 0; i < clients->managers.count; i++) {
        if (!graph_is_live(clients->graph, clients->managers.data[i])) continue;
        if (!clients->live_count++) clients->first_live = clients->managers.data[i];
        if (!read_pools(clients, clients->managers.data[i])) return &error_enomem;
    }
    host = most_used(clients);
    return host && host->managers >= MANAGERS_MIN ? report(clients, host) : NULL;
}

static struct error *clients_run(struct session *session, struct findings *findings)
{
    struct clients clients = { .session = session, .findings = findings };
    struct error *err;

    TRY(session_clr(session, &clients.clr));
    collection_types_init(&clients.types, clients.clr);
    err = look(&clients);
    collection_types_deinit(&clients.types);
    vec_deinit(&clients.managers);
    vec_deinit(&clients.hosts);
    return err;
}

const struct rule rule_http_client_per_call = {
    .name = "http-client-per-call",
    .summary = "an HttpClient a call, each with connections of its own",
    .run = clients_run,
};
