#include "clr/layout.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *type, *field;
} field_names[FIELD_COUNT] = {
#define FIELD(type, field) { #type, #field },
#include "clr/fields.def"
};

static const char *const global_names[GLOBAL_COUNT] = {
#define GLOBAL(name) #name,
#include "clr/fields.def"
};

static const char *const constant_names[CONSTANT_COUNT] = {
#define CONSTANT(name) #name,
#include "clr/fields.def"
};

const char *field_type_name(enum field field)
{
    return field_names[field].type;
}

const char *field_name(enum field field)
{
    return field_names[field].field;
}

const char *global_name(enum global global)
{
    return global_names[global];
}

void layout_init(struct layout *layout)
{
    *layout = (struct layout) { 0 };
    for (size_t i = 0; i < FIELD_COUNT; i++)
        layout->offset[i] = -1;
}

/* A number of the compact form: 12, "0x7f", or [12, "type"]. */
static bool json_number(const json_t *json, uint64_t *ret)
{
    if (json_is_array(json)) json = json_array_get(json, 0);
    if (json_is_integer(json)) {
        *ret = (uint64_t)json_integer_value(json);
        return true;
    }
    if (json_is_string(json)) {
        const char *s = json_string_value(json);
        char *end;

        *ret = strtoull(s, &end, 0);
        return *s && !*end;
    }
    return false;
}

static void layout_read_types(struct layout *layout, const json_t *types, enum layout_source source)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const json_t *type = json_object_get(types, field_names[i].type);
        uint64_t offset;

        /* "!" is the size of the whole structure. */
        const char *key = strcmp(field_names[i].field, "SIZE") ? field_names[i].field : "!";

        if (!json_number(json_object_get(type, key), &offset) || offset > INT32_MAX) continue;
        layout->offset[i] = (int32_t)offset;
        layout->offset_source[i] = (uint8_t)source;
    }
}

/* A global of the form [[index], "pointer"] lies in the document's table of pointers. */
static bool json_indirect(const json_t *json, uint32_t *ret)
{
    const json_t *inner = json_is_array(json) ? json_array_get(json, 0) : NULL;
    uint64_t index;

    if (!json_is_array(inner) || !json_number(inner, &index) || index > UINT16_MAX) return false;
    *ret = (uint32_t)index;
    return true;
}

static void layout_read_globals(struct layout *layout, const json_t *globals, enum layout_source source)
{
    struct layout_global *into = source == LAYOUT_DESCRIPTOR ? layout->own_global : layout->global;

    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        uint32_t index;

        if (!json_indirect(json_object_get(globals, global_names[i]), &index)) continue;
        into[i].form = source == LAYOUT_DESCRIPTOR ? GLOBAL_POINTER_INDEX : GLOBAL_DAC_INDEX;
        into[i].index = index;
    }
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        const json_t *json = json_object_get(globals, constant_names[i]);
        uint32_t index;

        if (!json || json_indirect(json, &index) || !json_number(json, &layout->constant[i])) continue;
        layout->constant_source[i] = (uint8_t)source;
    }
}

struct error *layout_read(struct layout *layout, struct span json, enum layout_source source)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &problem);
    const json_t *types;

    if (!root) return error_create(ERROR_BAD_DATA, "descriptor is not JSON: %s", problem.text);
    types = json_object_get(root, "types");
    if (!json_is_object(types)) {
        json_decref(root);
        return error_create(ERROR_BAD_DATA, "descriptor has no types");
    }
    layout_read_types(layout, types, source);
    layout_read_globals(layout, json_object_get(root, "globals"), source);
    json_decref(root);
    return NULL;
}
