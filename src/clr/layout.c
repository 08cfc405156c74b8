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

enum { LAYOUT_OFFSET_MAX = 1 << 20 };

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
        /* "!" is the size of the whole structure. */
        const char *key = strcmp(field_names[i].field, "SIZE") ? field_names[i].field : "!";
        uint64_t offset;

        if (!json_number(json_object_get(type, key), &offset) || offset > LAYOUT_OFFSET_MAX) continue;
        layout->offset[i] = (int32_t)offset;
        layout->offset_source[i] = (uint8_t)source;
    }
}

/* The index of a global in the document's table of pointers: [[index], "pointer"] or, without a type, [index]. */
static bool json_indirect(const json_t *json, uint32_t *ret)
{
    const json_t *inner = json_is_array(json) ? json_array_get(json, 0) : NULL;
    uint64_t index;

    if (inner && !json_is_array(inner) && json_array_size(json) == 1) inner = json;
    if (!json_is_array(inner) || !json_number(inner, &index) || index > UINT16_MAX) return false;
    *ret = (uint32_t)index;
    return true;
}

/* What the indices of a document's pointer globals lead to: nothing yet (the DAC table), or a descriptor's pointer data. */
struct layout_pointers {
    enum layout_source source;
    const uint64_t *data;
    uint32_t count;
};

static void layout_read_globals(struct layout *layout, const json_t *globals, const struct layout_pointers *pointers)
{
    uint32_t index;

    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        struct layout_global *global = &layout->global[i];

        if (!json_indirect(json_object_get(globals, global_names[i]), &index)) continue;
        if (pointers->source == LAYOUT_BUILT_IN)
            global->has_dac_index = true, global->dac_index = index;
        else if (index < pointers->count)
            global->addr = pointers->data[index];
    }
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        const json_t *json = json_object_get(globals, constant_names[i]);

        if (!json || json_indirect(json, &index) || !json_number(json, &layout->constant[i])) continue;
        layout->constant_source[i] = (uint8_t)pointers->source;
    }
}

bool layout_has_method_table(const struct layout *layout)
{
    static const enum field needed[] = {
        FIELD_MethodTable_MTFlags,     FIELD_MethodTable_BaseSize,         FIELD_MethodTable_MTFlags2,
        FIELD_MethodTable_NumVirtuals, FIELD_MethodTable_NumInterfaces,    FIELD_MethodTable_ParentMethodTable,
        FIELD_MethodTable_PerInstInfo, FIELD_MethodTable_EEClassOrCanonMT,
    };

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!layout_has(layout, needed[i])) return false;
    return true;
}

/* MethodTables are read in one go: their fields must lie in it. */
static bool layout_is_sane(const struct layout *layout)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!strcmp(field_names[i].type, "MethodTable") && layout->offset[i] > LAYOUT_METHOD_TABLE_SIZE - 8) return false;
    return true;
}

static struct error *layout_read_json(struct layout *layout, struct span json, const struct layout_pointers *pointers)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &problem);
    const json_t *types = json_object_get(root, "types");
    struct error *err = NULL;

    if (!root)
        err = error_create(ERROR_BAD_DATA, "descriptor is not JSON: %s", problem.text);
    else if (types && !json_is_object(types))
        err = error_create(ERROR_BAD_DATA, "descriptor has no types");
    if (!err) {
        layout_read_types(layout, types, pointers->source);
        layout_read_globals(layout, json_object_get(root, "globals"), pointers);
        if (!layout_is_sane(layout)) err = error_create(ERROR_BAD_DATA, "descriptor puts fields behind the end of their structure");
    }
    json_decref(root);
    return err;
}

struct error *layout_read(struct layout *layout, struct span json, enum layout_source source)
{
    return layout_read_json(layout, json, &(struct layout_pointers) { .source = source });
}

struct error *layout_read_descriptor(struct layout *layout, struct span json, const uint64_t *pointers, uint32_t pointer_count)
{
    return layout_read_json(layout, json, &(struct layout_pointers) { LAYOUT_DESCRIPTOR, pointers, pointer_count });
}
