#include "surfaces/json.h"

#include <math.h>
#include <string.h>

#include "session/session.h"
#include "surfaces/cell.h"
#include "surfaces/number.h"

void json_append_string(struct text *text, const char *s)
{
    if (s)
        text_append_json(text, s, strlen(s));
    else
        text_puts(text, "null");
}

void json_append_value(struct text *text, enum column_kind kind, const struct value *value)
{
    if (!value->known || (kind == COLUMN_SHARE && !isfinite(value->share))) {
        text_puts(text, "null");
        return;
    }
    switch (kind) {
    case COLUMN_TEXT:
        text_append_json(text, value->s, value->length);
        break;
    case COLUMN_ADDRESS:
    case COLUMN_TOKEN:
        text_putc(text, '"');
        cell_append_plain(text, kind, value);
        text_putc(text, '"');
        break;
    default:
        cell_append_plain(text, kind, value);
        break;
    }
}

void json_append_row(struct text *text, const struct query *query, const struct value *row)
{
    text_putc(text, '{');
    for (unsigned i = 0; i < query->column_count; i++) {
        if (i) text_puts(text, ", ");
        json_append_string(text, query->columns[i].name);
        text_puts(text, ": ");
        json_append_value(text, query->columns[i].kind, &row[i]);
    }
    text_putc(text, '}');
}

/* ---- head ---- */

static void append_member(struct text *text, const char *name, const char *value)
{
    text_printf(text, "\"%s\": ", name);
    json_append_string(text, value);
    text_puts(text, ", ");
}

static void append_number(struct text *text, const char *name, uint64_t value)
{
    text_printf(text, "\"%s\": ", name);
    if (value)
        number_append_decimal(text, value);
    else
        text_puts(text, "null");
}

static void append_runtime(struct text *text, const struct session_info *info)
{
    if (!info->runtime_name && !info->runtime_version) {
        text_puts(text, "\"runtime\": null");
        return;
    }
    text_puts(text, "\"runtime\": {");
    append_member(text, "name", info->runtime_name);
    append_member(text, "version", info->runtime_version);
    append_member(text, "gc", info->gc);
    append_number(text, "heaps", info->heaps);
    text_puts(text, ", \"layouts\": ");
    json_append_string(text, info->layouts);
    text_putc(text, '}');
}

void json_append_head(struct text *text, const struct session_info *info, const char *between)
{
    text_printf(text, "\"schema\": %d, \"tool\": \"clrtrail %s\"", JSON_SCHEMA, CLRTRAIL_VERSION);
    if (!info) return;
    text_printf(text, ",%s\"dump\": {", between);
    append_member(text, "path", info->path);
    append_member(text, "format", info->format);
    append_member(text, "kind", info->kind);
    append_member(text, "os", info->os);
    append_member(text, "arch", info->arch);
    append_number(text, "pid", info->pid);
    text_puts(text, ", ");
    append_number(text, "time", info->time);
    text_puts(text, ", ");
    append_runtime(text, info);
    text_putc(text, '}');
}

static void append_columns(struct text *text, const struct query *query)
{
    text_puts(text, "\"relation\": ");
    json_append_string(text, query->relation->name);
    text_puts(text, ", \"columns\": [");
    for (unsigned i = 0; i < query->column_count; i++) {
        text_puts(text, i ? ", {\"name\": " : "{\"name\": ");
        json_append_string(text, query->columns[i].name);
        text_printf(text, ", \"kind\": \"%s\"}", column_kind_name(query->columns[i].kind));
    }
    text_putc(text, ']');
}

void json_append_gaps(struct text *text, struct gaps *gaps)
{
    text_putc(text, '[');
    pthread_mutex_lock(&gaps->lock);
    for (size_t i = 0; i < gaps->list.count; i++) {
        const struct gap *gap = &gaps->list.data[i];

        text_puts(text, i ? ",\n    {\"what\": " : "\n    {\"what\": ");
        json_append_string(text, gap->what);
        text_puts(text, ", \"count\": ");
        number_append_decimal(text, gap->count);
        text_puts(text, ", \"why\": ");
        json_append_string(text, gap->why);
        text_putc(text, '}');
    }
    if (gaps->not_kept) {
        text_puts(text, gaps->list.count ? ",\n    " : "\n    ");
        text_puts(text, "{\"what\": \"other gaps\", \"count\": ");
        number_append_decimal(text, gaps->not_kept);
        text_printf(text, ", \"why\": \"only the first %d different ones are listed\"}", GAPS_MAX);
    }
    if (gaps->list.count || gaps->not_kept) text_puts(text, "\n  ");
    pthread_mutex_unlock(&gaps->lock);
    text_putc(text, ']');
}

/* ---- documents ---- */

static struct error *print(struct output *output, struct text *text)
{
    if (text->failed) return &error_enomem;
    output_text(output, text);
    text_clear(text);
    return NULL;
}

/* A relation that breaks off in the middle still leaves a document that can be read, and that says so. */
static void append_end(struct text *text, struct gaps *gaps, const struct error *broken)
{
    text_puts(text, "\n  ]");
    if (broken) {
        text_puts(text, ",\n  \"error\": ");
        json_append_string(text, error_message(broken));
    }
    if (gaps) {
        text_puts(text, ",\n  \"gaps\": ");
        json_append_gaps(text, gaps);
    }
    text_puts(text, "\n}\n");
}

static struct error *print_rows(struct query *query, const struct value *row, struct output *output, struct text *text)
{
    const char *before = "\n    ";

    while (row && !output_failed(output)) {
        text_puts(text, before);
        json_append_row(text, query, row);
        TRY(print(output, text));
        TRY(query_next(query, &row));
        before = ",\n    ";
    }
    return NULL;
}

struct error *json_print(struct query *query, const struct session_info *info, struct gaps *gaps, struct output *output)
{
    struct text text = { 0 };
    const struct value *row;
    struct error *err, *last;

    /* The first row before the head: what fails at once leaves standard output empty. */
    TRY(query_next(query, &row));
    text_puts(&text, "{ ");
    json_append_head(&text, info, "\n  ");
    text_puts(&text, ",\n  ");
    append_columns(&text, query);
    text_puts(&text, ",\n  \"rows\": [");
    err = print_rows(query, row, output, &text);
    append_end(&text, gaps, err);
    last = print(output, &text);
    text_deinit(&text);
    if (!err) return last;
    error_destroy(last);
    return err;
}

static struct error *print_lines(struct query *query, const struct value *row, struct output *output, struct text *text)
{
    while (row && !output_failed(output)) {
        json_append_row(text, query, row);
        text_putc(text, '\n');
        TRY(print(output, text));
        TRY(query_next(query, &row));
    }
    return NULL;
}

struct error *json_print_lines(struct query *query, const struct session_info *info, struct output *output)
{
    struct text text = { 0 };
    const struct value *row;
    struct error *err;

    TRY(query_next(query, &row));
    text_putc(&text, '{');
    json_append_head(&text, info, " ");
    text_puts(&text, ", ");
    append_columns(&text, query);
    text_puts(&text, "}\n");
    err = print(output, &text);
    if (!err) err = print_lines(query, row, output, &text);
    text_deinit(&text);
    return err;
}
