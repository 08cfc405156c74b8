#include "clr/gc_heap.h"
#include "relations/relation.h"
#include "session/session.h"

/* Segments (or regions) of the GC heaps, one a row; with -free then the regions that the GC keeps for later. */
struct gc_heaps_cursor {
    const struct gc_heaps *heaps;
    size_t index;
    uint64_t size, committed;
    bool with_free;
};

enum { HEAP, GENERATION, START, END, SIZE, COMMITTED, RESERVED, KIND, SEGMENT };
enum { PAGE = 4096 };

static struct error *gc_heaps_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct gc_heaps_cursor *cursor = cursor_;

    cursor->with_free = request->arguments[0].given;
    return session_gc_heaps(session, &cursor->heaps);
}

static void fill_segment(struct gc_heaps_cursor *cursor, const struct gc_segment *segment, struct value *row)
{
    uint64_t first = gc_segment_base(segment);

    value_u64(&row[HEAP], segment->heap);
    if (segment->generation <= GC_POH) value_u64(&row[GENERATION], segment->generation);
    value_u64(&row[START], segment->start);
    value_u64(&row[END], segment->end);
    value_u64(&row[SIZE], segment->end - segment->start);
    if (segment->committed >= first) {
        value_u64(&row[COMMITTED], segment->committed - first);
        cursor->committed += segment->committed - first;
    }
    if (segment->reserved >= first) value_u64(&row[RESERVED], segment->reserved - first);
    value_text(&row[KIND], gc_generation_name(segment->generation));
    value_u64(&row[SEGMENT], segment->addr);
    cursor->size += segment->end - segment->start;
}

static void fill_free_region(struct gc_heaps_cursor *cursor, const struct gc_free_region *region, struct value *row)
{
    uint64_t first = region->start & ~(uint64_t)(PAGE - 1);

    value_u64(&row[HEAP], region->heap);
    value_u64(&row[START], region->start);
    value_u64(&row[END], region->start);
    value_u64(&row[SIZE], 0);
    value_u64(&row[COMMITTED], region->committed - first);
    if (region->reserved >= first) value_u64(&row[RESERVED], region->reserved - first);
    value_text(&row[KIND], "free");
    value_u64(&row[SEGMENT], region->addr);
    cursor->committed += region->committed - first;
}

static struct error *gc_heaps_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct gc_heaps_cursor *cursor = cursor_;
    size_t segments = cursor->heaps->segments.count;
    size_t i = cursor->index++;

    *more_ret = i < segments + (cursor->with_free ? cursor->heaps->free_regions.count : 0);
    if (i < segments)
        fill_segment(cursor, &cursor->heaps->segments.data[i], row);
    else if (*more_ret)
        fill_free_region(cursor, &cursor->heaps->free_regions.data[i - segments], row);
    return NULL;
}

static void gc_heaps_footer(void *cursor_, struct text *ret)
{
    const struct gc_heaps_cursor *cursor = cursor_;

    text_printf(ret, "%s GC, %u heap%s, %s; objects in ", cursor->heaps->is_server ? "server" : "workstation",
                cursor->heaps->heap_count, cursor->heaps->heap_count == 1 ? "" : "s",
                cursor->heaps->has_regions ? "regions" : "segments");
    text_number(ret, cursor->size);
    text_puts(ret, " bytes of ");
    text_number(ret, cursor->committed);
    text_puts(ret, " committed");
    if (cursor->heaps->in_gc) text_puts(ret, "; a GC was under way when the dump was taken");
}

static const struct column columns[] = {
    { "heap", COLUMN_NUMBER, "number of the heap; server GC has one a processor" },
    { "generation", COLUMN_NUMBER, "0, 1, 2, 3 (large objects), 4 (pinned objects); none for frozen, shared and free ones" },
    { "start", COLUMN_ADDRESS, "first object" },
    { "end", COLUMN_ADDRESS, "end of the objects" },
    { "size", COLUMN_BYTES, "from the first object to the end of the last" },
    { "committed", COLUMN_BYTES, "committed" },
    { "reserved", COLUMN_BYTES, "address space" },
    { "kind", COLUMN_TEXT, "gen0, gen1, gen2, loh, poh, frozen, ephemeral (generations 0 and 1 together), free (kept for later)" },
    { "segment", COLUMN_ADDRESS, "the heap_segment structure", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "free", "-free", PARAMETER_SWITCH, false, "regions that are kept free, too" },
};

const struct relation relation_gc_heaps = {
    .name = "gc_heaps",
    .summary = "segments and regions of the GC heaps",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "gc_heaps" },
                  { "eeheap -gc", .columns = "heap,kind,segment,start,end,size,committed",
                    .titles = "Heap|Generation|Segment|Begin|Allocated|Allocated Size|Committed Size",
                    .help = "as SOS prints it" } },
    .empty = "the GC's structures are not in this dump",
    .cursor_size = sizeof(struct gc_heaps_cursor),
    .begin = gc_heaps_begin,
    .next = gc_heaps_next,
    .footer = gc_heaps_footer,
};
