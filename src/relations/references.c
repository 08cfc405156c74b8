#include "clr/object.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "relations/relation.h"
#include "session/session.h"

/* What objects refer to: one object, or all of them by address. */
struct references_cursor {
    struct clr *clr;
    const struct heap_starts *starts;
    struct reference_types types;
    const struct dependents *dependents;
    struct heap_starts_iterator objects;
    struct edges edges; /* of the object at hand */
    size_t index;
    uint64_t from;
    struct clr_object object;
    bool only_one, named;
    struct text field;
    uint64_t columns_needed;
    uint64_t count;
    struct progress *progress;
};

enum { FROM, TO, FIELD, TO_TYPE, FROM_TYPE };

static void load_edges(struct references_cursor *cursor, const struct heap_chunk *chunk, uint64_t addr)
{
    const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
    const struct reference_type *type = reference_types_get(&cursor->types, load_u64(bytes) & ~UINT64_C(7));

    cursor->edges.list.count = 0;
    cursor->index = 0;
    cursor->from = addr;
    cursor->named = false;
    if (type && type->is_valid)
        edges_add(&cursor->edges, type, bytes, cursor->only_one ? cursor->dependents : NULL, addr);
    else if (!type)
        cursor->edges.failed = true;
}

static struct error *begin_one(struct session *session, struct references_cursor *cursor, uint64_t addr)
{
    const struct heap_chunk *chunk = heap_chunk_at(cursor->starts, addr);
    uint32_t id;

    cursor->only_one = true;
    if (!chunk || !heap_starts_id(cursor->starts, addr, &id))
        return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
    TRY(session_dependents(session, &cursor->dependents));
    load_edges(cursor, chunk, addr);
    return cursor->edges.failed ? &error_enomem : NULL;
}

static struct error *references_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct references_cursor *cursor = cursor_;

    text_init(&cursor->field);
    cursor->columns_needed = request->columns_needed;
    cursor->progress = session_progress(session);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_starts(session, &cursor->starts));
    if (!reference_types_init(&cursor->types, cursor->clr)) return &error_enomem;
    if (request->arguments[0].given) return begin_one(session, cursor, request->arguments[0].u);
    heap_starts_begin(cursor->starts, &cursor->objects);
    return NULL;
}

/* The next object that refers to anything; false at the end. */
static struct error *next_object(struct references_cursor *cursor, bool *more_ret)
{
    const struct heap_chunk *chunk;
    uint64_t addr;

    *more_ret = false;
    while (!cursor->only_one && heap_starts_next(&cursor->objects, &addr, &chunk)) {
        load_edges(cursor, chunk, addr);
        if (cursor->edges.failed) return &error_enomem;
        if (cursor->objects.id % 65536 == 0 && progress_is_cancelled(cursor->progress))
            return error_create(ERROR_CANCELLED, "cancelled");
        if (!cursor->edges.list.count) continue;
        *more_ret = true;
        return NULL;
    }
    return NULL;
}

static void fill_names(struct references_cursor *cursor, const struct edge *edge, struct value *row)
{
    if (!cursor->named) {
        cursor->named = true;
        if (!clr_object_try(cursor->clr, cursor->from, &cursor->object)) cursor->object.type = NULL;
    }
    if (!cursor->object.type) return;
    value_text(&row[FROM_TYPE], clr_type_name(cursor->clr, cursor->object.type->mt_addr));
    text_clear(&cursor->field);
    edge_name(cursor->clr, cursor->object.type, edge->offset, false, &cursor->field);
    value_text(&row[FIELD], text_cstr(&cursor->field));
}

static struct error *references_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct references_cursor *cursor = cursor_;
    const struct edge *edge;

    *more_ret = cursor->index < cursor->edges.list.count;
    if (!*more_ret) TRY(next_object(cursor, more_ret));
    if (!*more_ret) return NULL;
    edge = &cursor->edges.list.data[cursor->index++];
    value_u64(&row[FROM], cursor->from);
    value_u64(&row[TO], edge->target);
    if (cursor->columns_needed & (1 << FIELD | 1 << FROM_TYPE)) fill_names(cursor, edge, row);
    if (cursor->columns_needed & 1 << TO_TYPE) value_text(&row[TO_TYPE], clr_object_type_name(cursor->clr, edge->target));
    cursor->count++;
    return NULL;
}

static void references_end(void *cursor_)
{
    struct references_cursor *cursor = cursor_;

    vec_deinit(&cursor->edges.list);
    reference_types_deinit(&cursor->types);
    text_deinit(&cursor->field);
}

static void references_footer(void *cursor_, struct text *ret)
{
    const struct references_cursor *cursor = cursor_;

    text_printf(ret, "Total %llu references", (unsigned long long)cursor->count);
}

static const struct column columns[] = {
    { "from", COLUMN_ADDRESS, "object that holds the reference" },      { "to", COLUMN_ADDRESS, "object that it leads to" },
    { "field", COLUMN_TEXT, "field, or [index] of an array" },          { "to_type", COLUMN_TEXT, "type of that object" },
    { "from_type", COLUMN_TEXT, "type of the holder", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "only what this object refers to" },
};

const struct relation relation_references = {
    .name = "references",
    .summary = "references between objects, with the field that holds each",
    .description =
        "Of one object, or of all by address. Dependent handles are listed with their one object; of all objects they are in "
        "the relation handles.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "references" } },
    .group_by = "from_type",
    .empty = "the object refers to nothing, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct references_cursor),
    .begin = references_begin,
    .next = references_next,
    .end = references_end,
    .footer = references_footer,
};
