#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/portable_pdb.h"
#include "support/metadata_writer.h"

struct pdb {
    struct metadata_writer writer;
    struct metadata md;
};

static void pdb_init(struct pdb *pdb)
{
    metadata_writer_init(&pdb->writer);
    pdb->writer.has_pdb = true;
    pdb->writer.referenced[METADATA_METHOD_DEF] = 9;
}

static void pdb_method(struct pdb *pdb, uint32_t document, const void *points, size_t size)
{
    uint32_t blob = size ? metadata_writer_blob(&pdb->writer, points, size) : 0;

    metadata_writer_add(&pdb->writer, METADATA_METHOD_DEBUG_INFORMATION, document, blob);
}

static void pdb_finish(struct pdb *pdb)
{
    assert_null(metadata_open(metadata_writer_finish(&pdb->writer), &pdb->md));
}

/*
 * IL 0: 10:5 to 10:9; IL 3: hidden; IL 7: 12:5 to 13:2 (one line down, three columns back); IL 8: 11:4 to 11:5. Signed numbers have
 * their sign in the lowest bit: +2 is 4, -1 is 0x7f, -3 is 0x7b.
 */
static const uint8_t points[] = { 0, 0, 0, 4, 10, 5, 3, 0, 0, 4, 1, 0x7b, 4, 0, 1, 0, 1, 0x7f, 0x7f };

static void a_place_is_that_of_the_last_visible_point(void **state)
{
    static const struct {
        uint32_t il_offset, line, column, end_line, end_column;
    } cases[] = { { 0, 10, 5, 10, 9 }, { 2, 10, 5, 10, 9 }, { 3, 10, 5, 10, 9 }, { 6, 10, 5, 10, 9 },
                  { 7, 12, 5, 13, 2 }, { 8, 11, 4, 11, 5 }, { 99, 11, 4, 11, 5 } };
    struct pdb pdb;
    struct sequence_point point;

    (void)state;
    pdb_init(&pdb);
    pdb_method(&pdb, 2, points, sizeof(points));
    pdb_finish(&pdb);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(portable_pdb_find(&pdb.md, 1, cases[i].il_offset, &point));
        assert_int_equal(point.document_rid, 2);
        assert_int_equal(point.start_line, cases[i].line);
        assert_int_equal(point.start_column, cases[i].column);
        assert_int_equal(point.end_line, cases[i].end_line);
        assert_int_equal(point.end_column, cases[i].end_column);
    }
    metadata_writer_deinit(&pdb.writer);
}

static void a_method_may_have_several_documents(void **state)
{
    static const uint8_t two[] = { 0, 1, 0, 0, 1, 5, 5, 0, 2, 4, 0, 1, 2, 0 };
    struct pdb pdb;
    struct sequence_point point;

    (void)state;
    pdb_init(&pdb);
    pdb_method(&pdb, 0, two, sizeof(two)); /* the first document stands in the blob */
    pdb_finish(&pdb);
    assert_true(portable_pdb_find(&pdb.md, 1, 0, &point));
    assert_int_equal(point.document_rid, 1);
    assert_int_equal(point.start_line, 5);
    assert_true(portable_pdb_find(&pdb.md, 1, 4, &point));
    assert_int_equal(point.document_rid, 2);
    assert_int_equal(point.start_line, 6);
    metadata_writer_deinit(&pdb.writer);
}

static void methods_without_points_are_nowhere(void **state)
{
    static const uint8_t all_hidden[] = { 0, 0, 0, 0 }, cut[] = { 0, 0, 0, 4, 10 };
    struct pdb pdb;
    struct sequence_point point;

    (void)state;
    pdb_init(&pdb);
    pdb_method(&pdb, 1, NULL, 0);
    pdb_method(&pdb, 1, all_hidden, sizeof(all_hidden));
    pdb_method(&pdb, 1, cut, sizeof(cut));
    pdb_finish(&pdb);
    for (uint32_t rid = 0; rid < 6; rid++)
        assert_false(portable_pdb_find(&pdb.md, rid, 5, &point));
    metadata_writer_deinit(&pdb.writer);
}

static void a_document_is_named_by_its_parts(void **state)
{
    struct pdb pdb;
    struct text text;
    uint8_t name[] = { '/', 0, 0, 0 };

    (void)state;
    pdb_init(&pdb);
    name[2] = (uint8_t)metadata_writer_blob(&pdb.writer, "src", 3);
    name[3] = (uint8_t)metadata_writer_blob(&pdb.writer, "Locator.cs", 10);
    metadata_writer_add(&pdb.writer, METADATA_DOCUMENT, metadata_writer_blob(&pdb.writer, name, sizeof(name)), 0, 0, 0);
    pdb_finish(&pdb);
    text_init(&text);
    assert_true(portable_pdb_document(&pdb.md, 1, &text));
    assert_string_equal(text_cstr(&text), "/src/Locator.cs");
    assert_false(portable_pdb_document(&pdb.md, 2, &text));
    text_deinit(&text);
    metadata_writer_deinit(&pdb.writer);
}

static void a_state_machine_leads_to_the_method_that_was_written(void **state)
{
    uint8_t id[PORTABLE_PDB_ID_SIZE];
    struct pdb pdb;

    (void)state;
    pdb_init(&pdb);
    pdb.writer.sorted = UINT64_C(1) << METADATA_STATE_MACHINE_METHOD;
    metadata_writer_add(&pdb.writer, METADATA_STATE_MACHINE_METHOD, 4, 2);
    metadata_writer_add(&pdb.writer, METADATA_STATE_MACHINE_METHOD, 7, 3);
    pdb_finish(&pdb);
    assert_int_equal(portable_pdb_kickoff_method(&pdb.md, 7), 3);
    assert_int_equal(portable_pdb_kickoff_method(&pdb.md, 3), 0);
    assert_true(portable_pdb_id(&pdb.md, id));
    assert_int_equal(id[19], 19);
    metadata_writer_deinit(&pdb.writer);
}

static void an_await_is_found_by_its_state(void **state)
{
    static const uint8_t kind[16] = {
        0xc5, 0x2a, 0xfd, 0x54, 0x25, 0xe9, 0x1a, 0x40, 0x9c, 0x2a, 0xf9, 0x4f, 0x17, 0x10, 0x72, 0xf8
    };
    static const uint8_t other[16] = { 1 };
    static const uint8_t awaits[] = { 0, 0, 0, 0, 0x21, 0, 0, 0, 0x30, 0, 0, 0, 0x81, 0x00, 0x55, 1, 0, 0, 0x60, 1, 0, 0, 4 };
    struct pdb pdb;
    uint32_t off;

    (void)state;
    pdb_init(&pdb);
    pdb.writer.sorted = UINT64_C(1) << METADATA_CUSTOM_DEBUG_INFORMATION;
    metadata_writer_add(&pdb.writer, METADATA_CUSTOM_DEBUG_INFORMATION, 4 << 5, metadata_writer_guid(&pdb.writer, other), 0);
    metadata_writer_add(&pdb.writer, METADATA_CUSTOM_DEBUG_INFORMATION, 4 << 5, metadata_writer_guid(&pdb.writer, kind),
                        metadata_writer_blob(&pdb.writer, awaits, sizeof(awaits)));
    pdb_finish(&pdb);
    assert_true(portable_pdb_await(&pdb.md, 4, 0, &off));
    assert_int_equal(off, 0x21);
    assert_true(portable_pdb_await(&pdb.md, 4, 1, &off));
    assert_int_equal(off, 0x155);
    assert_false(portable_pdb_await(&pdb.md, 4, 2, &off));
    assert_false(portable_pdb_await(&pdb.md, 5, 0, &off));
    metadata_writer_deinit(&pdb.writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_that_of_the_last_visible_point),
        cmocka_unit_test(a_method_may_have_several_documents),
        cmocka_unit_test(methods_without_points_are_nowhere),
        cmocka_unit_test(a_document_is_named_by_its_parts),
        cmocka_unit_test(a_state_machine_leads_to_the_method_that_was_written),
        cmocka_unit_test(an_await_is_found_by_its_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
