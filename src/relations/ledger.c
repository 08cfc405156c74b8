#include "session/ledger.h"

#include "relations/relation.h"
#include "session/session.h"

/* Uses of committed memory, largest first, and the total as the last row. */
struct ledger_cursor {
    const struct ledger *ledger;
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

static void ledger_footer(void *cursor_, struct text *ret)
{
    const struct ledger_cursor *cursor = cursor_;

    if (cursor->ledger->not_counted)
        text_printf(ret, "%llu bytes are second views of executable memory and counted once",
                    (unsigned long long)cursor->ledger->not_counted);
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
    .description = "Every committed byte of the dump under exactly one use. A core says what was committed, not what was resident: "
                   "a heap dump "
                   "lacks most file-backed pages, so images count with what the dump has of them.",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "ledger" }, { "maddress", .help = "as SOS calls it" } },
    .cursor_size = sizeof(struct ledger_cursor),
    .begin = ledger_begin,
    .next = ledger_next,
    .footer = ledger_footer,
};
