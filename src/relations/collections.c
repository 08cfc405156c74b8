#include <string.h>

#include "clr/gc_heap.h"
#include "heap/walk.h"
#include "managed/collection.h"
#include "relations/relation.h"
#include "session/session.h"

/* Every collection of the heap with the number of its elements. Arrays are not listed by themselves: they are in `objects`. */
struct collections_cursor {
    struct session *session;
    struct clr *clr;
    const struct gc_heaps *heaps;
    const char *type;
    uint64_t min;
    struct object_types types;
    struct collection_types collections;
    struct walk walk;
    bool walking, collections_begun;
    size_t segment; /* index of the next one */
    struct text element;
    bool only_empty, only_oversized;
    uint64_t count, wasted;
};

enum { ADDRESS, TYPE, COUNT, CAPACITY, FILL, ELEMENT, STORE_BYTES, WASTED, STORE };
enum { PARAMETER_TYPE, PARAMETER_MIN, PARAMETER_EMPTY, PARAMETER_OVERSIZED };

/* Over-sized: less than a quarter is used. A collection that grows by doubling is never so empty unless it was fuller once, or was
 * made too large. */
enum { OVERSIZED_PARTS = 4, ARRAY_HEADER = 24 };

static struct error *collections_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct collections_cursor *cursor = cursor_;

    text_init(&cursor->element);
    cursor->session = session;
    if (request->arguments[PARAMETER_TYPE].given) cursor->type = request->arguments[PARAMETER_TYPE].s;
    if (request->arguments[PARAMETER_MIN].given) cursor->min = request->arguments[PARAMETER_MIN].u;
    cursor->only_empty = request->arguments[PARAMETER_EMPTY].given;
    cursor->only_oversized = request->arguments[PARAMETER_OVERSIZED].given;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    collection_types_init(&cursor->collections, cursor->clr);
    cursor->collections_begun = true;
    return object_types_init(&cursor->types, cursor->clr) ? NULL : &error_enomem;
}

/* The next object whose type is one of collections; 0 at the end. */
static uint64_t next_object(struct collections_cursor *cursor)
{
    struct object object;

    for (;;) {
        while (cursor->walking && walk_next(&cursor->walk, &object))
            if (!object.type->is_free && !object.type->component_size &&
                collection_type_get(&cursor->collections, object.type->mt_addr))
                return object.addr;
        if (cursor->walking) walk_report(&cursor->walk, session_gaps(cursor->session));
        cursor->walking = cursor->segment < cursor->heaps->segments.count;
        if (!cursor->walking) return 0;
        walk_init(&cursor->walk, cursor->clr, &cursor->types, cursor->heaps, &cursor->heaps->segments.data[cursor->segment++]);
    }
}

/* Is it one of those that were asked for? */
static bool is_asked(const struct collections_cursor *cursor, const struct collection *collection)
{
    if (collection->count < cursor->min) return false;
    if (cursor->only_empty && !(collection->count_known && !collection->count)) return false;
    if (cursor->only_oversized &&
        (!collection->count_known || !collection->capacity || collection->count >= collection->capacity / OVERSIZED_PARTS))
        return false;
    return !cursor->type || strcasestr(clr_type_name(cursor->clr, collection->object.type->mt_addr), cursor->type);
}

/* Its array, and what of that has no element in it. */
static void fill_store(struct collections_cursor *cursor, const struct collection *collection, struct value *row)
{
    struct clr_object store;
    uint64_t data;

    if (!collection->store_addr) return;
    value_u64(&row[STORE], collection->store_addr);
    if (!collection->capacity || !clr_object_try(cursor->clr, collection->store_addr, &store)) return;
    value_u64(&row[STORE_BYTES], store.size);
    if (!collection->count_known || !store.count || collection->count > collection->capacity) return;
    data = store.size > ARRAY_HEADER ? store.size - ARRAY_HEADER : 0;
    value_u64(&row[WASTED], data / collection->capacity * (collection->capacity - collection->count));
    cursor->wasted += row[WASTED].u;
}

static void fill_row(struct collections_cursor *cursor, const struct collection *collection, struct value *row)
{
    value_u64(&row[ADDRESS], collection->object.addr);
    value_text(&row[TYPE], clr_type_name(cursor->clr, collection->object.type->mt_addr));
    if (collection->count_known) value_u64(&row[COUNT], collection->count);
    if (collection->capacity) {
        value_u64(&row[CAPACITY], collection->capacity);
        if (collection->count_known && collection->count <= collection->capacity)
            value_share(&row[FILL], (double)collection->count / (double)collection->capacity);
    }
    text_clear(&cursor->element);
    if (collection_element_text(collection, &cursor->element)) value_text(&row[ELEMENT], text_cstr(&cursor->element));
    fill_store(cursor, collection, row);
}

static struct error *collections_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct collections_cursor *cursor = cursor_;
    struct collection collection;
    uint64_t addr;

    *more_ret = false;
    while ((addr = next_object(cursor))) {
        if (!collection_open(&cursor->collections, addr, &collection)) continue;
        if (!is_asked(cursor, &collection)) continue;
        fill_row(cursor, &collection, row);
        cursor->count++;
        *more_ret = true;
        break;
    }
    return NULL;
}

static void collections_end(void *cursor_)
{
    struct collections_cursor *cursor = cursor_;

    text_deinit(&cursor->element);
    if (cursor->collections_begun) collection_types_deinit(&cursor->collections);
    object_types_deinit(&cursor->types);
}

static void collections_footer(void *cursor_, struct text *ret)
{
    const struct collections_cursor *cursor = cursor_;

    text_puts(ret, "Total ");
    text_number(ret, cursor->count);
    text_puts(ret, " collections, ");
    text_number(ret, cursor->wasted);
    text_puts(ret, " bytes of their arrays have no element");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the collection" },
    { "type", COLUMN_TEXT, "its type" },
    { "count", COLUMN_COUNT, "elements; unknown where only walking along a chain would tell" },
    { "capacity", COLUMN_COUNT, "elements that its array has room for, or buckets", COLUMN_VERBOSE },
    { "fill", COLUMN_SHARE, "count of capacity" },
    { "element", COLUMN_TEXT, "type of its elements, key -> value", COLUMN_VERBOSE },
    { "store_bytes", COLUMN_BYTES, "of its array, without the elements that are objects" },
    { "wasted", COLUMN_BYTES, "of the array: room in which there is no element" },
    { "store", COLUMN_ADDRESS, "its array, or first node", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "type", NULL, PARAMETER_TEXT, false, "only types with this in their name" },
    { "min", "-min", PARAMETER_NUMBER, false, "only those with at least so many elements" },
    { "empty", "-empty", PARAMETER_SWITCH, false, "only those without elements" },
    { "oversized", "-oversized", PARAMETER_SWITCH, false, "only those that use less than a quarter of their room" },
};

const struct relation relation_collections = {
    .name = "collections",
    .summary = "lists, dictionaries, queues, sets: how many elements each has",
    .description =
        "The class library's collections and types that derive from them. Count and elements are read from their fields.",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "collections", .sort = "count desc" },
                  { "collections -worst", .sort = "wasted desc", .help = "those that waste most room first" } },
    .empty = "no collections match, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct collections_cursor),
    .begin = collections_begin,
    .next = collections_next,
    .end = collections_end,
    .footer = collections_footer,
};
