#include <string.h>

#include "base/text.h"
#include "relations/relation.h"
#include "rules/rule.h"
#include "session/session.h"

/* All rules' findings, those that cost most first; the relation that shows them. */
struct findings_cursor {
    struct arena arena;
    struct findings findings;
    size_t index;
    struct text costs, types, holder, keys, code, evidence, look;
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
    LOOK,
    FIX,
    DOC,
    BYTES,
    HELD_BY
};

static const char *const severity_names[] = { "note", "warning", "critical" };
static const char *const certainty_names[] = { "hint", "likely", "proven" };

static uint64_t finding_total(const struct finding *finding)
{
    uint64_t total = 0;

    for (size_t i = 0; i < finding->costs.count; i++)
        total += finding->costs.data[i].bytes;
    return total;
}

/* Certainty and severity, then what it costs. */
static int compare_findings(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;
    uint64_t left_total = finding_total(left), right_total = finding_total(right);

    if (left->severity != right->severity) return left->severity > right->severity ? -1 : 1;
    if (left_total != right_total) return left_total > right_total ? -1 : 1;
    return strcmp(left->title, right->title);
}

/* A rule that fails costs its own findings only. */
static struct error *run_those(struct session *session, struct findings *findings, bool general)
{
    for (const struct rule *const *rule = rules_all; *rule; rule++) {
        struct error *err = (*rule)->is_general == general ? (*rule)->run(session, findings) : NULL;

        if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
        if (err) err = error_prefix(err, "rule %s", (*rule)->name);
        gaps_add_error(session_gaps(session), "findings", err);
    }
    return NULL;
}

static struct error *run_rules(struct session *session, struct findings *findings)
{
    TRY(run_those(session, findings, false));
    TRY(run_those(session, findings, true));
    for (size_t i = 0; i < findings->list.count; i++)
        if (findings->list.data[i].incomplete) return &error_enomem;
    vec_sort(&findings->list, compare_findings);
    return NULL;
}

static struct error *findings_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct findings_cursor *cursor = cursor_;
    struct clr *clr;

    (void)request;
    arena_init(&cursor->arena);
    cursor->findings.arena = &cursor->arena;
    TRY(session_clr(session, &clr));
    return run_rules(session, &cursor->findings);
}

static void json_string(struct text *out, const char *s)
{
    text_append_json(out, s, strlen(s));
}

static void json_strings(struct text *out, const char *const *strings, size_t count)
{
    text_clear(out);
    text_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i) text_putc(out, ',');
        json_string(out, strings[i]);
    }
    text_putc(out, ']');
}

static void fill_costs(struct findings_cursor *cursor, const struct finding *finding)
{
    text_clear(&cursor->costs);
    text_putc(&cursor->costs, '[');
    for (size_t i = 0; i < finding->costs.count; i++) {
        text_puts(&cursor->costs, i ? ",{\"use\":" : "{\"use\":");
        json_string(&cursor->costs, finding->costs.data[i].use);
        text_printf(&cursor->costs, ",\"bytes\":%llu}", (unsigned long long)finding->costs.data[i].bytes);
    }
    text_putc(&cursor->costs, ']');
}

static void fill_types(struct findings_cursor *cursor, const struct finding *finding)
{
    text_clear(&cursor->types);
    text_putc(&cursor->types, '[');
    for (size_t i = 0; i < finding->types.count; i++) {
        const struct finding_type *type = &finding->types.data[i];

        text_puts(&cursor->types, i ? ",{\"name\":" : "{\"name\":");
        json_string(&cursor->types, type->name);
        text_printf(&cursor->types, ",\"count\":%llu", (unsigned long long)type->count);
        if (type->bytes_known) text_printf(&cursor->types, ",\"bytes\":%llu", (unsigned long long)type->bytes);
        text_putc(&cursor->types, '}');
    }
    text_putc(&cursor->types, ']');
}

static void fill_keys(struct findings_cursor *cursor, const struct finding *finding)
{
    text_clear(&cursor->keys);
    text_putc(&cursor->keys, '[');
    for (size_t i = 0; i < finding->keys.count; i++) {
        const struct finding_key *key = &finding->keys.data[i];

        text_puts(&cursor->keys, i ? ",{\"field\":" : "{\"field\":");
        json_string(&cursor->keys, key->field);
        text_printf(&cursor->keys, ",\"distinct\":%llu,\"of\":%llu,\"differs\":%s}", (unsigned long long)key->distinct,
                    (unsigned long long)key->of, key->differs ? "true" : "false");
    }
    text_putc(&cursor->keys, ']');
}

static void fill_holder(struct findings_cursor *cursor, const struct finding *finding)
{
    struct text path;

    text_init(&path);
    text_clear(&cursor->holder);
    text_puts(&cursor->holder, "{\"root\":{\"kind\":");
    json_string(&cursor->holder, finding->root_kind);
    if (finding->root_name) {
        text_puts(&cursor->holder, ",\"name\":");
        json_string(&cursor->holder, finding->root_name);
    }
    json_strings(&path, finding->path.data, finding->path.count);
    text_printf(&cursor->holder, "},\"path\":%s}", text_cstr(&path));
    text_deinit(&path);
}

static void fill_code(struct findings_cursor *cursor, const struct finding *finding)
{
    struct text *out = &cursor->code;

    text_clear(out);
    text_putc(out, '[');
    for (size_t i = 0; i < finding->code.count; i++) {
        const struct finding_code *code = &finding->code.data[i];

        text_puts(out, i ? ",{\"method\":" : "{\"method\":");
        json_string(out, code->method);
        text_puts(out, ",\"calls\":");
        json_string(out, code->calls);
        if (code->file) {
            text_puts(out, ",\"file\":");
            json_string(out, code->file);
            text_printf(out, ",\"line\":%u", code->line);
        }
        text_putc(out, '}');
    }
    text_putc(out, ']');
}

static struct error *findings_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct findings_cursor *cursor = cursor_;
    const struct finding *finding;

    *more_ret = cursor->index < cursor->findings.list.count;
    if (!*more_ret) return NULL;
    finding = &cursor->findings.list.data[cursor->index++];
    value_u64(&row[ID], cursor->index);
    value_text(&row[RULE], finding->rule);
    value_text(&row[SEVERITY], severity_names[finding->severity]);
    value_text(&row[CERTAINTY], certainty_names[finding->certainty]);
    value_text(&row[TITLE], finding->title);
    value_text(&row[CAUSE], finding->cause);
    value_text(&row[KIND], finding->kind);
    value_u64(&row[COUNT], finding->count);
    fill_costs(cursor, finding);
    if (finding->costs.count) value_text(&row[COSTS], text_cstr(&cursor->costs));
    fill_types(cursor, finding);
    if (finding->types.count) value_text(&row[TYPES], text_cstr(&cursor->types));
    if (finding->root_kind) {
        fill_holder(cursor, finding);
        value_text(&row[HOLDER], text_cstr(&cursor->holder));
    }
    fill_keys(cursor, finding);
    if (finding->keys.count) value_text(&row[KEYS], text_cstr(&cursor->keys));
    fill_code(cursor, finding);
    if (finding->code.count) value_text(&row[CODE], text_cstr(&cursor->code));
    json_strings(&cursor->evidence, finding->evidence.data, finding->evidence.count);
    value_text(&row[EVIDENCE], text_cstr(&cursor->evidence));
    json_strings(&cursor->look, finding->look.data, finding->look.count);
    if (finding->look.count) value_text(&row[LOOK], text_cstr(&cursor->look));
    value_text(&row[FIX], finding->fix);
    value_text(&row[DOC], finding->doc);
    if (finding->costs.count) value_u64(&row[BYTES], finding_total(finding));
    value_text(&row[HELD_BY], finding->root_name);
    return NULL;
}

static void findings_end(void *cursor_)
{
    struct findings_cursor *cursor = cursor_;

    findings_deinit(&cursor->findings);
    text_deinit(&cursor->costs);
    text_deinit(&cursor->types);
    text_deinit(&cursor->holder);
    text_deinit(&cursor->keys);
    text_deinit(&cursor->code);
    text_deinit(&cursor->evidence);
    text_deinit(&cursor->look);
    arena_deinit(&cursor->arena);
}

static const struct column columns[] = {
    { "id", COLUMN_NUMBER, "number in this answer" },
    { "rule", COLUMN_TEXT, "the rule that found it" },
    { "severity", COLUMN_TEXT, "critical, warning, note" },
    { "certainty", COLUMN_TEXT, "proven (counts say so), likely, hint" },
    { "title", COLUMN_TEXT, "what accumulates" },
    { "cause", COLUMN_TEXT, "why", COLUMN_VERBOSE },
    { "kind", COLUMN_TEXT, "managed, loader, native, handles, threads, pool", COLUMN_VERBOSE },
    { "count", COLUMN_COUNT, "how many there are" },
    { "costs", COLUMN_JSON, "bytes by use" },
    { "types", COLUMN_JSON, "types involved, with counts" },
    { "holder", COLUMN_JSON, "who keeps them" },
    { "keys", COLUMN_JSON, "parts of the keys that make each one different" },
    { "code", COLUMN_JSON, "calls in the application's code that make what leaks" },
    { "evidence", COLUMN_JSON, "sentences" },
    { "look", COLUMN_JSON, "commands that show more" },
    { "fix", COLUMN_TEXT, "what to do", COLUMN_VERBOSE },
    { "doc", COLUMN_TEXT, "page with more", COLUMN_VERBOSE },
    { "bytes", COLUMN_BYTES, "all costs together", COLUMN_VERBOSE },
    { "held_by", COLUMN_TEXT, "the root that keeps them, where it has a name", COLUMN_VERBOSE },
};

const struct relation relation_findings = {
    .name = "findings",
    .summary = "what leaks: the findings of all rules",
    .topic = "answers",
    .growth = { .kind = "finding", .key = "rule,held_by", .count = "count", .bytes = "bytes", .rank = 1 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "findings" } },
    .empty = "no leak found: no rule met its pattern in this dump",
    .cursor_size = sizeof(struct findings_cursor),
    .begin = findings_begin,
    .next = findings_next,
    .end = findings_end,
};

/* The rules themselves. */
struct rules_cursor {
    size_t index;
};

static struct error *rules_begin(struct session *session, const struct request *request, void *cursor)
{
    (void)session;
    (void)request;
    (void)cursor;
    return NULL;
}

static struct error *rules_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct rules_cursor *cursor = cursor_;
    const struct rule *rule = rules_all[cursor->index];

    *more_ret = rule != NULL;
    if (!rule) return NULL;
    cursor->index++;
    value_text(&row[0], rule->name);
    value_text(&row[1], rule->summary);
    return NULL;
}

static const struct column rules_columns[] = {
    { "rule", COLUMN_TEXT, "name" },
    { "summary", COLUMN_TEXT, "what it finds" },
};

const struct relation relation_rules = {
    .name = "rules",
    .summary = "the leak patterns that are looked for",
    .topic = "answers",
    .columns = rules_columns,
    .column_count = ARRAY_COUNT(rules_columns),
    .commands = { { "rules" } },
    .without_dump = true,
    .cursor_size = sizeof(struct rules_cursor),
    .begin = rules_begin,
    .next = rules_next,
};
