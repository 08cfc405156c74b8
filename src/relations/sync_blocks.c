#include "clr/object.h"
#include "clr/sync_block.h"
#include "relations/relation.h"
#include "session/session.h"

struct sync_blocks_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_sync_block_iterator blocks;
    bool readable, with_free;
    size_t held, waited, count;
    struct text waits;
};

enum { INDEX, SYNC_BLOCK, OBJECT, TYPE, HELD, OWNER, RECURSION, ENTERING, WAITS };

static struct error *sync_blocks_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct sync_blocks_cursor *cursor = cursor_;

    text_init(&cursor->waits);
    cursor->session = session;
    cursor->with_free = request->arguments[0].given;
    TRY(session_clr(session, &cursor->clr));
    cursor->readable = clr_sync_blocks_begin(cursor->clr, &cursor->blocks);
    if (!cursor->readable) gaps_add(session_gaps(session), "sync blocks", 0, 1, "their table is not known, or not in the dump");
    return NULL;
}

/* "3, 7": managed ids of the threads in Monitor.Wait. */
static void append_waits(struct sync_blocks_cursor *cursor, const struct clr_sync_block *block)
{
    enum { WAITS_MAX = 1024 };
    uint64_t threads[WAITS_MAX];
    size_t count = clr_sync_block_waits(cursor->clr, block, threads, WAITS_MAX);

    for (size_t i = 0; i < count; i++) {
        uint32_t id;

        if (i) text_puts(&cursor->waits, ", ");
        if (clr_try_u32(cursor->clr, threads[i], FIELD_Thread_Id, &id))
            text_printf(&cursor->waits, "%u", id);
        else
            text_putc(&cursor->waits, '?');
    }
}

static struct error *sync_blocks_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct sync_blocks_cursor *cursor = cursor_;
    struct clr_sync_block block;

    do {
        *more_ret = cursor->readable && clr_sync_blocks_next(&cursor->blocks, &block);
        if (!*more_ret) return NULL;
        cursor->count++;
    } while (!cursor->with_free && !block.is_held && !block.entering_count && !block.first_wait);
    cursor->held += block.is_held;
    cursor->waited += block.entering_count || block.first_wait;
    text_clear(&cursor->waits);
    append_waits(cursor, &block);
    value_u64(&row[INDEX], block.index);
    value_u64(&row[SYNC_BLOCK], block.addr);
    value_u64(&row[OBJECT], block.object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, block.object));
    value_u64(&row[HELD], block.is_held);
    if (block.owner_id) value_u64(&row[OWNER], block.owner_id);
    value_u64(&row[RECURSION], block.recursion);
    value_u64(&row[ENTERING], block.entering_count);
    if (cursor->waits.length) value_text(&row[WAITS], text_cstr(&cursor->waits));
    return NULL;
}

static void sync_blocks_end(void *cursor_)
{
    struct sync_blocks_cursor *cursor = cursor_;

    text_deinit(&cursor->waits);
}

static void sync_blocks_footer(void *cursor_, struct text *ret)
{
    const struct sync_blocks_cursor *cursor = cursor_;

    text_printf(ret, "%zu of %zu sync blocks are held, threads wait for %zu", cursor->held, cursor->count, cursor->waited);
}

static const struct column columns[] = {
    { "index", COLUMN_NUMBER, "in the table of sync blocks" },
    { "sync_block", COLUMN_ADDRESS, "the SyncBlock structure" },
    { "object", COLUMN_ADDRESS, "whose lock it is" },
    { "type", COLUMN_TEXT, "of the object" },
    { "held", COLUMN_BOOL, "somebody is inside the lock" },
    { "owner", COLUMN_NUMBER, "managed id of the thread that holds it" },
    { "recursion", COLUMN_COUNT, "how often its owner entered" },
    { "entering", COLUMN_COUNT, "threads that wait to enter" },
    { "waits", COLUMN_TEXT, "managed ids of the threads in Monitor.Wait" },
};

static const struct parameter parameters[] = {
    { "all", "-all", PARAMETER_SWITCH, false, "those that nobody holds or waits for, too" },
};

const struct relation relation_sync_blocks = {
    .name = "sync_blocks",
    .summary = "locks that threads hold or wait for, of objects with a sync block",
    .description = "A lock without contention is in the object's header alone and not listed here.",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "sync_blocks" }, { "syncblk", .help = "as SOS calls it" } },
    .empty = "no sync block is held or waited for (-all lists all)",
    .cursor_size = sizeof(struct sync_blocks_cursor),
    .begin = sync_blocks_begin,
    .next = sync_blocks_next,
    .end = sync_blocks_end,
    .footer = sync_blocks_footer,
};
