#include "session/ledger.h"

#include <string.h>

#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* Uses of committed memory, largest first, and the total as the last row. */
struct ledger_cursor {
    const struct ledger *ledger;
    const struct dump *dump;
    unsigned order[USE_COUNT];
    unsigned count, index;
    bool total_done;
};

enum { USE, COUNT, COMMITTED, RESERVED, SHARE, NOTE };

static struct error *ledger_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct ledger_cursor *cursor = cursor_;

    (void)request;
    TRY(session_ledger(session, &cursor->ledger));
    cursor->dump = session_target(session)->dump;
    for (unsigned use = USE_COUNT; use-- > 0;) {
        unsigned at = cursor->count;

        if (!cursor->ledger->rows[use].committed) continue;
        while (at > 0 && cursor->ledger->rows[cursor->order[at - 1]].committed < cursor->ledger->rows[use].committed) {
            cursor->order[at] = cursor->order[at - 1];
            at--;
        }
        cursor->order[at] = use;
        cursor->count++;
    }
    return NULL;
}

static struct error *ledger_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct ledger_cursor *cursor = cursor_;
    uint64_t total = cursor->ledger->committed;

    *more_ret = true;
    if (cursor->index < cursor->count) {
        const struct ledger_row *from = &cursor->ledger->rows[cursor->order[cursor->index++]];

        value_text(&row[USE], ledger_use_name(from->use));
        if (from->count) value_u64(&row[COUNT], from->count);
        value_u64(&row[COMMITTED], from->committed);
        if (from->reserved) value_u64(&row[RESERVED], from->reserved);
        value_share(&row[SHARE], total ? (double)from->committed / (double)total : 0);
        value_text(&row[NOTE], from->note);
    } else if (!cursor->total_done) {
        cursor->total_done = true;
        value_text(&row[USE], "total");
        value_u64(&row[COMMITTED], total);
        value_share(&row[SHARE], total ? 1 : 0);
    } else {
        *more_ret = false;
    }
    return NULL;
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
    return "committed is what the dump holds, a small part of the process";
}

static void ledger_footer(void *cursor_, struct text *ret)
{
    const struct ledger_cursor *cursor = cursor_;

    text_puts(ret, meaning(cursor->dump));
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
    { "share", COLUMN_SHARE, "of the total" },
    { "note", COLUMN_TEXT, "what is worth knowing" },
};

const struct relation relation_ledger = {
    .name = "ledger",
    .summary = "where every committed byte went",
    .description = "Every committed byte of the dump under exactly one use; the uses add up to the total, and the total to the "
                   "committed bytes of `mappings`.",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "ledger" }, { "maddress", .help = "as SOS calls it" } },
    .empty = "the dump describes no memory",
    .cursor_size = sizeof(struct ledger_cursor),
    .begin = ledger_begin,
    .next = ledger_next,
    .footer = ledger_footer,
};
