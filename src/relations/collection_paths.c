/*
 * Collections by how a program knows them: the path from a static field. Addresses move and objects are made anew, paths stay, so
 * this is what collections of two dumps are matched by.
 *
 *     His.Audit.entries                                        one list, in a static field
 *     His.Wards.all -> Dictionary._entries -> [*] -> Ward._beds    the lists of all wards, added up
 */
#include <string.h>

#include "base/text_map.h"
#include "clr/gc_heap.h"
#include "heap/paths.h"
#include "heap/retained.h"
#include "heap/walk.h"
#include "managed/collection.h"
#include "relations/relation.h"
#include "session/session.h"

enum {
    ELEMENTS_MIN = 10,         /* what has fewer elements is not looked at unless asked for */
    LENGTH_MAX = 16,           /* objects of a path; what is farther from its static field is a part of something */
    COLLECTIONS_MAX = 1 << 17, /* whose path is told: each costs a look into the objects on it */
    PATHS_MAX = 1 << 16,
};

/* All collections on one path. */
struct place_found {
    const char *type; /* of the largest one */
    uint64_t collections, count, store_bytes, retained;
    uint64_t largest_addr, largest_count;
    bool has_store; /* store_bytes is known of one at least */
};

struct collection_paths_cursor {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    const struct retained *retained; /* NULL: not asked for */
    struct collection_types collections;
    struct text_map paths;
    VEC(struct place_found) found; /* by the number of the path */
    struct text path;
    uint64_t min, looked_at, not_looked_at;
    size_t index;
    bool begun;
};

enum { PATH, COUNT, COLLECTIONS, STORE_BYTES, RETAINED, TYPE, LARGEST };
enum { PARAMETER_MIN };

/* ---- the path as text ---- */

/* An element of an array is just that: to look for it would mean to read the array once for each of its elements. */
static void append_step(struct collection_paths_cursor *cursor, uint64_t from, uint64_t to)
{
    struct text *path = &cursor->path;
    struct clr_object object;

    text_puts(path, " -> ");
    if (!clr_object_try(cursor->clr, from, &object)) {
        text_putc(path, '?');
        return;
    }
    if (object.type->component_size) {
        text_puts(path, "[*]");
        return;
    }
    type_short_name(clr_type_name(cursor->clr, object.type->mt_addr), path);
    text_putc(path, '.');
    graph_edge_text(cursor->graph, from, to, true, path);
}

/* Writes the path of the object to the cursor's text; false when no static field is near. */
static struct error *write_path(struct collection_paths_cursor *cursor, uint64_t addr, bool *named_ret)
{
    struct path path;
    uint32_t id;

    *named_ret = false;
    text_clear(&cursor->path);
    if (!heap_starts_id(cursor->graph->starts, addr, &id)) return NULL;
    if (graph_path_length(cursor->graph, id, LENGTH_MAX + 1) > LENGTH_MAX) return NULL;
    TRY(graph_path_to(cursor->graph, addr, &path));
    if (path.objects.count && path.root && (path.root->kind == ROOT_STATIC || path.root->kind == ROOT_THREAD_STATIC)) {
        root_name(cursor->clr, path.root, &cursor->path);
        for (size_t i = 1; i < path.objects.count; i++)
            append_step(cursor, path.objects.data[i - 1], path.objects.data[i]);
        *named_ret = cursor->path.length > 0;
    }
    path_deinit(&path);
    return cursor->path.failed ? &error_enomem : NULL;
}

/* ---- adding up ---- */

/* The entry of the cursor's path, a new one the first time; NULL: no memory. */
static struct place_found *find_place(struct collection_paths_cursor *cursor)
{
    size_t number;

    if (!text_map_add(&cursor->paths, text_cstr(&cursor->path), cursor->path.length, &number)) return NULL;
    if (number == cursor->found.count && !vec_push(&cursor->found, (struct place_found) { 0 })) return NULL;
    return &cursor->found.data[number];
}

static void add_to(struct collection_paths_cursor *cursor, struct place_found *place, const struct collection *collection)
{
    struct clr_object store;

    place->collections++;
    place->count += collection->count;
    if (collection->capacity && clr_object_try(cursor->clr, collection->store_addr, &store)) {
        place->store_bytes += store.size;
        place->has_store = true;
    }
    if (cursor->retained) place->retained += retained_size(cursor->retained, collection->object.addr);
    if (place->type && collection->count <= place->largest_count) return;
    place->type = clr_type_name(cursor->clr, collection->object.type->mt_addr);
    place->largest_addr = collection->object.addr;
    place->largest_count = collection->count;
}

static struct error *look_at(struct collection_paths_cursor *cursor, uint64_t addr)
{
    struct collection collection;
    struct place_found *place;
    bool named;

    if (!collection_open(&cursor->collections, addr, &collection) || !collection.count_known) return NULL;
    if (collection.count < cursor->min || !graph_is_live(cursor->graph, addr)) return NULL;
    if (cursor->looked_at >= COLLECTIONS_MAX || cursor->found.count >= PATHS_MAX) {
        cursor->not_looked_at++;
        return NULL;
    }
    cursor->looked_at++;
    TRY(write_path(cursor, addr, &named));
    if (!named) return NULL;
    place = find_place(cursor);
    if (!place) return &error_enomem;
    add_to(cursor, place, &collection);
    return NULL;
}

static struct error *look_at_all(struct collection_paths_cursor *cursor, const struct gc_heaps *heaps)
{
    struct object_types types;
    struct error *err = NULL;

    if (!object_types_init(&types, cursor->clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct object object;
        struct walk walk;

        if (progress_is_cancelled(session_progress(cursor->session))) err = error_create(ERROR_CANCELLED, "cancelled");
        walk_init(&walk, cursor->clr, &types, heaps, &heaps->segments.data[i]);
        while (!err && walk_next(&walk, &object))
            if (!object.type->is_free && !object.type->component_size &&
                collection_type_get(&cursor->collections, object.type->mt_addr))
                err = look_at(cursor, object.addr);
        walk_report(&walk, session_gaps(cursor->session));
    }
    object_types_deinit(&types);
    return err;
}

/* ---- the relation ---- */

static struct error *collection_paths_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct collection_paths_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    cursor->session = session;
    cursor->min = request->arguments[PARAMETER_MIN].given ? request->arguments[PARAMETER_MIN].u : ELEMENTS_MIN;
    TRY(session_clr(session, &cursor->clr));
    text_init(&cursor->path);
    text_map_init(&cursor->paths);
    collection_types_init(&cursor->collections, cursor->clr);
    cursor->begun = true;
    TRY(session_gc_heaps(session, &heaps));
    TRY(session_graph(session, &cursor->graph));
    if (request->columns_needed >> RETAINED & 1) TRY(session_retained(session, &cursor->retained));
    TRY(look_at_all(cursor, heaps));
    if (cursor->not_looked_at)
        gaps_add(session_gaps(session), "paths of collections", 0, cursor->not_looked_at, "only those of the first %d are told",
                 COLLECTIONS_MAX);
    return NULL;
}

static struct error *collection_paths_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct collection_paths_cursor *cursor = cursor_;
    const struct place_found *place;

    *more_ret = cursor->index < cursor->found.count;
    if (!*more_ret) return NULL;
    place = &cursor->found.data[cursor->index];
    value_text(&row[PATH], cursor->paths.texts.data[cursor->index]);
    value_u64(&row[COUNT], place->count);
    value_u64(&row[COLLECTIONS], place->collections);
    if (place->has_store) value_u64(&row[STORE_BYTES], place->store_bytes);
    if (cursor->retained) value_u64(&row[RETAINED], place->retained);
    value_text(&row[TYPE], place->type);
    value_u64(&row[LARGEST], place->largest_addr);
    cursor->index++;
    return NULL;
}

static void collection_paths_end(void *cursor_)
{
    struct collection_paths_cursor *cursor = cursor_;

    if (!cursor->begun) return;
    collection_types_deinit(&cursor->collections);
    text_map_deinit(&cursor->paths);
    text_deinit(&cursor->path);
    vec_deinit(&cursor->found);
}

static const struct column columns[] = {
    { "path", COLUMN_TEXT, "from a static field, step by step" },
    { "count", COLUMN_COUNT, "elements of all of them" },
    { "collections", COLUMN_COUNT, "collections on this path" },
    { "store_bytes", COLUMN_BYTES, "of their arrays, without the elements that are objects" },
    { "retained", COLUMN_BYTES, "what they keep alive alone; takes long, so in tables only with --columns", COLUMN_VERBOSE },
    { "type", COLUMN_TEXT, "of the largest one" },
    { "largest", COLUMN_ADDRESS, "the one with most elements" },
};

static const struct parameter parameters[] = {
    { "min", "-min", PARAMETER_NUMBER, false, "only those with at least so many elements, 10 by default" },
};

const struct relation relation_collection_paths = {
    .name = "collection_paths",
    .summary = "collections by the path from a static field to them",
    .description =
        "Live collections that a static field holds, directly or through up to 15 objects. Those on the same path are added "
        "up: the lists of all wards in a dictionary are one row.",
    .topic = "GC heap",
    .growth = { .kind = "collection", .key = "path", .count = "count", .retained = "retained", .rank = 3 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "collection_paths", .sort = "count desc", .columns = "count,collections,store_bytes,largest,path" } },
    .empty = "no static field holds a collection of so many elements, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct collection_paths_cursor),
    .begin = collection_paths_begin,
    .next = collection_paths_next,
    .end = collection_paths_end,
};
