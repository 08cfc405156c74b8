#include <stdlib.h>

#include "clr/object.h"
#include "heap/paths.h"
#include "relations/relation.h"
#include "session/session.h"

enum { PATHS_DEFAULT = 3 };

/* Paths that keep an object alive: the shortest first, then others that end with another referrer. */
struct gcroot_cursor {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    uint64_t target;
    struct referrer {
        uint64_t addr; /* 0: a root holds the target itself, `root` says which */
        size_t root, length;
    } * referrers; /* those that further paths go through, the shortest first */
    size_t referrer_count;
    size_t path_number, path_max; /* paths begun; how many at most */
    struct path path;
    size_t step;
    struct text via, root;
    size_t paths_known;
};

enum { PATH, STEP, OBJECT, TYPE, VIA, ROOT_KIND, ROOT_NAME, LIVE };
enum { PARAMETER_OBJECT, PARAMETER_PATHS };

static int compare_referrers(const void *a, const void *b)
{
    const struct referrer *left = a, *right = b;

    if (left->length != right->length) return left->length < right->length ? -1 : 1;
    if (left->addr != right->addr) return left->addr < right->addr ? -1 : 1;
    return left->root < right->root ? -1 : left->root > right->root;
}

struct referrer_search {
    const struct graph *graph;
    VEC(struct referrer) list;
    uint64_t target, from;
    bool found, failed;
};

static inline void compare_target(void *user, uint64_t offset, uint64_t target)
{
    struct referrer_search *search = user;

    (void)offset;
    if (target == search->target) search->found = true;
}

static void add_referrer(struct referrer_search *search, struct referrer referrer)
{
    if (!vec_push(&search->list, referrer)) search->failed = true;
}

/* Objects that can be reached and refer to the target. */
static struct error *search_heap(struct gcroot_cursor *cursor, struct referrer_search *search, struct reference_types *types)
{
    const struct heap_starts *starts = cursor->graph->starts;
    struct progress *progress = session_progress(cursor->session);
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    progress_start(progress, "looking for further paths", starts->object_count);
    heap_starts_begin(starts, &it);
    while (heap_starts_next(&it, &addr, &chunk) && !search->failed) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        const struct reference_type *type = reference_types_get(types, load_u64(bytes) & ~UINT64_C(7));

        if (!type) return &error_enomem;
        if (it.id % 65536 == 0) {
            progress_add(progress, 65536);
            if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        }
        search->found = false;
        references_visit(type, bytes, reference_object_size(type, bytes), compare_target, search);
        if (search->found && addr != search->target && cursor->graph->parents[it.id - 1] != GRAPH_UNREACHED)
            add_referrer(search,
                         (struct referrer) { .addr = addr, .length = graph_path_length(cursor->graph, it.id - 1, SIZE_MAX) });
    }
    progress_end(progress);
    return search->failed ? &error_enomem : NULL;
}

static void search_others(struct gcroot_cursor *cursor, struct referrer_search *search)
{
    const struct graph *graph = cursor->graph;

    for (size_t i = 0; i < graph->roots->list.count; i++)
        if (graph->roots->list.data[i].object == search->target) add_referrer(search, (struct referrer) { .root = i });
    for (size_t i = 0; i < graph->dependents.list.count; i++) {
        const struct dependent *dependent = &graph->dependents.list.data[i];
        uint32_t id;

        if (dependent->secondary != search->target || !heap_starts_id(graph->starts, dependent->primary, &id)) continue;
        if (graph->parents[id] == GRAPH_UNREACHED) continue;
        add_referrer(search, (struct referrer) { .addr = dependent->primary, .length = graph_path_length(graph, id, SIZE_MAX) });
    }
}

static struct error *find_referrers(struct gcroot_cursor *cursor)
{
    struct referrer_search search = { .graph = cursor->graph, .target = cursor->target };
    struct reference_types types;
    struct error *err;

    if (!reference_types_init(&types, cursor->clr)) return &error_enomem;
    err = search_heap(cursor, &search, &types);
    reference_types_deinit(&types);
    if (!err) {
        search_others(cursor, &search);
        if (search.failed) err = &error_enomem;
    }
    if (err) {
        vec_deinit(&search.list);
        return err;
    }
    vec_sort(&search.list, compare_referrers);
    cursor->referrers = search.list.data;
    cursor->referrer_count = search.list.count;
    return NULL;
}

static struct error *gcroot_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct gcroot_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    struct error *err;

    text_init(&cursor->via);
    text_init(&cursor->root);
    cursor->session = session;
    cursor->target = arguments[PARAMETER_OBJECT].u;
    cursor->path_max = arguments[PARAMETER_PATHS].given ? (size_t)arguments[PARAMETER_PATHS].u : PATHS_DEFAULT;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    err = graph_path_to(cursor->graph, cursor->target, &cursor->path);
    if (err == &error_not_found) return error_fault(cursor->target, "no object at '%llx'", (unsigned long long)cursor->target);
    cursor->path_number = 1;
    if (!err && cursor->path.objects.count && cursor->path_max > 1) err = find_referrers(cursor);
    return err;
}

/* Is this referrer the last step of the path that was shown first? */
static bool is_first_path(const struct gcroot_cursor *cursor, const struct referrer *referrer, const struct path *first)
{
    size_t count = first->objects.count;

    if (count > 1) return referrer->addr == first->objects.data[count - 2];
    return !referrer->addr && first->root == &cursor->graph->roots->list.data[referrer->root];
}

/* Turns the cursor's path into the one through `referrer`; false when that goes through the target itself. */
static struct error *take_path(struct gcroot_cursor *cursor, const struct referrer *referrer, bool *taken_ret)
{
    struct path path = { 0 };

    *taken_ret = false;
    if (referrer->addr)
        TRY(graph_path_to(cursor->graph, referrer->addr, &path));
    else
        path.root = &cursor->graph->roots->list.data[referrer->root];
    for (size_t i = 0; i < path.objects.count; i++)
        if (path.objects.data[i] == cursor->target) {
            path_deinit(&path);
            return NULL;
        }
    if (!vec_push(&path.objects, cursor->target)) {
        path_deinit(&path);
        return &error_enomem;
    }
    path_deinit(&cursor->path);
    cursor->path = path;
    *taken_ret = true;
    return NULL;
}

/* The next path; false when there is none. */
static struct error *next_path(struct gcroot_cursor *cursor, bool *more_ret)
{
    *more_ret = false;
    while (cursor->path_number < cursor->path_max && cursor->paths_known < cursor->referrer_count) {
        TRY(take_path(cursor, &cursor->referrers[cursor->paths_known++], more_ret));
        if (!*more_ret) continue;
        cursor->path_number++;
        cursor->step = 0;
        return NULL;
    }
    return NULL;
}

/* The referrer of the shortest path is no further one. */
static void drop_first(struct gcroot_cursor *cursor)
{
    size_t kept = 0;

    for (size_t i = 0; i < cursor->referrer_count; i++)
        if (!is_first_path(cursor, &cursor->referrers[i], &cursor->path)) cursor->referrers[kept++] = cursor->referrers[i];
    cursor->referrer_count = kept;
}

static void fill_row(struct gcroot_cursor *cursor, struct value *row)
{
    const struct path *path = &cursor->path;
    uint64_t object = path->objects.data[cursor->step];

    value_u64(&row[PATH], cursor->path_number);
    value_u64(&row[STEP], cursor->step);
    value_u64(&row[OBJECT], object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, object));
    value_u64(&row[LIVE], !path->is_weak);
    text_clear(&cursor->via);
    if (cursor->step) {
        graph_edge_text(cursor->graph, path->objects.data[cursor->step - 1], object, false, &cursor->via);
        value_text(&row[VIA], text_cstr(&cursor->via));
        return;
    }
    text_clear(&cursor->root);
    if (path->root) {
        value_text(&row[ROOT_KIND], root_kind_name(path->root));
        root_name(cursor->clr, path->root, &cursor->root);
        if (cursor->root.length) value_text(&row[ROOT_NAME], text_cstr(&cursor->root));
    } else {
        value_text(&row[ROOT_KIND], "frozen");
    }
}

static struct error *gcroot_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct gcroot_cursor *cursor = cursor_;

    *more_ret = cursor->step < cursor->path.objects.count;
    if (!*more_ret && cursor->path.objects.count) {
        if (cursor->path_number == 1) drop_first(cursor);
        TRY(next_path(cursor, more_ret));
    }
    if (!*more_ret) return NULL;
    fill_row(cursor, row);
    cursor->step++;
    return NULL;
}

static void gcroot_end(void *cursor_)
{
    struct gcroot_cursor *cursor = cursor_;

    path_deinit(&cursor->path);
    free(cursor->referrers);
    text_deinit(&cursor->via);
    text_deinit(&cursor->root);
}

static void gcroot_footer(void *cursor_, struct text *ret)
{
    const struct gcroot_cursor *cursor = cursor_;
    size_t more = cursor->referrer_count - cursor->paths_known;

    if (!cursor->graph) return;
    if (!cursor->path.objects.count)
        text_puts(ret, "no root leads to it: the next collection of its generation frees it");
    else if (cursor->path.is_weak)
        text_puts(ret,
                  "only the finalization queue leads to it: it is dead, but its finalizer, or that of its holder, has not run");
    else if (more)
        text_printf(ret, "%zu more objects or roots refer to it (-paths N shows more, referrers lists all)", more);
}

static const struct column columns[] = {
    { "path", COLUMN_NUMBER, "1 is a shortest one" },
    { "step", COLUMN_NUMBER, "0: what the root holds" },
    { "object", COLUMN_ADDRESS, "on the way" },
    { "type", COLUMN_TEXT, "of that object" },
    { "via", COLUMN_TEXT, "field or [index] of the object before it that refers to it" },
    { "root_kind", COLUMN_TEXT, "what holds the first one: static, strong, stack (conservative), ..." },
    { "root_name", COLUMN_TEXT, "static field, thread" },
    { "live", COLUMN_BOOL, "false: only the finalization queue leads here", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "the object to be explained" },
    { "paths", "-paths", PARAMETER_NUMBER, false, "how many paths, 3 by default" },
};

const struct relation relation_gcroot = {
    .name = "gcroot",
    .summary = "why an object is alive: paths from roots to it, the shortest first",
    .description = "The first path is one of the shortest from any root; static fields are preferred to the handles that hold "
                   "their arrays. Further ones "
                   "each end with another object or root that refers to the object, the shortest first.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "gcroot" }, { "paths", .help = "the same" } },
    .empty = "no root leads to the object: it is dead",
    .cursor_size = sizeof(struct gcroot_cursor),
    .begin = gcroot_begin,
    .next = gcroot_next,
    .end = gcroot_end,
    .footer = gcroot_footer,
};
