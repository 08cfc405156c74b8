/*
 * The name of a reference: the field or element of the object that holds it.
 */
#ifndef CLRTRAIL_HEAP_EDGE_H
#define CLRTRAIL_HEAP_EDGE_H

#include "clr/field_value.h"
#include "heap/references.h"

/*
 * Appends the place at `offset` of an object of `type`: "_entries", "[17].value", "_key.Item1"; with `any_index` "[*].value".
 * The LoaderAllocator of a type that can be unloaded is "(loader allocator)", a dependent handle "(dependent handle)".
 */
enum { REFERENCE_DEPENDENT = REFERENCE_LOADER - 1 };
void edge_name(struct clr *clr, const struct clr_type *type, uint64_t offset, bool any_index, struct text *ret);

struct heap_starts;
/* The object of which the word at `addr` is a field or an element; false when there is none: free space is nobody's. */
bool edge_object(struct clr *clr, const struct heap_starts *starts, uint64_t addr, struct clr_object *ret);
/* Appends type and place: "His.Device._handle", "System.IntPtr[][3]". */
void edge_full_name(struct clr *clr, const struct clr_type *type, uint64_t offset, bool any_index, struct text *ret);

/* References of one object, dependents included when `dependents` is not NULL. */
struct edge {
    uint64_t offset, target;
};
struct edges {
    VEC(struct edge) list;
    bool failed; /* memory ran out */
};
/* Adds those of the object whose whole bytes are given. */
void edges_add(struct edges *edges, const struct reference_type *type, const uint8_t *bytes, const struct dependents *dependents,
               uint64_t addr);

#endif
