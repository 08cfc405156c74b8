#include <string.h>

#include "clr/code_lines.h"
#include "managed/async.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * Chains of async methods, each from the one that waits to the one that nobody awaits any more; those that wait at the same places
 * are one shape.
 */
struct shape {
    uint64_t leaf; /* box of its first chain */
    uint64_t hash;
    uint32_t count;
};

struct async_cursor {
    struct session *session;
    struct clr *clr;
    struct async_boxes boxes;
    VEC(struct shape) shapes;
    struct map by_hash;
    bool separately;
    const char *type; /* only chains with a method of a type whose name has this in it */
    size_t index, depth, chains;
    const struct async_box *box; /* the next row's, NULL: the next shape's first */
    struct code_lines lines;
    struct code_place place;
    struct text line;
};

enum { SHAPE, COUNT, DEPTH, METHOD, STACK, SOURCE, STATE, AWAITS, AWAITED, ENDS_IN, BOX, MACHINE, FILE_NAME, LINE };
enum { ARGUMENT_TYPE, ARGUMENT_ALL };
enum { CHAIN_MAX = 1000 };

/* ---- shapes ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return map_hash(hash ^ map_hash(value + UINT64_C(0x9e3779b97f4a7c15)));
}

/* Of the places in the chain; *matches_ret: one of its types is wanted. */
static uint64_t chain_hash(struct async_cursor *cursor, const struct async_box *leaf, bool *matches_ret)
{
    uint64_t hash = 1;
    unsigned steps = 0;

    *matches_ret = !cursor->type;
    for (const struct async_box *box = leaf; box && steps < CHAIN_MAX; steps++) {
        hash = mix(mix(hash, box->machine_mt), (uint64_t)box->state);
        if (!*matches_ret && strstr(clr_type_name(cursor->clr, box->machine_mt), cursor->type)) *matches_ret = true;
        box = async_box_at(&cursor->boxes, box->next_addr);
    }
    return hash;
}

static struct error *add_chain(struct async_cursor *cursor, const struct async_box *leaf)
{
    bool matches, added;
    uint64_t hash = chain_hash(cursor, leaf, &matches), *slot;

    if (!matches) return NULL;
    cursor->chains++;
    if (cursor->separately) hash = mix(hash, leaf->addr);
    slot = map_slot(&cursor->by_hash, hash, &added);
    if (!slot) return &error_enomem;
    if (!added) {
        cursor->shapes.data[*slot].count++;
        return NULL;
    }
    *slot = cursor->shapes.count;
    return vec_push(&cursor->shapes, (struct shape) { leaf->addr, hash, 1 }) ? NULL : &error_enomem;
}

static int compare_shapes(const void *a_, const void *b_)
{
    const struct shape *a = a_, *b = b_;

    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->leaf < b->leaf ? -1 : a->leaf > b->leaf;
}

static struct error *async_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct async_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    cursor->session = session;
    cursor->type = request->arguments[ARGUMENT_TYPE].given ? request->arguments[ARGUMENT_TYPE].s : NULL;
    cursor->separately = request->arguments[ARGUMENT_ALL].given;
    map_init(&cursor->by_hash);
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    text_init(&cursor->line);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    TRY(session_gc_heaps(session, &heaps));
    TRY(async_boxes_find(cursor->clr, heaps, &cursor->boxes));
    for (size_t i = 0; i < cursor->boxes.list.count; i++)
        if (!cursor->boxes.list.data[i].awaits_box) TRY(add_chain(cursor, &cursor->boxes.list.data[i]));
    vec_sort(&cursor->shapes, compare_shapes);
    return NULL;
}

/* ---- rows ---- */

static void fill_leaf(struct async_cursor *cursor, const struct async_box *box, struct value *row)
{
    uint64_t awaited = async_awaited_object(cursor->clr, box);

    if (!awaited) return;
    value_u64(&row[AWAITED], awaited);
    value_text(&row[AWAITS], clr_object_type_name(cursor->clr, awaited));
}

static void fill_end(struct async_cursor *cursor, const struct async_box *box, struct value *row)
{
    const char *waiter = box->waiter_addr ? clr_object_type_name(cursor->clr, box->waiter_addr) : NULL;

    if (!waiter)
        value_text(&row[ENDS_IN], box->next_addr ? NULL : "nobody awaits it");
    else if (!strcmp(waiter, "System.Threading.Tasks.Task+SetOnInvokeMres"))
        value_text(&row[ENDS_IN], "a thread is blocked in Wait or Result");
    else
        value_text(&row[ENDS_IN], waiter);
}

static void fill(struct async_cursor *cursor, const struct async_box *box, struct value *row)
{
    code_lines_describe_await(&cursor->lines, box->machine_mt, box->state, &cursor->place);
    if (!cursor->place.method.length) text_puts(&cursor->place.method, clr_type_name(cursor->clr, box->machine_mt));
    text_clear(&cursor->line);
    text_printf(&cursor->line, "%s%s", cursor->depth ? "  " : "", text_cstr(&cursor->place.method));
    value_u64(&row[SHAPE], cursor->index);
    value_u64(&row[DEPTH], cursor->depth);
    value_text(&row[METHOD], text_cstr(&cursor->place.method));
    value_text(&row[STACK], text_cstr(&cursor->line));
    value_u64(&row[STATE], (uint64_t)box->state);
    value_u64(&row[BOX], box->addr);
    value_text(&row[MACHINE], clr_type_name(cursor->clr, box->machine_mt));
    place_cells(&cursor->place, NULL, &row[SOURCE], &row[FILE_NAME], &row[LINE]);
}

static struct error *async_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct async_cursor *cursor = cursor_;
    const struct async_box *box = cursor->box;

    if (!box) {
        *more_ret = cursor->index < cursor->shapes.count;
        if (!*more_ret) return NULL;
        box = async_box_at(&cursor->boxes, cursor->shapes.data[cursor->index++].leaf);
        cursor->depth = 0;
        fill_leaf(cursor, box, row);
    }
    *more_ret = true;
    value_u64(&row[COUNT], cursor->shapes.data[cursor->index - 1].count);
    fill(cursor, box, row);
    cursor->box = async_box_at(&cursor->boxes, box->next_addr);
    if (!cursor->box) fill_end(cursor, box, row);
    if (++cursor->depth >= CHAIN_MAX) {
        gaps_add(session_gaps(cursor->session), "async chains", box->addr, 1, "limit of %d methods in a chain", CHAIN_MAX);
        cursor->box = NULL;
    }
    return NULL;
}

static void async_end(void *cursor_)
{
    struct async_cursor *cursor = cursor_;

    async_boxes_deinit(&cursor->boxes);
    vec_deinit(&cursor->shapes);
    map_deinit(&cursor->by_hash);
    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
    text_deinit(&cursor->line);
}

static void async_footer(void *cursor_, struct text *ret)
{
    const struct async_cursor *cursor = cursor_;

    text_printf(ret, "%zu async methods wait, in %zu chains of %zu shapes", cursor->boxes.list.count, cursor->chains,
                cursor->shapes.count);
}

static const struct column columns[] = {
    { "shape", COLUMN_NUMBER, "chains that wait at the same places have the same number, the most frequent first" },
    { "count", COLUMN_COUNT, "chains of this shape" },
    { "depth", COLUMN_NUMBER, "0: the method that waits; the next one awaits it, and so on", COLUMN_VERBOSE },
    { "method", COLUMN_TEXT, "the async method, as it was written", COLUMN_VERBOSE },
    { "stack", COLUMN_TEXT, "the same, those that await the first one indented", COLUMN_TEXT_ONLY },
    { "source", COLUMN_TEXT, "file and line of the await", COLUMN_TEXT_ONLY },
    { "state", COLUMN_NUMBER, "number of the await in the method", COLUMN_VERBOSE },
    { "awaits", COLUMN_TEXT, "type of what the first method awaits" },
    { "awaited", COLUMN_ADDRESS, "the object of that type in the first chain", COLUMN_VERBOSE },
    { "ends_in", COLUMN_TEXT, "what is done when the last method is" },
    { "box", COLUMN_ADDRESS, "the method's state machine on the heap, in the first chain" },
    { "state_machine", COLUMN_TEXT, "type that the compiler made of the method", COLUMN_VERBOSE },
    { "file", COLUMN_TEXT, "path of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "of the await", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "type", "-type", PARAMETER_TEXT, false, "only chains with a state machine whose type has this in its name" },
    { "all", "-all", PARAMETER_SWITCH, false, "each chain by itself" },
};

const struct relation relation_async = {
    .name = "async",
    .summary = "async methods that wait, as stacks, grouped by where they wait",
    .description =
        "A shape's first row is the method that waits for something other than an async method, the ones below await it. "
        "Where several await the same, the first is followed.",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "async" }, { "dumpasync", .help = "as SOS calls it" } },
    .empty = "no async method is suspended",
    .cursor_size = sizeof(struct async_cursor),
    .begin = async_begin,
    .next = async_next,
    .end = async_end,
    .footer = async_footer,
};
