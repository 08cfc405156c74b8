/*
 * Places of values inside objects and structs, found by names of fields.
 */
#ifndef CLRTRAIL_MANAGED_PLACE_H
#define CLRTRAIL_MANAGED_PLACE_H

#include "clr/field_value.h"

/* A value in an object or a struct of some type. */
struct place {
    bool known;
    uint32_t off; /* from the object's address, or the struct's */
    uint8_t element_type;
    uint64_t value_mt; /* of a struct or enum, 0: none, or not known */
};

/*
 * One value in the dump: a slot that holds a reference (ELEMENT_CLASS), a number, or a struct of type value_mt; or, with
 * ELEMENT_OBJECT, the object at `addr` itself.
 */
struct managed_value {
    uint64_t addr;
    uint8_t element_type;
    uint64_t value_mt;
};

/*
 * The place of a field of objects (`is_object`) or structs of the type: "a|b" is the first of several names that exists, "a.b" goes
 * into a struct. Not known when there is none.
 */
struct place place_find(struct clr *clr, uint64_t mt_addr, bool is_object, const char *names);
/*
 * The slot that a path leads to from an object, through references, too: "_tables._countPerLock". False when a step has no such
 * field, or a reference on the way is null.
 */
bool managed_follow(struct clr *clr, uint64_t obj_addr, const char *path, struct managed_value *ret);
/* The object at the end of such a path; 0: null, or not there. */
uint64_t managed_follow_object(struct clr *clr, uint64_t obj_addr, const char *path);
/* The number there, sign-extended; false when it is none. */
bool managed_follow_number(struct clr *clr, uint64_t obj_addr, const char *path, int64_t *ret);

static inline struct managed_value place_value(const struct place *place, uint64_t addr)
{
    return (struct managed_value) { addr + place->off, place->element_type, place->value_mt };
}
/* The reference in a place, 0 when it is not known, not readable, or null. */
uint64_t place_object(const struct clr *clr, const struct place *place, uint64_t addr);
bool place_number(const struct clr *clr, const struct place *place, uint64_t addr, int64_t *ret);
/* The number of that element type, sign-extended. */
bool managed_number(const struct clr *clr, const struct managed_value *value, int64_t *ret);

/*
 * Appends a value for people: 42, "text", null, type objects by their name, others by their type and address. Strings are cut.
 */
void managed_text(struct clr *clr, const struct managed_value *value, struct text *ret);
/* Appends the name of the type that a System.RuntimeType stands for; false when `object` is none. */
bool managed_runtime_type(struct clr *clr, const struct clr_object *object, struct text *ret);
/* The last part of a type's name, arguments left out: "CoreOptionsExtension". */
void managed_short_name(const char *type_name, struct text *ret);

#endif
