/* The fields of types whose counts lie behind the class, as runtimes before 9.0 have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clr/field_desc.h"
#include "support/mock_clr.h"

enum { FIELDS_ARE_PACKED = 49, FIXED_SIZE = 50, CLASS_SIZE = 56, INSTANCE = 2, STATIC = 1 };

struct fixture {
    struct mock_clr mock;
    uint64_t mt, class_addr;
};

/* A class with two instance fields and a static one, in the form of 8.0. */
static void fixture_init(struct fixture *f)
{
    struct layout *layout = &f->mock.clr.layout;
    uint64_t fields;

    mock_clr_init(&f->mock);
    layout->offset[FIELD_EEClass_NumInstanceFields] = -1;
    layout->offset[FIELD_EEClass_NumStaticFields] = -1;
    layout->offset[FIELD_EEClass_FieldsArePacked] = FIELDS_ARE_PACKED;
    layout->offset[FIELD_EEClass_FixedEEClassFields] = FIXED_SIZE;
    f->mt = mock_method_table(&f->mock, 32, 0);
    f->class_addr = clr_type_get(&f->mock.clr, f->mt)->class_addr;
    mock_u32(&f->mock, f->class_addr + 48, CLASS_SIZE << 16);
    mock_u32(&f->mock, f->class_addr + CLASS_SIZE, INSTANCE);
    mock_u32(&f->mock, f->class_addr + CLASS_SIZE + 8, STATIC);
    fields = mock_alloc(&f->mock, 16 * (INSTANCE + STATIC));
    mock_u64(&f->mock, clr_field_addr(&f->mock.clr, f->class_addr, FIELD_EEClass_FieldDescList), fields);
    for (uint32_t i = 0; i < INSTANCE + STATIC; i++) {
        mock_u64(&f->mock, fields + 16 * i, f->mt);
        mock_u32(&f->mock, fields + 16 * i + 8, (i + 1) | (i >= INSTANCE ? 1u << 24 : 0));
        mock_u32(&f->mock, fields + 16 * i + 12, 8 * i | (uint32_t)ELEMENT_CLASS << 27);
    }
}

static void assert_no_fields(struct fixture *f)
{
    assert_null(clr_type_fields(&f->mock.clr, f->mt));
    mock_clr_deinit(&f->mock);
}

static void counts_lie_behind_the_class(void **state)
{
    struct fixture f;
    const struct clr_fields *fields;

    (void)state;
    fixture_init(&f);
    fields = clr_type_fields(&f.mock.clr, f.mt);
    assert_non_null(fields);
    assert_int_equal(fields->own_count, INSTANCE + STATIC);
    assert_int_equal(fields->instance_count, INSTANCE);
    assert_int_equal(fields->instance[1].offset, 8);
    assert_true(fields->own[INSTANCE].is_static);
    mock_clr_deinit(&f.mock);
}

static void packed_counts_are_not_read_as_plain_ones(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u32(&f.mock, f.class_addr + 48, CLASS_SIZE << 16 | 1 << 8);
    assert_no_fields(&f);
}

static void counts_that_cannot_be_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    mock_u32(&f.mock, f.class_addr + CLASS_SIZE, 0x10000);
    assert_no_fields(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_lie_behind_the_class),
        cmocka_unit_test(packed_counts_are_not_read_as_plain_ones),
        cmocka_unit_test(counts_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
