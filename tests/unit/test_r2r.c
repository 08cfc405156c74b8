#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/r2r.h"

static struct span bytes_of(const uint8_t *bytes, size_t size)
{
    return (struct span) { bytes, size };
}
#define BYTES(...) bytes_of((const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ }))

static void a_header_lists_its_sections(void **state)
{
    struct span bytes = BYTES('R', 'T', 'R', 0, 9, 0, 2, 0, 3, 0, 0, 0, 1, 0, 0, 0, 103, 0, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0);
    struct r2r_header header;
    uint32_t rva, size;

    (void)state;
    assert_true(r2r_header(bytes, &header));
    assert_int_equal(header.major, 9);
    assert_int_equal(r2r_gc_info_version(&header), 3);
    assert_true(r2r_section(bytes, R2R_SECTION_METHOD_DEF_ENTRY_POINTS, &rva, &size));
    assert_int_equal(rva, 256);
    assert_int_equal(size, 16);
    assert_false(r2r_section(bytes, R2R_SECTION_DEBUG_INFO, &rva, &size));
    bytes.size -= 4;
    assert_false(r2r_section(bytes, R2R_SECTION_METHOD_DEF_ENTRY_POINTS, &rva, &size));
}

static void varints_have_up_to_five_bytes(void **state)
{
    static const struct {
        uint8_t bytes[5];
        uint32_t size, value;
    } cases[] = {
        { { 0x02 }, 1, 1 },
        { { 0xfe }, 1, 127 },
        { { 0x01, 0x02 }, 2, 128 },
        { { 0x03, 0x00, 0x02 }, 3, 1 << 14 },
        { { 0x07, 0x00, 0x00, 0x02 }, 4, 1 << 21 },
        { { 0x0f, 0x78, 0x56, 0x34, 0x12 }, 5, 0x12345678 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t off = 0, value;

        assert_true(r2r_varint(bytes_of(cases[i].bytes, cases[i].size), &off, &value));
        assert_int_equal(value, cases[i].value);
        assert_int_equal(off, cases[i].size);
        off = 0;
        assert_false(r2r_varint(bytes_of(cases[i].bytes, cases[i].size - 1), &off, &value));
    }
    assert_false(r2r_varint(BYTES(0x1f, 0, 0, 0, 0, 0, 0), &(uint32_t) { 0 }, &(uint32_t) { 0 }));
}

/*
 * One block of three elements with offsets of a byte: varint 3 << 2, block at 1; the tree has 0 and 1 to the left of bit 1, 2 to
 * the right; elements are the bytes 0xa0, 0xa1, 0xa2.
 */
static void an_array_finds_its_elements(void **state)
{
    struct span array = BYTES(3 << 2 << 1, 1, /* levels 8 and 4: left only */ 1 << 1, 1 << 1,
                              /* level 2: left, right 4 bytes on */ (1 | 2 | 4 << 2) << 1,
                              /* level 1: left, right 2 bytes on */ (1 | 2 | 2 << 2) << 1, 0xa0, 0xa1,
                              /* index 2 alone */ 2 << 2 << 1, 0xa2);
    uint32_t count, off;

    (void)state;
    assert_true(r2r_array_count(array, 0, &count));
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(r2r_array_get(array, 0, i, &off));
        assert_int_equal(array.data[off], 0xa0 + i);
    }
    assert_true(r2r_array_get(array, 0, 2, &off));
    assert_int_equal(array.data[off], 0xa2);
    assert_false(r2r_array_get(array, 0, 3, &off));
}

static void an_entry_point_may_have_fixups(void **state)
{
    uint32_t function;

    (void)state;
    assert_true(r2r_entry_function(BYTES(5 << 1 << 1), 0, &function));
    assert_int_equal(function, 5);
    assert_true(r2r_entry_function(BYTES((5 << 2 | 1) << 1), 0, &function));
    assert_int_equal(function, 5);
    assert_false(r2r_entry_function(BYTES(0), 1, &function));
}

/* Bits, lowest first: 0 slim, 1 flag, [2 of return kind], then 8 of length and one that says whether more follow. */
static void the_length_of_code_is_in_the_gc_info(void **state)
{
    uint32_t length;

    (void)state;
    assert_true(gc_info_code_length(BYTES(0x50 << 2 & 0xff, 0x50 >> 6, 0, 0), 4, &length));
    assert_int_equal(length, 0x50);
    assert_true(gc_info_code_length(BYTES(0x50 << 4 & 0xff, 0x50 >> 4, 0, 0), 3, &length));
    assert_int_equal(length, 0x50);
    assert_true(gc_info_code_length(BYTES(1, 0x50 << 3 & 0xff, 0x50 >> 5, 0), 4, &length)); /* fat: 10 flags */
    assert_int_equal(length, 0x50);
    assert_false(gc_info_code_length(BYTES(0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 4, &length));
    assert_false(gc_info_code_length(BYTES(0), 4, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_lists_its_sections),          cmocka_unit_test(varints_have_up_to_five_bytes),
        cmocka_unit_test(an_array_finds_its_elements),          cmocka_unit_test(an_entry_point_may_have_fixups),
        cmocka_unit_test(the_length_of_code_is_in_the_gc_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
