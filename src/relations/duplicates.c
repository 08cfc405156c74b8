#include "relations/duplicates.h"

#include <string.h>

#include "clr/field_value.h"
#include "heap/walk.h"
#include "managed/shown_value.h"
#include "session/session.h"

/* Strings and arrays of numbers that are there more than once. */
enum { STRING_LENGTH_OFF = 8, PREVIEW_UNITS = 100, PREVIEW_ELEMENTS = 8, BOX_OFF = 8 };

enum { ADDRESS, TYPE, LENGTH, COUNT, SIZE, WASTED, PREVIEW };

static bool is_value_type(struct clr *clr, const struct clr_type *type)
{
    const char *parent = type->parent_addr ? clr_type_name(clr, type->parent_addr) : "";

    return !strcmp(parent, "System.ValueType") || !strcmp(parent, "System.Enum");
}

static bool is_wanted(const struct duplicates_cursor *cursor, enum content content)
{
    return cursor->wanted >> content & 1;
}

static enum content content_of(const struct duplicates_cursor *cursor, const struct clr_type *type)
{
    bool has_pointers = type->flags & MT_FLAG_CONTAINS_POINTERS;
    uint64_t value_mt;
    uint8_t element;

    if (clr_type_is_string(cursor->clr, type)) return is_wanted(cursor, CONTENT_STRING) ? CONTENT_STRING : CONTENT_NONE;
    if (!clr_type_is_array(type)) {
        if (type->component_size || has_pointers || type->base_size <= 2 * BOX_OFF) return CONTENT_NONE;
        return is_wanted(cursor, CONTENT_BOX) && is_value_type(cursor->clr, type) ? CONTENT_BOX : CONTENT_NONE;
    }
    if (is_wanted(cursor, CONTENT_EMPTY)) return CONTENT_EMPTY;
    if (has_pointers || !is_wanted(cursor, CONTENT_NUMBERS)) return CONTENT_NONE;
    element = clr_array_element(cursor->clr, type, &value_mt);
    return element != ELEMENT_CLASS && element_type_size(element) == type->component_size ? CONTENT_NUMBERS : CONTENT_NONE;
}

/* Where an object's content lies; false when it is not one to be compared. */
static bool content_range(struct duplicates_cursor *cursor, enum content content, const struct object *object, uint64_t *start_ret,
                          uint64_t *size_ret)
{
    uint32_t length = 0;

    if (content == CONTENT_NONE) return false;
    if (content == CONTENT_BOX) {
        *start_ret = BOX_OFF;
        *size_ret = object->size - 2 * BOX_OFF;
        return true;
    }
    if (!memory_try_u32(cursor->clr->memory, object->addr + STRING_LENGTH_OFF, &length)) return false;
    if (content == CONTENT_EMPTY && length) return false;
    /* Bounds and lower bounds of an array are compared, too: the count at +8 and all behind it, up to the next object's header. */
    *start_ret = content == CONTENT_STRING ? STRING_DATA_OFF : OBJECT_COUNT_OFF;
    *size_ret = content == CONTENT_STRING ? 2ull * length : object->size - 8 - OBJECT_COUNT_OFF;
    return true;
}

static struct error *add_object(struct duplicates_cursor *cursor, const struct object *object)
{
    uint64_t mt_addr = object->type->mt_addr, known, start, size;
    const struct clr_type *type;
    bool read;

    if (!map_get(&cursor->contents, mt_addr, &known)) {
        type = clr_type_get(cursor->clr, mt_addr);
        known = type ? content_of(cursor, type) : CONTENT_NONE;
        if (!map_put(&cursor->contents, mt_addr, known)) return &error_enomem;
    }
    if (!content_range(cursor, (enum content)known, object, &start, &size)) return NULL;
    if (!equal_groups_add(&cursor->groups, mt_addr, object->addr, object->size, object->addr + start, size, &read))
        return &error_enomem;
    if (!read) gaps_add(session_gaps(cursor->session), "duplicates", object->addr, 1, "content not in the dump in one piece");
    return NULL;
}

static struct error *collect(struct duplicates_cursor *cursor, const struct gc_heaps *heaps, struct object_types *types)
{
    struct progress *progress = session_progress(cursor->session);

    for (size_t i = 0; i < heaps->segments.count; i++) {
        struct object object;
        struct walk walk;

        walk_init(&walk, cursor->clr, types, heaps, &heaps->segments.data[i]);
        while (walk_next(&walk, &object))
            if (!object.type->is_free) TRY(add_object(cursor, &object));
        walk_report(&walk, session_gaps(cursor->session));
        progress_add(progress, heaps->segments.data[i].end - heaps->segments.data[i].start);
        if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    return NULL;
}

static uint64_t wasted_bytes(const struct equal_group *group)
{
    return group->bytes - group->bytes / group->count;
}

static int compare_wasted(const void *a, const void *b)
{
    const struct equal_group *left = a, *right = b;
    uint64_t left_wasted = wasted_bytes(left), right_wasted = wasted_bytes(right);

    if (left_wasted != right_wasted) return left_wasted > right_wasted ? -1 : 1;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

/* Only what is there more than once, the most wasteful first. */
static void keep_duplicates(struct duplicates_cursor *cursor)
{
    size_t kept = 0;

    for (size_t i = 0; i < cursor->groups.list.count; i++) {
        const struct equal_group *group = &cursor->groups.list.data[i];

        if (group->count < 2) continue;
        cursor->count += group->count;
        cursor->wasted += wasted_bytes(group);
        cursor->groups.list.data[kept++] = *group;
    }
    cursor->groups.list.count = kept;
    vec_sort(&cursor->groups.list, compare_wasted);
}

struct error *duplicates_compare(struct session *session, const struct request *request, unsigned wanted,
                                 struct duplicates_cursor *cursor)
{
    const struct gc_heaps *heaps;
    struct object_types types;
    uint64_t total = 0;
    struct error *err;

    text_init(&cursor->preview);
    map_init(&cursor->contents);
    equal_groups_init(&cursor->groups, NULL);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    cursor->wanted = wanted;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &heaps));
    cursor->groups.memory = cursor->clr->memory;
    if (!object_types_init(&types, cursor->clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count; i++)
        total += heaps->segments.data[i].end - heaps->segments.data[i].start;
    progress_start(session_progress(session), "comparing", total);
    err = collect(cursor, heaps, &types);
    progress_end(session_progress(session));
    object_types_deinit(&types);
    if (!err) keep_duplicates(cursor);
    return err;
}

/* Characters are a text, whose controls the surface makes visible; of the zeros at the end of a buffer one is enough. */
static void preview_characters(struct duplicates_cursor *cursor, const struct clr_object *object, uint64_t data)
{
    uint32_t count = object->count < PREVIEW_UNITS ? object->count : PREVIEW_UNITS;
    const uint8_t *units = count ? memory_try_span(cursor->clr->memory, data, 2ull * count) : NULL;

    while (units && count > 1 && !load_u16(units + 2 * (count - 1)) && !load_u16(units + 2 * (count - 2)))
        count--;
    text_putc(&cursor->preview, '"');
    if (units) text_append_utf16(&cursor->preview, units, count);
    text_puts(&cursor->preview, count < object->count ? "\"..." : "\"");
}

static void preview_array(struct duplicates_cursor *cursor, const struct clr_object *object)
{
    uint64_t value_mt, data = object->addr + clr_array_data_off(cursor->clr, object->type);
    uint8_t element = clr_array_element(cursor->clr, object->type, &value_mt);

    if (element == ELEMENT_CHAR) {
        preview_characters(cursor, object, data);
        return;
    }
    for (uint32_t i = 0; i < object->count && i < PREVIEW_ELEMENTS; i++) {
        if (i) text_puts(&cursor->preview, " ");
        clr_value_text(cursor->clr, element, value_mt, data + (uint64_t)i * object->type->component_size, &cursor->preview);
    }
    if (object->count > PREVIEW_ELEMENTS) text_puts(&cursor->preview, " ...");
}

/* A date, a number, an enum's member; else the fields. */
static void preview_box(struct duplicates_cursor *cursor, const struct clr_object *object)
{
    struct collection_types collections;
    struct clr_value_iterator values;
    struct clr_value value;
    unsigned count = 0;
    bool is_shown;

    collection_types_init(&collections, cursor->clr);
    is_shown = shown_object(&collections, object->addr, &cursor->preview);
    collection_types_deinit(&collections);
    if (is_shown) return;
    clr_values_begin(cursor->clr, object, &values);
    while (count < PREVIEW_ELEMENTS && clr_values_next(&values, &value)) {
        text_printf(&cursor->preview, count++ ? ", %s " : "%s ", value.name);
        clr_value_text(cursor->clr, value.element_type, value.value_mt, value.addr, &cursor->preview);
    }
    clr_values_end(&values);
}

struct error *duplicates_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct duplicates_cursor *cursor = cursor_;
    const struct equal_group *group;
    struct clr_object object;

    *more_ret = cursor->next < cursor->groups.list.count;
    if (!*more_ret) return NULL;
    group = &cursor->groups.list.data[cursor->next++];
    value_u64(&row[ADDRESS], group->addr);
    value_text(&row[TYPE], clr_type_name(cursor->clr, group->mt_addr));
    value_u64(&row[COUNT], group->count);
    value_u64(&row[SIZE], group->bytes);
    value_u64(&row[WASTED], wasted_bytes(group));
    if (!clr_object_try(cursor->clr, group->addr, &object)) return NULL;
    if (object.type->component_size) value_u64(&row[LENGTH], object.count);
    if (!(cursor->columns_needed & 1 << PREVIEW)) return NULL;
    text_clear(&cursor->preview);
    if (clr_type_is_string(cursor->clr, object.type))
        clr_string_text(cursor->clr, &object, PREVIEW_UNITS, &cursor->preview);
    else if (clr_type_is_array(object.type))
        preview_array(cursor, &object);
    else
        preview_box(cursor, &object);
    value_textn(&row[PREVIEW], text_cstr(&cursor->preview), cursor->preview.length);
    return NULL;
}

void duplicates_end(void *cursor_)
{
    struct duplicates_cursor *cursor = cursor_;

    equal_groups_deinit(&cursor->groups);
    map_deinit(&cursor->contents);
    text_deinit(&cursor->preview);
}

void duplicates_footer(void *cursor_, struct text *ret)
{
    const struct duplicates_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, " objects equal another one; one of each would be enough, ");
    text_number(ret, cursor->wasted);
    text_puts(ret, " bytes less");
}

static struct error *duplicates_begin(struct session *session, const struct request *request, void *cursor)
{
    bool strings = request->arguments[0].given, arrays = request->arguments[1].given;
    unsigned wanted = (strings || !arrays ? 1u << CONTENT_STRING : 0) | (arrays || !strings ? 1u << CONTENT_NUMBERS : 0);

    return duplicates_compare(session, request, wanted, cursor);
}

const struct column duplicates_columns[DUPLICATES_COLUMNS] = {
    { "address", COLUMN_ADDRESS, "the first of the equal objects" },
    { "type", COLUMN_TEXT, "string, array of numbers, struct" },
    { "length", COLUMN_COUNT, "UTF-16 units, or elements" },
    { "count", COLUMN_COUNT, "objects with this content" },
    { "size", COLUMN_BYTES, "bytes of all of them" },
    { "wasted", COLUMN_BYTES, "bytes of all but one" },
    { "preview", COLUMN_TEXT, "the text, the first elements, the value" },
};

static const struct parameter parameters[] = {
    { "strings", "-strings", PARAMETER_SWITCH, false, "strings only" },
    { "arrays", "-arrays", PARAMETER_SWITCH, false, "arrays only" },
};

const struct relation relation_duplicates = {
    .name = "duplicates",
    .summary = "equal strings and equal arrays of numbers, with the bytes that they waste",
    .description = "Objects of the same type with the same content, dead ones included. Arrays are equal when lengths and elements "
                   "are; those of references and structs are not compared.",
    .topic = "GC heap",
    .columns = duplicates_columns,
    .column_count = DUPLICATES_COLUMNS,
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "duplicates" } },
    .empty = "nothing is there twice, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct duplicates_cursor),
    .begin = duplicates_begin,
    .next = duplicates_next,
    .end = duplicates_end,
    .footer = duplicates_footer,
};
