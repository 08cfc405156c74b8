#include <string.h>

#include "base/limits.h"
#include "managed/differ_internal.h"

/* ---- layouts ---- */

static struct value_layout *layout_create(struct run *run, struct clr_value_iterator *values, uint64_t base)
{
    struct arena *arena = &run->differ->arena;
    struct value_layout *layout = arena_alloc(arena, sizeof(*layout));
    VEC(struct value_place) places = { 0 };
    struct clr_value value;

    while (layout && clr_values_next(values, &value)) {
        struct value_place place = { arena_strdup(arena, value.name), (uint32_t)(value.addr - base), value.element_type,
                                     value.value_mt, value.field };
        if (!place.name || !vec_push(&places, place)) layout = NULL;
    }
    if (layout && places.count) {
        struct value_place *copy = arena_array(arena, places.count, sizeof(*copy));

        if (copy) memcpy(copy, places.data, places.count * sizeof(*copy));
        layout->places = copy;
        layout->count = copy ? places.count : 0;
    }
    vec_deinit(&places);
    return layout;
}

const struct value_layout *run_layout(struct run *run, uint64_t mt_addr, bool is_object, uint64_t base)
{
    bool added = false;
    uint64_t *slot = map_slot(&run->layouts, mt_addr | !is_object, &added);
    struct clr_value_iterator values;
    struct clr_object object;
    struct value_layout *layout;

    if (!slot) return NULL;
    if (!added) return (const struct value_layout *)(uintptr_t)*slot;
    if (!is_object) {
        clr_values_begin_struct(run->clr, mt_addr, base, &values);
    } else {
        if (!clr_object_try(run->clr, base, &object)) return NULL;
        clr_values_begin(run->clr, &object, &values);
    }
    layout = layout_create(run, &values, base);
    clr_values_end(&values);
    map_put(&run->layouts, mt_addr | !is_object, (uintptr_t)layout);
    return layout;
}

/* ---- equality ---- */

static bool declares_equals(struct clr *clr, const struct clr_type *type)
{
    struct clr_module *module = clr_module_get(clr, type->module_addr);
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;

    return md && metadata_find_method(md, metadata_token_rid(type->token), "Equals");
}

enum differ_equality managed_equality(struct clr *clr, uint64_t mt_addr)
{
    for (unsigned depth = 0; mt_addr && depth < LIMIT_TYPE_DEPTH; depth++) {
        struct clr_type *type = clr_type_get(clr, mt_addr);
        const char *name;

        if (!type || clr_type_is_array(type)) break;
        if (clr_type_is_string(clr, type)) return EQUALITY_VALUE;
        name = clr_type_name(clr, mt_addr);
        if (!strcmp(name, "System.ValueType") || !strcmp(name, "System.Enum")) return EQUALITY_VALUE;
        if (!strcmp(name, "System.Object")) break;
        if (declares_equals(clr, type)) return EQUALITY_OWN;
        mt_addr = type->parent_addr;
    }
    return EQUALITY_REFERENCE;
}

enum differ_equality run_equality(struct run *run, uint64_t mt_addr)
{
    bool added = false;
    uint64_t *slot = map_slot(&run->equalities, mt_addr, &added);

    if (!slot) return EQUALITY_REFERENCE;
    if (added) *slot = managed_equality(run->clr, mt_addr);
    return (enum differ_equality) * slot;
}

/* ---- content ---- */

static bool is_number_array(struct clr *clr, const struct clr_type *type)
{
    uint64_t value_mt;

    return clr_type_is_array(type) && element_type_size(clr_array_element(clr, type, &value_mt)) &&
           clr_array_element(clr, type, &value_mt) != ELEMENT_CLASS;
}

static bool is_type_object(struct clr *clr, uint64_t mt_addr)
{
    return !strcmp(clr_type_name(clr, mt_addr), "System.RuntimeType");
}

enum object_form object_form(struct run *run, uint64_t mt_addr)
{
    struct clr_type *type = clr_type_get(run->clr, mt_addr);

    if (!type || clr_type_is_string(run->clr, type) || is_number_array(run->clr, type) || is_type_object(run->clr, mt_addr))
        return OBJECT_ATOM;
    if (clr_type_is_array(type) || collection_type_get(run->types, mt_addr)) return OBJECT_COLLECTION;
    return OBJECT_FIELDS;
}

static uint64_t hash_bytes(const struct memory *memory, uint64_t addr, uint64_t size, bool *complete_ret)
{
    uint8_t buffer[1024];
    uint64_t hash = size;

    if (size > BULK_MAX) {
        size = BULK_MAX;
        *complete_ret = false;
    }
    for (uint64_t done = 0; done < size; done += sizeof(buffer)) {
        size_t step = size - done < sizeof(buffer) ? (size_t)(size - done) : sizeof(buffer);

        memset(buffer + step, 0, sizeof(buffer) - step);
        if (!memory_try_read(memory, addr + done, buffer, step)) {
            *complete_ret = false;
            break;
        }
        for (size_t i = 0; i < step; i += 8)
            hash = mix(hash, load_u64(buffer + i));
    }
    return hash;
}

uint64_t atom_content(struct run *run, const struct clr_object *object, bool *complete_ret)
{
    struct clr *clr = run->clr;
    uint64_t off = STRING_DATA_OFF;

    if (is_type_object(clr, object->type->mt_addr)) return object->addr;
    if (clr_type_is_array(object->type)) off = clr_array_data_off(clr, object->type);
    return hash_bytes(clr->memory, object->addr + off, (uint64_t)object->count * object->type->component_size, complete_ret);
}

/* ---- labels ---- */

bool label_of_key(struct run *run, const struct managed_value *key, uint64_t *ret)
{
    struct clr_object object;
    bool complete = true;
    int64_t number;
    uint64_t addr;

    if (managed_number(run->clr, key, &number)) {
        *ret = (uint64_t)number;
        return true;
    }
    if (key->element_type != ELEMENT_CLASS || !memory_try_u64(run->clr->memory, key->addr, &addr) ||
        !clr_object_try(run->clr, addr, &object) || object_form(run, object.type->mt_addr) != OBJECT_ATOM)
        return false;
    *ret = atom_content(run, &object, &complete);
    return complete;
}

void label_text(struct run *run, const struct managed_value *key, struct text *ret)
{
    struct clr_object object;
    struct text name = { 0 };
    uint64_t addr;

    if (key->element_type == ELEMENT_CLASS && memory_try_u64(run->clr->memory, key->addr, &addr) &&
        clr_object_try(run->clr, addr, &object) && managed_runtime_type(run->clr, &object, &name))
        managed_short_name(text_cstr(&name), ret);
    else
        managed_text(run->clr, key, ret);
    text_deinit(&name);
}

void field_text(const char *name, struct text *ret)
{
    const char *end = strstr(name, ">k__BackingField");

    if (*name == '<' && end)
        text_append(ret, name + 1, (size_t)(end - name - 1));
    else
        text_puts(ret, name);
}
