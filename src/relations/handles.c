#include <strings.h>

#include "clr/handle_table.h"
#include "clr/object.h"
#include "relations/relation.h"
#include "session/session.h"

struct handles_cursor {
    struct clr *clr;
    const struct handle_table *table;
    size_t index;
    uint64_t columns_needed;
    const char *kind;
    uint64_t object;
    uint64_t count;
};

enum { ADDRESS, KIND, OBJECT, TYPE, DEPENDENT, DEPENDENT_TYPE, HEAP };
enum { PARAMETER_KIND, PARAMETER_OBJECT };

static struct error *handles_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct handles_cursor *cursor = cursor_;

    cursor->columns_needed = request->columns_needed;
    if (request->arguments[PARAMETER_KIND].given) cursor->kind = request->arguments[PARAMETER_KIND].s;
    if (request->arguments[PARAMETER_OBJECT].given) cursor->object = request->arguments[PARAMETER_OBJECT].u;
    TRY(session_clr(session, &cursor->clr));
    return session_handles(session, &cursor->table);
}

/* "WeakShort" and "weak_short" are one kind. */
static bool kind_equal(const char *asked, const char *kind)
{
    for (;; asked++, kind++) {
        while (*asked == '_' || *asked == '-')
            asked++;
        while (*kind == '_')
            kind++;
        if ((*asked | 0x20) != (*kind | 0x20)) return false;
        if (!*asked) return true;
    }
}

static bool handle_is_asked(const struct handles_cursor *cursor, const struct clr_handle *handle)
{
    if (cursor->object && handle->object != cursor->object && handle->dependent != cursor->object) return false;
    return !cursor->kind || kind_equal(cursor->kind, handle_kind_name(handle->kind));
}

static void fill_row(struct handles_cursor *cursor, const struct clr_handle *handle, struct value *row)
{
    value_u64(&row[ADDRESS], handle->addr);
    value_text(&row[KIND], handle_kind_name(handle->kind));
    value_u64(&row[OBJECT], handle->object);
    if (cursor->columns_needed & 1 << TYPE) value_text(&row[TYPE], clr_object_type_name(cursor->clr, handle->object));
    value_u64(&row[HEAP], handle->heap);
    if (!handle->dependent) return;
    value_u64(&row[DEPENDENT], handle->dependent);
    if (cursor->columns_needed & 1 << DEPENDENT_TYPE)
        value_text(&row[DEPENDENT_TYPE], clr_object_type_name(cursor->clr, handle->dependent));
}

static struct error *handles_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct handles_cursor *cursor = cursor_;

    for (*more_ret = false; !*more_ret && cursor->index < cursor->table->list.count; cursor->index++) {
        const struct clr_handle *handle = &cursor->table->list.data[cursor->index];

        if (!handle_is_asked(cursor, handle)) continue;
        fill_row(cursor, handle, row);
        cursor->count++;
        *more_ret = true;
    }
    return NULL;
}

static void handles_footer(void *cursor_, struct text *ret)
{
    const struct handles_cursor *cursor = cursor_;

    text_printf(ret, "Total %llu handles", (unsigned long long)cursor->count);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the handle" },
    { "kind", COLUMN_TEXT, "strong, pinned, weak_short, weak_long, dependent, ref_counted, ..." },
    { "object", COLUMN_ADDRESS, "what it holds" },
    { "type", COLUMN_TEXT, "of the object" },
    { "dependent", COLUMN_ADDRESS, "object that lives as long as the first one does" },
    { "dependent_type", COLUMN_TEXT, "of that object", COLUMN_VERBOSE },
    { "heap", COLUMN_NUMBER, "slot of the table: number of the GC heap", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "kind", "-type", PARAMETER_TEXT, false, "only handles of this kind" },
    { "object", "-object", PARAMETER_ADDRESS, false, "only handles to this object" },
};

const struct relation relation_handles = {
    .name = "handles",
    .summary = "GC handles with what they hold",
    .description =
        "Strong, pinned, async_pinned, ref_counted and sized_ref handles keep their object alive; weak ones do not; a dependent "
        "handle keeps its dependent alive as long as its object is.",
    .topic = "references",
    .growth = { .kind = "handle", .key = "kind,type", .rank = 6 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "handles" },
                  { "gchandles", .columns = "address,kind,object,dependent,type", .titles = "Handle|Type|Object|Data|Object Type",
                    .help = "as SOS prints them" },
                  { "gchandles -stat", .group = "kind", .help = "how many of each kind" } },
    .group_by = "kind",
    .empty = "no handles match, or the handle table is not in this dump",
    .cursor_size = sizeof(struct handles_cursor),
    .begin = handles_begin,
    .next = handles_next,
    .footer = handles_footer,
};
