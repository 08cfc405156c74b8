#include <string.h>

#include "clr/field_value.h"
#include "clr/statics.h"
#include "relations/relation.h"
#include "session/session.h"

enum { STRING_SHOWN = 100 };

/* Static fields of all loaded types; with -class all fields of one, those of its instances first. */
struct statics_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_static_iterator fields;
    uint64_t columns_needed, only_mt;
    const struct clr_fields *instance; /* of the one type; NULL: not asked for, or all shown */
    size_t instance_next;
    const char *type;
    struct text field_type, value;
    uint64_t count;
};

enum { TYPE, FIELD, KIND, FIELD_TYPE, ADDRESS, VALUE, OBJECT, OBJECT_TYPE, INITIALIZED, METHOD_TABLE, TOKEN, OFFSET };
enum { PARAMETER_TYPE, PARAMETER_MT, PARAMETER_CLASS };

/* The MethodTable that `addr` is, or that the EEClass there belongs to. */
static struct error *type_of_class(struct clr *clr, uint64_t addr, uint64_t *ret)
{
    struct clr_type *type = clr_type_get(clr, addr);
    uint64_t mt_addr;

    if (type && clr_type_is_consistent(clr, type)) {
        *ret = addr;
        return NULL;
    }
    if (clr_try_u64(clr, addr, FIELD_EEClass_MethodTable, &mt_addr) && (type = clr_type_get(clr, mt_addr)) &&
        type->class_addr == addr) {
        *ret = mt_addr;
        return NULL;
    }
    return error_fault(addr, "no EEClass or MethodTable at '%llx'", (unsigned long long)addr);
}

static struct error *statics_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct statics_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;

    text_init(&cursor->field_type);
    text_init(&cursor->value);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    if (arguments[PARAMETER_TYPE].given) cursor->type = arguments[PARAMETER_TYPE].s;
    if (arguments[PARAMETER_MT].given) cursor->only_mt = arguments[PARAMETER_MT].u;
    TRY(session_clr(session, &cursor->clr));
    if (arguments[PARAMETER_CLASS].given) {
        TRY(type_of_class(cursor->clr, arguments[PARAMETER_CLASS].u, &cursor->only_mt));
        cursor->instance = clr_type_fields(cursor->clr, cursor->only_mt);
    }
    return clr_statics_begin(cursor->clr, &cursor->fields);
}

static bool is_asked(struct statics_cursor *cursor)
{
    if (cursor->only_mt && cursor->fields.type->mt_addr != cursor->only_mt) return false;
    return !cursor->type || strcasestr(clr_type_name(cursor->clr, cursor->fields.type->mt_addr), cursor->type);
}

static const char *field_kind(const struct clr_field *field)
{
    if (field->is_thread_static) return "thread static";
    return field->is_rva ? "static data" : "static";
}

static void fill_object(struct statics_cursor *cursor, uint64_t addr, struct value *row)
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
    else if (clr_type_is_array(target.type))
        text_printf(&cursor->value, "%u elements", target.count);
}

static void fill_value(struct statics_cursor *cursor, const struct clr_field *field, uint64_t addr, struct value *row)
{
    text_clear(&cursor->value);
    if (field->element_type == ELEMENT_CLASS || (field->element_type == ELEMENT_VALUETYPE && !field->is_rva))
        fill_object(cursor, addr, row);
    else
        clr_value_text(cursor->clr, field->element_type, clr_field_value_type(cursor->clr, field), addr, &cursor->value);
    if (cursor->value.length) value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
}

static void fill_field_type(struct statics_cursor *cursor, const struct clr_field *field, struct value *row)
{
    if (!(cursor->columns_needed & 1 << FIELD_TYPE)) return;
    text_clear(&cursor->field_type);
    if (clr_field_type_name(cursor->clr, field, &cursor->field_type)) value_text(&row[FIELD_TYPE], text_cstr(&cursor->field_type));
}

static void fill_row(struct statics_cursor *cursor, const struct clr_field *field, struct value *row)
{
    struct clr_type *type = cursor->fields.type;
    uint64_t addr = clr_static_addr(cursor->clr, &cursor->fields.statics, field);

    value_text(&row[TYPE], clr_type_name(cursor->clr, type->mt_addr));
    value_text(&row[FIELD], field->name);
    value_text(&row[KIND], field_kind(field));
    value_u64(&row[INITIALIZED], cursor->fields.statics.is_initialized);
    value_u64(&row[METHOD_TABLE], type->mt_addr);
    value_u64(&row[TOKEN], field->token);
    fill_field_type(cursor, field, row);
    if (!addr) return;
    value_u64(&row[ADDRESS], addr);
    if (cursor->columns_needed & (1 << VALUE | 1 << OBJECT | 1 << OBJECT_TYPE)) fill_value(cursor, field, addr, row);
}

/* A field of instances, inherited or not: it has a place in each, and no value here. False: there are no more. */
static bool instance_row(struct statics_cursor *cursor, struct value *row)
{
    const struct clr_field *field;

    if (!cursor->instance || cursor->instance_next == cursor->instance->instance_count) return false;
    field = &cursor->instance->instance[cursor->instance_next++];
    value_text(&row[TYPE], clr_type_name(cursor->clr, field->declaring_mt));
    value_text(&row[FIELD], field->name);
    value_text(&row[KIND], "instance");
    value_u64(&row[METHOD_TABLE], field->declaring_mt);
    value_u64(&row[TOKEN], field->token);
    value_u64(&row[OFFSET], (uint64_t)field->offset + 8);
    fill_field_type(cursor, field, row);
    return true;
}

static struct error *statics_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct statics_cursor *cursor = cursor_;
    const struct clr_field *field;

    *more_ret = instance_row(cursor, row);
    while (!*more_ret && clr_statics_next(&cursor->fields, &field)) {
        if (!is_asked(cursor)) continue;
        fill_row(cursor, field, row);
        cursor->count++;
        *more_ret = true;
    }
    return NULL;
}

static void statics_end(void *cursor_)
{
    struct statics_cursor *cursor = cursor_;

    text_deinit(&cursor->field_type);
    text_deinit(&cursor->value);
}

static void statics_footer(void *cursor_, struct text *ret)
{
    const struct statics_cursor *cursor = cursor_;

    text_puts(ret, "Total ");
    if (cursor->instance) text_printf(ret, "%zu fields of instances, ", cursor->instance_next);
    text_number(ret, cursor->count);
    text_puts(ret, " static fields");
}

static const struct column columns[] = {
    { "type", COLUMN_TEXT, "that declares the field" },
    { "field", COLUMN_TEXT, "name" },
    { "kind", COLUMN_TEXT,
      "static, thread static (see roots for its values by thread), static data of the image; of dumpclass: instance" },
    { "field_type", COLUMN_TEXT, "declared type", COLUMN_VERBOSE },
    { "address", COLUMN_ADDRESS, "of its slot", COLUMN_VERBOSE },
    { "value", COLUMN_TEXT, "number, enum member, string; length of an array" },
    { "object", COLUMN_ADDRESS, "what it refers to; a struct's box" },
    { "object_type", COLUMN_TEXT, "type of that object" },
    { "initialized", COLUMN_BOOL, "the class constructor has run", COLUMN_VERBOSE },
    { "method_table", COLUMN_ADDRESS, "of the type", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "of the field", COLUMN_VERBOSE },
    { "offset", COLUMN_NUMBER, "of a field of instances: bytes from the start of the object", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "type", NULL, PARAMETER_TEXT, false, "only types with this in their name" },
    { "method_table", "-mt", PARAMETER_ADDRESS, false, "only this type" },
    { "class", "-class", PARAMETER_ADDRESS, false,
      "all fields of the type of this EEClass or MethodTable, those of instances, too" },
};

const struct relation relation_statics = {
    .name = "statics",
    .summary = "static fields with their values",
    .description = "Of all loaded types, generic instances and collectible ones included. Types whose only static data is constant "
                   "are left out.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "statics" },
                  { "dumpclass", .bare = "class", .columns = "field,kind,offset,field_type,value,object,object_type",
                    .help = "fields of a type, static ones and those of its instances, by its EEClass or MethodTable" } },
    .group_by = "object_type",
    .empty = "no static fields match, or where this runtime keeps them is not known",
    .cursor_size = sizeof(struct statics_cursor),
    .begin = statics_begin,
    .next = statics_next,
    .end = statics_end,
    .footer = statics_footer,
};
