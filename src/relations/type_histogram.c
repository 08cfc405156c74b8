#include <stdlib.h>
#include <string.h>

#include "clr/gc_heap.h"
#include "clr/method_table.h"
#include "heap/histogram.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* Objects by type. */
struct type_histogram_cursor {
    struct clr *clr;
    const struct histogram *histogram;
    struct histogram filtered;
    struct heap_filter filter;
    size_t index;
    uint64_t count, bytes;
};

enum { METHOD_TABLE, COUNT, SIZE, TYPE };

static struct error *type_histogram_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct type_histogram_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    TRY(heap_filter_init(&cursor->filter, session, request->arguments));
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &heaps));
    if (!heap_filter_limits_objects(&cursor->filter)) {
        cursor->histogram = &cursor->filtered;
        if (!heap_filter_limits_segments(&cursor->filter)) return session_histogram(session, &cursor->histogram);
        return histogram_init(&cursor->filtered, cursor->clr, heaps, session_threads(session), session_progress(session),
                              heap_filter_takes_segment, &cursor->filter);
    }
    cursor->histogram = &cursor->filtered;
    return heap_filter_histogram(&cursor->filter, cursor->clr, heaps, session_progress(session), &cursor->filtered);
}

static struct error *type_histogram_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct type_histogram_cursor *cursor = cursor_;

    for (; cursor->index < cursor->histogram->rows.count; cursor->index++) {
        const struct histogram_row *from = &cursor->histogram->rows.data[cursor->index];
        const char *name = clr_type_name(cursor->clr, from->mt_addr);

        if (!heap_filter_takes_type(&cursor->filter, from->mt_addr, name)) continue;
        value_u64(&row[METHOD_TABLE], from->mt_addr);
        value_u64(&row[COUNT], from->count);
        value_u64(&row[SIZE], from->bytes);
        value_text(&row[TYPE], name);
        cursor->count += from->count;
        cursor->bytes += from->bytes;
        cursor->index++;
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void type_histogram_end(void *cursor_)
{
    struct type_histogram_cursor *cursor = cursor_;

    histogram_deinit(&cursor->filtered);
}

static void type_histogram_footer(void *cursor_, struct text *ret)
{
    const struct type_histogram_cursor *cursor = cursor_;

    text_puts(ret, "Total ");
    text_number(ret, cursor->count);
    text_puts(ret, " objects, ");
    text_number(ret, cursor->bytes);
    text_puts(ret, " bytes");
}

static const struct column columns[] = {
    { "method_table", COLUMN_ADDRESS, "identity of the type" },
    { "count", COLUMN_COUNT, "objects" },
    { "size", COLUMN_BYTES, "bytes of these objects, without what they refer to" },
    { "type", COLUMN_TEXT, "name; Free is unused room between objects" },
};

const struct relation relation_type_histogram = {
    .name = "type_histogram",
    .summary = "objects of the GC heap, by type",
    .topic = "GC heap",
    .growth = { .kind = "type", .key = "type", .count = "count", .bytes = "size", .rank = 4 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = heap_filter_parameters,
    .parameter_count = HEAP_FILTER_PARAMETERS,
    .commands = { { "type_histogram", .sort = "size desc" },
                  { "dumpheap -stat", .sort = "size", .titles = "MT|Count|TotalSize|Class Name",
                    .columns = "method_table,count,size,type", .help = "largest last, as SOS prints it" },
                  { "dumpgen", .bare = "generation", .sort = "size", .titles = "MT|Count|TotalSize|Class Name",
                    .columns = "method_table,count,size,type", .help = "of one generation: dumpgen gen0" } },
    .empty = "no objects match, or the GC heap is not in this dump (mini and triage dumps have none)",
    .cursor_size = sizeof(struct type_histogram_cursor),
    .begin = type_histogram_begin,
    .next = type_histogram_next,
    .end = type_histogram_end,
    .footer = type_histogram_footer,
};
