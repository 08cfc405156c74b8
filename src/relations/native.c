#include <string.h>

#include "relations/relation.h"
#include "session/native_groups.h"
#include "session/session.h"
#include "target/symbol_at.h"
#include "target/target.h"

struct native_cursor {
    const struct target *target;
    struct native_groups groups;
    size_t index;
    struct text name;
};

enum { CONTENT, NAME, COUNT, BYTES, SMALLEST, LARGEST, FROM_GC, HELD_BY, HELD, FROM_NOWHERE, EXAMPLE };

static struct error *native_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct native_cursor *cursor = cursor_;

    (void)request;
    cursor->target = session_target(session);
    return native_groups_init(session, &cursor->groups);
}

/* The vtable's symbol, or how the text of the example begins. */
static void fill_name(struct native_cursor *cursor, const struct native_group *group, struct value *value)
{
    enum { TEXT_MAX = 48 };
    uint8_t bytes[2 * TEXT_MAX];
    uint64_t length = group->content == NATIVE_TEXT ? TEXT_MAX : 2 * TEXT_MAX, size;
    const uint8_t *view;

    text_clear(&cursor->name);
    if (group->content == NATIVE_VTABLE) {
        if (target_describe_addr(cursor->target, group->word, &cursor->name))
            value_textn(value, text_cstr(&cursor->name), cursor->name.length);
        return;
    }
    if (group->content != NATIVE_TEXT && group->content != NATIVE_UTF16) return;
    if (length > group->size_min - 8) length = group->size_min - 8;
    view = memory_view_dumped(&cursor->target->memory, group->example, length, &size);
    if (!view) return;
    memcpy(bytes, view, size);
    for (length = 0; length < size && (bytes[length] || (group->content == NATIVE_UTF16 && length % 2)); length++)
        ;
    if (group->content == NATIVE_TEXT)
        text_append(&cursor->name, (const char *)bytes, length);
    else
        text_append_utf16(&cursor->name, bytes, length / 2);
    value_textn(value, text_cstr(&cursor->name), cursor->name.length);
}

static struct error *native_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct native_cursor *cursor = cursor_;
    const struct native_group *group;

    *more_ret = cursor->index < cursor->groups.list.count;
    if (!*more_ret) return NULL;
    group = &cursor->groups.list.data[cursor->index++];
    value_text(&row[CONTENT], native_content_name(group->content));
    fill_name(cursor, group, &row[NAME]);
    value_u64(&row[COUNT], group->count);
    value_u64(&row[BYTES], group->bytes);
    value_u64(&row[SMALLEST], group->size_min);
    value_u64(&row[LARGEST], group->size_max);
    value_u64(&row[FROM_GC], group->from_gc);
    value_text(&row[HELD_BY], group->held_by);
    value_u64(&row[HELD], group->held_count);
    value_u64(&row[FROM_NOWHERE], group->from_nowhere);
    value_u64(&row[EXAMPLE], group->example);
    return NULL;
}

static void native_end(void *cursor_)
{
    struct native_cursor *cursor = cursor_;

    native_groups_deinit(&cursor->groups);
    text_deinit(&cursor->name);
}

static void native_footer(void *cursor_, struct text *ret)
{
    const struct native_cursor *cursor = cursor_;

    text_number(ret, cursor->groups.count);
    text_puts(ret, " blocks in use, ");
    text_number(ret, cursor->groups.bytes);
    text_puts(ret, " bytes with their headers");
}

static const struct column columns[] = {
    { "content", COLUMN_TEXT, "vtable, text, utf-16, managed pointers, native pointers, zeros, other" },
    { "name", COLUMN_TEXT, "the vtable's symbol or place, or how the text of the example begins" },
    { "count", COLUMN_COUNT, "blocks in use" },
    { "bytes", COLUMN_BYTES, "theirs, headers included" },
    { "size_min", COLUMN_BYTES, "of the smallest" },
    { "size_max", COLUMN_BYTES, "of the largest" },
    { "from_gc", COLUMN_COUNT, "blocks to which a managed object points" },
    { "held_by", COLUMN_TEXT, "the field, or the elements, that point at most of them" },
    { "held", COLUMN_COUNT, "blocks at which that place points", COLUMN_VERBOSE },
    { "from_nowhere", COLUMN_COUNT, "blocks to which no address in memory points" },
    { "example", COLUMN_ADDRESS, "the first one" },
};

const struct relation relation_native = {
    .name = "native",
    .summary = "blocks of the native heap by what lies in them, and whether anything points at them",
    .description = "Blocks in use of glibc's malloc. Objects of C++ classes are grouped by their vtable, texts by how they begin, "
                   "other blocks by size. Blocks to which nothing points can no longer be freed by anybody.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "native" } },
    .empty = "no heap of glibc's malloc was found",
    .cursor_size = sizeof(struct native_cursor),
    .begin = native_begin,
    .next = native_next,
    .end = native_end,
    .footer = native_footer,
};
