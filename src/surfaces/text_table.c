#include "surfaces/text_table.h"

#include <stdlib.h>
#include <string.h>

#include "surfaces/cell.h"
#include "surfaces/number.h"

enum {
    AHEAD_BYTES = 4 << 20,
    LEAST_TEXT_WIDTH = 12, /* a clipped text keeps so many columns */
    WIDEST_COLUMN = 256,   /* a longer text shifts its own row only: one hostile name must not pad all the others */
};

static const char *const gap_between = "  ";

struct error *text_table_init(struct text_table *table, struct query *query, struct output *output)
{
    *table = (struct text_table) { .query = query, .output = output };
    arena_init(&table->cells);
    table->widths = calloc(query->column_count + 1, sizeof(table->widths[0]));
    return table->widths ? NULL : &error_enomem;
}

void text_table_deinit(struct text_table *table)
{
    arena_deinit(&table->cells);
    vec_deinit(&table->ahead);
    free(table->widths);
    text_deinit(&table->line);
    text_deinit(&table->cell);
}

/* ---- cells ---- */

static const char *format_cell(struct text_table *table, unsigned column, const struct value *value)
{
    text_clear(&table->cell);
    cell_append(&table->cell, table->query->columns[column].kind, value);
    return text_cstr(&table->cell);
}

/* Bytes of `s` that take at most `width` columns. */
static size_t prefix_within(const char *s, size_t length, size_t width)
{
    size_t at = 0;
    uint32_t c;

    while (at < length) {
        size_t size = utf8_decode(s + at, length - at, &c);
        size_t wide = text_width(s + at, size ? size : 1);

        if (wide > width) break;
        width -= wide;
        at += size ? size : 1;
    }
    return at;
}

/* Where the last `width` columns of `s` begin. */
static size_t suffix_within(const char *s, size_t length, size_t width)
{
    size_t total = text_width(s, length);

    return total <= width ? 0 : prefix_within(s, length, total - width);
}

/* The middle of a type name says least: its namespace is in front, its own name at the end. The columns taken. */
static size_t append_clipped(struct text_table *table, const char *s, size_t length, size_t width)
{
    const char *ellipsis = output_ellipsis(table->output);
    size_t room = width - text_width(ellipsis, strlen(ellipsis));
    size_t head = prefix_within(s, length, room / 2);
    size_t tail = suffix_within(s, length, room - room / 2);

    output_append_shown(table->output, &table->line, s, head);
    text_puts(&table->line, ellipsis);
    output_append_shown(table->output, &table->line, s + tail, length - tail);
    /* A wide character that does not fit leaves a column free. */
    return width - room + text_width(s, head) + text_width(s + tail, length - tail);
}

static void append_spaces(struct text *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_putc(text, ' ');
}

static void append_cell(struct text_table *table, unsigned column, const char *s, bool is_head)
{
    size_t length = strlen(s), wide = text_width(s, length), width = table->widths[column];
    bool last = column + 1 == table->query->column_count;
    bool right = cell_is_number(table->query->columns[column].kind);
    bool clip = table->output->terminal && wide > width && !right && width >= LEAST_TEXT_WIDTH;
    size_t pad = wide < width ? width - wide : 0;

    if (column) text_puts(&table->line, gap_between);
    if (right) append_spaces(&table->line, pad);
    if (clip)
        pad = width - append_clipped(table, s, length, width);
    else if (is_head)
        output_append_bold(table->output, &table->line, s);
    else
        output_append_shown(table->output, &table->line, s, length);
    if (!right && !last) append_spaces(&table->line, pad);
}

static struct error *print_line(struct text_table *table)
{
    text_putc(&table->line, '\n');
    if (table->line.failed || table->cell.failed) return &error_enomem;
    output_text(table->output, &table->line);
    text_clear(&table->line);
    return NULL;
}

/* ---- widths ---- */

static void widen(struct text_table *table, unsigned column, const char *s)
{
    size_t wide = text_width(s, strlen(s));

    if (wide > WIDEST_COLUMN) wide = WIDEST_COLUMN;
    if (wide > table->widths[column]) table->widths[column] = (unsigned)wide;
}

static void measure(struct text_table *table)
{
    unsigned columns = table->query->column_count;

    for (unsigned i = 0; i < columns; i++)
        widen(table, i, table->query->columns[i].title);
    for (size_t i = 0; i < table->ahead.count; i++)
        widen(table, (unsigned)(i % columns), table->ahead.data[i]);
}

static unsigned widest_text(const struct text_table *table)
{
    unsigned widest = UINT32_MAX;

    for (unsigned i = 0; i < table->query->column_count; i++) {
        if (!kind_is_text(table->query->columns[i].kind)) continue;
        if (widest == UINT32_MAX || table->widths[i] > table->widths[widest]) widest = i;
    }
    return widest;
}

/* Takes from the widest text until a row fits the terminal, or texts cannot give more. */
static void fit_terminal(struct text_table *table)
{
    size_t total = 2 * (size_t)(table->query->column_count ? table->query->column_count - 1 : 0);

    for (unsigned i = 0; i < table->query->column_count; i++)
        total += table->widths[i];
    while (total > table->output->width) {
        unsigned widest = widest_text(table);

        if (widest == UINT32_MAX || table->widths[widest] <= LEAST_TEXT_WIDTH) return;
        table->widths[widest]--;
        total--;
    }
}

/* ---- reading ahead ---- */

static struct error *keep_row(struct text_table *table, const struct value *row)
{
    for (unsigned i = 0; i < table->query->column_count; i++) {
        const char *s = format_cell(table, i, &row[i]);
        char *copy = table->cell.failed ? NULL : arena_strndup(&table->cells, s, table->cell.length);

        if (!copy || !vec_push(&table->ahead, copy)) return &error_enomem;
        table->ahead_bytes += table->cell.length;
    }
    table->ahead_rows++;
    return NULL;
}

struct error *text_table_read_ahead(struct text_table *table)
{
    const struct value *row;

    while (table->ahead_rows < TEXT_TABLE_AHEAD && table->ahead_bytes < AHEAD_BYTES) {
        TRY(query_next(table->query, &row));
        table->ended = row == NULL;
        if (table->ended) break;
        TRY(keep_row(table, row));
    }
    measure(table);
    if (table->output->terminal) fit_terminal(table);
    return NULL;
}

/* ---- printing ---- */

static struct error *print_head(struct text_table *table)
{
    for (unsigned i = 0; i < table->query->column_count; i++)
        append_cell(table, i, table->query->columns[i].title, true);
    return print_line(table);
}

static struct error *print_ahead(struct text_table *table)
{
    unsigned columns = table->query->column_count;

    for (size_t r = 0; r < table->ahead_rows; r++) {
        for (unsigned i = 0; i < columns; i++)
            append_cell(table, i, table->ahead.data[r * columns + i], false);
        TRY(print_line(table));
    }
    return NULL;
}

static struct error *print_rest(struct text_table *table)
{
    const struct value *row;

    while (!table->ended && !output_failed(table->output)) {
        TRY(query_next(table->query, &row));
        table->ended = row == NULL;
        for (unsigned i = 0; row && i < table->query->column_count; i++)
            append_cell(table, i, format_cell(table, i, &row[i]), false);
        if (row) TRY(print_line(table));
    }
    return NULL;
}

static struct error *print_record(struct text_table *table, const char *const *cells)
{
    unsigned widest = 0;

    for (unsigned i = 0; i < table->query->column_count; i++) {
        unsigned wide = (unsigned)strlen(table->query->columns[i].title);

        if (wide > widest) widest = wide;
    }
    for (unsigned i = 0; i < table->query->column_count; i++) {
        const char *title = table->query->columns[i].title;

        output_append_bold(table->output, &table->line, title);
        text_putc(&table->line, ':');
        append_spaces(&table->line, widest - strlen(title) + 1);
        output_append_shown(table->output, &table->line, cells[i], strlen(cells[i]));
        TRY(print_line(table));
    }
    return NULL;
}

/* Records are one-row answers; the few that have more rows are divided by empty lines. */
static struct error *print_records(struct text_table *table)
{
    unsigned columns = table->query->column_count;

    for (;;) {
        for (size_t r = 0; r < table->ahead_rows; r++) {
            if (table->output->started) TRY(print_line(table));
            TRY(print_record(table, &table->ahead.data[r * columns]));
        }
        if (table->ended || output_failed(table->output)) return NULL;
        table->ahead.count = table->ahead_rows = table->ahead_bytes = 0;
        arena_deinit(&table->cells);
        arena_init(&table->cells);
        TRY(text_table_read_ahead(table));
    }
}

static struct error *print_hidden(struct text_table *table, const char *more_help)
{
    const struct query *query = table->query;

    if (query->hidden == 0) return NULL;
    text_puts(&table->line, output_ellipsis(table->output));
    text_putc(&table->line, ' ');
    number_append_grouped(&table->line, query->hidden);
    text_printf(&table->line, " %s %s: %s", query->grouped ? "groups" : "rows", query->hidden_first ? "before these" : "more",
                more_help);
    return print_line(table);
}

static struct error *print_footer(struct text_table *table)
{
    struct text footer = { 0 };
    struct error *err = NULL;

    query_footer(table->query, &footer);
    if (footer.length) {
        output_append_shown(table->output, &table->line, text_cstr(&footer), footer.length);
        if (footer.data[footer.length - 1] == '\n') table->line.length--;
        err = print_line(table);
    }
    text_deinit(&footer);
    return err;
}

static struct error *print_empty(struct text_table *table)
{
    const struct query *query = table->query;

    if (query->user_condition)
        text_puts(&table->line, "no rows match --where");
    else
        text_puts(&table->line, query->relation->empty ? query->relation->empty : "none");
    return print_line(table);
}

struct error *text_table_print(struct text_table *table, const char *more_help)
{
    struct query *query = table->query;

    if (table->ahead_rows == 0) {
        TRY(print_empty(table));
    } else if (query->command->layout == LAYOUT_RECORD && !query->grouped) {
        TRY(print_records(table));
    } else {
        TRY(print_head(table));
        if (query->hidden_first) TRY(print_hidden(table, more_help));
        TRY(print_ahead(table));
        TRY(print_rest(table));
    }
    if (!query->hidden_first) TRY(print_hidden(table, more_help));
    return print_footer(table);
}
