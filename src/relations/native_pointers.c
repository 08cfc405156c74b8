#include <string.h>

#include "clr/object.h"
#include "heap/edge.h"
#include "relations/relation.h"
#include "session/native_references.h"
#include "session/session.h"

/* Fields of managed objects that hold the address of a native block: block by block, and of each its pointers. */
struct native_pointers_cursor {
    struct session *session;
    struct clr *clr;
    struct native_references references;
    struct malloc_cursor chunks;
    struct malloc_chunk chunk;
    const struct native_hit *hits;
    size_t index, count;
    uint64_t columns_needed;
    struct text field;
    uint64_t total, freed;
};

enum { BLOCK, SIZE, STATE, VALUE, OBJECT, TYPE, FIELD, HOLDER, ADDRESS };

static struct error *native_pointers_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct native_pointers_cursor *cursor = cursor_;

    text_init(&cursor->field);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    TRY(session_clr(session, &cursor->clr));
    TRY(native_references_init(session, &cursor->references));
    malloc_cursor_init(&cursor->chunks, cursor->references.malloc, 0, cursor->references.malloc->heaps.count);
    return NULL;
}

static void fill_object(struct native_pointers_cursor *cursor, const struct native_hit *hit, struct value *row)
{
    struct clr_object object;
    uint64_t addr;

    if (!native_hit_object(cursor->session, hit, &addr) || !clr_object_try(cursor->clr, addr, &object)) return;
    value_u64(&row[OBJECT], addr);
    value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
    if (!(cursor->columns_needed >> FIELD & 1)) return;
    text_clear(&cursor->field);
    edge_name(cursor->clr, object.type, hit->from - addr, false, &cursor->field);
    value_textn(&row[FIELD], text_cstr(&cursor->field), cursor->field.length);
}

static struct error *native_pointers_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct native_pointers_cursor *cursor = cursor_;
    const struct native_hit *hit;

    *more_ret = false;
    while (cursor->index >= cursor->count) {
        if (!malloc_cursor_next(&cursor->chunks, &cursor->chunk)) return NULL;
        if (cursor->chunk.state == MALLOC_TOP) continue;
        cursor->hits = native_references_of(&cursor->references, &cursor->chunk, &cursor->count);
        cursor->index = 0;
    }
    *more_ret = true;
    hit = &cursor->hits[cursor->index++];
    cursor->total++;
    if (cursor->chunk.state != MALLOC_USED && cursor->chunk.state != MALLOC_MMAPPED) cursor->freed++;
    value_u64(&row[BLOCK], cursor->chunk.addr + MALLOC_HEADER);
    value_u64(&row[SIZE], cursor->chunk.size);
    value_text(&row[STATE], malloc_state_name(cursor->chunk.state));
    value_u64(&row[VALUE], hit->target);
    value_text(&row[HOLDER], cursor->references.holders.data[hit->holder].name);
    value_u64(&row[ADDRESS], hit->from);
    if (cursor->columns_needed & (1 << OBJECT | 1 << TYPE | 1 << FIELD)) fill_object(cursor, hit, row);
    return NULL;
}

static void native_pointers_end(void *cursor_)
{
    struct native_pointers_cursor *cursor = cursor_;

    native_references_deinit(&cursor->references);
    text_deinit(&cursor->field);
}

static void native_pointers_footer(void *cursor_, struct text *ret)
{
    const struct native_pointers_cursor *cursor = cursor_;

    text_number(ret, cursor->total);
    text_puts(ret, " words of managed objects hold an address in the native heap");
    if (!cursor->freed) return;
    text_puts(ret, "; ");
    text_number(ret, cursor->freed);
    text_puts(ret, " of them in memory that was freed");
}

static const struct column columns[] = {
    { "block", COLUMN_ADDRESS, "what malloc returned" },
    { "size", COLUMN_BYTES, "of the chunk, header included" },
    { "state", COLUMN_TEXT, "used, mmapped; cached, fast, free: the block was freed, and the address is stale" },
    { "value", COLUMN_ADDRESS, "the address, which may lie inside of the block", COLUMN_VERBOSE },
    { "object", COLUMN_ADDRESS, "the managed object that holds it" },
    { "type", COLUMN_TEXT, "of the object", COLUMN_VERBOSE },
    { "field", COLUMN_TEXT, "field or element that holds it", COLUMN_VERBOSE },
    { "holder", COLUMN_TEXT, "type and field that hold it; all elements of an array are one" },
    { "address", COLUMN_ADDRESS, "of the field", COLUMN_VERBOSE },
};

const struct relation relation_native_pointers = {
    .name = "native_pointers",
    .summary = "fields of managed objects that hold the address of a native block",
    .description = "IntPtr fields, SafeHandles, arrays of addresses: every word of an object that holds an address in the heaps of "
                   "glibc's malloc. A number that happens to look like such an address is listed, too.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "native_pointers" },
                  { "gctonative", .group = "holder,state", .sort = "rows:desc", .help = "as SOS calls it: summed by field" },
                  { "gctonative -all", .help = "every pointer" } },
    .group_by = "holder",
    .empty = "no managed object holds an address in glibc's heaps",
    .cursor_size = sizeof(struct native_pointers_cursor),
    .begin = native_pointers_begin,
    .next = native_pointers_next,
    .end = native_pointers_end,
    .footer = native_pointers_footer,
};
