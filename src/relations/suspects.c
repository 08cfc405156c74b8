#include "heap/suspects.h"

#include "clr/object.h"
#include "heap/paths.h"
#include "relations/relation.h"
#include "session/session.h"

enum { SHARE_DEFAULT = 10, PERCENT = 100 };

/* Where memory comes together, with a sentence for each place. */
struct suspects_cursor {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    const struct retained *retained;
    struct suspects suspects;
    size_t index;
    struct text root, child, sentence;
};

enum { OBJECT, TYPE, RETAINED, SHARE, ROOT_KIND, ROOT_NAME, CHILDREN, CHILD_TYPE, CHILD_COUNT, CHILD_RETAINED, SENTENCE };

static struct error *suspects_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct suspects_cursor *cursor = cursor_;
    uint64_t percent = request->arguments[0].given ? request->arguments[0].u : SHARE_DEFAULT;
    struct dominator_tree tree;
    struct error *err;

    text_init(&cursor->root);
    text_init(&cursor->child);
    text_init(&cursor->sentence);
    cursor->session = session;
    if (!percent || percent > PERCENT) return error_create(ERROR_USAGE, "-share is a part in a hundred: 1 to 100");
    TRY(session_clr(session, &cursor->clr));
    TRY(session_graph(session, &cursor->graph));
    TRY(session_retained(session, &cursor->retained));
    if (!dominator_tree_init(&tree, cursor->retained)) return &error_enomem;
    err = suspects_init(&cursor->suspects, cursor->clr, &tree, cursor->retained->totals.live_bytes / PERCENT * percent,
                        session_progress(session));
    dominator_tree_deinit(&tree);
    return err;
}

static void number_of(struct text *ret, uint64_t count, const char *what)
{
    text_number(ret, count);
    text_puts(ret, what);
}

static void end_sentence(struct suspects_cursor *cursor, uint64_t bytes)
{
    number_of(&cursor->sentence, bytes, " bytes");
    if (cursor->retained->totals.live_bytes)
        text_printf(&cursor->sentence, ", %.0f %% of all that is alive",
                    100.0 * (double)bytes / (double)cursor->retained->totals.live_bytes);
}

/* "static His.Cache.all keeps Dictionary`2 7f..: below its Entry[] 7f.. lie 21,034 Proxy that hold ..." */
static void point_sentence(struct suspects_cursor *cursor, const struct suspect *suspect, uint64_t addr, const struct path *path)
{
    struct text *ret = &cursor->sentence;
    uint64_t top_addr = heap_starts_addr(cursor->retained->starts, suspect->top);
    const char *top = clr_object_type_name(cursor->clr, top_addr), *type = clr_object_type_name(cursor->clr, addr);

    text_puts(ret, path->root ? root_kind_name(path->root) : "frozen object");
    if (cursor->root.length) text_printf(ret, " %s", text_cstr(&cursor->root));
    text_puts(ret, " leads to ");
    if (suspect->top != suspect->point && top) {
        type_short_name(top, ret);
        text_printf(ret, " %llx, below it to ", (unsigned long long)top_addr);
    }
    type_short_name(type ? type : "?", ret);
    text_printf(ret, " %llx, which alone keeps ", (unsigned long long)addr);
    end_sentence(cursor, suspect->retained);
    if (suspect->chain_length) {
        text_puts(ret, "; it begins a chain of ");
        number_of(ret, suspect->chain_length, " of its type");
        return;
    }
    if (!suspect->like_mt) return;
    text_puts(ret, "; right below it are ");
    number_of(ret, suspect->like_count, " ");
    type_short_name(text_cstr(&cursor->child), ret);
    text_puts(ret, " with ");
    number_of(ret, suspect->like_size, " bytes");
}

static void type_sentence(struct suspects_cursor *cursor, const struct suspect *suspect)
{
    number_of(&cursor->sentence, suspect->like_count, " ");
    type_short_name(text_cstr(&cursor->child), &cursor->sentence);
    text_puts(&cursor->sentence, " that no single object holds keep ");
    end_sentence(cursor, suspect->retained);
}

static struct error *fill_point(struct suspects_cursor *cursor, const struct suspect *suspect, struct value *row)
{
    uint64_t addr = heap_starts_addr(cursor->retained->starts, suspect->point);
    struct path path;

    value_u64(&row[OBJECT], addr);
    value_u64(&row[CHILDREN], suspect->child_count);
    TRY(graph_path_to(cursor->graph, addr, &path));
    if (path.root) root_name(cursor->clr, path.root, &cursor->root);
    point_sentence(cursor, suspect, addr, &path);
    value_text(&row[ROOT_KIND], path.root ? root_kind_name(path.root) : "frozen");
    if (cursor->root.length) value_text(&row[ROOT_NAME], text_cstr(&cursor->root));
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, addr));
    path_deinit(&path);
    return NULL;
}

static struct error *suspects_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct suspects_cursor *cursor = cursor_;
    const struct suspect *suspect;

    *more_ret = cursor->index < cursor->suspects.list.count;
    if (!*more_ret) return NULL;
    suspect = &cursor->suspects.list.data[cursor->index++];
    text_clear(&cursor->root);
    text_clear(&cursor->child);
    text_clear(&cursor->sentence);
    value_u64(&row[RETAINED], suspect->retained);
    if (cursor->retained->totals.live_bytes)
        value_share(&row[SHARE], (double)suspect->retained / (double)cursor->retained->totals.live_bytes);
    if (suspect->like_mt) {
        text_puts(&cursor->child, clr_type_name(cursor->clr, suspect->like_mt));
        value_text(&row[CHILD_TYPE], text_cstr(&cursor->child));
        value_u64(&row[CHILD_COUNT], suspect->like_count);
        value_u64(&row[CHILD_RETAINED], suspect->like_size);
    }
    if (suspect->point == cursor->retained->starts->object_count)
        type_sentence(cursor, suspect);
    else
        TRY(fill_point(cursor, suspect, row));
    value_text(&row[SENTENCE], text_cstr(&cursor->sentence));
    return NULL;
}

static void suspects_end(void *cursor_)
{
    struct suspects_cursor *cursor = cursor_;

    suspects_deinit(&cursor->suspects);
    text_deinit(&cursor->root);
    text_deinit(&cursor->child);
    text_deinit(&cursor->sentence);
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "where much comes together; none: many objects of one type that no single object holds" },
    { "type", COLUMN_TEXT, "its type", COLUMN_VERBOSE },
    { "retained", COLUMN_BYTES, "bytes that it alone keeps alive" },
    { "share", COLUMN_SHARE, "of all live bytes" },
    { "root_kind", COLUMN_TEXT, "where a shortest path to it begins", COLUMN_VERBOSE },
    { "root_name", COLUMN_TEXT, "name of that root", COLUMN_VERBOSE },
    { "children", COLUMN_COUNT, "objects right below it in the tree of dominators", COLUMN_VERBOSE },
    { "child_type", COLUMN_TEXT, "type of most bytes among these", COLUMN_VERBOSE },
    { "child_count", COLUMN_COUNT, "objects of that type", COLUMN_VERBOSE },
    { "child_retained", COLUMN_BYTES, "bytes that these keep alive", COLUMN_VERBOSE },
    { "sentence", COLUMN_TEXT, "the same in words" },
};

static const struct parameter parameters[] = {
    { "share", "-share", PARAMETER_NUMBER, false, "only what keeps at least this many per cent of all live bytes; 10 by default" },
};

const struct relation relation_suspects = {
    .name = "suspects",
    .summary = "accumulation points: where many like objects come together and keep much alive",
    .description =
        "The tree of dominators is walked down from everything that keeps a large part of all live bytes, as long as one "
        "child has nearly all of it; where that ends, many children share it. Large is not leaking: a cache and a data "
        "set look the same in one dump. `dominators ADDRESS` walks on by hand.",
    .topic = "answers",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "suspects" } },
    .empty =
        "nothing keeps so large a part of the heap alive alone (-share 1 looks for smaller ones), or the heap is not in this dump",
    .cursor_size = sizeof(struct suspects_cursor),
    .begin = suspects_begin,
    .next = suspects_next,
    .end = suspects_end,
};
