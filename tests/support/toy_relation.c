#include "toy_relation.h"

#include <stdlib.h>
#include <string.h>

struct toy_rows toy_rows;

struct toy_cursor {
    size_t at;
    uint64_t bytes;
};

void toy_set(const struct toy *rows, size_t count)
{
    toy_rows = (struct toy_rows) { .rows = rows, .count = count, .fail_at = -1 };
}

static struct error *toy_begin(struct session *session, const struct request *request, void *cursor)
{
    (void)session;
    (void)cursor;
    toy_rows.columns_needed = request->columns_needed;
    toy_rows.pulled = 0;
    toy_rows.ended = false;
    return toy_rows.begin_fails ? error_create(ERROR_NOT_FOUND, "no toys in this dump") : NULL;
}

static struct error *toy_next(void *cursor, struct value *row, bool *more_ret)
{
    struct toy_cursor *c = cursor;
    const struct toy *toy;

    if ((long)c->at == toy_rows.fail_at) return error_create(ERROR_FAULT, "cannot read toy %zu", c->at);
    *more_ret = c->at < toy_rows.count;
    if (!*more_ret) return NULL;
    toy = &toy_rows.rows[c->at++];
    toy_rows.pulled++;
    value_u64(&row[TOY_ADDRESS], toy->address);
    value_text(&row[TOY_NAME], toy->name);
    if (toy->size >= 0) {
        value_u64(&row[TOY_SIZE], (uint64_t)toy->size);
        c->bytes += (uint64_t)toy->size;
    }
    value_u64(&row[TOY_COUNT], toy->count);
    value_u64(&row[TOY_ID], toy->id);
    value_u64(&row[TOY_TOKEN], toy->token);
    if (toy->live >= 0) value_u64(&row[TOY_LIVE], (uint64_t)toy->live);
    value_share(&row[TOY_SHARE], toy->share);
    value_text(&row[TOY_EXTRA], toy->extra);
    value_text(&row[TOY_NOTE], toy->note);
    return NULL;
}

static void toy_end(void *cursor)
{
    (void)cursor;
    toy_rows.ended = true;
}

static void toy_footer(void *cursor, struct text *ret)
{
    const struct toy_cursor *c = cursor;

    text_printf(ret, "Total %zu toys, %llu bytes\n", c->at, (unsigned long long)c->bytes);
}

static const struct column toy_columns[TOY_COLUMNS] = {
    { "address", COLUMN_ADDRESS, "where it is" },   { "name", COLUMN_TEXT, "what it is called" },
    { "size", COLUMN_BYTES, "how large it is" },    { "count", COLUMN_COUNT, "how many there are" },
    { "thread_id", COLUMN_NUMBER, "who made it" },  { "token", COLUMN_TOKEN, "its token" },
    { "live", COLUMN_BOOL, "whether it is alive" }, { "share", COLUMN_SHARE, "its part of all" },
    { "extra", COLUMN_JSON, "more about it" },      { "note", COLUMN_TEXT, "a remark", COLUMN_VERBOSE },
};

static const struct parameter toy_parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, false, "only this one" },
    { "type name", "-type", PARAMETER_TEXT, false, "only of this type" },
    { "min", "-min", PARAMETER_NUMBER, false, "at least so large" },
    { "short", "-short", PARAMETER_SWITCH, false, "addresses only" },
};

const struct relation relation_toy = {
    .name = "toys",
    .summary = "toys, for tests",
    .description = "What children play with.",
    .columns = toy_columns,
    .column_count = TOY_COLUMNS,
    .parameters = toy_parameters,
    .parameter_count = ARRAY_COUNT(toy_parameters),
    .commands = { { .name = "toys" },
                  { .name = "dumptoys" },
                  { .name = "dumptoys -stat",
                    .columns = "count,size,name",
                    .titles = "Count|TotalSize|Class Name",
                    .sort = "size" },
                  { .name = "dumptoy", .layout = LAYOUT_RECORD, .columns = "name,size,live", .titles = "Name|Size|Alive" } },
    .empty = "no toys",
    .cursor_size = sizeof(struct toy_cursor),
    .begin = toy_begin,
    .next = toy_next,
    .end = toy_end,
    .footer = toy_footer,
};

static const struct parameter games_parameters[] = {
    { "game", NULL, PARAMETER_ADDRESS, true, "which" },
};

static const struct relation relation_games = {
    .name = "games",
    .summary = "games, for tests",
    .topic = "play",
    .columns = toy_columns,
    .column_count = TOY_COLUMNS,
    .parameters = games_parameters,
    .parameter_count = 1,
    .commands = { { .name = "games" } },
    .without_dump = true,
    .cursor_size = sizeof(struct toy_cursor),
    .begin = toy_begin,
    .next = toy_next,
};

const struct relation *const toy_relations[] = { &relation_toy_findings, &relation_games, &relation_toy_ledger, &relation_toy,
                                                 NULL };

void capture_begin(struct capture *capture)
{
    *capture = (struct capture) { 0 };
    capture->output = (struct output) { .file = open_memstream(&capture->data, &capture->size), .utf8 = true };
}

const char *capture_end(struct capture *capture)
{
    fflush(capture->output.file);
    return capture->data;
}

void capture_deinit(struct capture *capture)
{
    fclose(capture->output.file);
    free(capture->data);
}
