#include "clr/gc_heap.h"
#include "clr/method_table.h"
#include "heap/walk.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* Every object, in the order of the segments and of addresses in each. */
struct objects_cursor {
    struct session *session;
    struct clr *clr;
    const struct gc_heaps *heaps;
    struct heap_filter filter;
    struct object_types types;
    struct walk walk;
    size_t segment; /* index of the one being walked + 1; 0 before the first */
    uint64_t columns_needed;
    uint64_t count, bytes;
};

enum { ADDRESS, TYPE, SIZE, GENERATION, HEAP, METHOD_TABLE };

static struct error *objects_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct objects_cursor *cursor = cursor_;

    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    TRY(heap_filter_init(&cursor->filter, session, request->arguments));
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    return object_types_init(&cursor->types, cursor->clr) ? NULL : &error_enomem;
}

/* Enters the next segment that counts; false when there is none. */
static bool next_segment(struct objects_cursor *cursor)
{
    if (cursor->segment) walk_report(&cursor->walk, session_gaps(cursor->session));
    while (cursor->segment < cursor->heaps->segments.count) {
        const struct gc_segment *segment = &cursor->heaps->segments.data[cursor->segment++];

        if (!heap_filter_takes_segment(&cursor->filter, segment)) continue;
        walk_init(&cursor->walk, cursor->clr, &cursor->types, cursor->heaps, segment);
        return true;
    }
    cursor->segment = 0;
    return false;
}

static struct error *objects_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct objects_cursor *cursor = cursor_;
    const struct gc_segment *segment;
    struct object object;
    const char *name;
    enum gc_generation generation;

    *more_ret = false;
    if (cursor->segment == 0 && (cursor->count || !next_segment(cursor))) return NULL;
    for (;;) {
        if (!walk_next(&cursor->walk, &object)) {
            if (!next_segment(cursor)) return NULL;
            continue;
        }
        segment = &cursor->heaps->segments.data[cursor->segment - 1];
        if (!heap_filter_takes_object(&cursor->filter, segment, &object)) continue;
        name = clr_type_name(cursor->clr, object.type->mt_addr);
        if (heap_filter_takes_type(&cursor->filter, object.type->mt_addr, name)) break;
    }
    cursor->count++;
    cursor->bytes += object.size;
    value_u64(&row[ADDRESS], object.addr);
    value_text(&row[TYPE], name);
    value_u64(&row[SIZE], object.size);
    generation = object_generation(segment, object.addr);
    if (generation <= GC_POH) value_u64(&row[GENERATION], generation);
    value_u64(&row[HEAP], segment->heap);
    value_u64(&row[METHOD_TABLE], object.type->mt_addr);
    *more_ret = true;
    return NULL;
}

static void objects_end(void *cursor_)
{
    struct objects_cursor *cursor = cursor_;

    object_types_deinit(&cursor->types);
}

static void objects_footer(void *cursor_, struct text *ret)
{
    const struct objects_cursor *cursor = cursor_;

    text_puts(ret, "Total ");
    text_number(ret, cursor->count);
    text_puts(ret, " objects, ");
    text_number(ret, cursor->bytes);
    text_puts(ret, " bytes");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the object" },
    { "type", COLUMN_TEXT, "its type" },
    { "size", COLUMN_BYTES, "bytes, without what it refers to" },
    { "generation", COLUMN_NUMBER, "0, 1, 2, 3 (large objects), 4 (pinned objects); none for frozen ones" },
    { "heap", COLUMN_NUMBER, "number of the GC heap", COLUMN_VERBOSE },
    { "method_table", COLUMN_ADDRESS, "identity of its type", COLUMN_VERBOSE },
};

const struct relation relation_objects = {
    .name = "objects",
    .summary = "objects of the GC heap, one a row",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = heap_filter_parameters,
    .parameter_count = HEAP_FILTER_PARAMETERS,
    .commands = { { "objects" },
                  { "dumpheap", .columns = "address,method_table,size,type", .titles = "Address|MT|Size|Type",
                    .help = "as SOS prints it" },
                  { "dumpheap -short", .columns = "address", .titles = "Address", .help = "addresses only" } },
    .group_by = "type",
    .empty = "no objects match, or the GC heap is not in this dump (mini and triage dumps have none)",
    .cursor_size = sizeof(struct objects_cursor),
    .begin = objects_begin,
    .next = objects_next,
    .end = objects_end,
    .footer = objects_footer,
};
