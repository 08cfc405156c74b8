/*
 * The class library's collections, read by the names of their fields.
 *
 *     object -> its type or a base type is a row of shapes.def -> where count, store and the parts of an element lie
 *
 * What is known of a type is found once and kept, so that hundreds of thousands of collections can be looked at. A collection
 * that was being changed when the process was dumped may show an element twice or not at all; a damaged one ends early.
 */
#ifndef CLRTRAIL_MANAGED_COLLECTION_H
#define CLRTRAIL_MANAGED_COLLECTION_H

#include "clr/object.h"
#include "managed/place.h"

struct shape;

/* What is known of a type of collections. */
struct collection_type {
    uint64_t mt_addr;
    const struct shape *shape;
    struct place store, count, free, head, keys;
    bool array_known, node_known;    /* the next ones are found when the first array or node is met */
    uint32_t element_size, key_size; /* of the arrays */
    struct place key, value;         /* in an element's struct, or node */
    struct place node;               /* in a bucket */
    struct place next, right;        /* in a node; of entries: in the struct */
    struct place array, from, to;    /* segments and bags: where a node keeps its part */
};

struct collection_types {
    struct clr *clr; /* borrowed */
    struct arena arena;
    struct map by_mt; /* MethodTable -> struct collection_type *, 0: no collection */
};
void collection_types_init(struct collection_types *types, struct clr *clr);
void collection_types_deinit(struct collection_types *types);
/* NULL: objects of this type are no collections (arrays are, but have no such type). */
struct collection_type *collection_type_get(struct collection_types *types, uint64_t mt_addr);

/* For collection.c: learn where the parts of elements lie. False: it is not as in this type's other collections, or not readable.
 */
bool collection_type_learn_array(struct collection_types *types, struct collection_type *type, const struct clr_type *array);
bool collection_type_learn_keys(struct collection_types *types, struct collection_type *type, const struct clr_type *array);
bool collection_type_learn_node(struct collection_types *types, struct collection_type *type, uint64_t node_addr);

struct collection {
    struct collection_types *types;
    struct clr_object object, inner; /* inner: the one that has the elements; mostly the object itself */
    struct collection_type *type;    /* of inner; NULL: an array */
    uint64_t store_addr;             /* array or first node; 0: empty */
    uint64_t count, capacity;        /* capacity 0: has none */
    bool count_known;
};
/* False when the object at `addr` is no collection, or cannot be read. Arrays are collections here. */
bool collection_open(struct collection_types *types, uint64_t addr, struct collection *ret);

struct collection_element {
    bool has_key;
    struct managed_value key, value;
};

enum { COLLECTION_TREE_DEPTH = 96 };

struct collection_iterator {
    const struct collection *collection;
    struct clr_object array, keys; /* arrays being read; addr 0: none */
    uint64_t data_off, keys_off;   /* of their elements */
    uint64_t index, end;           /* in the array */
    uint64_t node;                 /* of a chain; the next one */
    uint64_t mark, steps;          /* a node left behind at doubling distances: who meets it again runs in a circle */
    uint64_t budget;               /* nodes and elements that are left: no cycle is longer */
    uint64_t stack[COLLECTION_TREE_DEPTH];
    unsigned depth;
    bool damaged; /* ended before all elements were seen */
};
void collection_begin(const struct collection *collection, struct collection_iterator *ret);
bool collection_next(struct collection_iterator *it, struct collection_element *ret);

/* Type of the elements as text: "System.String -> His.Patient", of one without keys "His.Patient". False: not known. */
bool collection_element_text(const struct collection *collection, struct text *ret);

#endif
