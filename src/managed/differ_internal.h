/*
 * Between the parts of differ: differ.c compares columns, differ_content.c says what a single object is.
 */
#ifndef CLRTRAIL_MANAGED_DIFFER_INTERNAL_H
#define CLRTRAIL_MANAGED_DIFFER_INTERNAL_H

#include "managed/differ.h"

enum {
    ELEMENTS_MAX = 64,   /* of each collection, compared one by one */
    SLOTS_MAX = 1 << 22, /* elements of all collections of a column together */
    GROUPS_MAX = 8,      /* types of one column that are looked into */
    ROWS_MAX = 20000,
    BULK_MAX = 1 << 16, /* bytes of a string or an array of numbers that count */
    GROWS_MIN = 8,      /* values without which an order is chance */
    EXAMPLES = 3,
};
#define VALUES_MAX UINT64_C(200000000) /* about ten seconds */

struct value_place {
    const char *name;
    uint32_t off; /* from the object, or struct */
    uint8_t element_type;
    uint64_t value_mt;
    const struct clr_field *field;
};

/* Fields of a type, structs opened. */
struct value_layout {
    const struct value_place *places;
    size_t count;
};

struct run {
    struct differ *differ;
    struct collection_types *types;
    struct clr *clr;
    struct map layouts;    /* MethodTable, bit 0: as a struct -> struct value_layout * */
    struct map equalities; /* MethodTable -> enum differ_equality + 1 */
    struct text path;
    unsigned depth_max;
    bool with_equal, out_of_memory;
    bool with_identity; /* keep the parts of what differs by identity only */
};

static inline uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 29);
}

/* Fields of the type; an empty one when they cannot be read, NULL when memory is exhausted. `base`: an object or struct of it. */
const struct value_layout *run_layout(struct run *run, uint64_t mt_addr, bool is_object, uint64_t base);
enum differ_equality run_equality(struct run *run, uint64_t mt_addr);

/* What an object is for the comparison. */
enum object_form { OBJECT_ATOM, OBJECT_COLLECTION, OBJECT_FIELDS };
enum object_form object_form(struct run *run, uint64_t mt_addr);
/* Content of an atom: a string, a type, an array of numbers. *complete_ret becomes false when it was not read whole. */
uint64_t atom_content(struct run *run, const struct clr_object *object, bool *complete_ret);

/* What a dictionary's element is aligned by; false when its key says nothing outside of its own graph. */
bool label_of_key(struct run *run, const struct managed_value *key, uint64_t *ret);
void label_text(struct run *run, const struct managed_value *key, struct text *ret);
/* Appends a field's name as it is written in code: "<Info>k__BackingField" is Info. */
void field_text(const char *name, struct text *ret);

#endif
