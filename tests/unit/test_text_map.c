#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text_map.h"

static size_t add(struct text_map *map, const char *s, size_t length)
{
    size_t number = SIZE_MAX;

    assert_true(text_map_add(map, s, length, &number));
    return number;
}

static void the_same_text_has_the_same_number(void **state)
{
    struct text_map map;
    size_t number;

    (void)state;
    text_map_init(&map);
    assert_false(text_map_find(&map, "a", 1, &number));
    assert_int_equal(add(&map, "a", 1), 0);
    assert_int_equal(add(&map, "ab", 2), 1);
    assert_int_equal(add(&map, "ab", 1), 0);
    assert_int_equal(add(&map, "", 0), 2);
    assert_int_equal(add(&map, "a\0b", 3), 0);
    assert_true(text_map_find(&map, "ab", 2, &number));
    assert_int_equal(number, 1);
    assert_string_equal(map.texts.data[1], "ab");
    assert_int_equal(map.texts.count, 3);
    text_map_deinit(&map);
}

static void many_texts_keep_their_numbers(void **state)
{
    enum { COUNT = 20000 };
    struct text_map map;
    char text[32];

    (void)state;
    text_map_init(&map);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT; i++)
            assert_int_equal(add(&map, text, (size_t)snprintf(text, sizeof(text), "text %zu", i)), i);
    assert_int_equal(map.texts.count, COUNT);
    text_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_has_the_same_number),
        cmocka_unit_test(many_texts_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
