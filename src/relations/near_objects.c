#include "clr/object.h"
#include "heap/starts.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* What lies at an address of the GC heap, and right before and behind it. */
struct near_objects_cursor {
    struct clr *clr;
    const struct gc_heaps *heaps;
    const struct heap_starts *starts;
    uint64_t asked;
    uint64_t addrs[3]; /* before, at, behind; 0: none */
    unsigned index;
};

enum { WHERE, ADDRESS, TYPE, SIZE, END, OFFSET, GENERATION, HEAP, SEGMENT, SEGMENT_START, SEGMENT_END };

static const char *const words[] = { "before", "at", "behind" };

static uint64_t aligned_end(const struct clr_object *object)
{
    return object->addr + ((object->size + 7) & ~UINT64_C(7));
}

/* The object that begins at or behind `addr` in the chunk, 0 when there is none. */
static uint64_t object_from(const struct heap_starts *starts, const struct heap_chunk *chunk, uint64_t addr)
{
    uint64_t before, last;
    uint32_t id = 0, next;

    if (addr >= chunk->end) return 0;
    if (heap_starts_id(starts, addr, &id)) return addr;
    if (!heap_starts_before(starts, addr, &before) || !heap_starts_id(starts, before, &id)) return 0;
    next = id + 1;
    last = heap_starts_addr(starts, next);
    return last > addr && last < chunk->end ? last : 0;
}

static void find_objects(struct near_objects_cursor *cursor, const struct heap_chunk *chunk)
{
    struct clr_object object;
    uint64_t at;

    if (!heap_starts_before(cursor->starts, cursor->asked, &at)) {
        cursor->addrs[2] = object_from(cursor->starts, chunk, cursor->asked);
        return;
    }
    if (!clr_object_try(cursor->clr, at, &object)) return;
    if (cursor->asked >= aligned_end(&object)) {
        cursor->addrs[0] = at;
        cursor->addrs[2] = object_from(cursor->starts, chunk, cursor->asked);
        return;
    }
    cursor->addrs[1] = at;
    if (at > chunk->start && heap_starts_before(cursor->starts, at - 8, &cursor->addrs[0]) && cursor->addrs[0] >= at)
        cursor->addrs[0] = 0;
    cursor->addrs[2] = object_from(cursor->starts, chunk, aligned_end(&object));
}

static struct error *near_objects_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct near_objects_cursor *cursor = cursor_;
    const struct heap_chunk *chunk;

    cursor->asked = request->arguments[0].u & ~UINT64_C(7);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    TRY(session_starts(session, &cursor->starts));
    chunk = heap_chunk_at(cursor->starts, cursor->asked);
    if (!chunk)
        return error_fault(request->arguments[0].u, "'%llx' is not in the GC heap", (unsigned long long)request->arguments[0].u);
    find_objects(cursor, chunk);
    return NULL;
}

static void fill_row(struct near_objects_cursor *cursor, uint64_t addr, struct value *row)
{
    const struct heap_chunk *chunk = heap_chunk_at(cursor->starts, addr);
    struct clr_object object;

    value_u64(&row[ADDRESS], addr);
    if (cursor->asked >= addr) value_u64(&row[OFFSET], cursor->asked - addr);
    if (clr_object_try(cursor->clr, addr, &object)) {
        value_text(&row[TYPE], clr_type_name(cursor->clr, object.type->mt_addr));
        value_u64(&row[SIZE], object.size);
        value_u64(&row[END], aligned_end(&object));
    }
    if (chunk) {
        const struct gc_segment *segment = &cursor->heaps->segments.data[chunk->segment];

        value_text(&row[GENERATION], gc_generation_name(object_generation(segment, addr)));
        value_u64(&row[HEAP], segment->heap);
        value_u64(&row[SEGMENT], segment->addr);
        value_u64(&row[SEGMENT_START], segment->start);
        value_u64(&row[SEGMENT_END], segment->end);
    }
}

static struct error *near_objects_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct near_objects_cursor *cursor = cursor_;

    while (cursor->index < ARRAY_COUNT(cursor->addrs)) {
        unsigned i = cursor->index++;

        if (!cursor->addrs[i]) continue;
        value_text(&row[WHERE], words[i]);
        fill_row(cursor, cursor->addrs[i], row);
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static const struct column columns[] = {
    { "where", COLUMN_TEXT, "before, at, behind the address" },
    { "address", COLUMN_ADDRESS, "of the object" },
    { "type", COLUMN_TEXT, "its type; Free is unused room" },
    { "size", COLUMN_BYTES, "its bytes" },
    { "end", COLUMN_ADDRESS, "where the next one may begin", COLUMN_VERBOSE },
    { "offset", COLUMN_NUMBER, "of the address asked for, from the object's" },
    { "generation", COLUMN_TEXT, "gen0, gen1, gen2, loh, poh, frozen" },
    { "heap", COLUMN_NUMBER, "number of the GC heap" },
    { "segment", COLUMN_ADDRESS, "the heap_segment that it lies in", COLUMN_VERBOSE },
    { "segment_start", COLUMN_ADDRESS, "first object of it", COLUMN_VERBOSE },
    { "segment_end", COLUMN_ADDRESS, "end of its objects", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, true, "any address in the GC heap, inside of an object, too" },
};

const struct relation relation_near_objects = {
    .name = "near_objects",
    .summary = "what lies at an address of the GC heap: the object, those beside it, generation and segment",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "near_objects" },
                  { "listnearobj", .help = "as SOS names it" },
                  { "lno", .help = "the same" },
                  { "gcwhere", .where = "where = 'at'", .layout = LAYOUT_RECORD,
                    .columns = "address,type,size,offset,heap,generation,segment,segment_start,segment_end",
                    .help = "the object that the address lies in" } },
    .empty = "room between objects: no object lies there",
    .cursor_size = sizeof(struct near_objects_cursor),
    .begin = near_objects_begin,
    .next = near_objects_next,
};
