#include <stdlib.h>

#include "clr/object.h"
#include "heap/graph.h"
#include "heap/walk.h"
#include "relations/relation.h"
#include "session/session.h"

/* What an object holds: one row. */
struct objsize_cursor {
    struct clr *clr;
    const struct graph *graph;
    uint64_t target, count, bytes;
    struct clr_object object;
    bool done;
};

enum { OBJECT, TYPE, SHALLOW, COUNT, SIZE };

static struct error *objsize_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct objsize_cursor *cursor = cursor_;
    uint32_t id;

    cursor->target = request->arguments[0].u;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    if (!heap_starts_id(cursor->graph->starts, cursor->target, &id) ||
        !clr_object_try(cursor->clr, cursor->target, &cursor->object))
        return error_fault(cursor->target, "no object at '%llx'", (unsigned long long)cursor->target);
    return graph_reachable_size(cursor->graph, &cursor->target, 1, session_progress(session), &cursor->count, &cursor->bytes);
}

static struct error *objsize_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct objsize_cursor *cursor = cursor_;

    *more_ret = !cursor->done;
    cursor->done = true;
    if (!*more_ret) return NULL;
    value_u64(&row[OBJECT], cursor->target);
    value_text(&row[TYPE], clr_type_name(cursor->clr, cursor->object.type->mt_addr));
    value_u64(&row[SHALLOW], cursor->object.size);
    value_u64(&row[COUNT], cursor->count);
    value_u64(&row[SIZE], cursor->bytes);
    return NULL;
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "the object asked for" },
    { "type", COLUMN_TEXT, "its type" },
    { "shallow", COLUMN_BYTES, "bytes of the object alone" },
    { "count", COLUMN_COUNT, "objects that it reaches, itself included, each once" },
    { "size", COLUMN_BYTES, "bytes of these; others may hold them as well, see retained" },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "the object" },
};

const struct relation relation_objsize = {
    .name = "objsize",
    .summary = "what an object reaches: number and bytes, each object once",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "objsize", .layout = LAYOUT_RECORD } },
    .cursor_size = sizeof(struct objsize_cursor),
    .begin = objsize_begin,
    .next = objsize_next,
};
