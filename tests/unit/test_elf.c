#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/elf.h"
#include "support/elf_writer.h"

static const uint8_t memory[16] = "memory";

static void assert_fails(struct span bytes, enum error_code code)
{
    struct elf elf;
    struct error *err = elf_open(bytes, &elf);

    assert_non_null(err);
    assert_int_equal(err->code, code);
    error_destroy(err);
}

static void reads_header_and_segments(void **state)
{
    struct elf_writer w;
    struct elf elf;

    (void)state;
    elf_writer_init(&w);
    elf_writer_load(&w, 0x10000, 0x2000, ELF_SEGMENT_READ, memory, sizeof(memory));
    assert_null(elf_open(elf_writer_build(&w), &elf));
    assert_int_equal(elf.type, ELF_TYPE_CORE);
    assert_string_equal(elf_machine_name(elf.machine), "x64");
    assert_int_equal(elf.segment_count, 2);
    assert_int_equal(elf_segment(&elf, 0).type, ELF_SEGMENT_NOTE);
    assert_int_equal(elf_segment(&elf, 1).addr, 0x10000);
    assert_int_equal(elf_segment(&elf, 1).mem_size, 0x2000);
    assert_memory_equal(elf.bytes.data + elf_segment(&elf, 1).off, memory, sizeof(memory));
    elf_writer_deinit(&w);
}

static void refuses_other_classes_and_byte_orders(void **state)
{
    struct elf_writer w;
    struct span core;

    (void)state;
    elf_writer_init(&w);
    core = elf_writer_build(&w);
    elf_writer_patch(&w, 4, "\1", 1);
    assert_fails(core, ERROR_UNSUPPORTED);
    elf_writer_patch(&w, 4, "\2\2", 2);
    assert_fails(core, ERROR_UNSUPPORTED);
    elf_writer_patch(&w, 5, "\7", 1);
    assert_fails(core, ERROR_BAD_DATA);
    elf_writer_patch(&w, 0, "\0", 1);
    assert_fails(core, ERROR_BAD_DATA);
    elf_writer_deinit(&w);
}

static void refuses_program_headers_of_another_size(void **state)
{
    struct elf_writer w;
    struct span core;

    (void)state;
    elf_writer_init(&w);
    core = elf_writer_build(&w);
    elf_writer_patch(&w, 54, "\x20", 1);
    assert_fails(core, ERROR_BAD_DATA);
    elf_writer_deinit(&w);
}

static void add_loads(struct elf_writer *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        elf_writer_load(w, 0x10000 + i * 0x1000, 0x1000, ELF_SEGMENT_READ, NULL, 0);
}

static void counts_more_headers_than_fit_in_16_bits(void **state)
{
    struct elf_writer w;
    struct elf elf;

    (void)state;
    elf_writer_init(&w);
    add_loads(&w, 70000);
    assert_null(elf_open(elf_writer_build(&w), &elf));
    assert_int_equal(elf.segment_promised, 70001);
    assert_int_equal(elf.segment_count, 70001);
    assert_int_equal(elf_segment(&elf, 70000).addr, 0x10000 + 69999 * 0x1000);
    elf_writer_deinit(&w);
}

static void finds_the_headers_when_their_count_is_cut_off(void **state)
{
    struct elf_writer w;
    struct elf elf;
    struct span core;

    (void)state;
    elf_writer_init(&w);
    add_loads(&w, 70000);
    elf_writer_load(&w, 0x7f0000000000, 0x1000, ELF_SEGMENT_READ, NULL, 0x1000);
    core = elf_writer_build(&w);
    core.size -= 65;
    assert_null(elf_open(core, &elf));
    assert_true(elf.segment_promised == ELF_SEGMENTS_UNKNOWN);
    assert_int_equal(elf.segment_count, 70002);
    elf_writer_deinit(&w);
}

static void takes_only_headers_inside_the_file(void **state)
{
    struct elf_writer w;
    struct elf elf;
    struct span core;

    (void)state;
    elf_writer_init(&w);
    add_loads(&w, 10);
    core = elf_writer_build(&w);
    core.size = ELF_HEADER_SIZE + 3 * ELF_SEGMENT_SIZE + 55;
    assert_null(elf_open(core, &elf));
    assert_int_equal(elf.segment_promised, 11);
    assert_int_equal(elf.segment_count, 3);
    elf_writer_patch(&w, 32, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_null(elf_open(core, &elf));
    assert_int_equal(elf.segment_count, 0);
    elf_writer_deinit(&w);
}

static struct span notes_of(const struct elf_writer *w)
{
    return (struct span) { w->notes.data, w->notes.count };
}

static void iterates_over_notes(void **state)
{
    struct elf_writer w;
    struct elf_notes iter;
    struct elf_note note;

    (void)state;
    elf_writer_init(&w);
    elf_writer_note(&w, "CORE", 1, "abcde", 5);
    elf_writer_note(&w, "GNU", 3, "id", 2);
    elf_notes_begin(&iter, notes_of(&w), 4);
    assert_true(elf_notes_next(&iter, &note));
    assert_true(elf_note_is(&note, "CORE", 1));
    assert_false(elf_note_is(&note, "COR", 1));
    assert_int_equal(note.desc.size, 5);
    assert_true(elf_notes_next(&iter, &note));
    assert_true(elf_note_is(&note, "GNU", 3));
    assert_memory_equal(note.desc.data, "id", 2);
    assert_false(elf_notes_next(&iter, &note));
    elf_writer_deinit(&w);
}

/* .note.gnu.property has 8-byte alignment; its neighbours in the same segment follow it. */
static void aligns_notes_as_the_segment_says(void **state)
{
    static const uint8_t notes[] = "\4\0\0\0\4\0\0\0\5\0\0\0GNU\0abcd\0\0\0\0\4\0\0\0\1\0\0\0\3\0\0\0GNU\0x";
    struct elf_notes iter;
    struct elf_note note;

    (void)state;
    elf_notes_begin(&iter, (struct span) { notes, sizeof(notes) - 1 }, 8);
    assert_true(elf_notes_next(&iter, &note));
    assert_true(elf_notes_next(&iter, &note));
    assert_true(elf_note_is(&note, "GNU", 3));
    assert_int_equal(note.desc.data[0], 'x');
    assert_false(elf_notes_next(&iter, &note));
}

static void ends_at_notes_that_are_cut_or_lie(void **state)
{
    static const uint8_t huge_name[] = "\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0CORE";
    struct elf_writer w;
    struct elf_notes iter;
    struct elf_note note;
    struct span notes;

    (void)state;
    elf_notes_begin(&iter, (struct span) { huge_name, sizeof(huge_name) }, 4);
    assert_false(elf_notes_next(&iter, &note));
    elf_writer_init(&w);
    elf_writer_note(&w, "CORE", 1, "abcdefgh", 8);
    notes = notes_of(&w);
    notes.size -= 3;
    elf_notes_begin(&iter, notes, 4);
    assert_true(elf_notes_next(&iter, &note));
    assert_true(note.truncated);
    assert_int_equal(note.desc.size, 5);
    assert_false(elf_notes_next(&iter, &note));
    elf_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_header_and_segments),
        cmocka_unit_test(refuses_other_classes_and_byte_orders),
        cmocka_unit_test(refuses_program_headers_of_another_size),
        cmocka_unit_test(counts_more_headers_than_fit_in_16_bits),
        cmocka_unit_test(finds_the_headers_when_their_count_is_cut_off),
        cmocka_unit_test(takes_only_headers_inside_the_file),
        cmocka_unit_test(iterates_over_notes),
        cmocka_unit_test(aligns_notes_as_the_segment_says),
        cmocka_unit_test(ends_at_notes_that_are_cut_or_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
