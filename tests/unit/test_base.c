/* The ground: errors, arena, map, text, gaps, parallel loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/gaps.h"
#include "base/map.h"
#include "base/parallel.h"
#include "base/span.h"
#include "base/text.h"
#include "base/vec.h"

static void error_prefix_goes_before_the_message(void **state)
{
    struct error *err = error_create(ERROR_FAULT, "address %x not in dump", 0x12);

    (void)state;
    err = error_prefix(err, "cannot read '%s'", "x");
    assert_string_equal(error_message(err), "cannot read 'x': address 12 not in dump");
    assert_int_equal(err->code, ERROR_FAULT);
    error_destroy(err);
}

static void error_prefix_copies_a_static_error(void **state)
{
    struct error *err = error_prefix(&error_not_found, "type");

    (void)state;
    assert_ptr_not_equal(err, &error_not_found);
    assert_string_equal(error_message(err), "type: not found");
    assert_string_equal(error_message(&error_not_found), "not found");
    error_destroy(err);
}

static void span_refuses_what_overflows(void **state)
{
    const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct span span = { bytes, sizeof(bytes) }, slice;
    uint64_t word;
    uint32_t half;

    (void)state;
    assert_true(span_u64(span, 0, &word));
    assert_false(span_u64(span, 1, &word));
    assert_false(span_u32(span, UINT64_MAX - 1, &half));
    assert_false(span_slice(span, 4, UINT64_MAX, &slice));
    assert_true(span_slice(span, 8, 0, &slice));
    assert_int_equal(span_from(span, 9).size, 0);
}

static void span_cstr_needs_its_end_inside(void **state)
{
    const char *s;
    size_t length;

    (void)state;
    assert_true(span_cstr((struct span) { (const uint8_t *)"ab\0c", 4 }, 0, &s, &length));
    assert_int_equal(length, 2);
    assert_false(span_cstr((struct span) { (const uint8_t *)"ab\0c", 4 }, 3, &s, &length));
}

static void arena_keeps_contents_over_many_blocks(void **state)
{
    struct arena arena;
    char *strings[2000];

    (void)state;
    arena_init(&arena);
    for (int i = 0; i < 2000; i++)
        strings[i] = arena_printf(&arena, "%d", i * i);
    assert_non_null(arena_alloc(&arena, 1 << 20));
    for (int i = 0; i < 2000; i++)
        assert_int_equal(atoi(strings[i]), i * i);
    assert_null(arena_array(&arena, SIZE_MAX / 2, 16));
    arena_deinit(&arena);
}

static void map_agrees_with_a_plain_array(void **state)
{
    enum { COUNT = 5000 };
    struct map map;
    uint64_t seed = 1, keys[COUNT], value;

    (void)state;
    map_init(&map);
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        keys[i] = i % 7 == 0 ? (uint64_t)i : seed;
        assert_true(map_put(&map, keys[i], (uint64_t)i));
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(map_get(&map, keys[i], &value));
        assert_int_equal(keys[value], keys[i]);
    }
    assert_false(map_get(&map, 12345678901234567u, &value));
    map_deinit(&map);
}

static void map_stores_the_key_that_marks_free_slots(void **state)
{
    struct map map;
    uint64_t value;
    bool added;

    (void)state;
    map_init(&map);
    assert_false(map_get(&map, MAP_EMPTY, &value));
    assert_true(map_put(&map, MAP_EMPTY, 7));
    assert_true(map_get(&map, MAP_EMPTY, &value));
    assert_int_equal(value, 7);
    assert_non_null(map_slot(&map, 0, &added));
    assert_true(added);
    map_deinit(&map);
}

static void text_makes_hostile_characters_visible(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain", "plain" },
        { "\x1b[31m", "\\u{1b}[31m" },
        { "a\xe2\x80\xae"
          "b",
          "a\\u{202e}b" },
        { "bad\xff", "bad\\xff" },
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "\xc0\x80", "\\xc0\\x80" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
        { "C:\\app", "C:\\app" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct text text;

        text_init(&text);
        text_append_safe(&text, cases[i].in, strlen(cases[i].in));
        assert_string_equal(text_cstr(&text), cases[i].out);
        text_deinit(&text);
    }
}

static void text_joins_surrogates_and_replaces_lone_ones(void **state)
{
    const uint16_t units[] = { 'a', 0xd83d, 0xde00, 0xd83d, 'b', 0xde00 };
    struct text text;

    (void)state;
    text_init(&text);
    text_append_utf16(&text, units, ARRAY_LENGTH(units));
    assert_string_equal(text_cstr(&text), "a\xf0\x9f\x98\x80\xef\xbf\xbd"
                                          "b\xef\xbf\xbd");
    text_deinit(&text);
}

static void text_width_counts_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc", 3), 3);
    assert_int_equal(text_width("\xc3\xa9", 2), 1);
}

static void gaps_count_equal_ones_together_and_bound_the_rest(void **state)
{
    struct gaps gaps;

    (void)state;
    gaps_init(&gaps);
    gaps_add(&gaps, "modules", 0x10, 1, "not in the dump");
    gaps_add(&gaps, "modules", 0x20, 2, "not in the dump");
    assert_int_equal(gaps.list.count, 1);
    assert_int_equal(gaps.list.data[0].count, 3);
    assert_int_equal(gaps.list.data[0].addr, 0x10);
    for (int i = 0; i < GAPS_MAX + 10; i++)
        gaps_add(&gaps, "x", 0, 1, "%d", i);
    assert_int_equal(gaps.list.count, GAPS_MAX);
    assert_int_equal(gaps.not_kept, 11);
    gaps_deinit(&gaps);
}

static void add_one(void *user, size_t i)
{
    ((unsigned *)user)[i]++;
}

static void parallel_for_runs_each_item_once(void **state)
{
    static const unsigned threads[] = { 0, 1, 3, 200 };

    (void)state;
    for (size_t t = 0; t < ARRAY_LENGTH(threads); t++) {
        unsigned counts[1000] = { 0 };

        parallel_for(threads[t], ARRAY_LENGTH(counts), add_one, counts);
        for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
            assert_int_equal(counts[i], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_prefix_goes_before_the_message),
        cmocka_unit_test(error_prefix_copies_a_static_error),
        cmocka_unit_test(span_refuses_what_overflows),
        cmocka_unit_test(span_cstr_needs_its_end_inside),
        cmocka_unit_test(arena_keeps_contents_over_many_blocks),
        cmocka_unit_test(map_agrees_with_a_plain_array),
        cmocka_unit_test(map_stores_the_key_that_marks_free_slots),
        cmocka_unit_test(text_makes_hostile_characters_visible),
        cmocka_unit_test(text_joins_surrogates_and_replaces_lone_ones),
        cmocka_unit_test(text_width_counts_columns),
        cmocka_unit_test(gaps_count_equal_ones_together_and_bound_the_rest),
        cmocka_unit_test(parallel_for_runs_each_item_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
