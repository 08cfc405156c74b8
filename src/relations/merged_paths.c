#include "heap/merged_paths.h"

#include <string.h>

#include "clr/object.h"
#include "heap/root_paths.h"
#include "relations/relation.h"
#include "session/session.h"

enum { PATHS_DEFAULT = 1000, CANCEL_EVERY = 1 << 16 };

/* Paths from roots to an object, or to all objects of some types, merged into one tree by what they pass. */
struct merged_cursor {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    struct merged_paths merged;
    size_t max;
    uint64_t dead_count;                /* objects of the type that no root leads to */
    uint64_t more_count;                /* paths or objects beyond the limit */
    uint32_t stack[PATH_TEXTS_MAX + 2]; /* steps that are still to be shown, one a level */
    unsigned depth;
    struct text indented;
};

enum { LEVEL, PATHS, SHARE, STEP, ROOT_KIND, EXAMPLE, TREE };
enum { PARAMETER_OBJECT, PARAMETER_TYPE, PARAMETER_PATHS };

/* The paths to one object, each through another referrer. */
static struct error *add_object(struct merged_cursor *cursor, uint64_t addr)
{
    struct root_paths paths;
    struct error *err = root_paths_begin(cursor->graph, addr, cursor->max, session_progress(cursor->session), &paths);
    bool more = !err && paths.path.objects.count;

    while (!err && more) {
        err = merged_paths_add(&cursor->merged, cursor->graph, &paths.path);
        if (!err) err = root_paths_next(&paths, &more);
    }
    if (!err) cursor->more_count = paths.referrer_count - paths.referrers_tried;
    root_paths_end(&paths);
    return err;
}

/* A shortest path to each object of the types with `name` in their name. */
static struct error *add_type(struct merged_cursor *cursor, const char *name)
{
    struct progress *progress = session_progress(cursor->session);
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;
    size_t count = 0;

    heap_starts_begin(cursor->graph->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        const char *type = clr_object_type_name(cursor->clr, addr);
        struct error *err;
        struct path path;

        if (it.id % CANCEL_EVERY == 0 && progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if (!type || !strcasestr(type, name)) continue;
        if (!graph_is_live_id(cursor->graph, it.id - 1)) {
            cursor->dead_count++;
            continue;
        }
        if (count++ >= cursor->max) {
            cursor->more_count++;
            continue;
        }
        TRY(graph_path_to(cursor->graph, addr, &path));
        err = merged_paths_add(&cursor->merged, cursor->graph, &path);
        path_deinit(&path);
        TRY(err);
    }
    return NULL;
}

static struct error *merged_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct merged_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;

    text_init(&cursor->indented);
    merged_paths_init(&cursor->merged);
    cursor->session = session;
    cursor->max = arguments[PARAMETER_PATHS].given ? (size_t)arguments[PARAMETER_PATHS].u : PATHS_DEFAULT;
    if (arguments[PARAMETER_OBJECT].given == arguments[PARAMETER_TYPE].given)
        return error_create(ERROR_USAGE, "name an object, or types with -type");
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    TRY(arguments[PARAMETER_OBJECT].given ? add_object(cursor, arguments[PARAMETER_OBJECT].u)
                                          : add_type(cursor, arguments[PARAMETER_TYPE].s));
    if (!merged_paths_sort(&cursor->merged)) return &error_enomem;
    if (cursor->merged.steps.count) cursor->stack[cursor->depth++] = cursor->merged.steps.data[0].first_child;
    return NULL;
}

static void fill_row(struct merged_cursor *cursor, const struct merged_step *step, struct value *row)
{
    const char *words = merged_step_words(&cursor->merged, step);

    value_u64(&row[LEVEL], cursor->depth - 1);
    value_u64(&row[PATHS], step->path_count);
    value_share(&row[SHARE], (double)step->path_count / (double)cursor->merged.steps.data[0].path_count);
    value_text(&row[STEP], words);
    value_u64(&row[EXAMPLE], step->example);
    text_clear(&cursor->indented);
    text_printf(&cursor->indented, "%*s", 2 * (int)(cursor->depth - 1), "");
    if (cursor->depth == 1) {
        const char *kind = step->root ? root_kind_name(step->root) : "frozen";

        value_text(&row[ROOT_KIND], kind);
        if (strcmp(kind, words) != 0) text_printf(&cursor->indented, "%s ", kind);
    }
    text_puts(&cursor->indented, words);
    value_text(&row[TREE], text_cstr(&cursor->indented));
}

static struct error *merged_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct merged_cursor *cursor = cursor_;
    const struct merged_step *step;

    while (cursor->depth && !cursor->stack[cursor->depth - 1])
        cursor->depth--;
    *more_ret = cursor->depth > 0;
    if (!*more_ret) return NULL;
    step = &cursor->merged.steps.data[cursor->stack[cursor->depth - 1]];
    fill_row(cursor, step, row);
    cursor->stack[cursor->depth - 1] = step->next;
    if (cursor->depth < ARRAY_COUNT(cursor->stack)) cursor->stack[cursor->depth++] = step->first_child;
    return NULL;
}

static void merged_end(void *cursor_)
{
    struct merged_cursor *cursor = cursor_;

    merged_paths_deinit(&cursor->merged);
    text_deinit(&cursor->indented);
}

static void merged_footer(void *cursor_, struct text *ret)
{
    const struct merged_cursor *cursor = cursor_;

    text_number(ret, cursor->merged.steps.count ? cursor->merged.steps.data[0].path_count : 0);
    text_puts(ret, " paths");
    if (cursor->more_count) {
        text_puts(ret, ", ");
        text_number(ret, cursor->more_count);
        text_puts(ret, " more are left out (-paths N takes more)");
    }
    if (cursor->dead_count) {
        text_puts(ret, "; ");
        text_number(ret, cursor->dead_count);
        text_puts(ret, " objects are dead");
    }
}

static const struct column columns[] = {
    { "level", COLUMN_NUMBER, "0: the root", COLUMN_VERBOSE },
    { "paths", COLUMN_COUNT, "that pass here" },
    { "share", COLUMN_SHARE, "of all paths" },
    { "step", COLUMN_TEXT, "root, or type and field that leads on; at the end the type of the object", COLUMN_VERBOSE },
    { "root_kind", COLUMN_TEXT, "of roots: static, strong, stack (conservative), ...", COLUMN_VERBOSE },
    { "example", COLUMN_ADDRESS, "the object at the end of one of these paths" },
    { "tree", COLUMN_TEXT, "the step, further in for each level", COLUMN_TEXT_ONLY },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "the object to be explained, by a path through each of its referrers" },
    { "type", "-type", PARAMETER_TEXT, false, "all live objects of types with this in their name, by a path to each" },
    { "paths", "-paths", PARAMETER_NUMBER, false, "how many paths at most, 1,000 by default" },
};

const struct relation relation_merged_paths = {
    .name = "merged_paths",
    .summary = "why objects are alive: many paths from roots, merged by type and field",
    .description = "Steps through the same field of the same type are one row, whichever objects they pass, and so are repeated "
                   "steps through a list. The rows below one part the paths that pass there, most first.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "merged_paths" }, { "gcroot -by type", .help = "the same" }, { "paths -by type", .help = "the same" } },
    .empty = "no root leads to the object, or no live object has such a type",
    .cursor_size = sizeof(struct merged_cursor),
    .begin = merged_begin,
    .next = merged_next,
    .end = merged_end,
    .footer = merged_footer,
};
