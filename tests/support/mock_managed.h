/*
 * Managed types and objects in a mock runtime: names and fields are given here in place of metadata.
 */
#ifndef CLRTRAIL_TESTS_MOCK_MANAGED_H
#define CLRTRAIL_TESTS_MOCK_MANAGED_H

#include "clr/field_desc.h"
#include "clr/object.h"
#include "support/mock_clr.h"

struct mock_field {
    const char *name;
    uint32_t offset; /* behind the MethodTable pointer, or from the struct's start */
    uint8_t element_type;
};

/* A class or struct with these fields; the MethodTable's address. */
uint64_t mock_class(struct mock_clr *mock, const char *name, const struct mock_field *fields, size_t count);
/* An array of `element_mt`, whose elements are of that kind (ELEMENT_CLASS: references) and size. */
uint64_t mock_array_class(struct mock_clr *mock, const char *name, uint64_t element_mt, uint8_t element_type, uint16_t size);

/* A zeroed object with room for `size` bytes of fields. */
uint64_t mock_object(struct mock_clr *mock, uint64_t mt_addr, uint64_t size);
/* A zeroed array. */
uint64_t mock_array(struct mock_clr *mock, uint64_t mt_addr, uint32_t count);
/* What mock_clr_deinit leaves. */
void mock_managed_deinit(struct mock_clr *mock);

#endif
