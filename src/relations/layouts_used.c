#include "clr/clr.h"
#include "relations/relation.h"
#include "session/session.h"

/* Where each offset that we read with came from. */
struct layouts_used_cursor {
    const struct clr *clr;
    size_t index;
    struct text source;
};

enum { STRUCTURE, FIELD_NAME, OFFSET, ADDRESS, SOURCE };

static struct error *layouts_used_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct layouts_used_cursor *cursor = cursor_;
    struct clr *clr;

    (void)request;
    text_init(&cursor->source);
    TRY(session_clr(session, &clr));
    cursor->clr = clr;
    return NULL;
}

static const char *choice_text(const struct clr *clr)
{
    switch (clr->layout_choice) {
    case LAYOUT_BY_BUILD:
        return "proven with this build";
    case LAYOUT_BY_VERSION:
        return "proven with other builds of this version";
    default:
        return "of another version: the nearest one that its structures agree with";
    }
}

static void fill_field(struct layouts_used_cursor *cursor, enum field field, struct value *row)
{
    const struct layout *layout = &cursor->clr->layout;

    value_text(&row[STRUCTURE], field_type_name(field));
    value_text(&row[FIELD_NAME], field_name(field));
    text_clear(&cursor->source);
    if (!layout_has(layout, field))
        text_puts(&cursor->source, "this runtime has no such field");
    else if (layout->offset_source[field] == LAYOUT_DESCRIPTOR)
        text_puts(&cursor->source, "the dump's own descriptor");
    else
        text_printf(&cursor->source, "built-in table %s, %s", layout->name, choice_text(cursor->clr));
    value_text(&row[SOURCE], text_cstr(&cursor->source));
    if (layout_has(layout, field)) value_u64(&row[OFFSET], (uint64_t)layout->offset[field]);
}

static void fill_global(struct layouts_used_cursor *cursor, enum global global, struct value *row)
{
    static const char *const sources[] = { "not found", "the dump's own descriptor", "DAC table", "DAC table found by its shape",
                                           "variable found by its shape" };

    value_text(&row[STRUCTURE], "(global)");
    value_text(&row[FIELD_NAME], global_name(global));
    value_text(&row[SOURCE], sources[cursor->clr->global_source[global]]);
    if (cursor->clr->global[global]) value_u64(&row[ADDRESS], cursor->clr->global[global]);
}

static struct error *layouts_used_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct layouts_used_cursor *cursor = cursor_;
    size_t i = cursor->index++;

    *more_ret = i < FIELD_COUNT + GLOBAL_COUNT;
    if (i < FIELD_COUNT)
        fill_field(cursor, (enum field)i, row);
    else if (*more_ret)
        fill_global(cursor, (enum global)(i - FIELD_COUNT), row);
    return NULL;
}

static void layouts_used_end(void *cursor_)
{
    struct layouts_used_cursor *cursor = cursor_;

    text_deinit(&cursor->source);
}

static const struct column columns[] = {
    { "structure", COLUMN_TEXT, "of the runtime; (global) is a variable" },
    { "field", COLUMN_TEXT, "its field, or the variable's name" },
    { "offset", COLUMN_NUMBER, "in the structure" },
    { "address", COLUMN_ADDRESS, "of the variable" },
    { "source", COLUMN_TEXT, "who says so" },
};

const struct relation relation_layouts_used = {
    .name = "layouts_used",
    .summary = "where every offset that this dump is read with came from",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "layouts_used" } },
    .cursor_size = sizeof(struct layouts_used_cursor),
    .begin = layouts_used_begin,
    .next = layouts_used_next,
    .end = layouts_used_end,
};
