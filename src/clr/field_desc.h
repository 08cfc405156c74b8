/*
 * Fields of types.
 *
 *     EEClass.FieldDescList -> FieldDesc[]      those that the type itself declares, instance and static ones mixed
 *       {MethodTable of the declaring class; u32 token:24 static:1 thread static:1 RVA:1; u32 offset:27 element type:5}
 *
 * The offset of an instance field counts from behind the MethodTable pointer, that of a static one from the base of the type's
 * statics (statics.h). References of every kind have the element type CLASS, enums that of their number.
 * Source: src/coreclr/vm/field.h; unchanged from 3.1 to 10.
 */
#ifndef CLRTRAIL_CLR_FIELD_DESC_H
#define CLRTRAIL_CLR_FIELD_DESC_H

#include "clr/method_table.h"
#include "formats/signature.h"

struct clr_field {
    const char *name;      /* "" when its metadata cannot be had; borrowed */
    uint64_t declaring_mt; /* the type that declares it, with its own generic arguments */
    uint32_t token;        /* 0x04000000 | rid in the metadata of the declaring type's module */
    uint32_t offset;
    uint8_t element_type; /* enum element_type */
    bool is_static, is_thread_static, is_rva;
};

/* Fields of a type; all borrowed from `clr`. */
struct clr_fields {
    const struct clr_field *own; /* declared by the type itself, in the order of its FieldDescs */
    size_t own_count;
    const struct clr_field *instance; /* own and inherited instance fields, by offset */
    size_t instance_count;
};

/* Fields of the type, read once. NULL when they cannot be read; a gap says so. Fills caches. */
const struct clr_fields *clr_type_fields(struct clr *clr, uint64_t mt_addr);

/*
 * The instance field `name` of the type or of one that it derives from; the most derived one when several have the name.
 * The field lies at object address + 8 + offset, in a boxed or inline struct at its start + offset.
 */
bool clr_field_find(struct clr *clr, uint64_t mt_addr, const char *name, struct clr_field *ret);
/* The same of several names of which runtimes have one; NULL-terminated. */
bool clr_field_find_any(struct clr *clr, uint64_t mt_addr, const char *const *names, struct clr_field *ret);
/* A static field that the type itself declares. */
bool clr_static_find(struct clr *clr, uint64_t mt_addr, const char *name, struct clr_field *ret);
/* The instance field that begins at `offset`, or the last one before it: the struct that holds it. NULL when there is none. */
const struct clr_field *clr_field_at(const struct clr_fields *fields, uint32_t offset);

static inline bool clr_field_is_reference(const struct clr_field *field)
{
    return field->element_type == ELEMENT_CLASS;
}
/* Bytes of a number, character, pointer or reference; 0 for structs. */
uint32_t element_type_size(uint8_t element_type);

/* Appends the field's declared type with the arguments of its declaring type: "System.Collections.Generic.List<His.Patient>". */
bool clr_field_type_name(struct clr *clr, const struct clr_field *field, struct text *ret);
/*
 * MethodTable of the declared type of a field of value type (struct or enum), 0 when it cannot be told: it was never loaded, or is
 * a generic instance that is not found in the loader's tables. Fills caches.
 */
uint64_t clr_field_value_type(struct clr *clr, const struct clr_field *field);

/* The attributes' flags of the metadata (II.23.1.5), 0 when it cannot be had. */
bool clr_field_metadata(struct clr *clr, const struct clr_field *field, struct metadata_field *ret);

#endif
