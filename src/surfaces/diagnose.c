#include "surfaces/diagnose.h"

#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "surfaces/finding_text.h"
#include "surfaces/json.h"
#include "surfaces/number.h"
#include "surfaces/paragraph.h"
#include "surfaces/run_query.h"

enum { BAR_WIDTH = 20 };

/* ---- head ---- */

static void append_time(struct text *text, uint64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm tm;
    char out[32];

    if (!seconds || !gmtime_r(&time, &tm) || !strftime(out, sizeof(out), "%Y-%m-%d %H:%M UTC", &tm)) return;
    text_printf(text, ", %s", out);
}

static void append_gc(struct text *text, const struct session_info *info)
{
    if (!info->gc) return;
    text_printf(text, ", %s GC", info->gc);
    if (info->heaps > 1) text_printf(text, " (%u heaps)", info->heaps);
}

static void append_known(struct text *text, const char *before, const char *s)
{
    if (!s) return;
    text_puts(text, before);
    text_append_safe(text, s, strlen(s));
}

void diagnose_append_head(struct text *text, const struct session_info *info)
{
    append_known(text, "", info->path);
    append_known(text, "   .NET ", info->runtime_version);
    if (!info->runtime_version) text_puts(text, "   no .NET runtime that can be read");
    append_known(text, ", ", info->os);
    append_known(text, " ", info->arch);
    append_gc(text, info);
    append_known(text, ", ", info->kind);
    text_puts(text, " dump");
    if (info->pid) text_printf(text, " of pid %u", (unsigned)info->pid);
    append_time(text, info->time);
}

/* ---- ledger ---- */

struct use {
    const char *name, *note; /* arena */
    uint64_t committed;
    bool share_known;
    double share;
};

struct uses {
    struct arena arena;
    VEC(struct use) list;
    bool total_known;
    uint64_t total;
};

static const char *keep_text(struct arena *arena, const struct value *value)
{
    struct text safe = { 0 };
    const char *ret;

    if (value) text_append_safe(&safe, value->s, value->length);
    ret = arena_strndup(arena, text_cstr(&safe), safe.length);
    text_deinit(&safe);
    return ret;
}

static struct error *keep_use(struct uses *uses, const struct query *query, const struct value *row)
{
    const struct value *committed = finding_value(query, row, "committed"), *share = finding_value(query, row, "share");
    struct use use = { .name = keep_text(&uses->arena, finding_value(query, row, "use")),
                       .note = keep_text(&uses->arena, finding_value(query, row, "note")),
                       .committed = committed ? committed->u : 0,
                       .share_known = share != NULL,
                       .share = share ? share->share : 0 };

    if (!use.name || !use.note) return &error_enomem;
    if (!strcmp(use.name, "total")) {
        uses->total_known = committed != NULL;
        uses->total = use.committed;
        return NULL;
    }
    return vec_push(&uses->list, use) ? NULL : &error_enomem;
}

static struct error *read_uses(struct run *run, struct uses *uses)
{
    struct query *query = NULL;
    const struct value *row;
    struct error *err = run_query(run, "ledger", NULL, &query);

    while (!err) {
        err = query_next(query, &row);
        if (err || !row) break;
        err = keep_use(uses, query, row);
    }
    query_destroy(query);
    return err;
}

static void append_padded(struct text *text, const char *s, size_t width, bool right)
{
    size_t wide = text_width(s, strlen(s));

    for (size_t i = wide; right && i < width; i++)
        text_putc(text, ' ');
    text_puts(text, s);
    for (size_t i = wide; !right && i < width; i++)
        text_putc(text, ' ');
}

static void append_bar(const struct output *output, struct text *text, double share)
{
    unsigned filled = share >= 1 ? BAR_WIDTH : share > 0 ? (unsigned)(share * BAR_WIDTH + 0.5) : 0;

    for (unsigned i = 0; i < BAR_WIDTH; i++)
        text_puts(text, i >= filled ? " " : output->utf8 ? "\u2588" : "#");
}

static void append_use(const struct output *output, struct text *text, const struct use *use, size_t name_width)
{
    struct text cell = { 0 };

    text_puts(text, "  ");
    append_padded(text, use->name, name_width, false);
    number_append_units(&cell, use->committed);
    append_padded(text, text_cstr(&cell), 10, true);
    text_clear(&cell);
    if (use->share_known) number_append_percent(&cell, use->share);
    append_padded(text, text_cstr(&cell), 9, true);
    text_puts(text, "  ");
    append_bar(output, text, use->share_known ? use->share : 0);
    text_puts(text, "  ");
    text_puts(text, use->note);
    while (text->length && text->data[text->length - 1] == ' ')
        text->data[--text->length] = 0;
    text_putc(text, '\n');
    text_deinit(&cell);
}

static void append_uses(const struct output *output, struct text *text, const struct uses *uses)
{
    size_t width = 0;

    if (uses->total_known) {
        struct text total = { 0 };

        text_puts(&total, "where ");
        number_append_units(&total, uses->total);
        text_puts(&total, " of committed memory went");
        output_append_bold(output, text, text_cstr(&total));
        text_putc(text, '\n');
        text_deinit(&total);
    }
    for (size_t i = 0; i < uses->list.count; i++) {
        size_t wide = text_width(uses->list.data[i].name, strlen(uses->list.data[i].name));

        if (wide > width) width = wide;
    }
    for (size_t i = 0; i < uses->list.count; i++)
        append_use(output, text, &uses->list.data[i], width);
}

/* The account is worth having even when a part of it fails, so its error is only told. */
static struct error *print_ledger(struct run *run)
{
    struct uses uses = { 0 };
    struct text text = { 0 };
    struct error *err;

    arena_init(&uses.arena);
    err = read_uses(run, &uses);
    append_uses(&run->output, &text, &uses);
    output_text(&run->output, &text);
    text_deinit(&text);
    vec_deinit(&uses.list);
    arena_deinit(&uses.arena);
    return err;
}

/* ---- findings ---- */

static void print_no_leak(struct run *run)
{
    bool gaps = run->gaps && run->gaps->list.count > 0;

    output_puts(&run->output, gaps ? "no leak found in what could be read (see the gaps)\n" : "no leak found\n");
}

static struct error *print_findings(struct run *run, struct query *query)
{
    struct text text = { 0 };
    const struct value *row = NULL;
    struct error *err = query_next(query, &row);
    bool more = true;

    output_puts(&run->output, "\n");
    /* Notes are no leaks; the worst finding comes first. */
    if (!err && (!row || finding_is(query, row, "severity", "note"))) print_no_leak(run);
    while (!err && row && more) {
        text_clear(&text);
        finding_append(&run->output, &text, query, row, run->target, false);
        text_putc(&text, '\n');
        output_text(&run->output, &text);
        err = text.failed ? &error_enomem : query_next(query, &row);
        more = !output_failed(&run->output);
    }
    text_deinit(&text);
    return err;
}

static void print_gap_summary(struct run *run)
{
    struct text text = { 0 };

    if (run->gaps && run->gaps->list.count) {
        text_printf(&text, "%zu kind%s of data could not be read; the gap lines on standard error say what and why\n",
                    run->gaps->list.count, run->gaps->list.count == 1 ? "" : "s");
        output_text(&run->output, &text);
    }
    text_deinit(&text);
}

static struct error *print_text(struct run *run)
{
    struct query *query = NULL;
    struct text text = { 0 }, head = { 0 };
    struct error *err, *ledger_err;

    diagnose_append_head(&head, &run->info);
    output_append_bold(&run->output, &text, text_cstr(&head));
    text_putc(&text, '\n');
    output_text(&run->output, &text);
    text_deinit(&text);
    text_deinit(&head);
    ledger_err = print_ledger(run);
    progress_line_resume(&run->line);
    run->output.started = false;
    err = run_query(run, "findings", NULL, &query);
    if (!err) err = print_findings(run, query);
    query_destroy(query);
    print_gap_summary(run);
    if (!err) return ledger_err;
    error_destroy(ledger_err);
    return err;
}

/* ---- JSON ---- */

static bool does_not_apply(const struct query_column *column, const struct value *value)
{
    if (!value->known) return true;
    if (column->kind != COLUMN_JSON) return false;
    return value->length == 2 && (!memcmp(value->s, "[]", 2) || !memcmp(value->s, "{}", 2));
}

/* A finding has members only for what applies to it. */
static void append_finding(struct text *text, const struct query *query, const struct value *row)
{
    const char *before = "{";

    for (unsigned i = 0; i < query->column_count; i++) {
        if (does_not_apply(&query->columns[i], &row[i])) continue;
        text_puts(text, before);
        json_append_string(text, query->columns[i].name);
        text_puts(text, ": ");
        json_append_value(text, query->columns[i].kind, &row[i]);
        before = ", ";
    }
    text_puts(text, *before == '{' ? "{}" : "}");
}

static void append_row(struct text *text, const struct query *query, const struct value *row)
{
    json_append_row(text, query, row);
}

/* `"name": [ rows ]` of the relation `relation`. */
static struct error *append_rows(struct run *run, struct text *text, const char *relation, const char *where,
                                 void (*append)(struct text *, const struct query *, const struct value *), size_t *count_ret)
{
    struct query *query = NULL;
    const struct value *row;
    struct error *err = run_query(run, relation, where, &query);
    const char *before = "\n    ";

    text_printf(text, ",\n  \"%s\": [", relation);
    while (!err) {
        err = query_next(query, &row);
        if (err || !row) break;
        text_puts(text, before);
        append(text, query, row);
        before = ",\n    ";
        ++*count_ret;
    }
    text_puts(text, "\n  ]");
    query_destroy(query);
    return err;
}

static struct error *print_json(struct run *run, const char *where, bool with_ledger, size_t *findings_ret)
{
    struct text text = { 0 };
    struct error *err = NULL, *findings_err;
    size_t uses = 0;

    text_puts(&text, "{ ");
    json_append_head(&text, run_info(run), "\n  ");
    if (with_ledger) err = append_rows(run, &text, "ledger", NULL, append_row, &uses);
    findings_err = append_rows(run, &text, "findings", where, append_finding, findings_ret);
    if (err)
        error_destroy(findings_err);
    else
        err = findings_err;
    if (err) {
        text_puts(&text, ",\n  \"error\": ");
        json_append_string(&text, error_message(err));
    }
    if (run->gaps) {
        text_puts(&text, ",\n  \"gaps\": ");
        json_append_gaps(&text, run->gaps);
    }
    text_puts(&text, "\n}\n");
    if (!err && text.failed) err = &error_enomem;
    if (!err || err->code != ERROR_CANCELLED) output_text(&run->output, &text);
    text_deinit(&text);
    return err;
}

struct error *diagnose_run(struct run *run, const struct options *options)
{
    size_t findings = 0;

    return options->format == FORMAT_JSON ? print_json(run, NULL, true, &findings) : print_text(run);
}

/* ---- explain ---- */

static struct error *explain_text(struct run *run, const char *where, size_t *findings_ret)
{
    struct query *query = NULL;
    struct text text = { 0 };
    const struct value *row;
    struct error *err;

    TRY(run_query(run, "findings", where, &query));
    err = query_next(query, &row);
    if (!err && row) {
        finding_append(&run->output, &text, query, row, run->target, true);
        if (text.failed) err = &error_enomem;
        output_text(&run->output, &text);
        ++*findings_ret;
    }
    text_deinit(&text);
    query_destroy(query);
    return err;
}

struct error *explain_run(struct run *run, const struct options *options, uint64_t id)
{
    char where[40];
    size_t findings = 0;

    snprintf(where, sizeof(where), "id = %llu", (unsigned long long)id);
    if (options->format == FORMAT_JSON)
        TRY(print_json(run, where, false, &findings));
    else
        TRY(explain_text(run, where, &findings));
    if (findings == 0)
        return error_create(ERROR_NOT_FOUND, "there is no finding %llu; the command findings lists them", (unsigned long long)id);
    return NULL;
}
