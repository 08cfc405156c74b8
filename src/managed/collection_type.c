#include <string.h>

#include "base/limits.h"
#include "managed/collection.h"
#include "managed/shape.h"

#define SHAPE(name, ...) { .type = (name), __VA_ARGS__ },
const struct shape shapes[] = {
#include "managed/shapes.def"
};
#undef SHAPE
const unsigned shape_count = ARRAY_LENGTH(shapes);

void collection_types_init(struct collection_types *types, struct clr *clr)
{
    *types = (struct collection_types) { .clr = clr };
    arena_init(&types->arena);
    map_init(&types->by_mt);
}

void collection_types_deinit(struct collection_types *types)
{
    map_deinit(&types->by_mt);
    arena_deinit(&types->arena);
}

/* "System.Collections.Generic.List<A.B>" is a List; "...Dictionary<A, B>+Entry" is no Dictionary. */
static bool is_instance_of(const char *name, const char *definition)
{
    size_t length = strlen(definition), whole;

    if (strncmp(name, definition, length)) return false;
    if (!name[length]) return true;
    whole = strlen(name);
    if (name[length] != '<' || name[whole - 1] != '>') return false;
    for (size_t depth = 0, i = length; i < whole; i++) {
        depth += name[i] == '<';
        if (name[i] == '>' && --depth == 0) return i + 1 == whole;
    }
    return false;
}

static const struct shape *shape_of(struct clr *clr, uint64_t mt_addr)
{
    for (unsigned depth = 0; mt_addr && depth < LIMIT_TYPE_DEPTH; depth++) {
        struct clr_type *type = clr_type_get(clr, mt_addr);
        const char *name;

        if (!type || type->component_size) return NULL;
        name = clr_type_name(clr, mt_addr);
        for (unsigned i = 0; i < shape_count; i++)
            if (is_instance_of(name, shapes[i].type)) return &shapes[i];
        mt_addr = type->parent_addr;
    }
    return NULL;
}

static struct collection_type *type_create(struct collection_types *types, uint64_t mt_addr, const struct shape *shape)
{
    struct collection_type *type = arena_alloc(&types->arena, sizeof(*type));

    if (!type) return NULL;
    type->mt_addr = mt_addr;
    type->shape = shape;
    type->store = place_find(types->clr, mt_addr, true, shape->store);
    type->count = place_find(types->clr, mt_addr, true, shape->count);
    type->free = place_find(types->clr, mt_addr, true, shape->free);
    type->head = place_find(types->clr, mt_addr, true, shape->head);
    type->keys = place_find(types->clr, mt_addr, true, shape->keys);
    return type;
}

struct collection_type *collection_type_get(struct collection_types *types, uint64_t mt_addr)
{
    bool added = false;
    uint64_t *slot = map_slot(&types->by_mt, mt_addr, &added);
    const struct shape *shape;

    if (!slot) return NULL;
    if (added && (shape = shape_of(types->clr, mt_addr))) *slot = (uintptr_t)type_create(types, mt_addr, shape);
    return (struct collection_type *)(uintptr_t)*slot;
}

/* The parts of a KeyValuePair are what people call key and value. */
static void split_pair(struct clr *clr, struct collection_type *type)
{
    struct place pair = type->value;

    if (type->key.known || pair.element_type != ELEMENT_VALUETYPE || !pair.value_mt) return;
    if (!is_instance_of(clr_type_name(clr, pair.value_mt), "System.Collections.Generic.KeyValuePair")) return;
    type->key = place_find(clr, pair.value_mt, false, "key|_key");
    type->value = place_find(clr, pair.value_mt, false, "value|_value");
    type->key.off += pair.off;
    type->value.off += pair.off;
}

/* The whole element of an array. */
static struct place whole_element(struct clr *clr, const struct clr_type *array)
{
    struct place place = { .known = true };

    place.element_type = clr_array_element(clr, array, &place.value_mt);
    return place;
}

bool collection_type_learn_array(struct collection_types *types, struct collection_type *type, const struct clr_type *array)
{
    const struct shape *shape = type->shape;
    struct place whole = whole_element(types->clr, array);

    if (type->array_known) return type->element_size == array->component_size;
    type->array_known = true;
    type->element_size = array->component_size;
    if (shape->form == FORM_BUCKETS) {
        type->node = whole.element_type == ELEMENT_CLASS ? whole : place_find(types->clr, whole.value_mt, false, "_node");
    } else if (shape->form == FORM_ENTRIES || shape->form == FORM_HASHTABLE || shape->form == FORM_SEGMENTS) {
        type->key = place_find(types->clr, whole.value_mt, false, shape->key);
        type->value = place_find(types->clr, whole.value_mt, false, shape->value);
        if (shape->form == FORM_ENTRIES) type->next = place_find(types->clr, whole.value_mt, false, shape->next);
    } else {
        type->value = whole;
    }
    split_pair(types->clr, type);
    return type->element_size != 0;
}

bool collection_type_learn_keys(struct collection_types *types, struct collection_type *type, const struct clr_type *array)
{
    if (!type->key_size) {
        type->key = whole_element(types->clr, array);
        type->key_size = array->component_size;
    }
    return type->key_size && type->key_size == array->component_size;
}

bool collection_type_learn_node(struct collection_types *types, struct collection_type *type, uint64_t node_addr)
{
    const struct shape *shape = type->shape;
    struct clr *clr = types->clr;
    struct clr_object node;

    if (type->node_known) return true;
    if (!clr_object_try(clr, node_addr, &node)) return false;
    type->node_known = true;
    type->next = place_find(clr, node.type->mt_addr, true, shape->next);
    if (shape->form == FORM_SEGMENTS || shape->form == FORM_BAG) {
        type->array = place_find(clr, node.type->mt_addr, true, "_slots|_array");
        type->from = place_find(clr, node.type->mt_addr, true, "_headAndTail.Head|_headIndex");
        type->to = place_find(clr, node.type->mt_addr, true, "_headAndTail.Tail|_tailIndex");
        return true;
    }
    type->key = place_find(clr, node.type->mt_addr, true, shape->key);
    type->value = place_find(clr, node.type->mt_addr, true, shape->value);
    type->right = place_find(clr, node.type->mt_addr, true, shape->right);
    split_pair(clr, type);
    return true;
}
