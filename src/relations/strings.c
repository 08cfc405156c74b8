#include <stdlib.h>
#include <string.h>

#include "clr/gc_heap.h"
#include "clr/method_table.h"
#include "heap/walk.h"
#include "managed/equal_content.h"
#include "relations/relation.h"
#include "session/session.h"

/* Strings of the GC heap by content: one row a different text, with how often it is there. The text stays in the dump. */
enum { STRING_LENGTH_OFF = 8, STRING_CHARS_OFF = 12, SHOWN_UNITS = 4096, PREVIEW_UNITS = 100 };

struct strings_cursor {
    struct session *session;
    const struct clr *clr;
    struct equal_groups groups;
    size_t next;
    struct text value, preview;
    uint64_t columns_needed;
    uint64_t count, bytes;
};

enum { ADDRESS, LENGTH, VALUE, COUNT, SIZE, WASTED, PREVIEW };

static struct error *add_string(struct strings_cursor *cursor, const struct object *object)
{
    uint32_t length;
    bool read;

    if (!memory_try_u32(cursor->clr->memory, object->addr + STRING_LENGTH_OFF, &length)) return NULL;
    if (!equal_groups_add(&cursor->groups, object->type->mt_addr, object->addr, object->size, object->addr + STRING_CHARS_OFF,
                          2ull * length, &read))
        return &error_enomem;
    if (!read) {
        gaps_add(session_gaps(cursor->session), "strings", object->addr, 1, "text not in the dump in one piece");
        return NULL;
    }
    cursor->count++;
    cursor->bytes += object->size;
    return NULL;
}

static int compare_strings(const void *a, const void *b)
{
    const struct equal_group *left = a, *right = b;

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
            TRY(add_string(cursor, &object));
        }
        walk_report(&walk, session_gaps(cursor->session));
        progress_add(progress, heaps->segments.data[i].end - heaps->segments.data[i].start);
        if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    vec_sort(&cursor->groups.list, compare_strings);
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
    equal_groups_init(&cursor->groups, NULL);
    cursor->session = session;
    TRY(session_clr(session, &clr));
    TRY(session_gc_heaps(session, &heaps));
    cursor->clr = clr;
    cursor->groups.memory = clr->memory;
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
static void read_value(const struct strings_cursor *cursor, const struct equal_group *string, uint64_t most, struct text *ret)
{
    uint64_t length = string->size / 2, shown = length < most ? length : most;
    const uint8_t *units = memory_try_span(cursor->clr->memory, string->data, 2 * shown);

    text_clear(ret);
    if (units) text_append_utf16(ret, units, shown);
    if (shown < length) text_puts(ret, "\xe2\x80\xa6");
}

static struct error *strings_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct strings_cursor *cursor = cursor_;
    const struct equal_group *string;

    *more_ret = cursor->next < cursor->groups.list.count;
    if (!*more_ret) return NULL;
    string = &cursor->groups.list.data[cursor->next++];
    if (cursor->columns_needed & 1 << VALUE) {
        read_value(cursor, string, SHOWN_UNITS, &cursor->value);
        value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
    }
    if (cursor->columns_needed & 1 << PREVIEW) {
        read_value(cursor, string, PREVIEW_UNITS, &cursor->preview);
        value_textn(&row[PREVIEW], text_cstr(&cursor->preview), cursor->preview.length);
    }
    value_u64(&row[ADDRESS], string->addr);
    value_u64(&row[LENGTH], string->size / 2);
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
    equal_groups_deinit(&cursor->groups);
}

static void strings_footer(void *cursor_, struct text *ret)
{
    const struct strings_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, " strings, ");
    text_number(ret, cursor->groups.list.count);
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
    .growth = { .kind = "string", .key = "preview", .count = "count", .bytes = "size", .rank = 8, .when_asked = true },
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
