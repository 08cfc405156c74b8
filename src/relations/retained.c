#include <string.h>

#include "clr/object.h"
#include "heap/retained.h"
#include "relations/relation.h"
#include "session/session.h"

enum { TOP_DEFAULT = 100, CANCEL_EVERY = 1 << 16 };

/* The objects that hold most, or those right below one in the tree of dominators. */
struct retained_cursor {
    struct session *session;
    struct clr *clr;
    const struct retained *retained;
    struct retained_top top;
    size_t index;
    uint64_t columns_needed;
};

enum { OBJECT, TYPE, SHALLOW, RETAINED, SHARE, DOMINATOR, DOMINATOR_TYPE };
enum { PARAMETER_OBJECT, PARAMETER_TOP, PARAMETER_TYPE, PARAMETER_BELOW, PARAMETER_ROOTS };

/* Which objects are offered. */
struct choice {
    const char *type;
    bool has_dominator;
    uint32_t dominator; /* id */
};

static bool has_type(struct retained_cursor *cursor, const char *type, uint64_t addr)
{
    const char *name = clr_object_type_name(cursor->clr, addr);

    return name && strcasestr(name, type);
}

static struct error *offer_all(struct retained_cursor *cursor, const struct choice *choice)
{
    const struct retained *retained = cursor->retained;
    struct progress *progress = session_progress(cursor->session);
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    heap_starts_begin(retained->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk)) {
        uint32_t id = it.id - 1;

        if (id % CANCEL_EVERY == 0 && progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if (!retained->sizes[id] || (choice->has_dominator && retained->idoms[id] != choice->dominator)) continue;
        if (choice->type && !has_type(cursor, choice->type, addr)) continue;
        retained_top_offer(&cursor->top, id);
    }
    retained_top_sort(&cursor->top);
    return NULL;
}

static struct error *id_of(const struct retained *retained, uint64_t addr, uint32_t *ret)
{
    if (heap_starts_id(retained->starts, addr, ret)) return NULL;
    return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
}

static struct error *retained_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct retained_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    struct choice choice = { .type = arguments[PARAMETER_TYPE].given ? arguments[PARAMETER_TYPE].s : NULL };
    uint32_t id;

    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_retained(session, &cursor->retained));
    if (!retained_top_init(&cursor->top, cursor->retained,
                           arguments[PARAMETER_TOP].given ? arguments[PARAMETER_TOP].u : TOP_DEFAULT))
        return &error_enomem;
    if (arguments[PARAMETER_OBJECT].given) {
        TRY(id_of(cursor->retained, arguments[PARAMETER_OBJECT].u, &id));
        retained_top_offer(&cursor->top, id);
        return NULL;
    }
    choice.has_dominator = arguments[PARAMETER_BELOW].given || arguments[PARAMETER_ROOTS].given;
    choice.dominator = cursor->retained->starts->object_count;
    if (arguments[PARAMETER_BELOW].given) TRY(id_of(cursor->retained, arguments[PARAMETER_BELOW].u, &choice.dominator));
    return offer_all(cursor, &choice);
}

static struct error *retained_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct retained_cursor *cursor = cursor_;
    const struct retained *retained = cursor->retained;
    struct clr_object object;
    uint64_t dominator;
    uint32_t id;

    *more_ret = cursor->index < cursor->top.count;
    if (!*more_ret) return NULL;
    id = cursor->top.ids[cursor->index++];
    value_u64(&row[OBJECT], heap_starts_addr(retained->starts, id));
    if (clr_object_try(cursor->clr, row[OBJECT].u, &object)) {
        value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
        value_u64(&row[SHALLOW], object.size);
    }
    if (!retained->sizes[id]) return NULL;
    value_u64(&row[RETAINED], retained->sizes[id]);
    if (retained->totals.live_bytes) value_share(&row[SHARE], (double)retained->sizes[id] / (double)retained->totals.live_bytes);
    dominator = heap_starts_addr(retained->starts, retained->idoms[id]);
    if (!dominator) return NULL;
    value_u64(&row[DOMINATOR], dominator);
    if (cursor->columns_needed & 1 << DOMINATOR_TYPE)
        value_text(&row[DOMINATOR_TYPE], clr_object_type_name(cursor->clr, dominator));
    return NULL;
}

static void retained_end(void *cursor_)
{
    struct retained_cursor *cursor = cursor_;

    retained_top_deinit(&cursor->top);
}

static void retained_footer(void *cursor_, struct text *ret)
{
    const struct retained_cursor *cursor = cursor_;

    if (!cursor->retained) return;
    text_printf(ret, "of %llu live objects, %llu bytes", (unsigned long long)cursor->retained->totals.live_count,
                (unsigned long long)cursor->retained->totals.live_bytes);
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "the object" },
    { "type", COLUMN_TEXT, "its type" },
    { "shallow", COLUMN_BYTES, "bytes of the object alone" },
    { "retained", COLUMN_BYTES, "bytes that would be freed if the object vanished; none: it is dead" },
    { "share", COLUMN_SHARE, "of all live bytes" },
    { "dominator", COLUMN_ADDRESS, "nearest object that all paths to it pass; none: several roots or paths hold it" },
    { "dominator_type", COLUMN_TEXT, "type of that object", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "only this object" },
    { "top", "-top", PARAMETER_NUMBER, false, "how many, the largest first; 100 by default" },
    { "type", "-type", PARAMETER_TEXT, false, "only objects of types with this in their name" },
    { "below", "-below", PARAMETER_ADDRESS, false, "only those that this object dominates directly: one step down the tree" },
    { "roots", "-roots", PARAMETER_SWITCH, false, "only those that no object dominates: the top of the tree" },
};

const struct relation relation_retained = {
    .name = "retained",
    .summary = "what objects hold: retained sizes and dominators, the largest first",
    .description =
        "The retained size of an object is what a garbage collection would free if the object vanished. Retained sizes of objects "
        "that dominate each other overlap; those of -roots (the top of the tree, see `dominators`) add up to all live bytes.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "retained" } },
    .group_by = "type",
    .empty = "no objects match, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct retained_cursor),
    .begin = retained_begin,
    .next = retained_next,
    .end = retained_end,
    .footer = retained_footer,
};
