#include "clr/object.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* References from older generations into younger ones: what a GC of the young ones has to look at beside the roots. */
struct eph_refs_cursor {
    struct session *session;
    struct clr *clr;
    const struct gc_heaps *heaps;
    const struct heap_starts *starts;
    struct reference_types types;
    struct heap_starts_iterator objects;
    struct edges edges; /* of the object at hand */
    size_t index;
    uint64_t addr;
    enum gc_generation generation;
    uint64_t columns_needed;
    struct text field;
};

enum { FROM, FROM_GENERATION, FROM_TYPE, FIELD, TO, TO_GENERATION, TO_TYPE };

static struct error *eph_refs_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct eph_refs_cursor *cursor = cursor_;

    text_init(&cursor->field);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    TRY(session_starts(session, &cursor->starts));
    heap_starts_begin(cursor->starts, &cursor->objects);
    return reference_types_init(&cursor->types, cursor->clr) ? NULL : &error_enomem;
}

static enum gc_generation generation_at(const struct eph_refs_cursor *cursor, const struct heap_chunk *chunk, uint64_t addr)
{
    return object_generation(&cursor->heaps->segments.data[chunk->segment], addr);
}

/* The next object that is not in generation 0; large, pinned and frozen ones are as old as generation 2. */
static struct error *next_object(struct eph_refs_cursor *cursor, bool *more_ret)
{
    const struct heap_chunk *chunk;
    const struct reference_type *type;

    while ((*more_ret = heap_starts_next(&cursor->objects, &cursor->addr, &chunk))) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, cursor->addr);

        if (cursor->objects.id % 65536 == 0 && progress_is_cancelled(session_progress(cursor->session)))
            return error_create(ERROR_CANCELLED, "cancelled");
        cursor->generation = generation_at(cursor, chunk, cursor->addr);
        if (cursor->generation == GC_GEN0) continue;
        type = reference_types_get(&cursor->types, load_u64(bytes) & ~UINT64_C(7));
        if (!type) return &error_enomem;
        cursor->edges.list.count = 0;
        cursor->index = 0;
        edges_add(&cursor->edges, type, bytes, NULL, cursor->addr);
        return cursor->edges.failed ? &error_enomem : NULL;
    }
    return NULL;
}

static bool is_younger(enum gc_generation generation, enum gc_generation than)
{
    return generation < GC_GEN2 && generation < than;
}

static void fill_row(struct eph_refs_cursor *cursor, const struct edge *edge, enum gc_generation generation, struct value *row)
{
    struct clr_object from;
    const char *to_type = clr_object_type_name(cursor->clr, edge->target);

    value_u64(&row[FROM], cursor->addr);
    value_text(&row[FROM_GENERATION], gc_generation_name(cursor->generation));
    value_u64(&row[TO], edge->target);
    value_text(&row[TO_GENERATION], gc_generation_name(generation));
    value_text(&row[TO_TYPE], to_type);
    if (!clr_object_try(cursor->clr, cursor->addr, &from)) return;
    value_text(&row[FROM_TYPE], clr_type_name(cursor->clr, from.type->mt_addr));
    if (!(cursor->columns_needed & 1 << FIELD)) return;
    text_clear(&cursor->field);
    edge_name(cursor->clr, from.type, edge->offset, false, &cursor->field);
    value_text(&row[FIELD], text_cstr(&cursor->field));
}

static struct error *eph_refs_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct eph_refs_cursor *cursor = cursor_;

    for (*more_ret = true; *more_ret;) {
        while (cursor->index < cursor->edges.list.count) {
            const struct edge *edge = &cursor->edges.list.data[cursor->index++];
            const struct heap_chunk *chunk = heap_chunk_at(cursor->starts, edge->target);
            enum gc_generation generation;
            uint32_t id;

            if (!chunk || !heap_starts_id(cursor->starts, edge->target, &id)) continue;
            generation = generation_at(cursor, chunk, edge->target);
            if (!is_younger(generation, cursor->generation)) continue;
            fill_row(cursor, edge, generation, row);
            return NULL;
        }
        TRY(next_object(cursor, more_ret));
    }
    return NULL;
}

static void eph_refs_end(void *cursor_)
{
    struct eph_refs_cursor *cursor = cursor_;

    reference_types_deinit(&cursor->types);
    vec_deinit(&cursor->edges.list);
    text_deinit(&cursor->field);
}

static const struct column columns[] = {
    { "from", COLUMN_ADDRESS, "object that holds the reference" },
    { "from_generation", COLUMN_TEXT, "gen1, gen2, loh, poh, frozen" },
    { "from_type", COLUMN_TEXT, "its type" },
    { "field", COLUMN_TEXT, "its field or [index]" },
    { "to", COLUMN_ADDRESS, "the younger object" },
    { "to_generation", COLUMN_TEXT, "gen0 or gen1" },
    { "to_type", COLUMN_TEXT, "its type" },
};

const struct relation relation_eph_refs = {
    .name = "eph_refs",
    .summary = "references from older generations into younger ones",
    .description = "What a collection of the young generations has to look at beside the roots, and what keeps young objects alive "
                   "until the old ones are collected.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "eph_refs" },
                  { "ephrefs", .help = "as SOS names it" },
                  { "ephrefs -stat", .group = "from_generation,to_generation", .help = "their number by generations" } },
    .group_by = "from_type",
    .empty = "there are none, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct eph_refs_cursor),
    .begin = eph_refs_begin,
    .next = eph_refs_next,
    .end = eph_refs_end,
};
