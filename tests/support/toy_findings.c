#include "toy_relation.h"

#include <string.h>

/* A ledger and findings as the rules would tell them. */
struct story_cursor {
    size_t at;
};

unsigned toy_finding_count = 2;

static struct error *story_begin(struct session *session, const struct request *request, void *cursor)
{
    (void)session;
    (void)request;
    (void)cursor;
    return NULL;
}

static struct error *ledger_next(void *cursor, struct value *row, bool *more_ret)
{
    static const struct {
        const char *use, *note;
        uint64_t committed;
        double share;
    } uses[] = {
        { "GC heap", NULL, UINT64_C(3) << 30, 0.75 },
        { "loader heaps", "190,377 modules", UINT64_C(1) << 30, 0.25 },
        { "total", NULL, UINT64_C(4) << 30, 1 },
    };
    struct story_cursor *c = cursor;

    *more_ret = c->at < ARRAY_COUNT(uses);
    if (!*more_ret) return NULL;
    value_text(&row[0], uses[c->at].use);
    value_u64(&row[1], uses[c->at].committed);
    value_share(&row[2], uses[c->at].share);
    value_text(&row[3], uses[c->at].note);
    c->at++;
    return NULL;
}

static const struct column ledger_columns[] = {
    { "use", COLUMN_TEXT },
    { "committed", COLUMN_BYTES },
    { "share", COLUMN_SHARE },
    { "note", COLUMN_TEXT },
};

const struct relation relation_toy_ledger = {
    .name = "ledger",
    .summary = "where the memory went",
    .columns = ledger_columns,
    .column_count = ARRAY_COUNT(ledger_columns),
    .commands = { { .name = "ledger" } },
    .without_dump = true,
    .cursor_size = sizeof(struct story_cursor),
    .begin = story_begin,
    .next = ledger_next,
};

enum {
    ID,
    RULE,
    SEVERITY,
    CERTAINTY,
    TITLE,
    CAUSE,
    KIND,
    COUNT,
    COSTS,
    TYPES,
    HOLDER,
    KEYS,
    CODE,
    EVIDENCE,
    FIX,
    DOC,
    LOOK,
    COLUMNS
};

static const struct column finding_columns[COLUMNS] = {
    { "id", COLUMN_NUMBER },  { "rule", COLUMN_TEXT },     { "severity", COLUMN_TEXT }, { "certainty", COLUMN_TEXT },
    { "title", COLUMN_TEXT }, { "cause", COLUMN_TEXT },    { "kind", COLUMN_TEXT },     { "count", COLUMN_COUNT },
    { "costs", COLUMN_JSON }, { "types", COLUMN_JSON },    { "holder", COLUMN_JSON },   { "keys", COLUMN_JSON },
    { "code", COLUMN_JSON },  { "evidence", COLUMN_JSON }, { "fix", COLUMN_TEXT },      { "doc", COLUMN_TEXT },
    { "look", COLUMN_JSON },
};

static void fill_first(struct value *row)
{
    value_u64(&row[ID], 1);
    value_text(&row[RULE], "castle-proxy-generator");
    value_text(&row[SEVERITY], "critical");
    value_text(&row[CERTAINTY], "proven");
    value_text(&row[TITLE], "dynamic assemblies without end: 190,214 of 190,377 modules");
    value_text(&row[CAUSE], "a new ProxyGenerator per call");
    value_text(&row[KIND], "loader");
    value_u64(&row[COUNT], 190214);
    value_text(&row[COSTS], "[{\"use\":\"loader heap\",\"bytes\":3237711872},{\"use\":\"gc heap\",\"bytes\":1149239296}]");
    value_text(&row[TYPES], "[{\"name\":\"Castle.Proxies.IPatientServiceProxy\",\"count\":21034,\"bytes\":1009632}]");
    value_text(&row[HOLDER],
               "{\"root\":{\"kind\":\"static\",\"name\":\"His.Cache\"},\"path\":[\"His.Cache\",\"Dictionary._entries\",\"[*]\"]}");
    value_text(&row[KEYS], "[]");
    value_text(&row[CODE], "[{\"method\":\"His.Resolve\",\"calls\":\"ProxyGenerator..ctor\",\"file\":\"His.cs\",\"line\":41}]");
    value_text(&row[EVIDENCE], "[\"one\",\"two\",\"three\",\"four\\u001b[31m\",\"five\"]");
    value_text(&row[FIX], "keep one ProxyGenerator for the process");
    value_text(&row[DOC], "docs/causes/castle-proxy-generator.md");
    value_text(&row[LOOK], "[\"modules --where dynamic\",\"explain 1\"]");
}

static void fill_second(struct value *row)
{
    value_u64(&row[ID], 2);
    value_text(&row[RULE], "threads");
    value_text(&row[SEVERITY], "warning");
    value_text(&row[CERTAINTY], "hint");
    value_text(&row[TITLE], "many threads");
    value_text(&row[COSTS], "not JSON");
}

static struct error *findings_next(void *cursor, struct value *row, bool *more_ret)
{
    struct story_cursor *c = cursor;

    *more_ret = c->at < toy_finding_count;
    if (!*more_ret) return NULL;
    if (c->at++ == 0)
        fill_first(row);
    else
        fill_second(row);
    return NULL;
}

const struct relation relation_toy_findings = {
    .name = "findings",
    .summary = "what leaks",
    .columns = finding_columns,
    .column_count = COLUMNS,
    .commands = { { .name = "findings" } },
    .without_dump = true,
    .cursor_size = sizeof(struct story_cursor),
    .begin = story_begin,
    .next = findings_next,
};
