#include <stdlib.h>

#include "base/map.h"
#include "clr/handle_table.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "relations/relation.h"
#include "session/ledger.h"
#include "session/memory_scan.h"
#include "session/session.h"
#include "target/target.h"

/* What was found of one handle's address in memory. */
struct handle_finds {
    uint64_t managed, native;
    uint64_t first;      /* the first word: of a managed object if there is one */
    enum ledger_use use; /* of the memory that it lies in */
    bool first_is_managed;
};

/* All handles, each with the words of memory that hold its address. One pass over all memory when it begins. */
struct handle_references_cursor {
    struct session *session;
    struct clr *clr;
    const struct handle_table *table;
    const struct heap_starts *starts;
    struct map index; /* address of a handle -> its number */
    struct handle_finds *finds;
    uint64_t lowest, highest; /* of the handles */
    size_t next;
    struct text place;
    uint64_t count;
};

enum { ADDRESS, KIND, OBJECT, TYPE, REFERENCES, MANAGED, NATIVE, HELD_BY, FOUND_AT };

static struct error *index_handles(struct handle_references_cursor *cursor)
{
    cursor->lowest = UINT64_MAX;
    cursor->finds = calloc(cursor->table->list.count + 1, sizeof(*cursor->finds));
    if (!cursor->finds) return &error_enomem;
    for (size_t i = 0; i < cursor->table->list.count; i++) {
        uint64_t addr = cursor->table->list.data[i].addr;

        if (!map_put(&cursor->index, addr, i)) return &error_enomem;
        if (addr < cursor->lowest) cursor->lowest = addr;
        if (addr > cursor->highest) cursor->highest = addr;
    }
    return NULL;
}

/* Handles are 8 bytes apart; GCHandle and WeakReference keep flags in the lowest bits. Source: GCHandle.cs, WeakReference.cs. */
static void take_word(struct handle_references_cursor *cursor, uint64_t addr, uint64_t word, enum ledger_use use)
{
    struct handle_finds *finds;
    struct clr_object object;
    bool is_managed = ledger_use_is_gc(use);
    uint64_t i;

    word &= ~UINT64_C(7);
    if (word < cursor->lowest || word > cursor->highest || !map_get(&cursor->index, word, &i)) return;
    if (is_managed && !edge_object(cursor->clr, cursor->starts, addr, &object)) return;
    finds = &cursor->finds[i];
    if (!finds->first || (is_managed && !finds->first_is_managed)) {
        finds->first = addr;
        finds->use = use;
        finds->first_is_managed = is_managed;
    }
    finds->managed += is_managed;
    finds->native += !is_managed;
}

static struct error *scan_memory(struct handle_references_cursor *cursor)
{
    const struct ledger *ledger;

    TRY(session_ledger(cursor->session, &ledger));
    for (size_t i = 0; i < ledger->pieces.count; i++) {
        const struct ledger_piece *piece = &ledger->pieces.data[i];
        struct memory_scan scan;
        uint64_t addr, word;

        if (piece->use == USE_HANDLES || piece->use == USE_MANAGED_IMAGE || piece->use == USE_GC_BOOKKEEPING) continue;
        if (progress_is_cancelled(session_progress(cursor->session))) return error_create(ERROR_CANCELLED, "cancelled");
        memory_scan_begin_piece(&scan, session_target(cursor->session), piece);
        while (memory_scan_next(&scan, &addr, &word))
            take_word(cursor, addr, word, piece->use);
    }
    return NULL;
}

static struct error *handle_references_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct handle_references_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->place);
    map_init(&cursor->index);
    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_handles(session, &cursor->table));
    TRY(session_starts(session, &cursor->starts));
    TRY(index_handles(cursor));
    return scan_memory(cursor);
}

static void fill_place(struct handle_references_cursor *cursor, const struct handle_finds *finds, struct value *row)
{
    struct clr_object object;

    if (!finds->first) return;
    value_u64(&row[FOUND_AT], finds->first);
    if (!finds->first_is_managed || !edge_object(cursor->clr, cursor->starts, finds->first, &object)) {
        value_text(&row[HELD_BY], ledger_use_name(finds->use));
        return;
    }
    text_clear(&cursor->place);
    edge_full_name(cursor->clr, object.type, finds->first - object.addr, true, &cursor->place);
    value_textn(&row[HELD_BY], text_cstr(&cursor->place), cursor->place.length);
}

static struct error *handle_references_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct handle_references_cursor *cursor = cursor_;
    const struct handle_finds *finds;
    const struct clr_handle *handle;

    *more_ret = cursor->next < cursor->table->list.count;
    if (!*more_ret) return NULL;
    handle = &cursor->table->list.data[cursor->next];
    finds = &cursor->finds[cursor->next++];
    value_u64(&row[ADDRESS], handle->addr);
    value_text(&row[KIND], handle_kind_name(handle->kind));
    value_u64(&row[OBJECT], handle->object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, handle->object));
    value_u64(&row[REFERENCES], finds->managed + finds->native);
    value_u64(&row[MANAGED], finds->managed);
    value_u64(&row[NATIVE], finds->native);
    fill_place(cursor, finds, row);
    cursor->count += !finds->first;
    return NULL;
}

static void handle_references_end(void *cursor_)
{
    struct handle_references_cursor *cursor = cursor_;

    map_deinit(&cursor->index);
    free(cursor->finds);
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
