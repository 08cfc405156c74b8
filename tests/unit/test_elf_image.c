#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/elf_library_writer.h"
#include "target/elf_image.h"
#include "target/image_layout.h"

#define BASE UINT64_C(0x7f0000000000)

/* The library as it is mapped at BASE: file pages, and the writable ones behind a hole. */
struct loaded {
    struct span file;
    struct memory memory;
};

static void loaded_init(struct loaded *loaded, const struct elf_library_writer *writer)
{
    loaded->file = elf_library_file(writer);
    memory_init(&loaded->memory, NULL);
    assert_null(memory_add(&loaded->memory, BASE, 0x1000, loaded->file.data, 0));
    assert_null(memory_add(&loaded->memory, BASE + 0x2000, 0x1800, loaded->file.data + 0x1000, 0x10000));
    assert_null(memory_freeze(&loaded->memory));
}

static void loaded_deinit(struct loaded *loaded)
{
    memory_deinit(&loaded->memory);
    free((void *)(uintptr_t)loaded->file.data);
}

static void a_file_tells_its_build_id_and_loads(void **state)
{
    struct span file = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 0xa1 });
    struct elf_image image;

    (void)state;
    assert_true(elf_image_from_file(file, &image));
    assert_int_equal(image.build_id_size, 20);
    assert_int_equal(image.build_id[19], 0xa1);
    assert_int_equal(image.load_count, 2);
    assert_int_equal(image.high, ELF_LIBRARY_END);
    assert_true(elf_image_load_at(&image, 0x2fff)->writable);
    assert_null(elf_image_load_at(&image, 0x1000));
    free((void *)(uintptr_t)file.data);
}

static void symbols_are_found(void **state)
{
    static const struct elf_library_writer cases[] = {
        { .build_id_byte = 1 },
        { .build_id_byte = 1, .loaded_at = BASE },
        { .no_gnu_hash = true },
        { .no_gnu_hash = true, .loaded_at = BASE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct loaded loaded;
        struct elf_image image;
        uint64_t vaddr = 0;
        loaded_init(&loaded, &cases[i]);
        assert_true(elf_image_from_memory(&loaded.memory, BASE, true, &image));
        assert_int_equal(image.bias, BASE);
        assert_true(elf_image_symbol(&image, "answer", &vaddr));
        assert_int_equal(vaddr, ELF_LIBRARY_ANSWER);
        assert_false(elf_image_symbol(&image, "import", &vaddr));
        assert_false(elf_image_symbol(&image, "answe", &vaddr));
        assert_false(elf_image_symbol(&image, "", &vaddr));
        loaded_deinit(&loaded);
    }
}

static void a_layout_is_relocated_and_knows_its_holes(void **state)
{
    struct span file = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 1 });
    static const struct {
        uint64_t vaddr, value; /* value 0: a hole */
    } words[] = {
        { 0x2000, BASE + 0x800 },
        { 0x2008, BASE + ELF_LIBRARY_ANSWER },
        { 0x2010, 0 },
        { 0x2018, BASE + 0x900 },
        { 0x2020, 0xdead },
        { 0x2028, BASE + 0xa00 },
        { 0x3000, BASE + 0x800 },
    };
    struct image_layout layout;
    struct elf_image image;

    (void)state;
    assert_true(elf_image_from_file(file, &image));
    assert_true(image_layout_elf(&image, BASE, &layout));
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        uint64_t size = 8;
        const uint8_t *bytes = image_layout_view(&layout, words[i].vaddr, 0x4000, &size);
        if (words[i].value) {
            assert_non_null(bytes);
            assert_int_equal(load_u64(bytes), words[i].value);
        } else {
            assert_null(bytes);
        }
    }
    image_layout_deinit(&layout);
    free((void *)(uintptr_t)file.data);
}

static void a_view_ends_at_a_hole(void **state)
{
    struct span file = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 1 });
    struct image_layout layout;
    struct elf_image image;
    uint64_t size = 100;

    (void)state;
    assert_true(elf_image_from_file(file, &image));
    assert_true(image_layout_elf(&image, BASE, &layout));
    assert_non_null(image_layout_view(&layout, 0x2004, 0x4000, &size));
    assert_int_equal(size, 12);
    assert_null(image_layout_view(&layout, 0x2017, 0x4000, &size));
    size = 100;
    assert_non_null(image_layout_view(&layout, 0x37f0, 0x4000, &size));
    assert_int_equal(size, 16);
    assert_null(image_layout_view(&layout, 0x3800, 0x4000, &size));
    assert_null(image_layout_view(&layout, 0x1fff, 0x4000, &size));
    image_layout_deinit(&layout);
    free((void *)(uintptr_t)file.data);
}

static void ignore_word(void *user, uint64_t vaddr, const uint64_t *value)
{
    (void)user, (void)vaddr, (void)value;
}

static void a_cut_file_is_no_harm(void **state)
{
    struct span file = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 1 });

    (void)state;
    for (size_t size = 0; size < file.size; size += size < 0x700 ? 1 : 61) {
        uint8_t *copy = malloc(size ? size : 1);
        struct elf_image image;
        uint64_t vaddr;
        memcpy(copy, file.data, size);
        if (elf_image_from_file((struct span) { copy, size }, &image)) {
            elf_image_symbol(&image, "answer", &vaddr);
            elf_image_relocate(&image, BASE, ignore_word, NULL);
        }
        free(copy);
    }
    free((void *)(uintptr_t)file.data);
}

static void wild_bytes_are_no_harm(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct span file = elf_library_file(&(struct elf_library_writer) { .build_id_byte = 1 });
        uint8_t *bytes = (uint8_t *)(uintptr_t)file.data;
        struct image_layout layout;
        struct elf_image image;
        uint64_t vaddr;
        for (int i = 0; i < 3; i++) {
            random = random * 1664525 + 1013904223;
            bytes[(random >> 8) % 0x640] = (uint8_t)(random >> 3);
            bytes[0x1100 + (random >> 9) % 0x100] = (uint8_t)(random >> 5);
        }
        if (elf_image_from_file(file, &image)) {
            elf_image_symbol(&image, "answer", &vaddr);
            if (image_layout_elf(&image, BASE, &layout)) image_layout_deinit(&layout);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_tells_its_build_id_and_loads),
        cmocka_unit_test(symbols_are_found),
        cmocka_unit_test(a_layout_is_relocated_and_knows_its_holes),
        cmocka_unit_test(a_view_ends_at_a_hole),
        cmocka_unit_test(a_cut_file_is_no_harm),
        cmocka_unit_test(wild_bytes_are_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
