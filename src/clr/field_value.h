/*
 * Values of fields and elements as text, structs opened inline, and the name of the place at an offset.
 */
#ifndef CLRTRAIL_CLR_FIELD_VALUE_H
#define CLRTRAIL_CLR_FIELD_VALUE_H

#include "clr/field_desc.h"
#include "clr/object.h"

enum { FIELD_NESTING_MAX = 8 };

/*
 * Appends what is at `offset` behind the MethodTable pointer of an instance of the type: "_entries", "_tasks.Item2"; "+0x18" where
 * no field is known. In an array type, pass the element's struct type and the offset inside the element.
 */
void clr_field_path(struct clr *clr, uint64_t mt_addr, uint32_t offset, struct text *ret);

/*
 * Appends the number, character or pointer at `addr`: 42, -1, true, 'x', 0x7f12, 3.5; of an enum type its member's name,
 * of flags those of all that are set: Read | Sign.
 * False, and nothing appended, when it is not in the dump, or is a reference or a struct.
 */
bool clr_value_text(struct clr *clr, uint8_t element_type, uint64_t value_mt, uint64_t addr, struct text *ret);
/* Appends the string object's characters, at most `max` of them, in double quotes; "..." marks that there are more. */
bool clr_string_text(struct clr *clr, const struct clr_object *object, uint32_t max, struct text *ret);
/* The same without quotes and mark. */
bool clr_string_characters(struct clr *clr, const struct clr_object *object, uint32_t max, struct text *ret);

/* The fewest digits that read back as the same number: 0.1, 1e+300, nan. */
void clr_single_text(float value, struct text *ret);
void clr_double_text(double value, struct text *ret);

/* The values inside an object, one after the other: fields, elements, and the fields of structs among them. */
struct clr_value {
    const char *name; /* "_size", "_key.Item1", "[3]", "[3].Value"; borrowed until the next call */
    uint64_t addr;
    uint8_t element_type;
    uint64_t value_mt;             /* struct or enum type, 0: none or not known */
    const struct clr_field *field; /* NULL: an array's element */
};

struct clr_value_level {
    const struct clr_fields *fields;
    size_t index;
    uint64_t base;
    size_t name_length; /* of the prefix */
};

struct clr_value_iterator {
    struct clr *clr;
    struct text name;
    struct clr_value_level levels[FIELD_NESTING_MAX];
    unsigned depth;
    uint64_t elements_addr;
    struct clr_array_bounds bounds;
    uint32_t element_index, element_count, element_size;
    uint8_t element_type;
    uint64_t element_mt;
};

void clr_values_begin(struct clr *clr, const struct clr_object *object, struct clr_value_iterator *ret);
/* The same of a struct that lies at `addr` without a MethodTable (SOS: dumpvc). */
void clr_values_begin_struct(struct clr *clr, uint64_t mt_addr, uint64_t addr, struct clr_value_iterator *ret);
bool clr_values_next(struct clr_value_iterator *it, struct clr_value *ret);
void clr_values_end(struct clr_value_iterator *it);

/* Element type of an array's elements, and their struct or enum type; CLASS for references. */
uint8_t clr_array_element(struct clr *clr, const struct clr_type *type, uint64_t *value_mt_ret);

#endif
