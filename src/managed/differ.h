/*
 * Why are they different? N like objects are compared field by field, in parallel: a column is one field of all of them.
 *
 *     100 keys                        distinct 100 of 100
 *       _extensions                   100 of 100
 *         [CoreOptions]._memoryCache  100 of 100, compared by reference
 *         [CoreOptions]._detailed     1 of 100                              equal: not looked into any further
 *
 * A column whose values are one object in all is equal without a look at that object. Otherwise each different object is looked
 * at once, its fields become columns in turn, and two objects have the same content when all their columns have: equal subgraphs
 * are one value from there on. An object that leads back to one that is being compared counts as that step back.
 */
#ifndef CLRTRAIL_MANAGED_DIFFER_H
#define CLRTRAIL_MANAGED_DIFFER_H

#include "managed/collection.h"

enum differ_verdict {
    DIFFER_EQUAL,    /* the same in all */
    DIFFER_VARIES,   /* some values, each of several objects */
    DIFFER_IDENTITY, /* other objects of equal content, of a type that is compared by reference */
    DIFFER_CONTENT,  /* another value in every one */
    DIFFER_GROWS,    /* the same, and they grow in the order in which the objects were made: counters, times */
    DIFFER_UNCLEAR,  /* other objects; their content is the same as far as it was compared */
};
extern const char *const differ_verdict_names[];

enum differ_equality {
    EQUALITY_VALUE,     /* numbers, strings, structs, types */
    EQUALITY_OWN,       /* the type declares Equals */
    EQUALITY_REFERENCE, /* two objects are never equal */
};
extern const char *const differ_equality_names[];

struct differ_row {
    const char *path; /* "_extensionsMap[CoreOptionsExtension].Item1._memoryCache"; "" of the objects themselves */
    const char *type; /* of the values; the declared one where they differ; "" when not known */
    const char *examples;
    enum differ_verdict verdict;
    enum differ_equality equality;
    uint32_t depth;    /* objects on the way */
    uint64_t of;       /* values in the column: as many as its owner has different objects */
    uint64_t distinct; /* as the type's equality tells them apart */
    uint64_t contents; /* different contents */
    uint64_t nulls;    /* null, or absent in a dictionary */
    bool complete;     /* false: a limit ended the comparison somewhere below */
};

struct differ_options {
    unsigned depth;  /* objects on a path; 0: DIFFER_DEPTH */
    bool with_equal; /* rows of what is the same in all, too */
};
enum { DIFFER_DEPTH = 6, DIFFER_DEPTH_MAX = 16 };

struct differ {
    struct arena arena;
    VEC(struct differ_row) rows; /* a column before those below it */
    uint64_t values;             /* looked at */
    uint64_t equal_count;        /* columns that are the same in all */
    bool complete;
};

/* `values` are slots: references, numbers or structs; or objects themselves, with ELEMENT_OBJECT. All of one kind. The result is
 * the caller's. */
struct error *differ_init(struct differ *ret, struct collection_types *types, const struct managed_value *values, size_t count,
                          const struct differ_options *options);
void differ_deinit(struct differ *differ);

/* How objects of the type are told apart where no comparer says otherwise. */
enum differ_equality managed_equality(struct clr *clr, uint64_t mt_addr);

#endif
