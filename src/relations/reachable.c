#include "clr/object.h"
#include "heap/graph.h"
#include "relations/relation.h"
#include "session/session.h"

/* Every object that an object leads to, itself included, by address. */
struct reachable_cursor {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    struct traversal traversal;
    struct heap_starts_iterator it;
};

enum { ADDRESS, TYPE, SIZE, METHOD_TABLE };

static struct error *reachable_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct reachable_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;
    uint32_t id;

    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    if (!heap_starts_id(cursor->graph->starts, addr, &id))
        return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
    TRY(traversal_init(&cursor->traversal, cursor->clr, cursor->graph->starts, cursor->graph->dependents, NULL,
                       session_progress(session)));
    traversal_seed(&cursor->traversal, addr, id);
    heap_starts_begin(cursor->graph->starts, &cursor->it);
    return traversal_run(&cursor->traversal);
}

static struct error *reachable_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct reachable_cursor *cursor = cursor_;
    const struct heap_chunk *chunk;
    struct clr_object object;
    uint64_t addr;

    for (*more_ret = false; heap_starts_next(&cursor->it, &addr, &chunk);) {
        if (!traversal_reached(&cursor->traversal, cursor->it.id - 1)) continue;
        *more_ret = true;
        value_u64(&row[ADDRESS], addr);
        if (!clr_object_try(cursor->clr, addr, &object)) return NULL;
        value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
        value_u64(&row[SIZE], object.size);
        value_u64(&row[METHOD_TABLE], object.type->mt_addr);
        return NULL;
    }
    return NULL;
}

static void reachable_end(void *cursor_)
{
    struct reachable_cursor *cursor = cursor_;

    traversal_deinit(&cursor->traversal);
}

static void reachable_footer(void *cursor_, struct text *ret)
{
    const struct reachable_cursor *cursor = cursor_;

    text_puts(ret, "Total ");
    text_number(ret, cursor->traversal.count);
    text_puts(ret, " objects, ");
    text_number(ret, cursor->traversal.bytes);
    text_puts(ret, " bytes");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the object" },
    { "type", COLUMN_TEXT, "its type" },
    { "size", COLUMN_BYTES, "bytes of the object alone" },
    { "method_table", COLUMN_ADDRESS, "identity of its type", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "where the references are followed from" },
};

const struct relation relation_reachable = {
    .name = "reachable",
    .summary = "every object that an object leads to",
    .description = "Through fields, elements and dependent handles, each object once. What it leads to is not what it keeps alive: "
                   "others may lead there, too; see `retained` and `dominators`.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "reachable" },
                  { "reachable -stat", .group = "type", .sort = "size", .help = "number and bytes by type, largest last" } },
    .group_by = "type",
    .cursor_size = sizeof(struct reachable_cursor),
    .begin = reachable_begin,
    .next = reachable_next,
    .end = reachable_end,
    .footer = reachable_footer,
};
