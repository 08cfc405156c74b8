#include "session/ledger.h"

#include <string.h>

#include "base/vec.h"
#include "heap/liveness.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* Uses of committed memory, largest first, and the total as the last row. */
struct ledger_cursor {
    const struct ledger *ledger;
    const struct dump *dump;
    VEC(struct ledger_line) list;
    struct text bar;
    size_t index;
    bool total_done;
};

/* A row of the ledger, or the part of one. */
struct ledger_line {
    const char *name; /* static, or session arena */
    uint64_t count, committed, reserved, resident, private_dirty;
    const char *note;
};

enum { USE, COUNT, COMMITTED, RESERVED, RESIDENT, PRIVATE_DIRTY, SHARE, BAR, NOTE };

static int compare_lines(const void *a, const void *b)
{
    const struct ledger_line *left = a, *right = b;

    if (left->committed != right->committed) return left->committed > right->committed ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* Which generation a use is of; false when it is of none. */
static bool use_generation(enum ledger_use use, enum gc_generation *ret)
{
    static const struct {
        enum ledger_use use;
        enum gc_generation generation;
    } pairs[] = {
        { USE_GC_GEN0, GC_GEN0 }, { USE_GC_GEN1, GC_GEN1 }, { USE_GC_GEN2, GC_GEN2 },     { USE_GC_EPHEMERAL, GC_EPHEMERAL },
        { USE_GC_LOH, GC_LOH },   { USE_GC_POH, GC_POH },   { USE_GC_FROZEN, GC_FROZEN },
    };

    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        if (pairs[i].use != use) continue;
        *ret = pairs[i].generation;
        return true;
    }
    return false;
}

static bool add_part(struct ledger_cursor *cursor, struct arena *arena, const struct ledger_row *row, const char *part,
                     uint64_t count, uint64_t bytes)
{
    struct ledger_line line = { .count = count, .committed = bytes };

    if (!bytes) return true;
    line.name = arena_printf(arena, "%s, %s", ledger_use_name(row->use), part);
    return line.name && vec_push(&cursor->list, line);
}

/*
 * A generation as its live, dead and free bytes. What is in no object, the words in front of the first one, is free; where parts
 * of the heap could not be walked, what is missing is, too, and the walk has told so.
 */
static bool add_split(struct ledger_cursor *cursor, struct arena *arena, const struct ledger_row *row,
                      const struct liveness_sum *sum)
{
    uint64_t live = sum->live_bytes < row->committed ? sum->live_bytes : row->committed, rest = row->committed - live;
    uint64_t dead = sum->dead_bytes < rest ? sum->dead_bytes : rest;

    return add_part(cursor, arena, row, "live", sum->live_count, live) &&
           add_part(cursor, arena, row, "dead", sum->dead_count, dead) &&
           add_part(cursor, arena, row, "free", sum->free_count, rest - dead);
}

static struct error *read_liveness(struct session *session, struct liveness_sum *ret)
{
    const struct graph *graph;
    const struct gc_heaps *heaps;

    TRY(session_gc_heaps(session, &heaps));
    TRY(session_graph(session, &graph));
    return heap_liveness(graph, heaps, session_progress(session), ret);
}

static struct error *ledger_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct ledger_cursor *cursor = cursor_;
    bool split = request->arguments[0].given;
    struct liveness_sum sums[GC_EPHEMERAL + 1];

    text_init(&cursor->bar);
    TRY(session_ledger(session, &cursor->ledger));
    if (split) TRY(read_liveness(session, sums));
    cursor->dump = session_target(session)->dump;
    for (unsigned use = 0; use < USE_COUNT; use++) {
        const struct ledger_row *row = &cursor->ledger->rows[use];
        struct ledger_line line = { ledger_use_name(row->use), row->count, row->committed, row->reserved, row->resident,
                                    row->private_dirty,        row->note };
        enum gc_generation generation;
        bool done;

        if (!row->committed) continue;
        if (split && use_generation(row->use, &generation))
            done = add_split(cursor, session_arena(session), row, &sums[generation]);
        else
            done = vec_push(&cursor->list, line);
        if (!done) return &error_enomem;
    }
    vec_sort(&cursor->list, compare_lines);
    return NULL;
}

/* A share as a bar of eighths of a character. */
static void fill_bar(struct ledger_cursor *cursor, double share, struct value *value)
{
    enum { WIDTH = 40, EIGHTHS = 8 };
    unsigned filled = (unsigned)(share * WIDTH * EIGHTHS + 0.5);

    text_clear(&cursor->bar);
    for (; filled >= EIGHTHS; filled -= EIGHTHS)
        utf8_append(&cursor->bar, 0x2588);
    if (filled) utf8_append(&cursor->bar, 0x2590 - filled);
    value_textn(value, text_cstr(&cursor->bar), cursor->bar.length);
}

static void sum_resident(const struct ledger *ledger, uint64_t *resident_ret, uint64_t *private_dirty_ret)
{
    *resident_ret = *private_dirty_ret = 0;
    for (unsigned use = 0; use < USE_COUNT; use++) {
        if (use == USE_DOUBLE_MAPPED) continue;
        *resident_ret += ledger->rows[use].resident;
        *private_dirty_ret += ledger->rows[use].private_dirty;
    }
}

static void fill_total_resident(const struct ledger_cursor *cursor, struct value *row)
{
    uint64_t resident, private_dirty;

    if (!cursor->ledger->has_resident) return;
    sum_resident(cursor->ledger, &resident, &private_dirty);
    value_u64(&row[RESIDENT], resident);
    value_u64(&row[PRIVATE_DIRTY], private_dirty);
}

static struct error *ledger_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct ledger_cursor *cursor = cursor_;
    uint64_t total = cursor->ledger->committed;

    *more_ret = true;
    if (cursor->index < cursor->list.count) {
        const struct ledger_line *line = &cursor->list.data[cursor->index++];
        double share = total ? (double)line->committed / (double)total : 0;

        value_text(&row[USE], line->name);
        if (line->count) value_u64(&row[COUNT], line->count);
        value_u64(&row[COMMITTED], line->committed);
        if (line->reserved) value_u64(&row[RESERVED], line->reserved);
        /* Parts of a generation have none. */
        if (cursor->ledger->has_resident && line->resident) {
            value_u64(&row[RESIDENT], line->resident);
            value_u64(&row[PRIVATE_DIRTY], line->private_dirty);
        }
        value_share(&row[SHARE], share);
        fill_bar(cursor, share, &row[BAR]);
        value_text(&row[NOTE], line->note);
    } else if (!cursor->total_done) {
        cursor->total_done = true;
        value_text(&row[USE], "total");
        value_u64(&row[COMMITTED], total);
        fill_total_resident(cursor, row);
        value_share(&row[SHARE], total ? 1 : 0);
    } else {
        *more_ret = false;
    }
    return NULL;
}

static void ledger_end(void *cursor_)
{
    struct ledger_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    text_deinit(&cursor->bar);
}

/* What "committed" can mean here. */
static const char *meaning(const struct dump *dump)
{
    if (!strcmp(dump->format, "minidump"))
        return dump->has_memory_info ? "committed is what Windows calls so"
                                     : "committed is what the dump holds: it does not describe the rest";
    if (!strcmp(dump->kind, "heap"))
        return "a heap dump: committed memory that can be written, touched or not, and a few pages of files; most of the images is "
               "not in it";
    if (!strcmp(dump->kind, "full") || !strcmp(dump->kind, "gcore") || !strcmp(dump->kind, "kernel"))
        return "a core says what was committed, touched or not; never what was resident";
    if (!strcmp(dump->kind, "live")) return "the process lives: committed is what it has mapped, touched or not";
    return "committed is what the dump holds, a small part of the process";
}

static void ledger_footer(void *cursor_, struct text *ret)
{
    const struct ledger_cursor *cursor = cursor_;

    text_puts(ret, meaning(cursor->dump));
    if (cursor->ledger->has_resident) {
        uint64_t resident, private_dirty;

        sum_resident(cursor->ledger, &resident, &private_dirty);
        text_putc(ret, '\n');
        text_number(ret, resident);
        text_puts(ret, " bytes of it are in memory, of these ");
        text_number(ret, private_dirty);
        text_puts(ret, " are the process's alone and not a file's (Private_Dirty)");
    }
    if (cursor->ledger->file_pages) {
        text_putc(ret, '\n');
        text_number(ret, cursor->ledger->file_pages);
        text_puts(ret, " bytes of the total are read-only pages of files, which processes share");
    }
    if (cursor->ledger->not_counted) {
        text_putc(ret, '\n');
        text_number(ret, cursor->ledger->not_counted);
        text_puts(ret, " bytes are second views of executable memory and counted once");
    }
}

static const struct column columns[] = {
    { "use", COLUMN_TEXT, "what the memory is used for" },
    { "count", COLUMN_COUNT, "segments, blocks, stacks, mappings" },
    { "committed", COLUMN_BYTES, "committed bytes; the uses add up to the total" },
    { "reserved", COLUMN_BYTES, "address space of the same things, where it is known" },
    { "resident", COLUMN_BYTES, "in memory (Rss), of a running process; of the native heap as a whole in the row in use",
      COLUMN_VERBOSE },
    { "private_dirty", COLUMN_BYTES, "of these: the process's alone, and not a file's", COLUMN_VERBOSE },
    { "share", COLUMN_SHARE, "of the total" },
    { "bar", COLUMN_TEXT, "the share, drawn", COLUMN_VERBOSE | COLUMN_TEXT_ONLY },
    { "note", COLUMN_TEXT, "what is worth knowing" },
};

static const struct parameter parameters[] = {
    { "live", "-live", PARAMETER_SWITCH, false, "live, dead and free bytes of each generation: marks the whole heap" },
};

const struct relation relation_ledger = {
    .name = "ledger",
    .summary = "where every committed byte went",
    .description = "Every committed byte of the dump under exactly one use; the uses add up to the total, and the total to the "
                   "committed bytes of `mappings`.",
    .topic = "process",
    .growth = { .kind = "memory", .key = "use", .count = "count", .bytes = "committed", .rank = 2 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "ledger" },
                  { "ledger -chart", .columns = "use,committed,share,bar", .help = "shares as bars" },
                  { "maddress", .help = "as SOS calls it" } },
    .empty = "the dump describes no memory",
    .cursor_size = sizeof(struct ledger_cursor),
    .begin = ledger_begin,
    .next = ledger_next,
    .end = ledger_end,
    .footer = ledger_footer,
};
