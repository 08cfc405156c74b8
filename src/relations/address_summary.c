#include <stdlib.h>

#include "relations/relation.h"
#include "session/ledger.h"
#include "session/session.h"
#include "target/target.h"

/*
 * What WinDbg's `!address -summary` prints: the address space by usage, type, state and protection. Uses are those of the ledger,
 * which knows more of a .NET process than WinDbg. A core lists no free memory, and of reserved memory only the kernel's does.
 */
struct summary_row {
    const char *table, *name;
    uint64_t regions, size;
    bool busy;
};

enum { PROTECTIONS = 32, ROWS = USE_COUNT + 2 + 4 + 3 + PROTECTIONS };

struct address_summary_cursor {
    struct summary_row rows[ROWS];
    unsigned count, index;
    uint64_t busy, total;
    char names[PROTECTIONS][8];
};

enum { TABLE, NAME, REGIONS, SIZE, OF_BUSY, OF_TOTAL };

static int compare_rows(const void *a, const void *b)
{
    const struct summary_row *left = a, *right = b;
    return left->size > right->size ? -1 : left->size < right->size;
}

/* Puts the rows of one table in order and leaves empty ones out. */
static void add_table(struct address_summary_cursor *cursor, const char *table, struct summary_row *rows, unsigned count)
{
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (unsigned i = 0; i < count; i++) {
        if (!rows[i].size || cursor->count == ROWS) continue;
        rows[i].table = table;
        cursor->rows[cursor->count++] = rows[i];
    }
}

static void count_range(struct summary_row *row, const struct dump_range *range)
{
    row->regions++;
    row->size += range->end - range->start;
}

static void add_usage(struct address_summary_cursor *cursor, const struct ledger *ledger, const struct dump *dump)
{
    struct summary_row rows[USE_COUNT + 2] = { 0 };

    for (size_t i = 0; i < ledger->pieces.count; i++) {
        const struct ledger_piece *piece = &ledger->pieces.data[i];

        rows[piece->use].regions++;
        rows[piece->use].size += piece->end - piece->start;
    }
    for (unsigned use = 0; use < USE_COUNT; use++) {
        rows[use].name = use == USE_MALLOC_USED ? "native heap" : ledger_use_name((enum ledger_use)use);
        rows[use].busy = true;
    }
    rows[USE_COUNT] = (struct summary_row) { .name = "reserved", .busy = true };
    rows[USE_COUNT + 1].name = "Free";
    for (size_t i = 0; i < dump->ranges.count; i++)
        if (dump->ranges.data[i].state != RANGE_COMMIT)
            count_range(&rows[dump->ranges.data[i].state == RANGE_RESERVE ? USE_COUNT : USE_COUNT + 1], &dump->ranges.data[i]);
    add_table(cursor, "usage", rows, USE_COUNT + 2);
}

/* A core does not say of which type a range is; a file behind it does. */
static enum range_type type_of(const struct target *target, const struct dump_range *range)
{
    if (range->type != RANGE_UNKNOWN) return (enum range_type)range->type;
    if (target_module_at(target, range->start)) return RANGE_IMAGE;
    return dump_file_map_at(target->dump, range->start) ? RANGE_MAPPED : RANGE_PRIVATE;
}

static void add_types(struct address_summary_cursor *cursor, const struct target *target)
{
    struct summary_row rows[] = { { .name = "<unknown>", .busy = true },
                                  { .name = "MEM_PRIVATE", .busy = true },
                                  { .name = "MEM_MAPPED", .busy = true },
                                  { .name = "MEM_IMAGE", .busy = true } };

    for (size_t i = 0; i < target->dump->ranges.count; i++) {
        const struct dump_range *range = &target->dump->ranges.data[i];
        if (range->state != RANGE_FREE) count_range(&rows[type_of(target, range)], range);
    }
    add_table(cursor, "type", rows, ARRAY_COUNT(rows));
}

static void add_states(struct address_summary_cursor *cursor, const struct dump *dump)
{
    struct summary_row rows[] = { [RANGE_COMMIT] = { .name = "MEM_COMMIT", .busy = true },
                                  [RANGE_RESERVE] = { .name = "MEM_RESERVE", .busy = true },
                                  [RANGE_FREE] = { .name = "MEM_FREE" } };

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];

        count_range(&rows[range->state], range);
        cursor->total += range->end - range->start;
        if (range->state != RANGE_FREE) cursor->busy += range->end - range->start;
    }
    add_table(cursor, "state", rows, ARRAY_COUNT(rows));
}

static void add_protections(struct address_summary_cursor *cursor, const struct dump *dump)
{
    struct summary_row rows[PROTECTIONS] = { 0 };

    for (unsigned i = 0; i < PROTECTIONS; i++) {
        char *p = cursor->names[i];

        *p++ = i & PROTECTION_READ ? 'r' : '-';
        *p++ = i & PROTECTION_WRITE ? 'w' : '-';
        *p++ = i & PROTECTION_EXEC ? 'x' : '-';
        if (i & PROTECTION_GUARD) *p++ = 'g';
        if (i & PROTECTION_COPY) *p++ = 'c';
        *p = 0;
        rows[i] = (struct summary_row) { .name = cursor->names[i], .busy = true };
    }
    for (size_t i = 0; i < dump->ranges.count; i++)
        if (dump->ranges.data[i].state == RANGE_COMMIT)
            count_range(&rows[dump->ranges.data[i].protection & (PROTECTIONS - 1)], &dump->ranges.data[i]);
    add_table(cursor, "protection", rows, PROTECTIONS);
}

static struct error *address_summary_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct address_summary_cursor *cursor = cursor_;
    const struct target *target = session_target(session);
    const struct ledger *ledger;

    (void)request;
    TRY(session_ledger(session, &ledger));
    add_usage(cursor, ledger, target->dump);
    add_types(cursor, target);
    add_states(cursor, target->dump);
    add_protections(cursor, target->dump);
    return NULL;
}

static struct error *address_summary_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct address_summary_cursor *cursor = cursor_;
    const struct summary_row *from;

    *more_ret = cursor->index < cursor->count;
    if (!*more_ret) return NULL;
    from = &cursor->rows[cursor->index++];
    value_text(&row[TABLE], from->table);
    value_text(&row[NAME], from->name);
    value_u64(&row[REGIONS], from->regions);
    value_u64(&row[SIZE], from->size);
    if (from->busy && cursor->busy) value_share(&row[OF_BUSY], (double)from->size / (double)cursor->busy);
    if (cursor->total) value_share(&row[OF_TOTAL], (double)from->size / (double)cursor->total);
    return NULL;
}

static const struct column columns[] = {
    { "table", COLUMN_TEXT, "usage, type (of what is not free), state, protection (of what is committed)" },
    { "name", COLUMN_TEXT, "the use, type, state or protection" },
    { "region_count", COLUMN_COUNT, "regions" },
    { "size", COLUMN_BYTES, "address space" },
    { "of_busy", COLUMN_SHARE, "of what is not free" },
    { "of_total", COLUMN_SHARE, "of all" },
};

const struct relation relation_address_summary = {
    .name = "address_summary",
    .summary = "the address space by usage, type, state and protection",
    .description =
        "As WinDbg's !address -summary, with the uses of the ledger. Second views of executable memory are a use of their "
        "own here. A core lists no free memory, and reserved memory only when the kernel wrote it.",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "address_summary" },
                  { "address -summary", .columns = "table,name,region_count,size,of_busy,of_total",
                    .titles = "Summary|Name|RgnCount|Total Size|%ofBusy|%ofTotal", .help = "as WinDbg calls it" } },
    .empty = "the dump describes no memory",
    .cursor_size = sizeof(struct address_summary_cursor),
    .begin = address_summary_begin,
    .next = address_summary_next,
};
