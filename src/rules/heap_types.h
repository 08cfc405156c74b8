/*
 * Questions of rules to the histogram: how many objects of a type, which types implement an interface.
 */
#ifndef CLRTRAIL_RULES_HEAP_TYPES_H
#define CLRTRAIL_RULES_HEAP_TYPES_H

#include "clr/method_table.h"
#include "heap/histogram.h"

struct heap_sum {
    uint64_t count, bytes;
};

/* Objects whose type's name is `name`, or, with a * at its end, begins with the rest. Zeros when the dump has no heap. */
struct heap_sum heap_sum_by_name(struct clr *clr, const struct histogram *histogram, const char *name);

/*
 * Is `name` one of the patterns? NULL ends the list; * in a pattern stands for anything: "System.Threading.ThreadLocal<*>" are
 * its instances, but not arrays and nested types of them.
 */
bool type_name_matches(const char *name, const char *const *patterns);

/* True when the type or one of its base types declares the interface in its metadata. */
bool type_implements(struct clr *clr, uint64_t mt_addr, const char *interface);

/* True when the type itself declares a method of this name. */
bool type_declares_method(struct clr *clr, uint64_t mt_addr, const char *name);

/* The next row from *index on whose type implements `interface`; NULL at the end. */
const struct histogram_row *heap_next_implementing(struct clr *clr, const struct histogram *histogram, const char *interface,
                                                   size_t *index);

#endif
