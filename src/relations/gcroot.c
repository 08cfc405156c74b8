#include "clr/object.h"
#include "heap/root_paths.h"
#include "relations/relation.h"
#include "session/session.h"

enum { PATHS_DEFAULT = 3 };

/* Paths that keep an object alive: the shortest first, then others that end with another referrer. */
struct gcroot_cursor {
    struct clr *clr;
    const struct graph *graph;
    struct root_paths paths;
    size_t step;
    struct text via, root;
};

enum { PATH, STEP, OBJECT, TYPE, VIA, ROOT_KIND, ROOT_NAME, LIVE };
enum { PARAMETER_OBJECT, PARAMETER_PATHS };

static struct error *gcroot_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct gcroot_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    size_t max = arguments[PARAMETER_PATHS].given ? (size_t)arguments[PARAMETER_PATHS].u : PATHS_DEFAULT;

    text_init(&cursor->via);
    text_init(&cursor->root);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph_watching(session, max > 1 ? arguments[PARAMETER_OBJECT].u : 0, &cursor->graph));
    return root_paths_begin(cursor->graph, arguments[PARAMETER_OBJECT].u, max, session_progress(session), &cursor->paths);
}

static void fill_row(struct gcroot_cursor *cursor, struct value *row)
{
    const struct path *path = &cursor->paths.path;
    uint64_t object = path->objects.data[cursor->step];

    value_u64(&row[PATH], cursor->paths.number);
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

    *more_ret = cursor->step < cursor->paths.path.objects.count;
    if (!*more_ret && cursor->paths.path.objects.count) {
        TRY(root_paths_next(&cursor->paths, more_ret));
        if (*more_ret) cursor->step = 0;
    }
    if (!*more_ret) return NULL;
    fill_row(cursor, row);
    cursor->step++;
    return NULL;
}

static void gcroot_end(void *cursor_)
{
    struct gcroot_cursor *cursor = cursor_;

    root_paths_end(&cursor->paths);
    text_deinit(&cursor->via);
    text_deinit(&cursor->root);
}

static void gcroot_footer(void *cursor_, struct text *ret)
{
    const struct gcroot_cursor *cursor = cursor_;
    size_t more = cursor->paths.referrer_count - cursor->paths.referrers_tried;

    if (!cursor->graph) return;
    if (!cursor->paths.path.objects.count)
        text_puts(ret, "no root leads to it: the next collection of its generation frees it");
    else if (cursor->paths.path.is_weak)
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
    { "root_kind", COLUMN_TEXT, "what holds the first one: static, strong, stack, stack (conservative), ..." },
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
