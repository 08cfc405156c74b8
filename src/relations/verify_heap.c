#include "clr/object.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "heap/walk.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * What is wrong with the heap, or with one object: references that lead to no object, and places where objects do not follow each
 * other. An allocation context's unused rest is no fault.
 */
struct verify_cursor {
    struct session *session;
    struct clr *clr;
    const struct gc_heaps *heaps;
    const struct heap_starts *starts;
    struct reference_types types;
    struct heap_starts_iterator objects;
    struct edges edges; /* of the object at hand */
    size_t index;
    uint64_t addr, expected; /* the object; where the next one should begin */
    const struct heap_chunk *chunk;
    bool only_one;
    uint64_t count, faults;
    struct text detail;
};

enum { ADDRESS, TYPE, PROBLEM, FIELD, TARGET };

static bool is_context_rest(const struct gc_heaps *heaps, uint64_t start, uint64_t end)
{
    size_t low = 0, high = heaps->contexts.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (heaps->contexts.data[middle].ptr < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < heaps->contexts.count && heaps->contexts.data[low].ptr == start &&
           end <= heaps->contexts.data[low].limit + OBJECT_SIZE_MIN;
}

static struct error *load_object(struct verify_cursor *cursor, uint64_t addr, const struct heap_chunk *chunk)
{
    const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
    const struct reference_type *type = reference_types_get(&cursor->types, load_u64(bytes) & ~UINT64_C(7));
    uint64_t size;

    if (!type) return &error_enomem;
    size = reference_object_size(type, bytes);
    if (size < OBJECT_SIZE_MIN) size = OBJECT_SIZE_MIN;
    cursor->edges.list.count = 0;
    cursor->index = 0;
    cursor->addr = addr;
    cursor->chunk = chunk;
    cursor->expected = addr + ((size + 7) & ~UINT64_C(7));
    cursor->count++;
    edges_add(&cursor->edges, type, bytes, NULL, addr);
    return cursor->edges.failed ? &error_enomem : NULL;
}

static struct error *verify_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct verify_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;
    uint32_t id;

    text_init(&cursor->detail);
    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    TRY(session_starts(session, &cursor->starts));
    if (!reference_types_init(&cursor->types, cursor->clr)) return &error_enomem;
    heap_starts_begin(cursor->starts, &cursor->objects);
    cursor->only_one = request->arguments[0].given;
    if (!cursor->only_one) return NULL;
    if (!heap_starts_id(cursor->starts, addr, &id)) return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
    return load_object(cursor, addr, heap_chunk_at(cursor->starts, addr));
}

/* Why a reference is wrong; NULL: it is not. */
static const char *problem_of(const struct verify_cursor *cursor, uint64_t target)
{
    uint32_t id;

    if (heap_starts_id(cursor->starts, target, &id)) return NULL;
    if (target & 7) return "reference that is no multiple of 8";
    return heap_chunk_at(cursor->starts, target) ? "reference to no object" : "reference that leads out of the heap";
}

/* The next wrong reference of the object at hand; false when there is none. */
static bool next_fault(struct verify_cursor *cursor, struct value *row)
{
    while (cursor->index < cursor->edges.list.count) {
        const struct edge *edge = &cursor->edges.list.data[cursor->index++];
        const char *problem = problem_of(cursor, edge->target);
        struct clr_object object;

        if (!problem) continue;
        value_u64(&row[ADDRESS], cursor->addr);
        value_text(&row[PROBLEM], problem);
        value_u64(&row[TARGET], edge->target);
        if (!clr_object_try(cursor->clr, cursor->addr, &object)) return true;
        value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
        text_clear(&cursor->detail);
        edge_name(cursor->clr, object.type, edge->offset, false, &cursor->detail);
        value_text(&row[FIELD], text_cstr(&cursor->detail));
        return true;
    }
    return false;
}

static bool fill_hole(struct verify_cursor *cursor, uint64_t start, uint64_t end, struct value *row)
{
    if (start >= end || is_context_rest(cursor->heaps, start, end)) return false;
    text_clear(&cursor->detail);
    text_number(&cursor->detail, end - start);
    text_puts(&cursor->detail, " bytes that are no object");
    value_u64(&row[ADDRESS], start);
    value_text(&row[PROBLEM], text_cstr(&cursor->detail));
    return true;
}

/* The next object; *hole_ret: what lies before it is none, and `row` says so. */
static struct error *next_object(struct verify_cursor *cursor, struct value *row, bool *hole_ret, bool *more_ret)
{
    const struct heap_chunk *chunk, *last = cursor->chunk;
    uint64_t addr, expected = cursor->expected;

    *hole_ret = false;
    *more_ret = !cursor->only_one && heap_starts_next(&cursor->objects, &addr, &chunk);
    if (!*more_ret) {
        /* Behind the last object of the last chunk. */
        if (!cursor->only_one && last) *hole_ret = fill_hole(cursor, expected, last->end, row);
        cursor->chunk = NULL;
        return NULL;
    }
    if (cursor->objects.id % 65536 == 0 && progress_is_cancelled(session_progress(cursor->session)))
        return error_create(ERROR_CANCELLED, "cancelled");
    TRY(load_object(cursor, addr, chunk));
    if (chunk == last)
        *hole_ret = fill_hole(cursor, expected, addr, row);
    else if ((!last || !fill_hole(cursor, expected, last->end, row)))
        *hole_ret = fill_hole(cursor, chunk->start, addr, row);
    else
        *hole_ret = true;
    return NULL;
}

static struct error *verify_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct verify_cursor *cursor = cursor_;
    bool hole, more;

    for (;;) {
        *more_ret = next_fault(cursor, row);
        if (*more_ret) break;
        TRY(next_object(cursor, row, &hole, &more));
        *more_ret = hole;
        if (hole || !more) break;
    }
    cursor->faults += *more_ret;
    return NULL;
}

static void verify_end(void *cursor_)
{
    struct verify_cursor *cursor = cursor_;

    reference_types_deinit(&cursor->types);
    vec_deinit(&cursor->edges.list);
    text_deinit(&cursor->detail);
}

static void verify_footer(void *cursor_, struct text *ret)
{
    const struct verify_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, cursor->only_one ? " object looked at, " : " objects looked at, ");
    text_number(ret, cursor->faults);
    text_puts(ret, " problems");
    if (cursor->heaps && cursor->heaps->in_gc) text_puts(ret, "; a GC was under way, so problems are to be expected");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the object, or of what is none" },
    { "type", COLUMN_TEXT, "its type" },
    { "problem", COLUMN_TEXT, "what is wrong" },
    { "field", COLUMN_TEXT, "field or [index] of a wrong reference" },
    { "target", COLUMN_ADDRESS, "where that leads" },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, false, "only this object" },
};

const struct relation relation_verify_heap = {
    .name = "verify_heap",
    .summary = "what is wrong with the GC heap: references to no object, bytes that are none",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "verify_heap" }, { "verifyheap", .help = "as SOS names it" }, { "verifyobj", .help = "one object" } },
    .group_by = "problem",
    .empty = "nothing is wrong, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct verify_cursor),
    .begin = verify_begin,
    .next = verify_next,
    .end = verify_end,
    .footer = verify_footer,
};
