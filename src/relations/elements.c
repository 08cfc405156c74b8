#include "managed/collection.h"
#include "relations/relation.h"
#include "session/session.h"

/* The elements of one collection or array, in its own order. */
struct elements_cursor {
    struct session *session;
    struct clr *clr;
    struct collection_types types;
    bool types_begun;
    struct collection collection;
    struct collection_iterator elements;
    struct text key, value;
    uint64_t count;
};

enum { INDEX, KEY, KEY_OBJECT, VALUE, OBJECT, OBJECT_TYPE, KEY_ADDRESS, VALUE_ADDRESS };

static struct error *elements_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct elements_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;

    text_init(&cursor->key);
    text_init(&cursor->value);
    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    collection_types_init(&cursor->types, cursor->clr);
    cursor->types_begun = true;
    if (!collection_open(&cursor->types, addr, &cursor->collection))
        return error_fault(addr, "no collection at '%llx'", (unsigned long long)addr);
    collection_begin(&cursor->collection, &cursor->elements);
    return NULL;
}

static uint64_t referent(const struct clr *clr, const struct managed_value *value)
{
    uint64_t object;

    return value->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, value->addr, &object) ? object : 0;
}

static void fill_text(struct clr *clr, const struct managed_value *value, struct text *text, struct value *ret)
{
    text_clear(text);
    managed_text(clr, value, text);
    value_text(ret, text_cstr(text));
}

static struct error *elements_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct elements_cursor *cursor = cursor_;
    struct collection_element element;
    const char *type;
    uint64_t object;

    *more_ret = collection_next(&cursor->elements, &element);
    if (!*more_ret) {
        if (cursor->elements.damaged)
            gaps_add(session_gaps(cursor->session), "elements", cursor->collection.object.addr, 1,
                     "the collection is damaged, or was being changed");
        return NULL;
    }
    value_u64(&row[INDEX], cursor->count++);
    if (element.has_key) {
        fill_text(cursor->clr, &element.key, &cursor->key, &row[KEY]);
        object = referent(cursor->clr, &element.key);
        if (object) value_u64(&row[KEY_OBJECT], object);
        value_u64(&row[KEY_ADDRESS], element.key.addr);
    }
    fill_text(cursor->clr, &element.value, &cursor->value, &row[VALUE]);
    value_u64(&row[VALUE_ADDRESS], element.value.addr);
    object = referent(cursor->clr, &element.value);
    type = object ? clr_object_type_name(cursor->clr, object) : NULL;
    if (!object && element.value.value_mt) type = clr_type_name(cursor->clr, element.value.value_mt);
    if (object) value_u64(&row[OBJECT], object);
    value_text(&row[OBJECT_TYPE], type);
    return NULL;
}

static void elements_end(void *cursor_)
{
    struct elements_cursor *cursor = cursor_;

    text_deinit(&cursor->key);
    text_deinit(&cursor->value);
    if (cursor->types_begun) collection_types_deinit(&cursor->types);
}

static const struct column columns[] = {
    { "index", COLUMN_NUMBER, "in the collection's own order" },
    { "key", COLUMN_TEXT, "of dictionaries" },
    { "key_object", COLUMN_ADDRESS, "when the key is an object" },
    { "value", COLUMN_TEXT, "number, string, or type of the object; ? for structs (see dumpvc)" },
    { "object", COLUMN_ADDRESS, "when the value is an object" },
    { "object_type", COLUMN_TEXT, "its type, or that of a struct" },
    { "key_address", COLUMN_ADDRESS, "where the key lies", COLUMN_VERBOSE },
    { "value_address", COLUMN_ADDRESS, "where the value lies", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "collection", NULL, PARAMETER_ADDRESS, true, "address of a collection or an array" },
};

const struct relation relation_elements = {
    .name = "elements",
    .summary = "elements of one collection, with keys",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "elements" } },
    .empty = "the collection is empty",
    .cursor_size = sizeof(struct elements_cursor),
    .begin = elements_begin,
    .next = elements_next,
    .end = elements_end,
};
