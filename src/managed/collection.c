#include "managed/collection.h"

#include <string.h>

#include "managed/shape.h"

enum {
    INNER_DEPTH = 4,
    SEGMENTS_MAX = 1 << 16,
    LOCKS_MAX = 1 << 16, /* ConcurrentDictionary stops at 1,024 */
    WALK_MAX = 1 << 26,  /* nodes of a chain whose length is not told */
    BUDGET_SLACK = 64,   /* it may have grown while it was dumped */
    NEXT_FREE = -1,      /* entries: a lower next marks a free one */
};

/* ---- open ---- */

static uint64_t array_length(struct clr *clr, uint64_t addr)
{
    struct clr_object array;

    return clr_object_try(clr, addr, &array) && clr_type_is_array(array.type) ? array.count : 0;
}

static void set_count(struct collection *c, int64_t count)
{
    if (count < 0) return;
    c->count = (uint64_t)count;
    c->count_known = true;
}

static void count_of_field(struct collection *c)
{
    struct clr *clr = c->types->clr;
    int64_t count, unused = 0;

    if (!place_number(clr, &c->type->count, c->inner.addr, &count)) {
        if (!managed_follow_number(clr, c->inner.addr, c->type->shape->count, &count)) return;
    }
    if (c->type->free.known && place_number(clr, &c->type->free, c->inner.addr, &unused) && unused >= 0 && unused <= count)
        count -= unused;
    set_count(c, count);
}

/* ConcurrentDictionary keeps a count a lock. */
static void count_of_locks(struct collection *c)
{
    struct clr *clr = c->types->clr;
    uint64_t counts = managed_follow_object(clr, c->store_addr, "_countPerLock|m_countPerLock");
    uint64_t length = array_length(clr, counts);
    int64_t sum = 0;
    uint32_t one;

    if (!counts || length > LOCKS_MAX) return;
    for (uint64_t i = 0; i < length; i++) {
        if (!memory_try_u32(clr->memory, counts + ARRAY_DATA_OFF + 4 * i, &one)) return;
        sum += (int32_t)one;
    }
    set_count(c, sum);
}

/* Elements of one segment or one thread's queue: from the head to the tail, both counted up without end. */
static uint64_t part_count(struct collection *c, uint64_t node, uint64_t *from_ret, struct clr_object *array_ret)
{
    struct clr *clr = c->types->clr;
    struct collection_type *type = c->type;
    int64_t from, to;
    uint64_t capacity;

    if (!collection_type_learn_node(c->types, type, node) || !place_number(clr, &type->from, node, &from) ||
        !place_number(clr, &type->to, node, &to) || !clr_object_try(clr, place_object(clr, &type->array, node), array_ret) ||
        !clr_type_is_array(array_ret->type))
        return 0;
    capacity = array_ret->count;
    /* Both are a power of two long; a segment that is closed for good has its tail moved by twice that. */
    if (!capacity || (capacity & (capacity - 1)) || to <= from) return 0;
    *from_ret = (uint64_t)from & (capacity - 1);
    if (type->shape->form == FORM_BAG) return (uint64_t)(to - from) <= capacity ? (uint64_t)(to - from) : 0;
    if ((uint64_t)(to - from) >= 2 * capacity) to -= (int64_t)(2 * capacity);
    return (uint64_t)(to - from) <= capacity ? (uint64_t)(to - from) : 0;
}

static void count_of_parts(struct collection *c)
{
    struct clr_object array;
    uint64_t node = c->store_addr, from, count = 0;

    for (unsigned i = 0; node && i < SEGMENTS_MAX; i++) {
        count += part_count(c, node, &from, &array);
        node = place_object(c->types->clr, &c->type->next, node);
    }
    if (!node) set_count(c, (int64_t)count);
}

static void find_store(struct collection *c)
{
    struct clr *clr = c->types->clr;

    c->store_addr = place_object(clr, &c->type->store, c->inner.addr);
    switch (c->type->shape->form) {
    case FORM_BUCKETS:
        count_of_locks(c);
        c->store_addr = managed_follow_object(clr, c->store_addr, "_buckets|m_buckets");
        c->capacity = array_length(clr, c->store_addr);
        break;
    case FORM_SEGMENTS:
    case FORM_BAG:
        count_of_parts(c);
        break;
    case FORM_LINKED:
    case FORM_TREE:
        count_of_field(c);
        if (!c->store_addr) set_count(c, 0);
        break;
    default:
        count_of_field(c);
        c->capacity = array_length(clr, c->store_addr);
        if (c->count_known && c->count > c->capacity) c->count_known = false;
    }
}

/* Down to the collection that has the elements; false when there is none. */
static bool find_inner(struct collection *c)
{
    for (unsigned depth = 0; depth < INNER_DEPTH; depth++) {
        c->type = collection_type_get(c->types, c->inner.type->mt_addr);
        if (!c->type) return clr_type_is_array(c->inner.type);
        if (c->type->shape->form != FORM_INNER) return true;
        if (!clr_object_try(c->types->clr, managed_follow_object(c->types->clr, c->inner.addr, c->type->shape->store), &c->inner))
            return false;
    }
    return false;
}

bool collection_open(struct collection_types *types, uint64_t addr, struct collection *ret)
{
    *ret = (struct collection) { .types = types };
    if (!clr_object_try(types->clr, addr, &ret->object)) return false;
    ret->inner = ret->object;
    if (!find_inner(ret)) return false;
    if (ret->type) {
        find_store(ret);
    } else {
        ret->store_addr = ret->inner.addr;
        ret->capacity = ret->count = ret->inner.count;
        ret->count_known = true;
    }
    return true;
}

/* ---- iterate ---- */

static bool begin_array(struct collection_iterator *it, uint64_t addr)
{
    const struct collection *c = it->collection;

    if (!clr_object_try(c->types->clr, addr, &it->array) || !clr_type_is_array(it->array.type)) return false;
    it->data_off = clr_array_data_off(c->types->clr, it->array.type);
    return !c->type || collection_type_learn_array(c->types, c->type, it->array.type);
}

static bool begin_keys(struct collection_iterator *it)
{
    const struct collection *c = it->collection;

    if (!clr_object_try(c->types->clr, place_object(c->types->clr, &c->type->keys, c->inner.addr), &it->keys) ||
        !clr_type_is_array(it->keys.type) || !collection_type_learn_keys(c->types, c->type, it->keys.type))
        return false;
    it->keys_off = clr_array_data_off(c->types->clr, it->keys.type);
    if (it->end > it->keys.count) it->end = it->keys.count;
    return true;
}

/* Goes down to the leftmost node of a tree. */
static void descend(struct collection_iterator *it, uint64_t node)
{
    const struct collection *c = it->collection;
    uint64_t left;

    while (node) {
        if (it->depth == COLLECTION_TREE_DEPTH || !collection_type_learn_node(c->types, c->type, node)) {
            it->damaged = true;
            return;
        }
        left = place_object(c->types->clr, &c->type->next, node);
        if (c->type->shape->has_empty_node && !left) return;
        it->stack[it->depth++] = node;
        node = left;
    }
}

/* Elements of the array: all of an array itself, of a list as many as it counts, of the others also those that are free. */
static uint64_t array_end(const struct collection *c, const struct clr_object *array)
{
    int64_t used;

    if (!c->type) return array->count;
    switch (c->type->shape->form) {
    case FORM_ENTRIES:
        if (place_number(c->types->clr, &c->type->count, c->inner.addr, &used) && used >= 0 && (uint64_t)used < array->count)
            return (uint64_t)used;
        return array->count;
    case FORM_HASHTABLE:
    case FORM_BUCKETS:
        return array->count;
    default:
        return c->count_known && c->count < array->count ? c->count : array->count;
    }
}

static bool next_part(struct collection_iterator *it)
{
    const struct collection *c = it->collection;
    struct clr_object array;
    uint64_t from = 0, count;

    while (it->node && it->budget--) {
        count = part_count((struct collection *)c, it->node, &from, &array);
        it->node = place_object(c->types->clr, &c->type->next, it->node);
        if (!count) continue;
        if (!begin_array(it, array.addr)) return false;
        it->index = from;
        it->end = from + count;
        return true;
    }
    return false;
}

void collection_begin(const struct collection *collection, struct collection_iterator *ret)
{
    struct collection_iterator *it = ret;

    *it = (struct collection_iterator) { .collection = collection };
    it->budget = collection->count_known ? collection->count + BUDGET_SLACK : WALK_MAX;
    if (!collection->store_addr) return;
    if (collection->type && collection->type->shape->form >= FORM_SEGMENTS && collection->type->shape->form <= FORM_TREE) {
        it->node = collection->store_addr;
        if (collection->type->shape->form == FORM_TREE) descend(it, it->node);
        if (collection->type->shape->form <= FORM_BAG) it->budget = SEGMENTS_MAX;
        return;
    }
    if (!begin_array(it, collection->store_addr)) {
        it->damaged = collection->count > 0;
        return;
    }
    it->end = array_end(collection, &it->array);
    if (collection->type && collection->type->shape->form == FORM_PAIRS && !begin_keys(it)) {
        it->damaged = true;
        it->end = 0;
    }
}

static void fill(const struct collection *c, uint64_t base, struct collection_element *ret)
{
    ret->has_key = c->type->key.known;
    if (ret->has_key) ret->key = place_value(&c->type->key, base);
    ret->value = c->type->value.known ? place_value(&c->type->value, base) : ret->key;
}

static uint64_t element_addr(const struct collection_iterator *it, uint64_t index)
{
    return it->array.addr + it->data_off + index * it->array.type->component_size;
}

/* ITEMS, RING, PAIRS, arrays, and the parts of SEGMENTS and BAG. */
static bool next_item(struct collection_iterator *it, struct collection_element *ret)
{
    const struct collection *c = it->collection;
    uint64_t index = it->index, addr;
    int64_t head = 0;

    if (index >= it->end) return false;
    it->index++;
    if (!c->type) {
        *ret = (struct collection_element) { .value = { .addr = element_addr(it, index) } };
        ret->value.element_type = clr_array_element(c->types->clr, it->array.type, &ret->value.value_mt);
        return true;
    }
    if (c->type->shape->form == FORM_RING && place_number(c->types->clr, &c->type->head, c->inner.addr, &head) && head >= 0)
        index = (index + (uint64_t)head) % it->array.count;
    if (c->type->shape->form == FORM_SEGMENTS || c->type->shape->form == FORM_BAG) index &= it->array.count - 1u;
    addr = element_addr(it, index);
    fill(c, addr, ret);
    if (c->type->shape->form == FORM_PAIRS) {
        ret->has_key = true;
        ret->key = place_value(&c->type->key, it->keys.addr + it->keys_off + index * c->type->key_size);
    }
    return true;
}

static bool entry_is_used(const struct collection *c, uint64_t addr)
{
    uint64_t key;
    int64_t next;

    if (c->type->shape->form == FORM_ENTRIES) return place_number(c->types->clr, &c->type->next, addr, &next) && next >= NEXT_FREE;
    key = place_object(c->types->clr, &c->type->key, addr);
    /* Hashtable marks a removed one with a key that is its own array. */
    return key && key != c->store_addr;
}

static bool next_entry(struct collection_iterator *it, struct collection_element *ret)
{
    while (it->index < it->end) {
        uint64_t addr = element_addr(it, it->index++);

        if (!memory_has(it->collection->types->clr->memory, addr, 1)) {
            it->damaged = true;
            return false;
        }
        if (!entry_is_used(it->collection, addr)) continue;
        fill(it->collection, addr, ret);
        return true;
    }
    return false;
}

/* A node of a chain as element; moves on to its next one. */
static bool take_node(struct collection_iterator *it, struct collection_element *ret)
{
    const struct collection *c = it->collection;
    uint64_t node = it->node;

    if (!it->budget || node == it->mark || !collection_type_learn_node(c->types, c->type, node)) {
        it->damaged = true;
        it->node = 0;
        it->index = it->end;
        return false;
    }
    it->budget--;
    if ((it->steps & (it->steps + 1)) == 0) it->mark = node;
    it->steps++;
    fill(c, node, ret);
    it->node = place_object(c->types->clr, &c->type->next, node);
    if (it->node == c->store_addr) it->node = 0;
    return true;
}

static bool next_of_buckets(struct collection_iterator *it, struct collection_element *ret)
{
    const struct collection *c = it->collection;

    while (!it->node) {
        if (it->index >= it->end) return false;
        it->node = place_object(c->types->clr, &c->type->node, element_addr(it, it->index++));
    }
    return take_node(it, ret);
}

static bool next_of_tree(struct collection_iterator *it, struct collection_element *ret)
{
    const struct collection *c = it->collection;
    uint64_t node;

    if (!it->depth) return false;
    if (!it->budget) {
        it->damaged = true;
        return false;
    }
    it->budget--;
    node = it->stack[--it->depth];
    fill(c, node, ret);
    descend(it, place_object(c->types->clr, &c->type->right, node));
    return true;
}

bool collection_next(struct collection_iterator *it, struct collection_element *ret)
{
    const struct collection *c = it->collection;

    *ret = (struct collection_element) { 0 };
    if (!c->type) return next_item(it, ret);
    switch (c->type->shape->form) {
    case FORM_ENTRIES:
    case FORM_HASHTABLE:
        return next_entry(it, ret);
    case FORM_BUCKETS:
        return next_of_buckets(it, ret);
    case FORM_LINKED:
        return it->node && take_node(it, ret);
    case FORM_TREE:
        return next_of_tree(it, ret);
    case FORM_SEGMENTS:
    case FORM_BAG:
        return (it->index < it->end || next_part(it)) && next_item(it, ret);
    default:
        return next_item(it, ret);
    }
}

/* ---- names ---- */

/* "A, B" of "Dictionary<A, B>" as "A -> B". */
bool collection_element_text(const struct collection *c, struct text *ret)
{
    const char *name = clr_type_name(c->types->clr, c->object.type->mt_addr), *open = strchr(name, '<'), *s;
    size_t length = strlen(name), depth = 0;

    if (clr_type_is_array(c->object.type)) return clr_type_handle_name(c->types->clr, c->object.type->element_addr, 0, ret);
    if (!open || name[length - 1] != '>') return false;
    for (s = open + 1; s < name + length - 1; s++) {
        depth += *s == '<' || *s == '[';
        depth -= *s == '>' || *s == ']';
        if (*s == ',' && depth == 0)
            text_puts(ret, " ->");
        else
            text_putc(ret, *s);
    }
    return true;
}
