/* GC info written bit by bit, as gcinfoencoder.cpp writes it, and what is read of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "formats/gc_info.h"

enum { SIZE = 128, CODE_LENGTH = 100, RBX = 3, RBP = 5, R14 = 14 };

struct writer {
    uint8_t bytes[SIZE];
    size_t at;
};

static void put(struct writer *w, unsigned count, uint32_t value)
{
    for (unsigned i = 0; i < count; i++, w->at++)
        w->bytes[w->at / 8] |= (uint8_t)((value >> i & 1) << w->at % 8);
}

static void put_number(struct writer *w, unsigned width, uint32_t value)
{
    do {
        put(w, width, value & ((1u << width) - 1));
        value >>= width;
        put(w, 1, value != 0);
    } while (value);
}

/* In words; one chunk is enough for -32..31. */
static void put_off(struct writer *w, int words)
{
    put(w, 6, (uint32_t)words & 0x3f);
    put(w, 1, 0);
}

static struct span written(const struct writer *w)
{
    return (struct span) { w->bytes, (w->at + 7) / 8 };
}

static void put_slim(struct writer *w, unsigned version, uint32_t safe_points)
{
    put(w, 1, 0);
    put(w, 1, 1); /* rbp */
    if (version < 4) put(w, 2, 0);
    put_number(w, 8, CODE_LENGTH);
    put_number(w, 2, safe_points);
}

/* rbx, r14 (4 + 11 after it: no flags); then rbp-0x10 interior, rsp+0x8; untracked rbp-0x18 pinned. */
static void put_slots(struct writer *w)
{
    put(w, 1, 1);
    put_number(w, 2, 2);
    put(w, 1, 1);
    put_number(w, 2, 2);
    put_number(w, 1, 1);
    put_number(w, 3, RBX);
    put(w, 2, 0);
    put_number(w, 2, R14 - RBX - 1);
    put(w, 2, GC_SLOT_FRAME_REGISTER);
    put_off(w, -2);
    put(w, 2, GC_SLOT_INTERIOR);
    put(w, 2, GC_SLOT_SP);
    put_off(w, 1);
    put(w, 2, 0);
    put(w, 2, GC_SLOT_FRAME_REGISTER);
    put_off(w, -3);
    put(w, 2, GC_SLOT_PINNED);
}

static void check_slots(const struct gc_info *info)
{
    const struct gc_slot *slots = info->slots.data;

    assert_int_equal(info->register_count, 2);
    assert_int_equal(info->tracked_count, 4);
    assert_int_equal(info->slots.count, 5);
    assert_int_equal(slots[0].reg, RBX);
    assert_int_equal(slots[1].reg, R14);
    assert_int_equal(slots[2].off, -16);
    assert_int_equal(slots[2].flags, GC_SLOT_INTERIOR);
    assert_int_equal(slots[3].base, GC_SLOT_SP);
    assert_int_equal(slots[3].off, 8);
    assert_int_equal(slots[4].off, -24);
    assert_int_equal(slots[4].flags, GC_SLOT_PINNED);
}

static void live_slots_are_told_for_each_safe_point(void **state)
{
    (void)state;
    for (unsigned version = 2; version <= 4; version++) {
        struct writer w = { 0 };
        struct gc_info info;
        bool live[4], safe;

        put_slim(&w, version, 2);
        put(&w, 7, 20);
        put(&w, 7, 60);
        put_slots(&w);
        put(&w, 1, 0); /* a bit for each slot */
        put(&w, 4, 0x5);
        put(&w, 4, 0xa);
        assert_int_equal(gc_info_open(written(&w), version, &info), GC_INFO_OK);
        assert_int_equal(info.code_length, CODE_LENGTH);
        assert_true(info.has_frame_register);
        assert_int_equal(info.frame_register, RBP);
        check_slots(&info);
        assert_int_equal(gc_info_live(&info, 60, live, &safe), GC_INFO_OK);
        assert_true(safe);
        assert_memory_equal(live, ((bool[]) { false, true, false, true }), sizeof(live));
        assert_int_equal(gc_info_live(&info, 20, live, &safe), GC_INFO_OK);
        assert_memory_equal(live, ((bool[]) { true, false, true, false }), sizeof(live));
        assert_int_equal(gc_info_live(&info, 21, live, &safe), GC_INFO_OK);
        assert_false(safe);
        assert_memory_equal(live, ((bool[]) { false, false, false, false }), sizeof(live));
        gc_info_close(&info);
    }
}

/* Sets at the places that a table names: the first as bits, the second as runs: 1 not live, 2 live, 1 not live. */
static void equal_sets_are_shared_through_a_table(void **state)
{
    struct writer w = { 0 };
    struct gc_info info;
    bool live[4], safe;

    (void)state;
    put_slim(&w, 4, 3);
    put(&w, 7, 10);
    put(&w, 7, 20);
    put(&w, 7, 30);
    put_slots(&w);
    put(&w, 1, 1);
    put_number(&w, 3, 4 - 1); /* bits of an entry */
    put(&w, 4, 0);
    put(&w, 4, 5);
    put(&w, 4, 0);
    w.at = (w.at + 7) / 8 * 8;
    put(&w, 1, 0);
    put(&w, 4, 0x9);
    put(&w, 1, 1);
    put(&w, 1, 0); /* the wide numbers first */
    put_number(&w, 4, 1);
    put_number(&w, 2, 2 - 1);
    put_number(&w, 4, 1 - 1);
    assert_int_equal(gc_info_open(written(&w), 4, &info), GC_INFO_OK);
    for (uint32_t offset = 10; offset <= 30; offset += 20) {
        assert_int_equal(gc_info_live(&info, offset, live, &safe), GC_INFO_OK);
        assert_memory_equal(live, ((bool[]) { true, false, false, true }), sizeof(live));
    }
    assert_int_equal(gc_info_live(&info, 20, live, &safe), GC_INFO_OK);
    assert_memory_equal(live, ((bool[]) { false, true, true, false }), sizeof(live));
    gc_info_close(&info);
}

static void put_fat(struct writer *w, uint32_t flags, unsigned version)
{
    put(w, 1, 1);
    put(w, 10, flags);
    if (version < 4) put(w, 4, 0);
    put_number(w, 8, CODE_LENGTH);
}

/* Ranges [8, 40) and [60, 90): 62 offsets, one chunk; slot 0 is live from 12 to 70, slot 2 from the 30th offset on. */
static void slots_change_inside_of_ranges(void **state)
{
    struct writer w = { 0 };
    struct gc_info info;
    bool live[4], safe;
    static const struct {
        uint32_t offset;
        bool safe, first, third;
    } cases[] = { { 8, true, false, false }, { 11, true, false, false }, { 12, true, true, false },   { 37, true, true, false },
                  { 38, true, true, true },  { 39, true, true, true },   { 40, false, false, false }, { 60, true, true, true },
                  { 69, true, true, true },  { 70, true, false, true },  { 89, true, false, true },   { 90, false, false, false } };

    (void)state;
    put_fat(&w, 0x80, 4);
    put_number(&w, 3, 2); /* outgoing */
    put_number(&w, 2, 0);
    put_number(&w, 1, 2);
    put_number(&w, 6, 8);
    put_number(&w, 6, 32 - 1);
    put_number(&w, 6, 20);
    put_number(&w, 6, 30 - 1);
    put_slots(&w);
    put_number(&w, 3, 3); /* bits of a pointer */
    put(&w, 3, 1);
    w.at = (w.at + 7) / 8 * 8;
    put(&w, 1, 0);
    put(&w, 4, 0x5);
    put(&w, 2, 0x2); /* at the end: slot 0 dead, slot 2 live */
    put(&w, 1, 1);
    put(&w, 6, 12 - 8);
    put(&w, 1, 1);
    put(&w, 6, 32 + 70 - 60);
    put(&w, 1, 0);
    put(&w, 1, 1);
    put(&w, 6, 30);
    put(&w, 1, 0);
    assert_int_equal(gc_info_open(written(&w), 4, &info), GC_INFO_OK);
    assert_true(info.leaf_funclet_only);
    assert_int_equal(info.outgoing_size, 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(gc_info_live(&info, cases[i].offset, live, &safe), GC_INFO_OK);
        assert_int_equal(safe, cases[i].safe);
        assert_memory_equal(live, ((bool[]) { cases[i].first, false, cases[i].third, false }), sizeof(live));
    }
    gc_info_close(&info);
}

static void a_fat_header_places_special_slots(void **state)
{
    (void)state;
    for (unsigned version = 3; version <= 4; version++) {
        struct writer w = { 0 };
        struct gc_info info;

        put_fat(&w, 4 | 8 | 0x20 | 0x40 | 0x200, version);
        put_number(&w, 5, 11);
        put_number(&w, 3, 4);
        put_off(&w, -1);
        if (version < 4) put_off(&w, -9); /* PSPSym */
        put_off(&w, 3);
        put_number(&w, 3, 0); /* rbp */
        put_off(&w, -4);
        put_number(&w, 3, 0);
        put_number(&w, 2, 0);
        put_number(&w, 1, 0);
        put(&w, 2, 0);
        assert_int_equal(gc_info_open(written(&w), version, &info), GC_INFO_OK);
        assert_int_equal(info.prolog_size, 12);
        assert_int_equal(info.cookie_off, -8);
        assert_int_equal(info.generic_context, GC_CONTEXT_METHOD_DESC);
        assert_int_equal(info.generic_context_off, 24);
        assert_int_equal(info.reverse_pinvoke_off, -32);
        assert_int_equal(info.frame_register, RBP);
        assert_int_equal(info.slots.count, 0);
        gc_info_close(&info);
    }
}

static void before_version_4_a_caller_is_looked_up_in_its_call(void **state)
{
    struct gc_info info = { .version = 3 };

    (void)state;
    assert_int_equal(gc_info_lookup_offset(&info, 20, false), 19);
    assert_int_equal(gc_info_lookup_offset(&info, 20, true), 20);
    assert_int_equal(gc_info_lookup_offset(&info, 0, false), 0);
    info.version = 4;
    assert_int_equal(gc_info_lookup_offset(&info, 20, false), 20);
}

/* Cut at any byte, or of bits that are all set: no more than an answer that says so. */
static void damage_is_told(void **state)
{
    struct writer w = { 0 };
    uint8_t ones[SIZE];
    struct gc_info info;

    (void)state;
    put_slim(&w, 4, 1);
    put(&w, 7, 20);
    put_slots(&w);
    for (size_t size = 0; size < written(&w).size; size++)
        assert_int_equal(gc_info_open((struct span) { w.bytes, size }, 4, &info), GC_INFO_CUT);
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(gc_info_open((struct span) { ones, sizeof(ones) }, 4, &info), GC_INFO_BAD);
    memset(ones, 0, sizeof(ones));
    assert_int_equal(gc_info_open((struct span) { ones, sizeof(ones) }, 4, &info), GC_INFO_BAD); /* no code */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_slots_are_told_for_each_safe_point),
        cmocka_unit_test(equal_sets_are_shared_through_a_table),
        cmocka_unit_test(slots_change_inside_of_ranges),
        cmocka_unit_test(a_fat_header_places_special_slots),
        cmocka_unit_test(before_version_4_a_caller_is_looked_up_in_its_call),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
