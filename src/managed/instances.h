/*
 * Objects of a type, and static fields, by name.
 */
#ifndef CLRTRAIL_MANAGED_INSTANCES_H
#define CLRTRAIL_MANAGED_INSTANCES_H

#include "clr/gc_heap.h"
#include "managed/place.h"

typedef VEC(uint64_t) address_list;

/* Adds all objects whose type is wanted, in the order of the segments and of addresses in each; at most `max` of them. */
struct error *instances_find(struct clr *clr, const struct gc_heaps *heaps, bool (*wanted)(void *user, uint64_t mt_addr),
                             void *user, size_t max, address_list *ret);
/* The same by the type's full name. */
struct error *instances_find_named(struct clr *clr, const struct gc_heaps *heaps, const char *name, size_t max, address_list *ret);

/*
 * The object in a static field: "Microsoft.EntityFrameworkCore", "Microsoft.EntityFrameworkCore.Internal.ServiceProviderCache",
 * "<Instance>k__BackingField"; of several field names ("a|b") the first that exists. 0: the type is not loaded, has no such field,
 * or it is null. The type must not be generic. Fills caches.
 */
uint64_t managed_static_object(struct clr *clr, const char *assembly, const char *type, const char *fields);

#endif
