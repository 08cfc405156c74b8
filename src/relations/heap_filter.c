#include "relations/heap_filter.h"

#include <stdlib.h>
#include <string.h>

#include "session/session.h"

enum { TYPE, MT, MIN, MAX, GENERATION, SEGMENT, STRINGS, SHORT, LIVE, DEAD };

const struct parameter heap_filter_parameters[HEAP_FILTER_PARAMETERS] = {
    [TYPE] = { "type", "-type", PARAMETER_TEXT, false, "only types with this in their name" },
    [MT] = { "method_table", "-mt", PARAMETER_ADDRESS, false, "only this type" },
    [MIN] = { "min", "-min", PARAMETER_NUMBER, false, "only objects of at least this many bytes" },
    [MAX] = { "max", "-max", PARAMETER_NUMBER, false, "only objects of at most this many bytes" },
    [GENERATION] = { "generation", "-gen", PARAMETER_TEXT, false, "only generation 0, 1, 2, loh, poh or frozen" },
    [SEGMENT] = { "segment", "-segment", PARAMETER_ADDRESS, false, "only the segment with this address" },
    [STRINGS] = { "strings", "-strings", PARAMETER_SWITCH, false, "only strings" },
    [SHORT] = { "short", "-short", PARAMETER_SWITCH, false, "addresses only" },
    [LIVE] = { "live", "-live", PARAMETER_SWITCH, false, "only objects that a root leads to" },
    [DEAD] = { "dead", "-dead", PARAMETER_SWITCH, false, "only objects that no root leads to: garbage not yet collected" },
};

static const struct {
    const char *word;
    enum gc_generation generation;
} generation_words[] = {
    { "0", GC_GEN0 },        { "gen0", GC_GEN0 },  { "1", GC_GEN1 },       { "gen1", GC_GEN1 }, { "2", GC_GEN2 },
    { "gen2", GC_GEN2 },     { "3", GC_LOH },      { "loh", GC_LOH },      { "4", GC_POH },     { "poh", GC_POH },
    { "frozen", GC_FROZEN }, { "foh", GC_FROZEN }, { "nongc", GC_FROZEN }, { "large", GC_LOH }, { "pinned", GC_POH },
};

struct error *heap_filter_init(struct heap_filter *filter, struct session *session, const struct argument *arguments)
{
    *filter = (struct heap_filter) { .size_max = UINT64_MAX };
    if (arguments[TYPE].given) filter->type = arguments[TYPE].s;
    if (arguments[MT].given) filter->mt_addr = arguments[MT].u;
    if (arguments[MIN].given) filter->size_min = arguments[MIN].u;
    if (arguments[MAX].given) filter->size_max = arguments[MAX].u;
    if (arguments[SEGMENT].given) filter->segment_addr = arguments[SEGMENT].u;
    filter->strings = arguments[STRINGS].given;
    filter->live = arguments[LIVE].given && !arguments[DEAD].given;
    filter->dead = arguments[DEAD].given && !arguments[LIVE].given;
    if (filter->live || filter->dead) TRY(session_graph(session, &filter->graph));
    if (!arguments[GENERATION].given) return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(generation_words); i++)
        if (!strcasecmp(arguments[GENERATION].s, generation_words[i].word)) {
            filter->has_generation = true;
            filter->generation = generation_words[i].generation;
            return NULL;
        }
    return error_create(ERROR_USAGE, "there is no generation '%s': 0, 1, 2, loh, poh or frozen", arguments[GENERATION].s);
}

bool heap_filter_limits_segments(const struct heap_filter *filter)
{
    return filter->has_generation || filter->segment_addr;
}

bool heap_filter_limits_objects(const struct heap_filter *filter)
{
    return filter->graph || filter->size_min > 0 || filter->size_max != UINT64_MAX ||
           (filter->has_generation && filter->generation <= GC_GEN2);
}

bool heap_filter_takes_segment(const void *filter_, const struct gc_segment *segment)
{
    const struct heap_filter *filter = filter_;

    if (filter->segment_addr && segment->addr != filter->segment_addr &&
        (filter->segment_addr < segment->start || filter->segment_addr >= segment->end))
        return false;
    if (!filter->has_generation) return true;
    return segment->generation == filter->generation || (segment->generation == GC_EPHEMERAL && filter->generation <= GC_GEN2);
}

enum gc_generation object_generation(const struct gc_segment *segment, uint64_t addr)
{
    if (segment->generation != GC_EPHEMERAL) return segment->generation;
    if (addr >= segment->gen0_start) return GC_GEN0;
    return addr >= segment->gen1_start ? GC_GEN1 : GC_GEN2;
}

bool heap_filter_takes_object(const struct heap_filter *filter, const struct gc_segment *segment, const struct object *object)
{
    if (object->size < filter->size_min || object->size > filter->size_max) return false;
    /* Room between objects is neither. */
    if (filter->graph && (object->type->is_free || graph_is_live(filter->graph, object->addr) != filter->live)) return false;
    return !filter->has_generation || object_generation(segment, object->addr) == filter->generation;
}

bool heap_filter_takes_type(const struct heap_filter *filter, uint64_t mt_addr, const char *name)
{
    if (filter->mt_addr && filter->mt_addr != mt_addr) return false;
    if (filter->strings && strcmp(name, "System.String") != 0) return false;
    return !filter->type || strcasestr(name, filter->type);
}

static int compare_rows(const void *a, const void *b)
{
    const struct histogram_row *left = a, *right = b;
    return left->mt_addr < right->mt_addr ? -1 : left->mt_addr > right->mt_addr;
}

static struct error *collect_rows(const struct object_types *types, struct histogram *ret)
{
    for (size_t i = 0; i <= types->mask; i++) {
        const struct object_type *type = &types->slots[i];
        struct histogram_row row = { type->mt_addr, type->count, type->bytes, type->is_free };

        if (!type->count) continue;
        if (!vec_push(&ret->rows, row)) return &error_enomem;
        ret->object_count += row.count;
        ret->object_bytes += row.bytes;
    }
    vec_sort(&ret->rows, compare_rows);
    return NULL;
}

struct error *heap_filter_histogram(const struct heap_filter *filter, const struct clr *clr, const struct gc_heaps *heaps,
                                    struct progress *progress, struct histogram *ret)
{
    struct object_types types;
    struct error *err;

    *ret = (struct histogram) { 0 };
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !progress_is_cancelled(progress); i++) {
        const struct gc_segment *segment = &heaps->segments.data[i];
        struct object object;
        struct walk walk;

        if (!heap_filter_takes_segment(filter, segment)) continue;
        walk_init(&walk, clr, &types, heaps, segment);
        while (walk_next(&walk, &object)) {
            struct object_type *type = (struct object_type *)object.type;

            if (!heap_filter_takes_object(filter, segment, &object)) continue;
            type->count++;
            type->bytes += object.size;
        }
        walk_report(&walk, clr->gaps);
    }
    err = collect_rows(&types, ret);
    object_types_deinit(&types);
    return err;
}
