#include "clr/object.h"
#include "heap/edge.h"
#include "heap/roots.h"
#include "heap/starts.h"
#include "relations/relation.h"
#include "session/session.h"

/* Who refers to an object: roots, objects by address, dependent handles. One pass over the heap. */
struct referrers_cursor {
    struct clr *clr;
    const struct heap_starts *starts;
    const struct roots *roots;
    struct reference_types types;
    const struct dependents *dependents;
    struct heap_starts_iterator objects;
    uint64_t target;
    size_t root, dependent;
    VEC(uint64_t) offsets; /* of the object at hand, where it refers to the target */
    size_t index;
    bool failed;
    uint64_t from;
    struct text field, name;
    uint64_t count;
    struct progress *progress;
};

enum { FROM, FIELD, FROM_TYPE, ROOT };

static struct error *referrers_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct referrers_cursor *cursor = cursor_;

    text_init(&cursor->field);
    text_init(&cursor->name);
    cursor->target = request->arguments[0].u;
    cursor->progress = session_progress(session);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_starts(session, &cursor->starts));
    TRY(session_roots(session, &cursor->roots));
    if (!reference_types_init(&cursor->types, cursor->clr)) return &error_enomem;
    TRY(session_dependents(session, &cursor->dependents));
    heap_starts_begin(cursor->starts, &cursor->objects);
    return NULL;
}

static bool next_root(struct referrers_cursor *cursor, struct value *row)
{
    while (cursor->root < cursor->roots->list.count) {
        const struct root *root = &cursor->roots->list.data[cursor->root++];

        if (root->object != cursor->target) continue;
        text_clear(&cursor->name);
        text_puts(&cursor->name, root_kind_name(root));
        text_putc(&cursor->name, ' ');
        root_name(cursor->clr, root, &cursor->name);
        if (root->addr) value_u64(&row[FROM], root->addr);
        value_text(&row[ROOT], text_cstr(&cursor->name));
        return true;
    }
    return false;
}

static bool next_dependent(struct referrers_cursor *cursor, struct value *row)
{
    while (cursor->dependent < cursor->dependents->list.count) {
        const struct dependent *dependent = &cursor->dependents->list.data[cursor->dependent++];

        if (dependent->secondary != cursor->target) continue;
        value_u64(&row[FROM], dependent->primary);
        value_text(&row[FIELD], "(dependent handle)");
        value_text(&row[FROM_TYPE], clr_object_type_name(cursor->clr, dependent->primary));
        return true;
    }
    return false;
}

static inline void compare_target(void *user, uint64_t offset, uint64_t target)
{
    struct referrers_cursor *cursor = user;

    if (target == cursor->target && !vec_push(&cursor->offsets, offset)) cursor->failed = true;
}

/* Goes on to the next object that refers to the target; false when there is none. */
static struct error *next_object(struct referrers_cursor *cursor, bool *more_ret)
{
    const struct heap_chunk *chunk;
    uint64_t addr;

    cursor->offsets.count = 0;
    cursor->index = 0;
    while (heap_starts_next(&cursor->objects, &addr, &chunk)) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        const struct reference_type *type = reference_types_get(&cursor->types, load_u64(bytes) & ~UINT64_C(7));

        if (!type || cursor->failed) return &error_enomem;
        if (cursor->objects.id % 65536 == 0 && progress_is_cancelled(cursor->progress))
            return error_create(ERROR_CANCELLED, "cancelled");
        references_visit(type, bytes, reference_object_size(type, bytes), compare_target, cursor);
        if (!cursor->offsets.count) continue;
        cursor->from = addr;
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void fill_object(struct referrers_cursor *cursor, struct value *row)
{
    struct clr_object object;

    value_u64(&row[FROM], cursor->from);
    if (clr_object_try(cursor->clr, cursor->from, &object)) {
        text_clear(&cursor->field);
        edge_name(cursor->clr, object.type, cursor->offsets.data[cursor->index], false, &cursor->field);
        value_text(&row[FIELD], text_cstr(&cursor->field));
        value_text(&row[FROM_TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
    }
    cursor->index++;
}

static struct error *referrers_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct referrers_cursor *cursor = cursor_;

    *more_ret = true;
    cursor->count++;
    if (next_root(cursor, row) || next_dependent(cursor, row)) return NULL;
    if (cursor->index >= cursor->offsets.count) TRY(next_object(cursor, more_ret));
    if (*more_ret)
        fill_object(cursor, row);
    else
        cursor->count--;
    return NULL;
}

static void referrers_end(void *cursor_)
{
    struct referrers_cursor *cursor = cursor_;

    vec_deinit(&cursor->offsets);
    reference_types_deinit(&cursor->types);
    text_deinit(&cursor->field);
    text_deinit(&cursor->name);
}

static void referrers_footer(void *cursor_, struct text *ret)
{
    const struct referrers_cursor *cursor = cursor_;

    text_printf(ret, "Total %llu referrers", (unsigned long long)cursor->count);
}

static const struct column columns[] = {
    { "from", COLUMN_ADDRESS, "object that holds the reference; slot of a root" },
    { "field", COLUMN_TEXT, "field, or [index] of an array" },
    { "from_type", COLUMN_TEXT, "type of the holder" },
    { "root", COLUMN_TEXT, "kind and name of a root that holds the object itself" },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "the object that is referred to" },
};

const struct relation relation_referrers = {
    .name = "referrers",
    .summary = "who refers to an object: roots, objects with their fields, dependent handles",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "referrers" } },
    .group_by = "from_type",
    .empty = "nobody refers to it, or there is no such object",
    .cursor_size = sizeof(struct referrers_cursor),
    .begin = referrers_begin,
    .next = referrers_next,
    .end = referrers_end,
    .footer = referrers_footer,
};
