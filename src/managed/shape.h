/*
 * Rows of shapes.def: how a well-known type of collections is built.
 */
#ifndef CLRTRAIL_MANAGED_SHAPE_H
#define CLRTRAIL_MANAGED_SHAPE_H

#include <stdbool.h>

enum shape_form {
    FORM_ITEMS,     /* store: array, its first `count` elements */
    FORM_RING,      /* the same from `head` on, around the end */
    FORM_ENTRIES,   /* store: array of structs {key, value, next}; free ones among them are counted by `free` */
    FORM_BUCKETS,   /* store: object with _buckets, an array of chains, and _countPerLock */
    FORM_SEGMENTS,  /* store: first of linked segments {_slots, _headAndTail {Head, Tail}} */
    FORM_BAG,       /* store: first of linked queues {_array, _headIndex, _tailIndex}, one a thread */
    FORM_LINKED,    /* store: first node; the chain ends with null or comes back to it */
    FORM_TREE,      /* store: root; next: left */
    FORM_PAIRS,     /* store: array of values; keys: array of keys */
    FORM_HASHTABLE, /* store: array of structs {key, value}; no key: free */
    FORM_INNER,     /* store: another collection */
};

struct shape {
    const char *type;
    enum shape_form form;
    const char *store, *count, *free, *head, *keys; /* of the collection itself */
    const char *key, *value, *next, *right;         /* of an element's struct or node */
    bool has_empty_node;                            /* trees: a node without a left one is no element */
};

extern const struct shape shapes[];
extern const unsigned shape_count;

#endif
