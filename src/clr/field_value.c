#include "clr/field_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clr_field_path(struct clr *clr, uint64_t mt_addr, uint32_t offset, struct text *ret)
{
    size_t start = ret->length;

    for (unsigned depth = 0; mt_addr && depth < FIELD_NESTING_MAX; depth++) {
        const struct clr_fields *fields = clr_type_fields(clr, mt_addr);
        const struct clr_field *field = fields ? clr_field_at(fields, offset) : NULL;

        if (!field || !*field->name) break;
        if (ret->length > start) text_putc(ret, '.');
        text_puts(ret, field->name);
        if (field->element_type != ELEMENT_VALUETYPE) return;
        offset -= field->offset;
        mt_addr = clr_field_value_type(clr, field);
    }
    /* An unknown struct's inside has no name, but the field that holds it has. */
    if (ret->length == start) text_printf(ret, "+0x%x", offset);
}

static bool is_enum(struct clr *clr, uint64_t mt_addr)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);

    return type && type->parent_addr && !strcmp(clr_type_name(clr, type->parent_addr), "System.Enum");
}

static uint64_t constant_value(struct span bytes)
{
    uint64_t value = 0;

    if (bytes.size <= sizeof(value)) memcpy(&value, bytes.data, bytes.size);
    return value;
}

/* The member of an enum with this value; NULL when it has none. */
static const char *enum_member(struct clr *clr, uint64_t mt_addr, uint64_t value)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;
    struct metadata_type_def def;

    if (!md || !metadata_type_def(md, metadata_token_rid(type->token), &def)) return NULL;
    for (uint32_t at = def.fields.start; at < def.fields.end; at++) {
        uint32_t rid = metadata_list_rid(md, METADATA_FIELD, at);
        struct metadata_constant constant;
        struct metadata_field field;

        if (!metadata_constant(md, metadata_token(METADATA_FIELD, rid), &constant) || constant_value(constant.value) != value)
            continue;
        if (metadata_field(md, rid, &field)) return field.name;
    }
    return NULL;
}

/* The members of an enum with the attribute Flags that make up `value`, lowest bits first; false when these are not all. */
static bool append_flags(struct clr *clr, uint64_t mt_addr, uint64_t value, struct text *ret)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;
    size_t start = ret->length;

    if (!md || !value || !metadata_find_attribute(md, type->token, "System", "FlagsAttribute")) return false;
    for (uint64_t bit = 1; bit && bit <= value; bit <<= 1) {
        const char *member = value & bit ? enum_member(clr, mt_addr, bit) : NULL;

        if (!(value & bit)) continue;
        if (!member) {
            text_cut(ret, start);
            return false;
        }
        if (ret->length > start) text_puts(ret, " | ");
        text_puts(ret, member);
    }
    return true;
}

void clr_single_text(float value, struct text *ret)
{
    enum { DIGITS_ENOUGH = 9 };
    char digits[48];

    for (int count = 1; count <= DIGITS_ENOUGH; count++) {
        snprintf(digits, sizeof(digits), "%.*g", count, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    text_puts(ret, isnan(value) ? "nan" : digits);
}

void clr_double_text(double value, struct text *ret)
{
    enum { DIGITS_ENOUGH = 17 };
    char digits[48];

    for (int count = 1; count <= DIGITS_ENOUGH; count++) {
        snprintf(digits, sizeof(digits), "%.*g", count, value);
        if (strtod(digits, NULL) == value) break;
    }
    text_puts(ret, isnan(value) ? "nan" : digits);
}

/* Controls, and halves of a pair, which are no character alone, by their number. */
static void append_char(uint16_t unit, struct text *ret)
{
    bool is_control = unit < 0x20 || (unit >= 0x7f && unit < 0xa0), is_half = unit >= 0xd800 && unit < 0xe000;

    text_putc(ret, '\'');
    if (is_control || is_half)
        text_printf(ret, "\\u%04x", unit);
    else
        text_append_utf16(ret, &unit, 1);
    text_putc(ret, '\'');
}

static void append_number(uint8_t element_type, const uint8_t *raw, struct text *ret)
{
    float single;
    double twice;

    switch (element_type) {
    case ELEMENT_BOOLEAN:
        text_puts(ret, raw[0] ? "true" : "false");
        break;
    case ELEMENT_CHAR:
        append_char(load_u16(raw), ret);
        break;
    case ELEMENT_I1:
        text_printf(ret, "%d", (int8_t)raw[0]);
        break;
    case ELEMENT_U1:
        text_printf(ret, "%u", raw[0]);
        break;
    case ELEMENT_I2:
        text_printf(ret, "%d", (int16_t)load_u16(raw));
        break;
    case ELEMENT_U2:
        text_printf(ret, "%u", load_u16(raw));
        break;
    case ELEMENT_I4:
        text_printf(ret, "%" PRId32, (int32_t)load_u32(raw));
        break;
    case ELEMENT_U4:
        text_printf(ret, "%" PRIu32, load_u32(raw));
        break;
    case ELEMENT_I8:
        text_printf(ret, "%" PRId64, (int64_t)load_u64(raw));
        break;
    case ELEMENT_U8:
        text_printf(ret, "%" PRIu64, load_u64(raw));
        break;
    case ELEMENT_R4:
        memcpy(&single, raw, sizeof(single));
        clr_single_text(single, ret);
        break;
    case ELEMENT_R8:
        memcpy(&twice, raw, sizeof(twice));
        clr_double_text(twice, ret);
        break;
    default:
        text_printf(ret, "0x%" PRIx64, load_u64(raw));
    }
}

bool clr_value_text(struct clr *clr, uint8_t element_type, uint64_t value_mt, uint64_t addr, struct text *ret)
{
    uint8_t raw[8] = { 0 };
    uint32_t size = element_type_size(element_type);
    const char *member;

    if (!size || element_type == ELEMENT_CLASS || !memory_try_read(clr->memory, addr, raw, size)) return false;
    if (value_mt && is_enum(clr, value_mt)) {
        if ((member = enum_member(clr, value_mt, load_u64(raw)))) {
            text_puts(ret, member);
            return true;
        }
        if (append_flags(clr, value_mt, load_u64(raw), ret)) return true;
    }
    append_number(element_type, raw, ret);
    return true;
}

bool clr_string_characters(struct clr *clr, const struct clr_object *object, uint32_t max, struct text *ret)
{
    uint16_t units[256];
    uint32_t count = object->count < max ? object->count : max;

    for (uint32_t done = 0; done < count;) {
        uint32_t step = count - done < ARRAY_LENGTH(units) ? count - done : (uint32_t)ARRAY_LENGTH(units);

        /* A surrogate pair is not torn apart. */
        if (!memory_try_read(clr->memory, object->addr + STRING_DATA_OFF + 2ull * done, units, step * sizeof(*units))) return false;
        if (step > 1 && (units[step - 1] & 0xfc00) == 0xd800 && done + step < object->count) step--;
        text_append_utf16(ret, units, step);
        done += step;
    }
    return true;
}

bool clr_string_text(struct clr *clr, const struct clr_object *object, uint32_t max, struct text *ret)
{
    uint16_t first;

    if (object->count && max && !memory_try_read(clr->memory, object->addr + STRING_DATA_OFF, &first, sizeof(first))) return false;
    text_putc(ret, '"');
    if (!clr_string_characters(clr, object, max, ret)) return false;
    text_putc(ret, '"');
    if (max < object->count) text_puts(ret, "...");
    return true;
}

uint8_t clr_array_element(struct clr *clr, const struct clr_type *type, uint64_t *value_mt_ret)
{
    struct clr_type *element = type->element_addr & 2 ? NULL : clr_type_get(clr, type->element_addr);
    uint8_t element_type;

    *value_mt_ret = 0;
    if (!element || !clr_try_u8(clr, element->class_addr, FIELD_EEClass_InternalCorElementType, &element_type))
        return type->element_addr & 2 ? ELEMENT_PTR : ELEMENT_CLASS;
    /* A reference's class has the type CLASS, an enum's that of its number. */
    if (element_type == ELEMENT_OBJECT || element_type == ELEMENT_STRING || element_type == ELEMENT_SZARRAY ||
        element_type == ELEMENT_ARRAY)
        return ELEMENT_CLASS;
    *value_mt_ret = element->mt_addr;
    return element_type;
}

static void push_level(struct clr_value_iterator *it, uint64_t mt_addr, uint64_t base)
{
    const struct clr_fields *fields = it->depth < FIELD_NESTING_MAX ? clr_type_fields(it->clr, mt_addr) : NULL;

    if (fields) it->levels[it->depth++] = (struct clr_value_level) { fields, 0, base, it->name.length };
}

void clr_values_begin(struct clr *clr, const struct clr_object *object, struct clr_value_iterator *ret)
{
    *ret = (struct clr_value_iterator) { .clr = clr };
    text_init(&ret->name);
    if (!clr_type_is_array(object->type)) {
        push_level(ret, object->type->mt_addr, object->addr + 8);
        return;
    }
    clr_array_bounds(clr, object, &ret->bounds);
    ret->elements_addr = object->addr + clr_array_data_off(clr, object->type);
    ret->element_count = object->count;
    ret->element_size = object->type->component_size;
    ret->element_type = clr_array_element(clr, object->type, &ret->element_mt);
}

void clr_values_begin_struct(struct clr *clr, uint64_t mt_addr, uint64_t addr, struct clr_value_iterator *ret)
{
    *ret = (struct clr_value_iterator) { .clr = clr };
    text_init(&ret->name);
    push_level(ret, mt_addr, addr);
}

/* A struct is opened instead of shown; true when it was. */
static bool open_struct(struct clr_value_iterator *it, const struct clr_value *value)
{
    unsigned depth = it->depth;

    if (value->element_type != ELEMENT_VALUETYPE || !value->value_mt) return false;
    push_level(it, value->value_mt, value->addr);
    if (it->depth == depth) return false;
    if (it->levels[depth].fields->instance_count) return true;
    it->depth = depth;
    return false;
}

static void next_field(struct clr_value_iterator *it, struct clr_value *ret)
{
    struct clr_value_level *level = &it->levels[it->depth - 1];
    const struct clr_field *field = &level->fields->instance[level->index++];

    it->name.length = level->name_length;
    if (it->name.length) text_putc(&it->name, '.');
    text_puts(&it->name, *field->name ? field->name : "?");
    *ret = (struct clr_value) { .addr = level->base + field->offset, .element_type = field->element_type, .field = field };
    /* Only numbers that are declared as an enum have more to say than their element type. */
    if (field->element_type != ELEMENT_CLASS) ret->value_mt = clr_field_value_type(it->clr, field);
}

static void next_element(struct clr_value_iterator *it, struct clr_value *ret)
{
    it->name.length = 0;
    clr_array_index(&it->bounds, it->element_index, &it->name);
    *ret = (struct clr_value) {
        .addr = it->elements_addr + (uint64_t)it->element_index * it->element_size,
        .element_type = it->element_type,
        .value_mt = it->element_mt,
    };
    it->element_index++;
}

bool clr_values_next(struct clr_value_iterator *it, struct clr_value *ret)
{
    for (;;) {
        while (it->depth && it->levels[it->depth - 1].index >= it->levels[it->depth - 1].fields->instance_count)
            it->depth--;
        if (it->depth)
            next_field(it, ret);
        else if (it->element_index < it->element_count)
            next_element(it, ret);
        else
            return false;
        if (open_struct(it, ret)) continue;
        ret->name = text_cstr(&it->name);
        return true;
    }
}

void clr_values_end(struct clr_value_iterator *it)
{
    text_deinit(&it->name);
}
