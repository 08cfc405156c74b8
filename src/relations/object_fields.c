#include <string.h>

#include "clr/field_value.h"
#include "managed/shown_value.h"
#include "relations/relation.h"
#include "session/session.h"

enum { STRING_SHOWN = 100 };

/* The fields of one object, or the elements of an array, structs opened. */
struct object_fields_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_object object;
    struct clr_value_iterator values;
    struct collection_types collections;
    struct text type, value, shown;
    bool string_done;
    uint64_t columns_needed;
    uint64_t skip, count, limit;
};

enum { NAME, TYPE, OFFSET, ADDRESS, VALUE, OBJECT, OBJECT_TYPE, DECLARING, TOKEN };
enum { PARAMETER_OBJECT, PARAMETER_MT, PARAMETER_START, PARAMETER_LENGTH };

static struct error *begin_struct(struct object_fields_cursor *cursor, uint64_t mt_addr, uint64_t addr)
{
    if (!clr_type_fields(cursor->clr, mt_addr)) return error_fault(mt_addr, "no type at '%llx'", (unsigned long long)mt_addr);
    cursor->object = (struct clr_object) { .addr = addr, .type = clr_type_get(cursor->clr, mt_addr) };
    cursor->string_done = true;
    clr_values_begin_struct(cursor->clr, mt_addr, addr, &cursor->values);
    return NULL;
}

static struct error *object_fields_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct object_fields_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    uint64_t addr = arguments[PARAMETER_OBJECT].u;

    text_init(&cursor->type);
    text_init(&cursor->value);
    text_init(&cursor->shown);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    cursor->skip = arguments[PARAMETER_START].given ? arguments[PARAMETER_START].u : 0;
    cursor->limit = arguments[PARAMETER_LENGTH].given ? arguments[PARAMETER_LENGTH].u : UINT64_MAX;
    TRY(session_clr(session, &cursor->clr));
    collection_types_init(&cursor->collections, cursor->clr);
    if (arguments[PARAMETER_MT].given) return begin_struct(cursor, arguments[PARAMETER_MT].u, addr);
    if (!clr_object_try(cursor->clr, addr, &cursor->object))
        return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
    clr_values_begin(cursor->clr, &cursor->object, &cursor->values);
    cursor->values.element_index = cursor->skip < cursor->values.element_count ? (uint32_t)cursor->skip
                                                                               : cursor->values.element_count;
    if (cursor->limit < cursor->values.element_count - cursor->values.element_index)
        cursor->values.element_count = cursor->values.element_index + (uint32_t)cursor->limit;
    return NULL;
}

static void fill_reference(struct object_fields_cursor *cursor, uint64_t addr, struct value *row)
{
    struct clr_object target;
    uint64_t to;

    if (!memory_try_u64(cursor->clr->memory, addr, &to)) return;
    if (!to) {
        text_puts(&cursor->value, "null");
        return;
    }
    value_u64(&row[OBJECT], to);
    if (!clr_object_try(cursor->clr, to, &target)) {
        text_puts(&cursor->value, "not an object");
        return;
    }
    value_text(&row[OBJECT_TYPE], clr_type_name(cursor->clr, target.type->mt_addr));
    if (clr_type_is_string(cursor->clr, target.type))
        clr_string_text(cursor->clr, &target, STRING_SHOWN, &cursor->value);
    else
        shown_object(&cursor->collections, to, &cursor->value);
}

/* The first field of a struct that is known says what the whole struct is: "5251...(2026-11-25 09:31:37 UTC)". */
static void append_struct(struct object_fields_cursor *cursor, const struct clr_value *value)
{
    const struct clr_type *type = value->field && !value->field->offset ? clr_type_get(cursor->clr, value->field->declaring_mt)
                                                                        : NULL;
    struct clr_type *parent = type && type->parent_addr ? clr_type_get(cursor->clr, type->parent_addr) : NULL;

    if (!parent || strcmp(clr_type_name(cursor->clr, parent->mt_addr), "System.ValueType") != 0) return;
    text_clear(&cursor->shown);
    if (!shown_struct(cursor->clr, type->mt_addr, value->addr, &cursor->shown)) return;
    text_printf(&cursor->value, cursor->value.length ? " (%s)" : "%s", text_cstr(&cursor->shown));
}

static void fill_type(struct object_fields_cursor *cursor, const struct clr_value *value, struct value *row)
{
    text_clear(&cursor->type);
    if (value->field) {
        if (clr_field_type_name(cursor->clr, value->field, &cursor->type)) value_text(&row[TYPE], text_cstr(&cursor->type));
    } else if (clr_type_handle_name(cursor->clr, cursor->object.type->element_addr, 0, &cursor->type)) {
        value_text(&row[TYPE], text_cstr(&cursor->type));
    }
}

static void fill_row(struct object_fields_cursor *cursor, const struct clr_value *value, struct value *row)
{
    text_clear(&cursor->value);
    value_text(&row[NAME], value->name);
    value_u64(&row[ADDRESS], value->addr);
    value_u64(&row[OFFSET], value->addr - cursor->object.addr);
    if (cursor->columns_needed & 1 << TYPE) fill_type(cursor, value, row);
    if (value->element_type == ELEMENT_CLASS)
        fill_reference(cursor, value->addr, row);
    else
        clr_value_text(cursor->clr, value->element_type, value->value_mt, value->addr, &cursor->value);
    append_struct(cursor, value);
    if (cursor->value.length) value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
    if (!value->field) return;
    value_u64(&row[TOKEN], value->field->token);
    if (cursor->columns_needed & 1 << DECLARING)
        value_text(&row[DECLARING], clr_type_name(cursor->clr, value->field->declaring_mt));
}

/* A string's characters are no field of metadata, but what it is there for. */
static bool fill_string(struct object_fields_cursor *cursor, struct value *row)
{
    if (cursor->string_done) return false;
    cursor->string_done = true;
    if (!clr_type_is_string(cursor->clr, cursor->object.type)) return false;
    text_clear(&cursor->value);
    value_text(&row[NAME], "(text)");
    value_u64(&row[OFFSET], STRING_DATA_OFF);
    value_u64(&row[ADDRESS], cursor->object.addr + STRING_DATA_OFF);
    value_text(&row[TYPE], "System.Char");
    if (clr_string_text(cursor->clr, &cursor->object, 1 << 20, &cursor->value))
        value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
    return true;
}

static struct error *object_fields_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct object_fields_cursor *cursor = cursor_;
    struct clr_value value;

    *more_ret = true;
    if (clr_values_next(&cursor->values, &value)) {
        fill_row(cursor, &value, row);
        cursor->count++;
        return NULL;
    }
    *more_ret = fill_string(cursor, row);
    return NULL;
}

static void object_fields_end(void *cursor_)
{
    struct object_fields_cursor *cursor = cursor_;

    clr_values_end(&cursor->values);
    collection_types_deinit(&cursor->collections);
    text_deinit(&cursor->shown);
    text_deinit(&cursor->type);
    text_deinit(&cursor->value);
}

static void object_fields_footer(void *cursor_, struct text *ret)
{
    struct object_fields_cursor *cursor = cursor_;
    const struct clr_object *object = &cursor->object;

    if (!object->type) return;
    text_puts(ret, clr_type_name(cursor->clr, object->type->mt_addr));
    text_printf(ret, " at %llx, method table %llx", (unsigned long long)object->addr, (unsigned long long)object->type->mt_addr);
    if (object->size) text_printf(ret, ", %llu bytes", (unsigned long long)object->size);
    if (clr_type_is_string(cursor->clr, object->type)) text_printf(ret, ", %u characters", object->count);
    text_clear(&cursor->shown);
    if (object->size ? shown_object(&cursor->collections, object->addr, &cursor->shown)
                     : shown_struct(cursor->clr, object->type->mt_addr, object->addr, &cursor->shown))
        text_printf(ret, ": %s", text_cstr(&cursor->shown));
}

static const struct column columns[] = {
    { "name", COLUMN_TEXT, "of the field, [index] of an element; a struct's field follows behind a dot" },
    { "type", COLUMN_TEXT, "declared type" },
    { "offset", COLUMN_NUMBER, "bytes from the start of the object" },
    { "address", COLUMN_ADDRESS, "of the value", COLUMN_VERBOSE },
    { "value", COLUMN_TEXT,
      "number, enum member, string; length of an array; what a known type stands for: a date, a text, a count" },
    { "object", COLUMN_ADDRESS, "what a reference leads to" },
    { "object_type", COLUMN_TEXT, "type of that object" },
    { "declaring_type", COLUMN_TEXT, "type that declares the field", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "of the field in its module's metadata", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "address of the object, or of a struct with -mt" },
    { "method_table", "-mt", PARAMETER_ADDRESS, false, "the address is that of a struct of this type inside of an object" },
    { "start", "-start", PARAMETER_NUMBER, false, "first element of an array" },
    { "length", "-length", PARAMETER_NUMBER, false, "how many elements of an array" },
};

const struct relation relation_object_fields = {
    .name = "object_fields",
    .summary = "one object: its fields or elements with their values",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "object_fields" },
                  { "dumpobj", .help = "as SOS names it" },
                  { "do", .help = "the same" },
                  { "dumparray", .help = "elements of an array, -start and -length of them" },
                  { "dumpvc", .bare = "method_table,object", .help = "a struct inside of an object: dumpvc TYPE ADDRESS" } },
    .empty = "the object has no fields, or its type's field descriptors are not in this dump",
    .cursor_size = sizeof(struct object_fields_cursor),
    .begin = object_fields_begin,
    .next = object_fields_next,
    .end = object_fields_end,
    .footer = object_fields_footer,
};
