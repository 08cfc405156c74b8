#include "managed/place.h"

#include <string.h>

#include "base/limits.h"

enum { STRING_SHOWN = 60, NAME_MAX = 128, OBJECT_HEADER = 8 };

/* The next part of `*names` up to one of `ends`, copied; false when it is empty or too long. */
static bool next_part(const char **names, const char *ends, char ret[NAME_MAX])
{
    size_t length = strcspn(*names, ends);

    if (!length || length >= NAME_MAX) return false;
    memcpy(ret, *names, length);
    ret[length] = 0;
    *names += length;
    return true;
}

/* One field, from the start of the fields. */
static bool find_field(struct clr *clr, uint64_t mt_addr, const char *name, struct place *ret)
{
    struct clr_field field;

    if (!clr_field_find(clr, mt_addr, name, &field)) return false;
    *ret = (struct place) { .known = true, .off = field.offset, .element_type = field.element_type };
    if (!clr_field_is_reference(&field)) ret->value_mt = clr_field_value_type(clr, &field);
    return true;
}

/* "a.b" up to a | or the end. */
static bool find_path(struct clr *clr, uint64_t mt_addr, const char *path, struct place *ret)
{
    struct place place = { .element_type = ELEMENT_VALUETYPE, .value_mt = mt_addr }, inner;
    char name[NAME_MAX];

    for (;;) {
        if (place.element_type != ELEMENT_VALUETYPE || !place.value_mt || !next_part(&path, ".|", name) ||
            !find_field(clr, place.value_mt, name, &inner))
            return false;
        inner.off += place.off;
        place = inner;
        if (*path != '.') break;
        path++;
    }
    *ret = place;
    return true;
}

struct place place_find(struct clr *clr, uint64_t mt_addr, bool is_object, const char *names)
{
    struct place place = { 0 };

    while (names && *names) {
        if (find_path(clr, mt_addr, names, &place)) {
            if (is_object) place.off += OBJECT_HEADER;
            return place;
        }
        names = strchr(names, '|');
        if (names) names++;
    }
    return (struct place) { 0 };
}

uint64_t place_object(const struct clr *clr, const struct place *place, uint64_t addr)
{
    uint64_t object;

    return place->known && place->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, addr + place->off, &object) ? object
                                                                                                                           : 0;
}

bool managed_number(const struct clr *clr, const struct managed_value *value, int64_t *ret)
{
    uint32_t size = value->element_type == ELEMENT_CLASS || value->element_type == ELEMENT_OBJECT
                        ? 0
                        : element_type_size(value->element_type);
    uint8_t raw[8] = { 0 };

    if (!size || !memory_try_read(clr->memory, value->addr, raw, size)) return false;
    switch (value->element_type) {
    case ELEMENT_I1:
        *ret = (int8_t)raw[0];
        break;
    case ELEMENT_I2:
        *ret = (int16_t)load_u16(raw);
        break;
    case ELEMENT_I4:
        *ret = (int32_t)load_u32(raw);
        break;
    default:
        *ret = (int64_t)load_u64(raw);
    }
    return true;
}

bool place_number(const struct clr *clr, const struct place *place, uint64_t addr, int64_t *ret)
{
    struct managed_value value = place_value(place, addr);

    return place->known && managed_number(clr, &value, ret);
}

/* One alternative: steps through references until the path ends at a | or 0. */
static bool follow_path(struct clr *clr, uint64_t obj_addr, const char *path, struct managed_value *ret)
{
    struct managed_value at = { .element_type = ELEMENT_CLASS };
    struct clr_object object;
    struct place place;
    char name[NAME_MAX];
    uint64_t mt_addr, base = obj_addr;
    bool is_object = true;

    for (unsigned step = 0; step < LIMIT_TYPE_DEPTH; step++) {
        if (is_object && !clr_object_try(clr, base, &object)) return false;
        mt_addr = is_object ? object.type->mt_addr : at.value_mt;
        if (!mt_addr || !next_part(&path, ".|", name) || !find_field(clr, mt_addr, name, &place)) return false;
        at = place_value(&place, base + (is_object ? OBJECT_HEADER : 0));
        if (*path != '.') {
            *ret = at;
            return true;
        }
        path++;
        is_object = at.element_type == ELEMENT_CLASS;
        base = at.addr;
        if (is_object && !memory_try_u64(clr->memory, at.addr, &base)) return false;
    }
    return false;
}

bool managed_follow(struct clr *clr, uint64_t obj_addr, const char *path, struct managed_value *ret)
{
    while (path && *path) {
        if (follow_path(clr, obj_addr, path, ret)) return true;
        path = strchr(path, '|');
        if (path) path++;
    }
    return false;
}

uint64_t managed_follow_object(struct clr *clr, uint64_t obj_addr, const char *path)
{
    struct managed_value at;
    uint64_t object;

    if (!managed_follow(clr, obj_addr, path, &at) || at.element_type != ELEMENT_CLASS) return 0;
    return memory_try_u64(clr->memory, at.addr, &object) ? object : 0;
}

bool managed_follow_number(struct clr *clr, uint64_t obj_addr, const char *path, int64_t *ret)
{
    struct managed_value at;

    return managed_follow(clr, obj_addr, path, &at) && managed_number(clr, &at, ret);
}

bool managed_runtime_type(struct clr *clr, const struct clr_object *object, struct text *ret)
{
    struct managed_value handle;
    uint64_t addr;

    if (strcmp(clr_type_name(clr, object->type->mt_addr), "System.RuntimeType")) return false;
    return managed_follow(clr, object->addr, "m_handle", &handle) && memory_try_u64(clr->memory, handle.addr, &addr) &&
           clr_type_handle_name(clr, addr, 0, ret);
}

void managed_short_name(const char *type_name, struct text *ret)
{
    size_t length = strcspn(type_name, "<[");
    size_t start = length;

    while (start && type_name[start - 1] != '.' && type_name[start - 1] != '+')
        start--;
    text_append(ret, type_name + start, length - start);
    if (type_name[length] == '[') text_puts(ret, "[]");
}

static void append_object(struct clr *clr, uint64_t addr, struct text *ret)
{
    struct clr_object object;

    if (!addr) {
        text_puts(ret, "null");
    } else if (!clr_object_try(clr, addr, &object)) {
        text_printf(ret, "0x%llx (no object)", (unsigned long long)addr);
    } else if (clr_type_is_string(clr, object.type)) {
        clr_string_text(clr, &object, STRING_SHOWN, ret);
    } else if (!managed_runtime_type(clr, &object, ret)) {
        managed_short_name(clr_type_name(clr, object.type->mt_addr), ret);
        text_printf(ret, " %llx", (unsigned long long)addr);
    }
}

void managed_text(struct clr *clr, const struct managed_value *value, struct text *ret)
{
    uint64_t addr;

    if (value->element_type == ELEMENT_OBJECT)
        append_object(clr, value->addr, ret);
    else if (value->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, value->addr, &addr))
        append_object(clr, addr, ret);
    else if (!clr_value_text(clr, value->element_type, value->value_mt, value->addr, ret))
        text_puts(ret, "?");
}
