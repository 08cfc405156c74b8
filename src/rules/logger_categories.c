/*
 * Log categories made from data.
 *
 *     LoggerFactory {_loggers: Dictionary<string, Logger>}
 *
 * A factory keeps a logger for every category that it was ever asked for, with a logger of each provider in it. A program has one
 * category for each class that logs.
 */
#include <string.h>

#include "rules/hoard.h"

#define HTTP_CLIENT "System.Net.Http.HttpClient."

enum { CATEGORIES_MIN = 1000, CATEGORIES_PROVEN = 1500 };

static const char *const owners[] = { "Microsoft.Extensions.Logging.LoggerFactory", NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.Extensions.Logging.ILoggerFactory", .method = "CreateLogger" },
    { .type = "Microsoft.Extensions.Logging.LoggerFactory", .method = "CreateLogger" },
};

/* Each named client of IHttpClientFactory has two; when its rule told of the names, that is the leak. */
static struct error *tell(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    bool is_told = false;

    (void)finding;
    for (size_t i = 0; i < found->findings->list.count; i++)
        is_told |= !strcmp(found->findings->list.data[i].rule, "http-client-names");
    *drop_ret = is_told && found->labels.examples[0] && !strncmp(found->labels.examples[0], HTTP_CLIENT, strlen(HTTP_CLIENT));
    return NULL;
}

static const struct hoard categories = {
    .rule = "logger-categories",
    .doc = "docs/causes/logger-categories.md",
    .kind = "managed",
    .owners = owners,
    .path = "_loggers",
    .least = CATEGORIES_MIN,
    .proven = CATEGORIES_PROVEN,
    .noun = "loggers",
    .place = "are kept by one LoggerFactory",
    .cause = "CreateLogger is called with names that hold data; the factory keeps a logger for each name for ever",
    .fix = "use one category a class (ILogger<T>), and put what varies into the message or a scope (BeginScope)",
    .label = "",
    .label_noun = "categories",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .tell = tell,
};

static struct error *categories_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &categories);
}

const struct rule rule_logger_categories = {
    .name = "logger-categories",
    .summary = "log categories are made from data, and kept",
    .refines = "accumulation",
    .run = categories_run,
};
