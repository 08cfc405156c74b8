#include <stdlib.h>

#include "heap/walk.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* Objects by heap, generation and size: a row for each power of two. */
enum { SIZE_CLASSES = 64 };

struct generation_row {
    uint32_t heap;
    enum gc_generation generation;
    unsigned size_class; /* sizes from 2^class on */
    uint64_t count, size, free_count, free_size;
};

struct generation_stats_cursor {
    VEC(struct generation_row) rows;
    struct map index; /* of a row by heap, generation and class, + 1 */
    size_t next;
};

enum { HEAP, GENERATION, FROM_SIZE, COUNT, SIZE, FREE_COUNT, FREE_SIZE };

static int compare_rows(const void *a, const void *b)
{
    const struct generation_row *left = a, *right = b;

    if (left->heap != right->heap) return left->heap < right->heap ? -1 : 1;
    if (left->generation != right->generation) return left->generation < right->generation ? -1 : 1;
    return left->size_class < right->size_class ? -1 : left->size_class > right->size_class;
}

/* Rows of one segment: by generation (a segment may have three) and size. */
struct segment_counts {
    struct generation_row rows[GC_EPHEMERAL + 1][SIZE_CLASSES];
};

static void count_object(struct segment_counts *counts, enum gc_generation generation, const struct object *object)
{
    struct generation_row *row = &counts->rows[generation][63 - (unsigned)__builtin_clzll(object->size)];

    if (object->type->is_free) {
        row->free_count++;
        row->free_size += object->size;
    } else {
        row->count++;
        row->size += object->size;
    }
}

static struct generation_row *row_of(struct generation_stats_cursor *cursor, uint32_t heap, unsigned generation,
                                     unsigned size_class)
{
    uint64_t *slot = map_slot(&cursor->index, (uint64_t)heap << 16 | generation << 8 | size_class, NULL);
    struct generation_row row = { .heap = heap, .generation = (enum gc_generation)generation, .size_class = size_class };

    if (!slot) return NULL;
    if (!*slot) {
        if (!vec_push(&cursor->rows, row)) return NULL;
        *slot = cursor->rows.count;
    }
    return &cursor->rows.data[*slot - 1];
}

static bool add_counts(struct generation_stats_cursor *cursor, uint32_t heap, const struct segment_counts *counts)
{
    for (unsigned generation = 0; generation <= GC_EPHEMERAL; generation++)
        for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
            const struct generation_row *from = &counts->rows[generation][class];
            struct generation_row *row;

            if (!from->count && !from->free_count) continue;
            row = row_of(cursor, heap, generation, class);
            if (!row) return false;
            row->count += from->count;
            row->size += from->size;
            row->free_count += from->free_count;
            row->free_size += from->free_size;
        }
    return true;
}

static struct error *count_segment(struct generation_stats_cursor *cursor, struct session *session, struct walk *walk,
                                   const struct gc_segment *segment)
{
    struct segment_counts *counts = calloc(1, sizeof(*counts));
    struct object object;
    struct error *err = NULL;

    if (!counts) return &error_enomem;
    while (walk_next(walk, &object))
        count_object(counts, object_generation(segment, object.addr), &object);
    walk_report(walk, session_gaps(session));
    if (!add_counts(cursor, segment->heap, counts)) err = &error_enomem;
    free(counts);
    if (!err && progress_is_cancelled(session_progress(session))) err = error_create(ERROR_CANCELLED, "cancelled");
    return err;
}

static struct error *generation_stats_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct generation_stats_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;
    struct object_types types;
    struct error *err = NULL;
    struct clr *clr;

    (void)request;
    map_init(&cursor->index);
    TRY(session_clr(session, &clr));
    TRY(session_gc_heaps(session, &heaps));
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct walk walk;

        walk_init(&walk, clr, &types, heaps, &heaps->segments.data[i]);
        err = count_segment(cursor, session, &walk, &heaps->segments.data[i]);
    }
    object_types_deinit(&types);
    vec_sort(&cursor->rows, compare_rows);
    return err;
}

static struct error *generation_stats_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct generation_stats_cursor *cursor = cursor_;
    const struct generation_row *from;

    *more_ret = cursor->next < cursor->rows.count;
    if (!*more_ret) return NULL;
    from = &cursor->rows.data[cursor->next++];
    value_u64(&row[HEAP], from->heap);
    value_text(&row[GENERATION], gc_generation_name(from->generation));
    value_u64(&row[FROM_SIZE], UINT64_C(1) << from->size_class);
    value_u64(&row[COUNT], from->count);
    value_u64(&row[SIZE], from->size);
    value_u64(&row[FREE_COUNT], from->free_count);
    value_u64(&row[FREE_SIZE], from->free_size);
    return NULL;
}

static void generation_stats_end(void *cursor_)
{
    struct generation_stats_cursor *cursor = cursor_;

    vec_deinit(&cursor->rows);
    map_deinit(&cursor->index);
}

static const struct column columns[] = {
    { "heap", COLUMN_NUMBER, "number of the GC heap" },
    { "generation", COLUMN_TEXT, "gen0, gen1, gen2, loh, poh, frozen" },
    { "from_size", COLUMN_NUMBER, "objects of this many bytes and more, but less than twice as many" },
    { "count", COLUMN_COUNT, "objects" },
    { "size", COLUMN_BYTES, "their bytes" },
    { "free_count", COLUMN_COUNT, "free spaces between objects: fragmentation" },
    { "free_size", COLUMN_BYTES, "their bytes" },
};

const struct relation relation_generation_stats = {
    .name = "generation_stats",
    .summary = "objects and free spaces by heap, generation and size",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "generation_stats" },
                  { "gcheapstat", .group = "heap,generation", .sort = "heap,generation", .help = "by heap and generation" },
                  { "sizestats", .group = "generation,from_size", .sort = "generation,from_size",
                    .help = "by generation and size, over all heaps" } },
    .empty = "the GC heap is not in this dump",
    .cursor_size = sizeof(struct generation_stats_cursor),
    .begin = generation_stats_begin,
    .next = generation_stats_next,
    .end = generation_stats_end,
};
