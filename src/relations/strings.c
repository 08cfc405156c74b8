#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "clr/gc_heap.h"
#include "clr/method_table.h"
#include "heap/walk.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * Strings of the GC heap by content: one row a different text, with how often it is there. What is kept of each is 40 bytes; the
 * text stays in the dump.
 *
 *     String {MethodTable, u32 length, UTF-16 units}
 */
enum { STRING_LENGTH_OFF = 8, STRING_CHARS_OFF = 12, SHOWN_UNITS = 4096, PREVIEW_UNITS = 100 };

struct distinct_string {
    uint64_t hash;
    uint64_t addr; /* of the first one */
    uint64_t count, bytes;
    uint32_t length;
};

struct strings_cursor {
    struct session *session;
    const struct clr *clr;
    VEC(struct distinct_string) list;
    struct map index; /* hash -> index + 1 in list */
    size_t next;
    struct text value, preview;
    uint64_t columns_needed;
    uint64_t count, bytes;
};

enum { ADDRESS, LENGTH, VALUE, COUNT, SIZE, WASTED, PREVIEW };

/* FNV-1a over 8 bytes at a time, then the rest; the length is part of it. */
static uint64_t hash_units(const uint8_t *p, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ size;

    for (; size >= 8; p += 8, size -= 8)
        hash = (hash ^ load_u64(p)) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
    for (; size; p++, size--)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 31;
}

static struct error *add_string(struct strings_cursor *cursor, uint64_t addr, uint64_t size)
{
    struct distinct_string string = { .addr = addr };
    const uint8_t *units;
    uint64_t *slot;
    bool added;

    if (!memory_try_u32(cursor->clr->memory, addr + STRING_LENGTH_OFF, &string.length)) return NULL;
    units = memory_try_span(cursor->clr->memory, addr + STRING_CHARS_OFF, 2ull * string.length);
    if (!units) {
        gaps_add(session_gaps(cursor->session), "strings", addr, 1, "text not in the dump in one piece");
        return NULL;
    }
    string.hash = hash_units(units, 2 * (size_t)string.length);
    slot = map_slot(&cursor->index, string.hash, &added);
    if (!slot) return &error_enomem;
    if (added) {
        if (!vec_push(&cursor->list, string)) return &error_enomem;
        *slot = cursor->list.count;
    }
    cursor->list.data[*slot - 1].count++;
    cursor->list.data[*slot - 1].bytes += size;
    cursor->count++;
    cursor->bytes += size;
    return NULL;
}

static int compare_strings(const void *a, const void *b)
{
    const struct distinct_string *left = a, *right = b;

    if (left->bytes != right->bytes) return left->bytes > right->bytes ? -1 : 1;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static struct error *collect(struct strings_cursor *cursor, struct clr *clr, const struct gc_heaps *heaps,
                             struct object_types *types)
{
    struct progress *progress = session_progress(cursor->session);
    uint64_t string_mt = 0;

    for (size_t i = 0; i < heaps->segments.count; i++) {
        struct object object;
        struct walk walk;

        walk_init(&walk, clr, types, heaps, &heaps->segments.data[i]);
        while (walk_next(&walk, &object)) {
            uint64_t mt = object.type->mt_addr;

            if (mt != string_mt) {
                if (string_mt || object.type->component_size != 2 || strcmp(clr_type_name(clr, mt), "System.String") != 0) continue;
                string_mt = mt;
            }
            TRY(add_string(cursor, object.addr, object.size));
        }
        walk_report(&walk, session_gaps(cursor->session));
        progress_add(progress, heaps->segments.data[i].end - heaps->segments.data[i].start);
        if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    vec_sort(&cursor->list, compare_strings);
    return NULL;
}

static struct error *strings_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct strings_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;
    struct object_types types;
    struct clr *clr;
    uint64_t total = 0;
    struct error *err;

    cursor->columns_needed = request->columns_needed;
    text_init(&cursor->value);
    text_init(&cursor->preview);
    map_init(&cursor->index);
    cursor->session = session;
    TRY(session_clr(session, &clr));
    TRY(session_gc_heaps(session, &heaps));
    cursor->clr = clr;
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count; i++)
        total += heaps->segments.data[i].end - heaps->segments.data[i].start;
    progress_start(session_progress(session), "reading strings", total);
    err = collect(cursor, clr, heaps, &types);
    progress_end(session_progress(session));
    object_types_deinit(&types);
    return err;
}

/* The first `most` units of a string into `ret`, with an ellipsis when there are more. */
static void read_value(const struct strings_cursor *cursor, const struct distinct_string *string, uint32_t most, struct text *ret)
{
    uint32_t shown = string->length < most ? string->length : most;
    const uint8_t *units = memory_try_span(cursor->clr->memory, string->addr + STRING_CHARS_OFF, 2ull * shown);

    text_clear(ret);
    if (units) text_append_utf16(ret, units, shown);
    if (shown < string->length) text_puts(ret, "\xe2\x80\xa6");
}

static struct error *strings_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct strings_cursor *cursor = cursor_;
    const struct distinct_string *string;

    *more_ret = cursor->next < cursor->list.count;
    if (!*more_ret) return NULL;
    string = &cursor->list.data[cursor->next++];
    if (cursor->columns_needed & 1 << VALUE) {
        read_value(cursor, string, SHOWN_UNITS, &cursor->value);
        value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
    }
    if (cursor->columns_needed & 1 << PREVIEW) {
        read_value(cursor, string, PREVIEW_UNITS, &cursor->preview);
        value_textn(&row[PREVIEW], text_cstr(&cursor->preview), cursor->preview.length);
    }
    value_u64(&row[ADDRESS], string->addr);
    value_u64(&row[LENGTH], string->length);
    value_u64(&row[COUNT], string->count);
    value_u64(&row[SIZE], string->bytes);
    value_u64(&row[WASTED], string->bytes - string->bytes / string->count);
    return NULL;
}

static void strings_end(void *cursor_)
{
    struct strings_cursor *cursor = cursor_;

    text_deinit(&cursor->value);
    text_deinit(&cursor->preview);
    map_deinit(&cursor->index);
    vec_deinit(&cursor->list);
}

static void strings_footer(void *cursor_, struct text *ret)
{
    const struct strings_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, " strings, ");
    text_number(ret, cursor->list.count);
    text_puts(ret, " different ones, ");
    text_number(ret, cursor->bytes);
    text_puts(ret, " bytes");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the first string with this text" },
    { "length", COLUMN_COUNT, "UTF-16 units" },
    { "value", COLUMN_TEXT, "the text, cut after 4,096 units" },
    { "count", COLUMN_COUNT, "strings with this text" },
    { "size", COLUMN_BYTES, "bytes of all of them" },
    { "wasted", COLUMN_BYTES, "bytes of all but one" },
    { "preview", COLUMN_TEXT, "the text, cut after 100 units", COLUMN_TEXT_ONLY },
};

const struct relation relation_strings = {
    .name = "strings",
    .summary = "strings by content, with duplicates counted",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "strings", .columns = "count,size,wasted,length,address,preview" },
                  { "dumpheap -strings", .columns = "count,size,preview", .titles = "Count|TotalSize|Value", .sort = "size",
                    .help = "largest last, as SOS prints it" } },
    .empty = "the GC heap is not in this dump, or has no strings",
    .cursor_size = sizeof(struct strings_cursor),
    .begin = strings_begin,
    .next = strings_next,
    .end = strings_end,
    .footer = strings_footer,
};
