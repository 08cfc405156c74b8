#include <string.h>
#include <strings.h>

#include "base/map.h"
#include "clr/handle_table.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "relations/relation.h"
#include "session/ledger.h"
#include "session/memory_scan.h"
#include "session/session.h"
#include "target/target.h"

/* Words of memory of one use that hold addresses: of objects, native blocks, images, other memory. One pass over that memory. */
struct pointers_in_cursor {
    struct session *session;
    const struct target *target;
    const struct ledger *ledger;
    struct clr *clr;                  /* NULL: none */
    const struct heap_starts *starts; /* NULL: none */
    const char *in, *to;
    bool all;
    struct map pinned; /* objects that may not move, by address */
    struct memory_scan scan;
    size_t piece; /* that comes next */
    struct text place;
    uint64_t count, columns_needed;
};

enum { ADDRESS, IN, VALUE, TO, OBJECT, TYPE, PINNED, PLACE };
enum { PARAMETER_IN, PARAMETER_TO, PARAMETER_ALL };

static struct error *find_pinned(struct pointers_in_cursor *cursor)
{
    const struct handle_table *handles;

    TRY(session_handles(cursor->session, &handles));
    for (size_t i = 0; i < handles->list.count; i++) {
        const struct clr_handle *handle = &handles->list.data[i];

        if (handle->kind != HANDLE_PINNED && handle->kind != HANDLE_ASYNC_PINNED) continue;
        if (!map_put(&cursor->pinned, handle->object, 1)) return &error_enomem;
    }
    return NULL;
}

/* A process without a CLR has pointers, too. */
static struct error *begin_managed(struct pointers_in_cursor *cursor)
{
    struct error *err = session_clr(cursor->session, &cursor->clr);

    if (!err) err = session_starts(cursor->session, &cursor->starts);
    if (!err) err = find_pinned(cursor);
    if (err == &error_enomem || (err && err->code == ERROR_CANCELLED)) return err;
    gaps_add_error(session_gaps(cursor->session), "managed objects", err);
    return NULL;
}

static struct error *pointers_in_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct pointers_in_cursor *cursor = cursor_;

    text_init(&cursor->place);
    map_init(&cursor->pinned);
    cursor->session = session;
    cursor->target = session_target(session);
    cursor->columns_needed = request->columns_needed;
    cursor->in = request->arguments[PARAMETER_IN].s;
    if (request->arguments[PARAMETER_TO].given) cursor->to = request->arguments[PARAMETER_TO].s;
    cursor->all = request->arguments[PARAMETER_ALL].given;
    TRY(session_ledger(session, &cursor->ledger));
    return begin_managed(cursor);
}

/* Does the name of the use hold the word, whatever its case? */
static bool use_matches(enum ledger_use use, const char *asked)
{
    size_t length = strlen(asked);

    for (const char *name = ledger_use_name(use); *name; name++)
        if (!strncasecmp(name, asked, length)) return true;
    return false;
}

/* Fills what is known of an address in the GC heap; false when it is nothing that was asked for. */
static bool fill_object(struct pointers_in_cursor *cursor, uint64_t word, struct value *row)
{
    struct clr_object object;
    uint64_t pinned = 0;
    bool found = cursor->starts &&
                 (edge_object(cursor->clr, cursor->starts, word, &object) ||
                  (heap_starts_before(cursor->starts, word, &word) && clr_object_try(cursor->clr, word, &object)));

    if (!found) return false;
    if (!map_get(&cursor->pinned, object.addr, &pinned) && !cursor->all) return false;
    value_u64(&row[OBJECT], object.addr);
    value_u64(&row[PINNED], pinned);
    if (cursor->columns_needed >> TYPE & 1) value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
    return true;
}

static bool take_word(struct pointers_in_cursor *cursor, uint64_t addr, uint64_t word, enum ledger_use use, struct value *row)
{
    const struct ledger_piece *piece = ledger_piece_at(cursor->ledger, word);
    const struct target_module *module;

    if (!piece || (cursor->to && !use_matches(piece->use, cursor->to))) return false;
    if (ledger_use_is_gc(piece->use) && !fill_object(cursor, word, row)) return false;
    value_u64(&row[ADDRESS], addr);
    value_text(&row[IN], ledger_use_name(use));
    value_u64(&row[VALUE], word);
    value_text(&row[TO], ledger_use_name(piece->use));
    module = target_module_at(cursor->target, word);
    if (module && module->name) {
        text_clear(&cursor->place);
        text_printf(&cursor->place, "%s+0x%llx", module->name, (unsigned long long)(word - module->base));
        value_textn(&row[PLACE], text_cstr(&cursor->place), cursor->place.length);
    }
    cursor->count++;
    return true;
}

static struct error *pointers_in_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct pointers_in_cursor *cursor = cursor_;
    uint64_t addr, word;

    *more_ret = true;
    for (;;) {
        while (memory_scan_next(&cursor->scan, &addr, &word))
            if (take_word(cursor, addr, word, cursor->ledger->pieces.data[cursor->piece - 1].use, row)) return NULL;
        if (progress_is_cancelled(session_progress(cursor->session))) return error_create(ERROR_CANCELLED, "cancelled");
        while (cursor->piece < cursor->ledger->pieces.count &&
               !use_matches(cursor->ledger->pieces.data[cursor->piece].use, cursor->in))
            cursor->piece++;
        if (cursor->piece >= cursor->ledger->pieces.count) break;
        memory_scan_begin_piece(&cursor->scan, cursor->target, &cursor->ledger->pieces.data[cursor->piece++]);
    }
    *more_ret = false;
    return NULL;
}

static void pointers_in_end(void *cursor_)
{
    struct pointers_in_cursor *cursor = cursor_;

    map_deinit(&cursor->pinned);
    text_deinit(&cursor->place);
}

static void pointers_in_footer(void *cursor_, struct text *ret)
{
    const struct pointers_in_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, " words hold an address of committed memory");
    if (!cursor->all) text_puts(ret, "; of managed objects only pinned ones are listed, -all lists them all");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the word" },
    { "in", COLUMN_TEXT, "use of the memory that it lies in" },
    { "value", COLUMN_ADDRESS, "the address that it holds" },
    { "to", COLUMN_TEXT, "use of the memory that it points at" },
    { "object", COLUMN_ADDRESS, "the managed object there" },
    { "type", COLUMN_TEXT, "of the object" },
    { "pinned", COLUMN_BOOL, "a handle keeps the object from being moved" },
    { "place", COLUMN_TEXT, "image and offset" },
};

static const struct parameter parameters[] = {
    { "use", NULL, PARAMETER_TEXT, true,
      "use of the memory to look in, as the ledger names it, or a part of that: 'stack', 'in use'" },
    { "to", "-to", PARAMETER_TEXT, false, "only addresses of memory of this use" },
    { "all", "-all", PARAMETER_SWITCH, false, "addresses of objects that are not pinned, too" },
};

const struct relation relation_pointers_in = {
    .name = "pointers_in",
    .summary = "words in memory of some use that hold an address, and of what",
    .description =
        "Addresses of managed objects are left out unless the object is pinned: of what the GC may move, native memory has "
        "no use, and such a word is most likely a stale one.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "pointers_in" }, { "findpointersin", .help = "as SOS calls it" } },
    .group_by = "to",
    .empty = "no word of such memory holds an address, or there is no such memory: `ledger` names the uses",
    .cursor_size = sizeof(struct pointers_in_cursor),
    .begin = pointers_in_begin,
    .next = pointers_in_next,
    .end = pointers_in_end,
    .footer = pointers_in_footer,
};
