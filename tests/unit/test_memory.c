#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "target/memory.h"

/* A space of 4 Ki addresses beside a plain array that says what every address must give: -1 where nothing lies. */
enum { BASE = 0x10000 - 0x400, SPACE = 4096 };

struct model {
    struct memory memory;
    uint8_t bytes[SPACE * 4];
    int expected[SPACE];
};

static uint32_t random_below(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % bound;
}

static void model_add(struct model *model, uint32_t start, uint32_t size, uint32_t off)
{
    assert_null(memory_add(&model->memory, BASE + start, size, model->bytes + off, off));
    for (uint32_t i = 0; i < size; i++) {
        if (model->expected[start + i] < 0) model->expected[start + i] = model->bytes[off + i];
    }
}

static void model_fill(struct model *model, uint32_t seed, uint32_t segments)
{
    memory_init(&model->memory, NULL);
    for (size_t i = 0; i < sizeof(model->bytes); i++)
        model->bytes[i] = (uint8_t)random_below(&seed, 256);
    for (size_t i = 0; i < SPACE; i++)
        model->expected[i] = -1;
    while (segments-- > 0) {
        uint32_t start = random_below(&seed, SPACE - 1);
        uint32_t size = 1 + random_below(&seed, (SPACE - start < 300 ? SPACE - start : 300) - 1 + 1);
        if (size > SPACE - start) size = SPACE - start;
        model_add(model, start, size, random_below(&seed, 2) ? start : random_below(&seed, sizeof(model->bytes) - size));
    }
    assert_null(memory_freeze(&model->memory));
}

static bool model_read(const struct model *model, uint32_t at, uint8_t *to, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (at + i >= SPACE || model->expected[at + i] < 0) return false;
        to[i] = (uint8_t)model->expected[at + i];
    }
    return true;
}

static bool reads_agree(const struct model *model, uint32_t at, uint32_t size)
{
    uint8_t want[64], got[64];
    bool can = model_read(model, at, want, size);

    if (memory_try_read(&model->memory, BASE + at, got, size) != can) return false;
    if (memory_has(&model->memory, BASE + at, size) != can) return false;
    return !can || memcmp(want, got, size) == 0;
}

static bool words_agree(const struct model *model, uint32_t at)
{
    uint64_t want = 0, u64 = 0;
    uint32_t u32 = 0;
    uint16_t u16 = 0;
    uint8_t u8 = 0;

    if (memory_try_u64(&model->memory, BASE + at, &u64) != model_read(model, at, (uint8_t *)&want, 8)) return false;
    if (u64 && u64 != want) return false;
    want = 0;
    if (memory_try_u32(&model->memory, BASE + at, &u32) != model_read(model, at, (uint8_t *)&want, 4)) return false;
    if (u32 && u32 != want) return false;
    want = 0;
    if (memory_try_u16(&model->memory, BASE + at, &u16) != model_read(model, at, (uint8_t *)&want, 2)) return false;
    if (u16 && u16 != want) return false;
    want = 0;
    return memory_try_u8(&model->memory, BASE + at, &u8) == model_read(model, at, (uint8_t *)&want, 1) && (!u8 || u8 == want);
}

static void reads_agree_with_a_plain_array(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        model_fill(model, round + 1, round);
        for (uint32_t at = 0; at < SPACE; at++) {
            assert_true(reads_agree(model, at, 1 + at % 60));
            assert_true(words_agree(model, at));
        }
        memory_deinit(&model->memory);
    }
    free(model);
}

static void segments_are_sorted_and_apart_and_merged(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    model_fill(model, 77, 200);
    for (size_t i = 1; i < model->memory.segments.count; i++) {
        const struct memory_segment *a = &model->memory.segments.data[i - 1], *b = a + 1;
        assert_true(a->end <= b->start);
        assert_false(a->end == b->start && a->file_off + (a->end - a->start) == b->file_off);
    }
    memory_deinit(&model->memory);
    free(model);
}

static void neighbours_in_address_and_file_become_one(void **state)
{
    static const uint8_t bytes[48];
    struct memory memory;

    (void)state;
    memory_init(&memory, NULL);
    assert_null(memory_add(&memory, 0x1010, 16, bytes + 16, 16));
    assert_null(memory_add(&memory, 0x1000, 16, bytes, 0));
    assert_null(memory_add(&memory, 0x1020, 8, bytes + 40, 40));
    assert_null(memory_freeze(&memory));
    assert_int_equal(memory.segments.count, 2);
    assert_ptr_equal(memory_try_span(&memory, 0x1004, 28), bytes + 4);
    assert_null(memory_try_span(&memory, 0x1004, 29));
    memory_deinit(&memory);
}

static void a_range_that_wraps_is_refused(void **state)
{
    struct memory memory;
    struct error *err;

    (void)state;
    memory_init(&memory, NULL);
    err = memory_add(&memory, UINT64_MAX - 4, 16, NULL, 0);
    assert_int_equal(err->code, ERROR_BAD_DATA);
    error_destroy(err);
    memory_deinit(&memory);
}

static void reads_at_the_end_of_the_address_space_stop(void **state)
{
    static const uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct memory memory;
    uint64_t word;

    (void)state;
    memory_init(&memory, NULL);
    assert_null(memory_add(&memory, UINT64_MAX - 8, 8, bytes, 0));
    assert_null(memory_freeze(&memory));
    assert_true(memory_try_u64(&memory, UINT64_MAX - 8, &word));
    assert_false(memory_try_u64(&memory, UINT64_MAX - 7, &word));
    assert_false(memory_try_u64(&memory, UINT64_MAX, &word));
    assert_false(memory_has(&memory, UINT64_MAX - 8, UINT64_MAX));
    memory_deinit(&memory);
}

static void two_memories_at_one_address_stay_apart(void **state)
{
    static const uint8_t ones[8] = { 1 }, twos[8] = { 2 };
    struct memory a, b;
    uint64_t word;

    (void)state;
    memory_init(&a, NULL);
    memory_init(&b, NULL);
    assert_null(memory_add(&a, 0x5000, 8, ones, 0));
    assert_null(memory_add(&b, 0x5000, 8, twos, 0));
    assert_null(memory_freeze(&a));
    assert_null(memory_freeze(&b));
    for (int i = 0; i < 3; i++) {
        assert_true(memory_try_u64(&a, 0x5000, &word) && word == 1);
        assert_true(memory_try_u64(&b, 0x5000, &word) && word == 2);
    }
    memory_deinit(&a);
    memory_deinit(&b);
}

static void a_fault_names_what_and_where(void **state)
{
    struct memory memory;
    struct error *err;
    uint8_t byte;

    (void)state;
    memory_init(&memory, NULL);
    err = memory_read(&memory, 0x7f3a10c8, &byte, 1, "method table");
    assert_int_equal(err->code, ERROR_FAULT);
    assert_int_equal(err->addr, 0x7f3a10c8);
    assert_string_equal(error_message(err), "cannot read method table at '7f3a10c8': address not in dump");
    error_destroy(err);
    memory_deinit(&memory);
}

static void strings_cross_segments(void **state)
{
    static const uint8_t narrow[] = "hello\0world", wide[] = "h\0\x3d\xd8\x00\xde!\0\0\0";
    struct memory memory;
    struct text text;

    (void)state;
    text_init(&text);
    memory_init(&memory, NULL);
    assert_null(memory_add(&memory, 0x1000, 3, narrow, 0));
    assert_null(memory_add(&memory, 0x1003, 9, narrow + 3, 100));
    assert_null(memory_add(&memory, 0x2000, 3, wide, 0));
    assert_null(memory_add(&memory, 0x2003, 7, wide + 3, 200));
    assert_null(memory_freeze(&memory));
    assert_true(memory_try_cstr(&memory, 0x1000, 100, &text));
    assert_true(memory_try_utf16(&memory, 0x2000, 100, &text));
    assert_string_equal(text_cstr(&text), "helloh\xf0\x9f\x98\x80!");
    assert_false(memory_try_cstr(&memory, 0x1000, 5, &text));
    assert_true(memory_try_cstr(&memory, 0x1006, 6, &text));
    assert_false(memory_try_utf16(&memory, 0x1006, 100, &text));
    assert_string_equal(text_cstr(&text), "helloh\xf0\x9f\x98\x80!world");
    memory_deinit(&memory);
    text_deinit(&text);
}

static void long_utf16_keeps_pairs_whole(void **state)
{
    uint8_t units[2 * 300 + 2] = { 'x', 0 };
    struct memory memory;
    struct text text;

    (void)state;
    for (size_t i = 1; i + 1 < 300; i += 2)
        memcpy(units + 2 * i, "\x3d\xd8\x00\xde", 4);
    units[2 * 299] = 'y';
    text_init(&text);
    memory_init(&memory, NULL);
    assert_null(memory_add(&memory, 0x2000, sizeof(units), units, 0));
    assert_null(memory_freeze(&memory));
    assert_true(memory_try_utf16(&memory, 0x2000, 301, &text));
    assert_int_equal(text.length, 2 + 149 * 4);
    text_deinit(&text);
    memory_deinit(&memory);
}

static const uint8_t *image_view(void *user, uint64_t addr, uint64_t *size_ret)
{
    const uint8_t *image = user;

    if (addr < 0x3004 || addr >= 0x3008) return NULL;
    if (*size_ret > 0x3008 - addr) *size_ret = 0x3008 - addr;
    return image + (addr - 0x3000);
}

static void what_the_dump_lacks_comes_from_the_image(void **state)
{
    static const uint8_t dumped[4] = { 1, 2, 3, 4 };
    static uint8_t image[8] = { 9, 9, 9, 9, 5, 6, 7, 8 };
    struct memory memory;
    uint64_t word, size;

    (void)state;
    memory_init(&memory, NULL);
    memory.image_view = image_view;
    memory.image_user = image;
    assert_null(memory_add(&memory, 0x3000, 4, dumped, 0));
    assert_null(memory_freeze(&memory));
    assert_true(memory_try_u64(&memory, 0x3000, &word));
    assert_int_equal(word, 0x0807060504030201);
    assert_null(memory_view_dumped(&memory, 0x3004, 4, &size));
    assert_true(memory_has(&memory, 0x3002, 6));
    assert_false(memory_has(&memory, 0x3002, 7));
    memory_deinit(&memory);
}

static uint64_t ensured_off, ensured_size;

static bool ensure(struct byte_file *file, uint64_t off, uint64_t size)
{
    (void)file;
    ensured_off = off;
    ensured_size = size;
    return off < 0x50;
}

static void a_lazy_file_is_asked_for_exactly_the_bytes(void **state)
{
    static const uint8_t bytes[32];
    struct byte_file file = { .ensure = ensure };
    struct memory memory;
    uint64_t word;

    (void)state;
    memory_init(&memory, &file);
    assert_null(memory_add(&memory, 0x1000, 32, bytes, 0x40));
    assert_null(memory_freeze(&memory));
    assert_true(memory_try_u64(&memory, 0x1008, &word));
    assert_int_equal(ensured_off, 0x48);
    assert_int_equal(ensured_size, 8);
    assert_false(memory_try_u64(&memory, 0x1010, &word));
    memory_deinit(&memory);
}

static void *read_everything(void *user)
{
    const struct model *model = user;
    uintptr_t wrong = 0;

    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t at = 0; at < SPACE; at++)
            wrong += !words_agree(model, at) || !reads_agree(model, at, 33);
    }
    return (void *)wrong; /* NOLINT: a count, not an address */
}

static void threads_read_at_once(void **state)
{
    struct model *model = calloc(1, sizeof(*model));
    pthread_t threads[4];

    (void)state;
    model_fill(model, 5, 60);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_everything, model), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    memory_deinit(&model->memory);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_agree_with_a_plain_array),
        cmocka_unit_test(segments_are_sorted_and_apart_and_merged),
        cmocka_unit_test(neighbours_in_address_and_file_become_one),
        cmocka_unit_test(a_range_that_wraps_is_refused),
        cmocka_unit_test(reads_at_the_end_of_the_address_space_stop),
        cmocka_unit_test(two_memories_at_one_address_stay_apart),
        cmocka_unit_test(a_fault_names_what_and_where),
        cmocka_unit_test(strings_cross_segments),
        cmocka_unit_test(long_utf16_keeps_pairs_whole),
        cmocka_unit_test(what_the_dump_lacks_comes_from_the_image),
        cmocka_unit_test(a_lazy_file_is_asked_for_exactly_the_bytes),
        cmocka_unit_test(threads_read_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
