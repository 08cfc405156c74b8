#include <stdlib.h>

#include "base/large_array.h"
#include "clr/object.h"
#include "heap/paths.h"
#include "relations/relation.h"
#include "session/session.h"

/* A shortest way from one object to another, whether anything keeps the first one alive or not. */
struct path_to_cursor {
    struct clr *clr;
    const struct graph *graph;
    VEC(uint64_t) objects; /* from the first to the last; empty: none leads there */
    size_t next;
    struct text via;
};

enum { STEP, OBJECT, TYPE, VIA, SIZE };
enum { PARAMETER_FROM, PARAMETER_TO };

/* The way back from `id` to the object that is its own parent. */
static struct error *take_path(struct path_to_cursor *cursor, const uint32_t *parents, uint32_t id)
{
    const struct heap_starts *starts = cursor->graph->starts;
    uint32_t last = id;
    size_t length = 1;

    for (; parents[id] != id; id = parents[id])
        length++;
    if (!vec_reserve(&cursor->objects, length)) return &error_enomem;
    cursor->objects.count = length;
    for (id = last; length > 0; id = parents[id])
        cursor->objects.data[--length] = heap_starts_addr(starts, id);
    return NULL;
}

static struct error *search(struct path_to_cursor *cursor, uint64_t from, uint32_t from_id, uint32_t to_id,
                            struct progress *progress)
{
    const struct graph *graph = cursor->graph;
    struct traversal traversal;
    struct error *err;
    uint32_t *parents = large_array((size_t)graph->starts->object_count + 1, sizeof(*parents));

    if (!parents) return &error_enomem;
    err = traversal_init(&traversal, cursor->clr, graph->starts, graph->dependents, parents, progress);
    if (!err) {
        progress_start(progress, "following references", graph->starts->object_count);
        traversal_seed(&traversal, from, from_id);
        err = traversal_run(&traversal);
        progress_end(progress);
        if (!err && traversal_reached(&traversal, to_id)) err = take_path(cursor, parents, to_id);
        traversal_deinit(&traversal);
    }
    free(parents);
    return err;
}

static struct error *path_to_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct path_to_cursor *cursor = cursor_;
    uint64_t ends[] = { request->arguments[PARAMETER_FROM].u, request->arguments[PARAMETER_TO].u };
    uint32_t ids[2];

    text_init(&cursor->via);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    for (unsigned i = 0; i < 2; i++)
        if (!heap_starts_id(cursor->graph->starts, ends[i], &ids[i]))
            return error_fault(ends[i], "no object at '%llx'", (unsigned long long)ends[i]);
    return search(cursor, ends[0], ids[0], ids[1], session_progress(session));
}

static struct error *path_to_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct path_to_cursor *cursor = cursor_;
    struct clr_object object;
    uint64_t addr;

    *more_ret = cursor->next < cursor->objects.count;
    if (!*more_ret) return NULL;
    addr = cursor->objects.data[cursor->next];
    value_u64(&row[STEP], cursor->next);
    value_u64(&row[OBJECT], addr);
    if (clr_object_try(cursor->clr, addr, &object)) {
        value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
        value_u64(&row[SIZE], object.size);
    }
    if (cursor->next) {
        text_clear(&cursor->via);
        graph_edge_text(cursor->graph, cursor->objects.data[cursor->next - 1], addr, false, &cursor->via);
        value_text(&row[VIA], text_cstr(&cursor->via));
    }
    cursor->next++;
    return NULL;
}

static void path_to_end(void *cursor_)
{
    struct path_to_cursor *cursor = cursor_;

    vec_deinit(&cursor->objects);
    text_deinit(&cursor->via);
}

static const struct column columns[] = {
    { "step", COLUMN_NUMBER, "0: the object that the way begins with" },
    { "object", COLUMN_ADDRESS, "on the way" },
    { "type", COLUMN_TEXT, "of that object" },
    { "via", COLUMN_TEXT, "field or [index] of the object before it that refers to it" },
    { "size", COLUMN_BYTES, "of the object alone", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "from", NULL, PARAMETER_ADDRESS, true, "the object that the way begins with" },
    { "to", NULL, PARAMETER_ADDRESS, true, "the object that it leads to" },
};

const struct relation relation_path_to = {
    .name = "path_to",
    .summary = "a shortest way from one object to another along references",
    .description = "Through fields, elements and dependent handles. Roots play no part in it: both objects may be dead.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "path_to" }, { "pathto", .help = "as SOS names it" } },
    .empty = "no reference leads from the first object to the second, directly or through others",
    .cursor_size = sizeof(struct path_to_cursor),
    .begin = path_to_begin,
    .next = path_to_next,
    .end = path_to_end,
};
