/*
 * Breadth-first search over the heap's references, from given objects, level by level: the first way that reaches an object is a
 * shortest one.
 *
 *     frontier   the objects of one level: a list of {bytes, id} while they are at most a quarter of all, else a bit for every id
 * of the heap, read out by address; a list of a million links costs a million small levels edges      pass a ring of 32 in which
 * the line of starts bits that answers for each is prefetched: no load waits alone objects    are prefetched with their second
 * line, 16 ahead: nearly half of all objects cross one
 *
 * Memory: two bits an object and 16 bytes for each of the widest two levels, 4 bytes an object more when parents are wanted. The
 * order is the same whatever the machine.
 */
#ifndef CLRTRAIL_HEAP_TRAVERSE_H
#define CLRTRAIL_HEAP_TRAVERSE_H

#include "base/progress.h"
#include "heap/references.h"
#include "heap/starts.h"

struct traverse_item {
    const uint8_t *bytes; /* of the object, in its chunk */
    uint32_t id;
};

struct traverse_frontier {
    VEC(struct traverse_item) list;
    uint64_t *bits; /* by id; NULL until a level was too wide for the list */
    bool is_dense;
};

struct traverse_edge {
    const struct starts_line *line; /* NULL: none */
    const uint8_t *bytes;           /* of the target */
    uint32_t parent, bit;
};

enum { TRAVERSE_RING = 32, TRAVERSE_FILTER_BITS = 1 << 16 };

struct traversal {
    const struct heap_starts *starts;
    const struct dependents *dependents; /* NULL: not followed */
    struct reference_types types;
    uint64_t *reached;     /* bit by id; owned */
    uint32_t *parents;     /* by id; borrowed, NULL: not wanted */
    uint64_t count, bytes; /* of the objects reached so far whose level is done */
    struct traverse_frontier now, next;
    struct traverse_edge ring[TRAVERSE_RING];
    unsigned ring_at;
    uint32_t from; /* id of the object whose references are being read */
    size_t list_max;
    uint64_t has_dependents[TRAVERSE_FILTER_BITS / 64]; /* by the low bits of the id: it may be the primary of some */
    uint64_t watched;                                   /* whoever refers to this address is noted; 0: nobody */
    VEC(uint32_t) watchers;                             /* ids of those reached, once each */
    bool failed;                                        /* memory ran out */
    struct progress *progress;
};

struct error *traversal_init(struct traversal *ret, const struct clr *clr, const struct heap_starts *starts,
                             const struct dependents *dependents, uint32_t *parents, struct progress *progress);
void traversal_deinit(struct traversal *traversal);
/* Reaches the object at `addr`, if there is one and it was not yet; `parent` is what parents[id] becomes. */
void traversal_seed(struct traversal *traversal, uint64_t addr, uint32_t parent);
/* Goes on until nothing new is reached. May be called again after further seeds. Errors: out of memory, cancelled. */
struct error *traversal_run(struct traversal *traversal);

/* Exact number and bytes of the objects that are reachable from the given ones, each once, themselves included. */
struct error *reachable_size(const struct clr *clr, const struct heap_starts *starts, const struct dependents *dependents,
                             const uint64_t *addrs, size_t count, struct progress *progress, uint64_t *count_ret,
                             uint64_t *bytes_ret);

static inline bool traversal_reached(const struct traversal *traversal, uint32_t id)
{
    return traversal->reached[id / 64] >> (id % 64) & 1;
}

#endif
