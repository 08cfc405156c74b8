#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/debug_info.h"

static struct span bytes_of(const uint8_t *bytes, size_t size)
{
    return (struct span) { bytes, size };
}
#define BYTES(...) bytes_of((const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ }))

static void the_bounds_begin_at_the_byte_behind_the_sizes(void **state)
{
    uint32_t off, size;

    (void)state;
    /* 5, 0 */
    assert_true(debug_info_bounds(BYTES(0x05), &off, &size));
    assert_int_equal(off, 1);
    assert_int_equal(size, 5);
    /* 0x4d = 1 001 101: nibbles 9, 9, 5; then 7 */
    assert_true(debug_info_bounds(BYTES(0x99, 0x75), &off, &size));
    assert_int_equal(off, 2);
    assert_int_equal(size, 0x4d);
    /* three nibbles: the fourth is padding */
    assert_true(debug_info_bounds(BYTES(0x59, 0x02), &off, &size));
    assert_int_equal(off, 2);
    assert_int_equal(size, 8 + 5);
    assert_false(debug_info_bounds(BYTES(0x99), &off, &size));
    assert_false(debug_info_bounds(BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), &off, &size));
}

static void instrumented_code_has_a_third_size(void **state)
{
    uint32_t off, size;

    (void)state;
    /* UINT32_MAX: 3 and ten sevens; then 6, 4, 0: four groups more */
    assert_true(debug_info_bounds(BYTES(0xfb, 0xff, 0xff, 0xff, 0xff, 0x67, 0x04), &off, &size));
    assert_int_equal(off, 7);
    assert_int_equal(size, 6);
}

/* Native 0: prolog (IL -2), 4: IL 0, 10: IL 5, 18: epilog (-3). */
static void check(struct span bounds, bool is_packed)
{
    static const struct {
        uint32_t native_off;
        bool found;
        uint32_t il;
    } cases[] = { { 0, false, 0 }, { 3, false, 0 }, { 4, true, 0 },   { 9, true, 0 },
                  { 10, true, 5 }, { 17, true, 5 }, { 1000, true, 5 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t il = 77;

        assert_int_equal(debug_info_il_offset(bounds, is_packed, cases[i].native_off, &il), cases[i].found);
        assert_int_equal(il, cases[i].found ? cases[i].il : 77);
    }
}

static void entries_are_found_in_nibbles(void **state)
{
    (void)state;
    /* count 4; {0, 1, 0} {4, 3, 0} {6, 8, 0} {8, 0, 0}; 8 takes two nibbles: 9, 0 */
    check(BYTES(0x04, 0x01, 0x34, 0x60, 0x09, 0x90, 0x00, 0x00), false);
}

static void entries_are_found_in_packed_bits(void **state)
{
    (void)state;
    /*
     * count 4, 4 native bits, 4 IL bits; entries of 10 bits {source 0, native, IL}:
     * {0, 1} {4, 3} {6, 8} {8, 0} = 0x040, 0x0d0, 0x218, 0x020 from bit 0 on
     */
    check(BYTES(0x34, 0x03, 0x40, 0x40, 0x83, 0x21, 0x08), true);
}

static void what_is_cut_off_is_not_found(void **state)
{
    uint32_t il;

    (void)state;
    assert_false(debug_info_il_offset(BYTES(0x04), false, 10, &il));
    assert_false(debug_info_il_offset(BYTES(0x34, 0x03), true, 10, &il));
    assert_false(debug_info_il_offset((struct span) { 0 }, true, 10, &il));
    /* more native bits than a number has */
    assert_false(debug_info_il_offset(BYTES(0xc1, 0x30, 0xff, 0xff), true, 10, &il));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bounds_begin_at_the_byte_behind_the_sizes),
        cmocka_unit_test(instrumented_code_has_a_third_size),
        cmocka_unit_test(entries_are_found_in_nibbles),
        cmocka_unit_test(entries_are_found_in_packed_bits),
        cmocka_unit_test(what_is_cut_off_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
