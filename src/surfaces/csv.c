#include "surfaces/csv.h"

#include <string.h>

#include "surfaces/cell.h"

/* Tabs and line ends are text like any other inside quotes, all other controls are not. */
static void append_harmless(struct text *text, const char *s, size_t length)
{
    size_t start = 0;

    for (size_t i = 0; i <= length; i++) {
        if (i < length && s[i] != '\t' && s[i] != '\n' && s[i] != '\r') continue;
        text_append_safe(text, s + start, i - start);
        if (i < length) text_putc(text, s[i]);
        start = i + 1;
    }
}

static void append_quoted(struct text *text, const char *s, size_t length)
{
    text_putc(text, '"');
    for (size_t i = 0; i < length; i++) {
        if (s[i] == '"') text_putc(text, '"');
        text_putc(text, s[i]);
    }
    text_putc(text, '"');
}

static bool is_formula(const char *s, size_t length)
{
    return length > 0 && strchr("=+-@\t\r", s[0]) && s[0];
}

void csv_append_text(struct text *text, const char *s, size_t length)
{
    struct text cell = { 0 };

    if (is_formula(s, length)) text_putc(&cell, '\'');
    append_harmless(&cell, s, length);
    if (cell.failed)
        text->failed = true;
    else if (strpbrk(text_cstr(&cell), "\",\r\n"))
        append_quoted(text, cell.data, cell.length);
    else
        text_append(text, text_cstr(&cell), cell.length);
    text_deinit(&cell);
}

static void append_value(struct text *text, enum column_kind kind, const struct value *value)
{
    if (!value->known) return;
    if (kind_is_text(kind))
        csv_append_text(text, value->s, value->length);
    else
        cell_append_plain(text, kind, value);
}

static struct error *print_row(struct query *query, const struct value *row, struct output *output, struct text *text)
{
    text_clear(text);
    for (unsigned i = 0; i < query->column_count; i++) {
        if (i) text_putc(text, ',');
        if (row)
            append_value(text, query->columns[i].kind, &row[i]);
        else
            csv_append_text(text, query->columns[i].name, strlen(query->columns[i].name));
    }
    text_puts(text, "\r\n");
    if (text->failed) return &error_enomem;
    output_text(output, text);
    return NULL;
}

struct error *csv_print(struct query *query, struct output *output)
{
    struct text text = { 0 };
    const struct value *row;
    struct error *err;

    TRY(query_next(query, &row));
    err = print_row(query, NULL, output, &text);
    while (!err && row && !output_failed(output)) {
        err = print_row(query, row, output, &text);
        if (!err) err = query_next(query, &row);
    }
    text_deinit(&text);
    return err;
}
