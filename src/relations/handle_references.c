#include "clr/handle_table.h"
#include "heap/edge.h"
#include "relations/relation.h"
#include "session/handle_finds.h"
#include "session/ledger.h"
#include "session/session.h"

/* All handles, each with the words of memory that hold its address. One pass over all memory when it begins. */
struct handle_references_cursor {
    struct clr *clr;
    const struct handle_table *table;
    struct handle_finds finds;
    size_t next;
    struct text place;
    uint64_t count;
};

enum { ADDRESS, KIND, OBJECT, TYPE, REFERENCES, MANAGED, NATIVE, HELD_BY, FOUND_AT };

static struct error *handle_references_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct handle_references_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->place);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_handles(session, &cursor->table));
    return handle_finds_init(&cursor->finds, session, cursor->table);
}

static void fill_place(struct handle_references_cursor *cursor, const struct handle_find *find, struct value *row)
{
    struct clr_object object;

    if (!find->first) return;
    value_u64(&row[FOUND_AT], find->first);
    if (!find->first_is_managed || !edge_object(cursor->clr, cursor->finds.starts, find->first, &object)) {
        value_text(&row[HELD_BY], ledger_use_name(find->use));
        return;
    }
    text_clear(&cursor->place);
    edge_full_name(cursor->clr, object.type, find->first - object.addr, true, &cursor->place);
    value_textn(&row[HELD_BY], text_cstr(&cursor->place), cursor->place.length);
}

static struct error *handle_references_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct handle_references_cursor *cursor = cursor_;
    const struct handle_find *find;
    const struct clr_handle *handle;

    *more_ret = cursor->next < cursor->table->list.count;
    if (!*more_ret) return NULL;
    handle = &cursor->table->list.data[cursor->next];
    find = &cursor->finds.list[cursor->next++];
    value_u64(&row[ADDRESS], handle->addr);
    value_text(&row[KIND], handle_kind_name(handle->kind));
    value_u64(&row[OBJECT], handle->object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, handle->object));
    value_u64(&row[REFERENCES], find->managed + find->native);
    value_u64(&row[MANAGED], find->managed);
    value_u64(&row[NATIVE], find->native);
    fill_place(cursor, find, row);
    cursor->count += !find->first;
    return NULL;
}

static void handle_references_end(void *cursor_)
{
    struct handle_references_cursor *cursor = cursor_;

    handle_finds_deinit(&cursor->finds);
    text_deinit(&cursor->place);
}

static void handle_references_footer(void *cursor_, struct text *ret)
{
    const struct handle_references_cursor *cursor = cursor_;

    text_number(ret, cursor->table->list.count);
    text_puts(ret, " handles; the address of ");
    text_number(ret, cursor->count);
    text_puts(ret, " is nowhere in memory: nobody can free them");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the handle" },
    { "kind", COLUMN_TEXT, "strong, pinned, weak_short, ..." },
    { "object", COLUMN_ADDRESS, "what it holds" },
    { "type", COLUMN_TEXT, "of the object" },
    { "references", COLUMN_COUNT, "words of memory that hold the handle's address" },
    { "managed", COLUMN_COUNT, "of these, in managed objects", COLUMN_VERBOSE },
    { "native", COLUMN_COUNT, "elsewhere", COLUMN_VERBOSE },
    { "held_by", COLUMN_TEXT, "the first of these: field of a managed object, else the use of the memory" },
    { "found_at", COLUMN_ADDRESS, "where it lies", COLUMN_VERBOSE },
};

const struct relation relation_handle_references = {
    .name = "handle_references",
    .summary = "GC handles, and who knows their address: a handle that nobody knows is leaked",
    .description =
        "All memory of the process is searched for the address of each handle. Chance hits and stale words make the number of "
        "references an upper bound; a handle without any can no longer be freed.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "handle_references" },
                  { "gchandleleaks", .where = "references = 0 and (kind = strong or kind = pinned)",
                    .help = "as SOS calls it: strong and pinned ones that nobody knows" } },
    .group_by = "type",
    .empty = "no handle of this kind is without a reference, or there are none",
    .cursor_size = sizeof(struct handle_references_cursor),
    .begin = handle_references_begin,
    .next = handle_references_next,
    .end = handle_references_end,
    .footer = handle_references_footer,
};
