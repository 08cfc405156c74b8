#include <string.h>

#include "clr/object.h"
#include "heap/graph.h"
#include "heap/walk.h"
#include "relations/relation.h"
#include "session/session.h"

/* What an object, all objects of some types, some roots, or all roots lead to: one row. */
struct objsize_cursor {
    struct session *session;
    struct clr *clr;
    const struct heap_starts *starts;
    struct traversal traversal;
    uint64_t from_count, from_bytes, count, bytes;
    struct clr_object object; /* addr 0: several */
    const char *asked;        /* words that chose them */
    struct text root;         /* name of the root at hand */
    bool done;
};

enum { OBJECT, TYPE, SHALLOW, COUNT, SIZE, FROM_COUNT };
enum { PARAMETER_OBJECT, PARAMETER_TYPE, PARAMETER_ROOT, PARAMETER_ALL };
enum { CANCEL_EVERY = 1 << 16 };

/* Begins at an object; one that several roots hold counts once. */
static void seed(struct objsize_cursor *cursor, uint64_t addr)
{
    struct clr_object object;
    uint32_t id;

    if (!heap_starts_id(cursor->starts, addr, &id) || traversal_reached(&cursor->traversal, id)) return;
    traversal_seed(&cursor->traversal, addr, 0);
    cursor->from_count++;
    if (clr_object_try(cursor->clr, addr, &object)) cursor->from_bytes += object.size;
}

static struct error *seed_object(struct objsize_cursor *cursor, uint64_t addr)
{
    uint32_t id;

    if (!heap_starts_id(cursor->starts, addr, &id) || !clr_object_try(cursor->clr, addr, &cursor->object))
        return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
    seed(cursor, addr);
    return NULL;
}

static struct error *seed_type(struct objsize_cursor *cursor, const char *name)
{
    struct progress *progress = session_progress(cursor->session);
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    heap_starts_begin(cursor->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        const char *type = clr_object_type_name(cursor->clr, addr);

        if (it.id % CANCEL_EVERY == 0 && progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if (type && strcasestr(type, name)) seed(cursor, addr);
    }
    return NULL;
}

/* Is `words` part of the root's kind or name, or the address of its slot? */
static bool is_root(struct objsize_cursor *cursor, const struct root *root, const char *words)
{
    text_clear(&cursor->root);
    text_printf(&cursor->root, "%s ", root_kind_name(root));
    root_name(cursor->clr, root, &cursor->root);
    if (strcasestr(text_cstr(&cursor->root), words)) return true;
    text_clear(&cursor->root);
    text_printf(&cursor->root, "%llx", (unsigned long long)root->addr);
    return root->addr && name_equal(text_cstr(&cursor->root), strncmp(words, "0x", 2) ? words : words + 2);
}

static struct error *seed_roots(struct objsize_cursor *cursor, const char *words)
{
    const struct roots *roots;

    TRY(session_roots(cursor->session, &roots));
    for (size_t i = 0; i < roots->list.count; i++) {
        const struct root *root = &roots->list.data[i];

        if (is_root(cursor, root, words)) seed(cursor, root->object);
    }
    return cursor->from_count ? NULL : error_create(ERROR_NOT_FOUND, "no root with '%s' in its kind or name", words);
}

static struct error *seed_asked(struct objsize_cursor *cursor, const struct argument *arguments)
{
    if (arguments[PARAMETER_OBJECT].given) TRY(seed_object(cursor, arguments[PARAMETER_OBJECT].u));
    if (arguments[PARAMETER_TYPE].given) TRY(seed_type(cursor, arguments[PARAMETER_TYPE].s));
    if (arguments[PARAMETER_ROOT].given) TRY(seed_roots(cursor, arguments[PARAMETER_ROOT].s));
    return NULL;
}

static struct error *measure(struct objsize_cursor *cursor, const struct argument *arguments)
{
    struct progress *progress = session_progress(cursor->session);
    const struct dependents *dependents;

    TRY(session_dependents(cursor->session, &dependents));
    TRY(traversal_init(&cursor->traversal, cursor->clr, cursor->starts, dependents, NULL, progress));
    TRY(seed_asked(cursor, arguments));
    progress_start(progress, "following references", cursor->starts->object_count);
    TRY(traversal_run(&cursor->traversal));
    progress_end(progress);
    cursor->count = cursor->traversal.count;
    cursor->bytes = cursor->traversal.bytes;
    return NULL;
}

/* All that lives: the pass that told what that is has counted it. */
static struct error *measure_all(struct objsize_cursor *cursor)
{
    const struct graph *graph;

    TRY(session_graph(cursor->session, &graph));
    for (size_t i = 0; i < graph->roots->list.count; i++)
        cursor->from_count += graph->roots->list.data[i].kind != ROOT_FINALIZER_QUEUE;
    cursor->count = graph->totals.live_count;
    cursor->bytes = graph->totals.live_bytes;
    return NULL;
}

static struct error *objsize_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct objsize_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    unsigned asked = 0;
    bool all = arguments[PARAMETER_ALL].given;

    text_init(&cursor->root);
    cursor->session = session;
    for (unsigned i = PARAMETER_OBJECT; i <= PARAMETER_ALL; i++)
        asked += arguments[i].given;
    if (asked != 1) return error_create(ERROR_USAGE, "name an object, or one of -type NAME, -root NAME, -all");
    TRY(session_clr(session, &cursor->clr));
    TRY(session_starts(session, &cursor->starts));
    cursor->asked = all ? "(all)" : arguments[PARAMETER_TYPE].given ? arguments[PARAMETER_TYPE].s : arguments[PARAMETER_ROOT].s;
    return all ? measure_all(cursor) : measure(cursor, arguments);
}

static struct error *objsize_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct objsize_cursor *cursor = cursor_;

    *more_ret = !cursor->done;
    cursor->done = true;
    if (!*more_ret) return NULL;
    if (cursor->object.addr) {
        value_u64(&row[OBJECT], cursor->object.addr);
        value_text(&row[TYPE], clr_type_name(cursor->clr, cursor->object.type->mt_addr));
    } else {
        value_text(&row[TYPE], cursor->asked);
    }
    if (cursor->from_bytes) value_u64(&row[SHALLOW], cursor->from_bytes);
    value_u64(&row[FROM_COUNT], cursor->from_count);
    value_u64(&row[COUNT], cursor->count);
    value_u64(&row[SIZE], cursor->bytes);
    return NULL;
}

static void objsize_end(void *cursor_)
{
    struct objsize_cursor *cursor = cursor_;

    traversal_deinit(&cursor->traversal);
    text_deinit(&cursor->root);
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "the object asked for" },
    { "type", COLUMN_TEXT, "its type; of several objects the words that chose them" },
    { "shallow", COLUMN_BYTES, "bytes of the object alone, or of those that it begins with" },
    { "count", COLUMN_COUNT, "objects that are reached, those that it begins with included, each once" },
    { "size", COLUMN_BYTES, "bytes of these; others may hold them as well, see retained" },
    { "from_count", COLUMN_COUNT, "objects that it begins with: 1, those of the types or roots; of -all, roots" },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "the object" },
    { "type", "-type", PARAMETER_TEXT, false, "all objects of types with this in their name, dead ones too" },
    { "root", "-root", PARAMETER_TEXT, false,
      "what the roots hold that have this in kind or name, or as address: 'pinned', 'Cache.all'" },
    { "all", "-all", PARAMETER_SWITCH, false, "all that is alive" },
};

const struct relation relation_objsize = {
    .name = "objsize",
    .summary = "what an object, a type or a root reaches: number and bytes, each object once",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "objsize", .layout = LAYOUT_RECORD } },
    .cursor_size = sizeof(struct objsize_cursor),
    .begin = objsize_begin,
    .next = objsize_next,
    .end = objsize_end,
};
