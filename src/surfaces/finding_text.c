#include "surfaces/finding_text.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "surfaces/number.h"
#include "surfaces/paragraph.h"

enum { FEW_LINES = 3 };

struct finding_writer {
    const struct output *output;
    struct text *text;
    const struct query *query;
    const struct value *row;
    const char *target;
    size_t most; /* lines of a list */
};

const struct value *finding_value(const struct query *query, const struct value *row, const char *column)
{
    for (unsigned i = 0; i < query->column_count; i++)
        if (name_equal(query->columns[i].name, column)) return row[i].known ? &row[i] : NULL;
    return NULL;
}

bool finding_is(const struct query *query, const struct value *row, const char *column, const char *text)
{
    const struct value *value = finding_value(query, row, column);

    return value && value->length == strlen(text) && !memcmp(value->s, text, value->length);
}

/* ---- parts ---- */

static void append_string(struct text *text, const json_t *string)
{
    if (json_is_string(string)) text_append_safe(text, json_string_value(string), json_string_length(string));
}

/* `object.name` as safe text behind `before`; nothing when it is no string. */
static void append_member(struct text *text, const char *before, const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_string(member) || json_string_length(member) == 0) return;
    text_puts(text, before);
    append_string(text, member);
}

static bool member_u64(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_integer(member) || json_integer_value(member) < 0) return false;
    *ret = (uint64_t)json_integer_value(member);
    return true;
}

static void line_cost(struct text *text, const json_t *cost)
{
    uint64_t bytes;

    if (member_u64(cost, "bytes", &bytes)) number_append_units(text, bytes);
    append_member(text, " ", cost, "use");
}

static void line_type(struct text *text, const json_t *type)
{
    uint64_t number;

    if (member_u64(type, "count", &number)) {
        number_append_grouped(text, number);
        text_putc(text, ' ');
    }
    append_member(text, "", type, "name");
    if (member_u64(type, "bytes", &number)) {
        text_puts(text, ", ");
        number_append_units(text, number);
    }
}

static void line_key(struct text *text, const json_t *key)
{
    uint64_t distinct, of;

    append_member(text, "", key, "field");
    text_puts(text, json_is_true(json_object_get(key, "differs")) ? " differs" : " is the same");
    if (member_u64(key, "distinct", &distinct) && member_u64(key, "of", &of)) {
        text_puts(text, ": ");
        number_append_grouped(text, distinct);
        text_puts(text, " different in ");
        number_append_grouped(text, of);
    }
}

/* "ProxyGenerator..ctor" is how programs write "new ProxyGenerator()". */
static void line_calls(struct text *text, const json_t *calls)
{
    static const char constructor[] = "..ctor";
    size_t length = json_string_length(calls), end = sizeof(constructor) - 1;
    const char *name = json_string_value(calls);
    bool is_new = name && length > end && !memcmp(name + length - end, constructor, end);

    if (!name || !length) return;
    text_puts(text, is_new ? " calls new " : " calls ");
    text_append_safe(text, name, is_new ? length - end : length);
    text_puts(text, "()");
}

static void line_code(struct text *text, const json_t *code)
{
    uint64_t line;
    size_t start;

    append_member(text, "", code, "method");
    start = text->length;
    append_member(text, " (", code, "file");
    if (text->length > start) {
        if (member_u64(code, "line", &line)) text_printf(text, ":%llu", (unsigned long long)line);
        text_putc(text, ')');
    }
    line_calls(text, json_object_get(code, "calls"));
}

static void line_string(struct text *text, const json_t *string)
{
    append_string(text, string);
}

/* ---- labelled lines ---- */

static void add_text(struct finding_writer *w, const char *label, const char *column)
{
    const struct value *value = finding_value(w->query, w->row, column);
    struct text safe = { 0 };

    if (!value || value->length == 0) return;
    text_append_safe(&safe, value->s, value->length);
    paragraph_append(w->output, w->text, label, text_cstr(&safe));
    text_deinit(&safe);
}

/* The JSON of a column; NULL when it does not apply. The caller drops it with json_decref. */
static json_t *column_json(const struct finding_writer *w, const char *column)
{
    const struct value *value = finding_value(w->query, w->row, column);

    return value ? json_loadb(value->s, value->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
}

/* A line for each member of a list, at most `w->most`. */
static void add_list(struct finding_writer *w, const char *label, const char *column, void (*line)(struct text *, const json_t *))
{
    json_t *list = column_json(w, column);
    size_t count = json_array_size(list), shown = count > w->most ? w->most : count;
    struct text text = { 0 };

    for (size_t i = 0; i < shown; i++) {
        text_clear(&text);
        line(&text, json_array_get(list, i));
        paragraph_append(w->output, w->text, i ? "" : label, text_cstr(&text));
    }
    if (shown < count) {
        text_clear(&text);
        text_printf(&text, "and %zu more", count - shown);
        paragraph_append(w->output, w->text, "", text_cstr(&text));
    }
    text_deinit(&text);
    json_decref(list);
}

static void add_costs(struct finding_writer *w)
{
    json_t *costs = column_json(w, "costs");
    struct text text = { 0 };

    for (size_t i = 0; i < json_array_size(costs); i++) {
        if (i) text_puts(&text, " + ");
        line_cost(&text, json_array_get(costs, i));
    }
    if (text.length) paragraph_append(w->output, w->text, "costs", text_cstr(&text));
    text_deinit(&text);
    json_decref(costs);
}

static void add_holder(struct finding_writer *w)
{
    json_t *holder = column_json(w, "holder");
    const json_t *root = json_object_get(holder, "root"), *path = json_object_get(holder, "path");
    struct text text = { 0 };

    append_member(&text, "", root, "kind");
    append_member(&text, text.length ? " " : "", root, "name");
    for (size_t i = 0; i < json_array_size(path); i++) {
        const json_t *step = json_array_get(path, i);
        const json_t *name = json_object_get(root, "name");

        /* Paths begin with the root itself. */
        if (i == 0 && json_is_string(name) && json_equal(step, name)) continue;
        if (text.length) text_puts(&text, " -> ");
        append_string(&text, step);
    }
    if (text.length) paragraph_append(w->output, w->text, "held by", text_cstr(&text));
    text_deinit(&text);
    json_decref(holder);
}

/* As a shell takes it: quoted unless plain. */
static void append_target(struct text *text, const char *target)
{
    bool plain = *target != 0;

    for (const char *s = target; *s; s++)
        plain = plain && (isalnum((unsigned char)*s) || strchr("/._-+:@%,=", *s));
    if (!plain) text_putc(text, '\'');
    text_append_safe(text, target, strlen(target));
    if (!plain) text_putc(text, '\'');
}

static void add_look(struct finding_writer *w)
{
    json_t *look = column_json(w, "look");
    struct text text = { 0 };

    for (size_t i = 0; i < json_array_size(look); i++) {
        text_clear(&text);
        text_puts(&text, "clrtrail ");
        append_target(&text, w->target);
        text_putc(&text, ' ');
        append_string(&text, json_array_get(look, i));
        paragraph_append(w->output, w->text, i ? "" : "look", text_cstr(&text));
    }
    text_deinit(&text);
    json_decref(look);
}

static void append_upper(struct text *text, const struct value *value)
{
    for (size_t i = 0; value && i < value->length; i++)
        text_putc(text, (char)toupper((unsigned char)value->s[i]));
}

static void add_title(struct finding_writer *w)
{
    const struct value *id = finding_value(w->query, w->row, "id"), *title = finding_value(w->query, w->row, "title");
    const struct value *certainty = finding_value(w->query, w->row, "certainty");
    struct text line = { 0 }, safe = { 0 };

    text_printf(&line, "%-*llu", PARAGRAPH_INDENT, id ? (unsigned long long)id->u : 0);
    append_upper(&line, finding_value(w->query, w->row, "severity"));
    text_puts(&line, "  ");
    if (title) text_append_safe(&line, title->s, title->length);
    output_append_shown(w->output, &safe, text_cstr(&line), line.length);
    output_append_bold(w->output, w->text, text_cstr(&safe));
    if (certainty) {
        text_puts(w->text, "   certainty: ");
        text_append_safe(w->text, certainty->s, certainty->length);
    }
    text_putc(w->text, '\n');
    text_deinit(&line);
    text_deinit(&safe);
}

void finding_append(const struct output *output, struct text *text, const struct query *query, const struct value *row,
                    const char *target, bool everything)
{
    struct finding_writer w = { output, text, query, row, target, everything ? SIZE_MAX : FEW_LINES };

    add_title(&w);
    add_text(&w, "cause", "cause");
    add_costs(&w);
    add_list(&w, "evidence", "evidence", line_string);
    add_list(&w, "types", "types", line_type);
    add_list(&w, "keys", "keys", line_key);
    add_holder(&w);
    add_list(&w, "code", "code", line_code);
    add_text(&w, "fix", "fix");
    add_text(&w, "see", "doc");
    add_look(&w);
}
