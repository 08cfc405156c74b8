#include <stdlib.h>

#include "clr/object.h"
#include "heap/dominator_tree.h"
#include "relations/relation.h"
#include "session/session.h"

enum { TOP_DEFAULT = 20, DEPTH_MAX = 32 };

/* The tree of dominators from an object, or the top, down: each object in front of what it dominates, the largest first. */
struct dominators_cursor {
    struct session *session;
    struct clr *clr;
    const struct retained *retained;
    struct dominator_tree tree;
    struct dominators_level {
        struct retained_top children; /* those that are shown, sorted */
        size_t next;
    } levels[DEPTH_MAX];
    unsigned depth, depth_max; /* levels open; how many at most */
    size_t top;
    uint64_t whole; /* bytes that shares are parts of */
    struct text indented;
};

enum { LEVEL, OBJECT, TYPE, SHALLOW, RETAINED, SHARE, CHILDREN, DOMINATOR, TREE };
enum { PARAMETER_OBJECT, PARAMETER_DEPTH, PARAMETER_TOP };

/* Opens a level with the children of `parent`. */
static struct error *open_level(struct dominators_cursor *cursor, uint32_t parent)
{
    struct dominators_level *level = &cursor->levels[cursor->depth];
    uint32_t count;
    const uint32_t *ids = dominator_children(&cursor->tree, parent, &count);

    level->next = 0;
    if (!retained_top_init(&level->children, cursor->retained, count < cursor->top ? count : cursor->top)) return &error_enomem;
    cursor->depth++;
    for (uint32_t i = 0; i < count; i++)
        retained_top_offer(&level->children, ids[i]);
    retained_top_sort(&level->children);
    return NULL;
}

static struct error *dominators_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct dominators_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    uint64_t depth = arguments[PARAMETER_DEPTH].given ? arguments[PARAMETER_DEPTH].u : 1;
    uint32_t id;

    text_init(&cursor->indented);
    cursor->session = session;
    cursor->depth_max = depth < DEPTH_MAX ? (unsigned)depth : DEPTH_MAX;
    cursor->top = arguments[PARAMETER_TOP].given ? (size_t)arguments[PARAMETER_TOP].u : TOP_DEFAULT;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_retained(session, &cursor->retained));
    id = cursor->retained->starts->object_count;
    cursor->whole = cursor->retained->totals.live_bytes;
    if (arguments[PARAMETER_OBJECT].given) {
        uint64_t addr = arguments[PARAMETER_OBJECT].u;

        if (!heap_starts_id(cursor->retained->starts, addr, &id))
            return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
        cursor->whole = cursor->retained->sizes[id];
    }
    if (!cursor->depth_max) return NULL;
    if (!dominator_tree_init(&cursor->tree, cursor->retained)) return &error_enomem;
    return open_level(cursor, id);
}

static void fill_row(struct dominators_cursor *cursor, uint32_t id, struct value *row)
{
    const struct retained *retained = cursor->retained;
    uint64_t addr = heap_starts_addr(retained->starts, id), dominator = heap_starts_addr(retained->starts, retained->idoms[id]);
    struct clr_object object;
    uint32_t children;
    const char *name = NULL;

    dominator_children(&cursor->tree, id, &children);
    value_u64(&row[LEVEL], cursor->depth);
    value_u64(&row[OBJECT], addr);
    if (clr_object_try(cursor->clr, addr, &object)) {
        name = clr_type_name(cursor->clr, object.type->mt_addr);
        value_text(&row[TYPE], name);
        value_u64(&row[SHALLOW], object.size);
    }
    value_u64(&row[RETAINED], retained->sizes[id]);
    if (cursor->whole) value_share(&row[SHARE], (double)retained->sizes[id] / (double)cursor->whole);
    value_u64(&row[CHILDREN], children);
    if (dominator) value_u64(&row[DOMINATOR], dominator);
    text_clear(&cursor->indented);
    text_printf(&cursor->indented, "%*s%s", 2 * (int)(cursor->depth - 1), "", name ? name : "?");
    value_text(&row[TREE], text_cstr(&cursor->indented));
}

static struct error *dominators_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct dominators_cursor *cursor = cursor_;

    *more_ret = false;
    while (cursor->depth) {
        struct dominators_level *level = &cursor->levels[cursor->depth - 1];
        uint32_t id;

        if (level->next == level->children.count) {
            retained_top_deinit(&level->children);
            cursor->depth--;
            continue;
        }
        id = level->children.ids[level->next++];
        fill_row(cursor, id, row);
        *more_ret = true;
        return cursor->depth < cursor->depth_max ? open_level(cursor, id) : NULL;
    }
    return NULL;
}

static void dominators_end(void *cursor_)
{
    struct dominators_cursor *cursor = cursor_;

    while (cursor->depth)
        retained_top_deinit(&cursor->levels[--cursor->depth].children);
    dominator_tree_deinit(&cursor->tree);
    text_deinit(&cursor->indented);
}

static const struct column columns[] = {
    { "level", COLUMN_NUMBER, "1: right below where the tree begins", COLUMN_VERBOSE },
    { "object", COLUMN_ADDRESS, "the object" },
    { "type", COLUMN_TEXT, "its type", COLUMN_VERBOSE },
    { "shallow", COLUMN_BYTES, "bytes of the object alone" },
    { "retained", COLUMN_BYTES, "bytes that would be freed if the object vanished" },
    { "share", COLUMN_SHARE, "of what the tree begins with: the object asked for, or all live bytes" },
    { "children", COLUMN_COUNT, "objects right below it" },
    { "dominator", COLUMN_ADDRESS, "the object above it; none at the top", COLUMN_VERBOSE },
    { "tree", COLUMN_TEXT, "its type, further in for each level", COLUMN_TEXT_ONLY },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "what lies below this object; without it the top of the tree" },
    { "depth", "-depth", PARAMETER_NUMBER, false, "how many levels, 1 by default, 32 at most" },
    { "top", "-top", PARAMETER_NUMBER, false, "how many objects below each one, the largest first; 20 by default" },
};

const struct relation relation_dominators = {
    .name = "dominators",
    .summary = "the tree of dominators, to walk down: what would vanish with an object",
    .description = "An object dominates another one when every path from the roots to that passes it. The retained sizes of all "
                   "objects right below one, and its own bytes, add up to what it retains; those at the top add up to all live "
                   "bytes.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "dominators" } },
    .empty = "the object dominates nothing, or is dead, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct dominators_cursor),
    .begin = dominators_begin,
    .next = dominators_next,
    .end = dominators_end,
};
