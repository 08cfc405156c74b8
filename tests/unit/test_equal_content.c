/* Equal content is found, whatever its length; equal bytes of another type are something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "managed/equal_content.h"
#include "support/mock_heap.h"

enum { SEGMENT = MOCK_BASE + 0x40000, HEADER = 16, OBJECTS = 200, CONTENT_MAX = 11 };

static uint64_t seed = 88172645463325252u;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % sides);
}

struct plain {
    uint64_t mt_addr, addr, size, content;
};

static uint64_t count_like(const struct plain *objects, const struct plain *object)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < OBJECTS; i++)
        count += objects[i].mt_addr == object->mt_addr && objects[i].size == object->size && objects[i].content == object->content;
    return count;
}

static void groups_are_those_of_a_plain_comparison(void **state)
{
    static struct plain objects[OBJECTS];
    struct equal_groups groups;
    struct mock_heap heap;
    uint64_t types[2], total = 0;

    (void)state;
    mock_heap_init(&heap);
    types[0] = mock_type_of_numbers(&heap, 1);
    types[1] = mock_type_of_numbers(&heap, 2);
    mock_segment(&heap, SEGMENT, GC_GEN0);
    equal_groups_init(&groups, heap.mock.clr.memory);
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct plain *object = &objects[i];
        bool read;

        *object = (struct plain) { .mt_addr = types[dice(2)], .size = dice(CONTENT_MAX) };
        object->content = object->size ? dice(3) : 0;
        object->addr = mock_heap_object(&heap, object->mt_addr, 0, HEADER + 16);
        /* Only the last byte differs: all of the content has to be looked at. */
        if (object->size >= 8) mock_refer(&heap, object->addr, HEADER + object->size - 8, object->content << 56);
        if (object->size < 8) object->content = 0;
        assert_true(equal_groups_add(&groups, object->mt_addr, object->addr, 32, object->addr + HEADER, object->size, &read));
        assert_true(read);
    }
    for (size_t i = 0; i < groups.list.count; i++) {
        const struct equal_group *group = &groups.list.data[i];
        const struct plain *first = NULL;

        for (unsigned k = 0; k < OBJECTS; k++)
            if (objects[k].addr == group->addr) first = &objects[k];
        assert_non_null(first);
        assert_int_equal(group->count, count_like(objects, first));
        assert_int_equal(group->bytes, 32 * group->count);
        total += group->count;
    }
    assert_int_equal(total, OBJECTS);
    equal_groups_deinit(&groups);
    mock_heap_deinit(&heap);
}

static void content_outside_of_the_dump_is_not_counted(void **state)
{
    struct equal_groups groups;
    struct mock_heap heap;
    bool read = true;

    (void)state;
    mock_heap_init(&heap);
    equal_groups_init(&groups, heap.mock.clr.memory);
    assert_true(equal_groups_add(&groups, 1, 2, 32, UINT64_MAX - 4, 100, &read));
    assert_false(read);
    assert_int_equal(groups.list.count, 0);
    equal_groups_deinit(&groups);
    mock_heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_those_of_a_plain_comparison),
        cmocka_unit_test(content_outside_of_the_dump_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
