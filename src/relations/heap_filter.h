/*
 * The arguments of `dumpheap` that choose objects: by type, size, generation, segment. Shared by the relations `type_histogram` and
 * `objects`.
 */
#ifndef CLRTRAIL_RELATIONS_HEAP_FILTER_H
#define CLRTRAIL_RELATIONS_HEAP_FILTER_H

#include "heap/graph.h"
#include "heap/histogram.h"
#include "heap/walk.h"
#include "relations/relation.h"

enum { HEAP_FILTER_PARAMETERS = 10 };
extern const struct parameter heap_filter_parameters[HEAP_FILTER_PARAMETERS];

struct heap_filter {
    const char *type; /* substring of the name, NULL: any */
    uint64_t mt_addr; /* 0: any */
    uint64_t size_min, size_max;
    bool has_generation;
    enum gc_generation generation;
    uint64_t segment_addr; /* of the segment or any address in it, 0: any */
    bool strings;
    bool live, dead;           /* both or none: any */
    const struct graph *graph; /* when one of them is asked for */
};

/* Errors: a generation that does not exist; with -live or -dead those of the graph. */
struct error *heap_filter_init(struct heap_filter *filter, struct session *session, const struct argument *arguments);
bool heap_filter_limits_segments(const struct heap_filter *filter);
/* Objects have to be looked at one by one: size limits, or a generation inside a segment that two share. */
bool heap_filter_limits_objects(const struct heap_filter *filter);
bool heap_filter_takes_segment(const void *filter, const struct gc_segment *segment);
bool heap_filter_takes_object(const struct heap_filter *filter, const struct gc_segment *segment, const struct object *object);
bool heap_filter_takes_type(const struct heap_filter *filter, uint64_t mt_addr, const char *name);
/* Histogram of the objects that pass, one thread. */
struct error *heap_filter_histogram(const struct heap_filter *filter, const struct clr *clr, const struct gc_heaps *heaps,
                                    struct progress *progress, struct histogram *ret);
/* Generation of an object: that of its segment, or by the limits inside an ephemeral one. */
enum gc_generation object_generation(const struct gc_segment *segment, uint64_t addr);

#endif
