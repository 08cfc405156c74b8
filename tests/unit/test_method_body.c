#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clr/method_body.h"
#include "support/pe_writer.h"

/* A managed image in memory: a fat body at PE_WRITER_CODE, a tiny one in the very last byte that is there. */
struct mock {
    struct span image;
    struct memory memory;
    struct clr clr;
    struct clr_module module;
};

enum { LAST = PE_WRITER_DATA_END - 1, SPLIT = PE_WRITER_CODE + 20 };

static void mock_init(struct mock *mock, bool is_split)
{
    static const uint8_t fat[] = { 0x03, 0x30, 3, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2a };
    struct pe_writer writer = { .is_managed = true };
    uint8_t *bytes;

    memset(mock, 0, sizeof(*mock));
    mock->image = pe_writer_mapped(&writer);
    bytes = (uint8_t *)(uintptr_t)mock->image.data;
    memcpy(bytes + PE_WRITER_CODE, fat, sizeof(fat));
    bytes[LAST] = 0x02;
    memory_init(&mock->memory, NULL);
    assert_null(memory_add(&mock->memory, PE_WRITER_BASE, is_split ? SPLIT : LAST + 1, bytes, 0));
    if (is_split) assert_null(memory_add(&mock->memory, PE_WRITER_BASE + SPLIT, 100, memcpy(malloc(100), bytes + SPLIT, 100), 0));
    assert_null(memory_freeze(&mock->memory));
    mock->clr.memory = &mock->memory;
    mock->module = (struct clr_module) { .base = PE_WRITER_BASE, .size = PE_WRITER_IMAGE_SIZE, .path = "" };
}

static void mock_deinit(struct mock *mock)
{
    if (mock->memory.segments.count == 2) free((void *)(uintptr_t)mock->memory.segments.data[1].data);
    memory_deinit(&mock->memory);
    free((void *)(uintptr_t)mock->image.data);
}

static void a_body_is_read_at_its_rva(void **state)
{
    struct method_bodies bodies;
    struct il_body body;
    struct mock mock;

    (void)state;
    mock_init(&mock, false);
    assert_true(method_bodies_init(&mock.clr, &mock.module, &bodies));
    assert_true(method_bodies_read(&bodies, PE_WRITER_CODE, &body));
    assert_int_equal(body.code.size, 10);
    assert_int_equal(body.code.data[9], 0x2a);
    assert_true(method_bodies_read(&bodies, LAST, &body));
    assert_int_equal(body.code_size, 0);
    assert_false(method_bodies_read(&bodies, LAST + 1, &body));
    assert_false(method_bodies_read(&bodies, UINT32_MAX, &body));
    assert_false(method_bodies_read(&bodies, 0, &body));
    method_bodies_deinit(&bodies);
    mock_deinit(&mock);
}

static void a_body_in_two_pieces_is_put_together(void **state)
{
    struct method_bodies bodies;
    struct il_body body;
    struct mock mock;

    (void)state;
    mock_init(&mock, true);
    assert_true(method_bodies_init(&mock.clr, &mock.module, &bodies));
    assert_true(method_bodies_read(&bodies, PE_WRITER_CODE, &body));
    assert_int_equal(body.code.size, 10);
    assert_int_equal(body.code.data[9], 0x2a);
    method_bodies_deinit(&bodies);
    mock_deinit(&mock);
}

static void a_module_without_an_image_has_no_bodies(void **state)
{
    struct method_bodies bodies;
    struct mock mock;

    (void)state;
    mock_init(&mock, false);
    mock.module.base += 0x100000;
    assert_false(method_bodies_init(&mock.clr, &mock.module, &bodies));
    mock.module.base = 0;
    assert_false(method_bodies_init(&mock.clr, &mock.module, &bodies));
    mock_deinit(&mock);
}

static void abstract_and_native_methods_have_no_body(void **state)
{
    (void)state;
    assert_true(method_has_body(&(struct metadata_method_def) { .rva = 8 }));
    assert_false(method_has_body(&(struct metadata_method_def) { .rva = 0 }));
    assert_false(method_has_body(&(struct metadata_method_def) { .rva = 8, .flags = 0x400 }));
    assert_false(method_has_body(&(struct metadata_method_def) { .rva = 8, .flags = 0x2000 }));
    assert_false(method_has_body(&(struct metadata_method_def) { .rva = 8, .impl_flags = 1 }));
    assert_false(method_has_body(&(struct metadata_method_def) { .rva = 8, .impl_flags = 0x1000 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_at_its_rva),
        cmocka_unit_test(a_body_in_two_pieces_is_put_together),
        cmocka_unit_test(a_module_without_an_image_has_no_bodies),
        cmocka_unit_test(abstract_and_native_methods_have_no_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
