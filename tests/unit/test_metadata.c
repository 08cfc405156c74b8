#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/metadata.h"
#include "support/metadata_writer.h"

static const uint8_t mvid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const uint8_t field_int[] = { 0x06, 0x08 }, method_void[] = { 0x20, 0x00, 0x01 };

static void add_small_module(struct metadata_writer *w)
{
    metadata_writer_add(w, METADATA_MODULE, 0, metadata_writer_string(w, "his.dll"), metadata_writer_guid(w, mvid), 0, 0);
    metadata_writer_add(w, METADATA_ASSEMBLY, 0x8004, 1, 2, 3, 4, 0, 0, metadata_writer_string(w, "His"), 0);
    metadata_writer_type(w, 0, "", "<Module>", 0);
    metadata_writer_type(w, 1, "His", "Patient", metadata_token(METADATA_TYPE_REF, 1));
    metadata_writer_field(w, "name", field_int, sizeof(field_int));
    metadata_writer_method(w, ".ctor", method_void, sizeof(method_void));
    metadata_writer_type_ref(w, metadata_token(METADATA_ASSEMBLY_REF, 1), "System", "Object");
}

/* What add_small_module made, whatever the widths of its columns. */
static void check_small_module(const struct metadata *md)
{
    struct metadata_type_def type;
    struct metadata_field field;
    struct metadata_assembly assembly;
    uint8_t guid[16];

    assert_false(md->truncated);
    assert_true(metadata_type_def(md, 2, &type));
    assert_string_equal(type.name, "Patient");
    assert_string_equal(type.name_space, "His");
    assert_int_equal(type.extends_token, 0x01000001);
    assert_int_equal(type.fields.end - type.fields.start, 1);
    assert_true(metadata_field(md, metadata_list_rid(md, METADATA_FIELD, type.fields.start), &field));
    assert_string_equal(field.name, "name");
    assert_int_equal(field.signature.size, 2);
    assert_memory_equal(field.signature.data, field_int, 2);
    assert_true(metadata_assembly(md, &assembly));
    assert_string_equal(assembly.name, "His");
    assert_int_equal(assembly.version[3], 4);
    assert_string_equal(metadata_module_name(md), "his.dll");
    assert_true(metadata_module_mvid(md, guid));
    assert_memory_equal(guid, mvid, 16);
}

static struct metadata opened(struct metadata_writer *w)
{
    struct metadata md;
    struct error *err = metadata_open(metadata_writer_finish(w), &md);

    assert_null(err);
    return md;
}

static void change_nothing(struct metadata_writer *w)
{
    (void)w;
}

static void widen_heaps(struct metadata_writer *w)
{
    w->wide_heaps = true;
}

static void add_extra_data(struct metadata_writer *w)
{
    w->extra_data = true;
}

static void make_uncompressed(struct metadata_writer *w)
{
    w->uncompressed = true;
}

static void make_minimal(struct metadata_writer *w)
{
    w->uncompressed = w->minimal = true;
}

static void add_many_fields(struct metadata_writer *w)
{
    metadata_writer_type(w, 0, "His", "Huge", 0);
    metadata_writer_fill(w, METADATA_FIELD, 0x10000);
}

/* TypeDefOrRef leaves 14 bits for the row. */
static void add_many_type_refs(struct metadata_writer *w)
{
    metadata_writer_fill(w, METADATA_TYPE_REF, 0x4000);
}

static void say_sorted(struct metadata_writer *w)
{
    w->sorted = UINT64_MAX;
}

static void reads_every_width_of_columns(void **state)
{
    static void (*const changes[])(struct metadata_writer *) = {
        change_nothing, widen_heaps,     add_extra_data,     make_uncompressed,
        make_minimal,   add_many_fields, add_many_type_refs, say_sorted,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct metadata_writer w;
        struct metadata md;
        metadata_writer_init(&w);
        add_small_module(&w);
        changes[i](&w);
        md = opened(&w);
        check_small_module(&md);
        assert_int_equal(md.uncompressed, w.uncompressed);
        metadata_writer_deinit(&w);
    }
}

static void a_column_is_wide_from_the_first_row_that_does_not_fit(void **state)
{
    static const struct {
        uint32_t row_count;
        bool wide;
    } cases[] = { { 0x3fff, false }, { 0x4000, true } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct metadata_writer w;
        struct metadata md;
        metadata_writer_init(&w);
        metadata_writer_type(&w, 0, "", "A", 0);
        metadata_writer_fill(&w, METADATA_TYPE_REF, cases[i].row_count);
        md = opened(&w);
        assert_int_equal((md.tables[METADATA_TYPE_DEF].column[3] & METADATA_WIDE) != 0, cases[i].wide);
        assert_false(md.truncated);
        metadata_writer_deinit(&w);
    }
}

/* Every column of every table holds what was put there. */
static void every_column_reads_back(void **state)
{
    static const enum metadata_column columns[] = {
#define COLUMN(table, index, column, kind) METADATA_##table##_##column,
#include "formats/metadata_tables.def"
    };
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    for (unsigned wide = 0; wide < 2; wide++) {
        metadata_writer_init(&w);
        w.minimal = wide;
        for (unsigned table = 0; table < METADATA_TABLE_COUNT; table++)
            if (table < 0x2d || table >= 0x30) metadata_writer_fill(&w, table, 3);
        for (uint32_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
            metadata_writer_set(&w, columns[i], 2, 1000 + i);
        md = opened(&w);
        assert_false(md.truncated);
        for (uint32_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
            assert_int_equal(metadata_column(&md, columns[i], 1), 0);
            assert_int_equal(metadata_column(&md, columns[i], 2), 1000 + i);
            assert_int_equal(metadata_column(&md, columns[i], 3), 0);
        }
        metadata_writer_deinit(&w);
    }
}

static void rows_outside_are_zero(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_type_def type;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    md = opened(&w);
    assert_int_equal(metadata_column(&md, METADATA_TYPE_DEF_NAME, 0), 0);
    assert_int_equal(metadata_column(&md, METADATA_TYPE_DEF_NAME, 3), 0);
    assert_int_equal(metadata_column(&md, METADATA_TYPE_DEF_NAME, UINT32_MAX), 0);
    assert_int_equal(metadata_column(&md, METADATA_EVENT_NAME, 1), 0);
    assert_false(metadata_type_def(&md, 3, &type));
    assert_string_equal(type.name, "");
    assert_int_equal(type.methods.start, type.methods.end);
    metadata_writer_deinit(&w);
}

static void a_pdb_takes_the_widths_of_its_assembly(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    w.has_pdb = true;
    w.referenced[METADATA_METHOD_DEF] = 0x12345;
    metadata_writer_add(&w, METADATA_DOCUMENT, 1, 2, 3, 4);
    metadata_writer_add(&w, METADATA_METHOD_DEBUG_INFORMATION, 1, 77);
    metadata_writer_add(&w, METADATA_LOCAL_SCOPE, 0x12340, 0, 1, 1, 5, 6);
    metadata_writer_add(&w, METADATA_STATE_MACHINE_METHOD, 0x11111, 0x12222);
    md = opened(&w);
    assert_false(md.truncated);
    assert_true(md.pdb.size >= 32);
    assert_int_equal(metadata_row_count(&md, METADATA_METHOD_DEF), 0);
    assert_int_equal(metadata_column(&md, METADATA_METHOD_DEBUG_INFORMATION_SEQUENCE_POINTS, 1), 77);
    assert_int_equal(metadata_column(&md, METADATA_LOCAL_SCOPE_METHOD, 1), 0x12340);
    assert_int_equal(metadata_column(&md, METADATA_LOCAL_SCOPE_LENGTH, 1), 6);
    assert_int_equal(metadata_column(&md, METADATA_STATE_MACHINE_METHOD_KICKOFF_METHOD, 1), 0x12222);
    metadata_writer_deinit(&w);
}

static void an_unknown_table_hides_those_behind_it(void **state)
{
    struct metadata_writer w;
    struct metadata md;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    metadata_writer_add(&w, METADATA_DOCUMENT, 1, 2, 3, 4);
    w.more_tables = UINT64_C(1) << 0x2e | UINT64_C(1) << 0x3f;
    md = opened(&w);
    assert_true(md.truncated);
    assert_int_equal(metadata_row_count(&md, METADATA_TYPE_DEF), 2);
    assert_int_equal(metadata_row_count(&md, METADATA_DOCUMENT), 0);
    metadata_writer_deinit(&w);
}

/* ---- heaps ---- */

/* A run of 4098 letters: from the second on, the name is as long as one may be. */
static void strings_end_inside_their_heap(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    char letters[4098];
    uint32_t index;
    size_t length;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    memset(letters, 'x', sizeof(letters));
    letters[4097] = 0;
    index = metadata_writer_string(&w, letters);
    for (unsigned i = 0; i < 4; i++)
        assert_true(vec_push(&w.strings, 'z')); /* nothing ends these */
    md = opened(&w);
    md.strings.size = w.strings.count;
    assert_string_equal(metadata_string(&md, index, &length), "");
    assert_int_equal(length, 0);
    assert_string_equal(metadata_string(&md, index + 1, &length), letters + 1);
    assert_int_equal(length, 4096);
    assert_string_equal(metadata_string(&md, (uint32_t)w.strings.count - 1, NULL), "");
    assert_string_equal(metadata_string(&md, UINT32_MAX, NULL), "");
    metadata_writer_deinit(&w);
}

static void blobs_of_every_length_form(void **state)
{
    static const size_t sizes[] = { 0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x12345 };
    uint8_t *data = malloc(0x12345);

    (void)state;
    for (size_t i = 0; i < 0x12345; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct metadata_writer w;
        struct metadata md;
        struct span blob;
        uint32_t index;
        metadata_writer_init(&w);
        add_small_module(&w);
        index = metadata_writer_blob(&w, data, sizes[i]);
        md = opened(&w);
        blob = metadata_blob(&md, index);
        assert_int_equal(blob.size, sizes[i]);
        if (blob.size) assert_memory_equal(blob.data, data, blob.size);
        metadata_writer_deinit(&w);
    }
    free(data);
}

static void compressed_numbers_of_the_standard(void **state)
{
    static const struct {
        uint8_t bytes[4];
        size_t size;
        uint32_t value;
    } cases[] = {
        /* II.23.2 */
        { { 0x03 }, 1, 0x03 },
        { { 0x7f }, 1, 0x7f },
        { { 0x80, 0x80 }, 2, 0x80 },
        { { 0xae, 0x57 }, 2, 0x2e57 },
        { { 0xbf, 0xff }, 2, 0x3fff },
        { { 0xc0, 0x00, 0x40, 0x00 }, 4, 0x4000 },
        { { 0xdf, 0xff, 0xff, 0xff }, 4, 0x1fffffff },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span bytes = { cases[i].bytes, cases[i].size }, cut = { cases[i].bytes, cases[i].size - 1 };
        uint32_t value = 0;
        assert_true(metadata_compressed(&bytes, &value));
        assert_int_equal(value, cases[i].value);
        assert_int_equal(bytes.size, 0);
        assert_false(metadata_compressed(&cut, &value));
    }
}

static void malformed_compressed_numbers_fail(void **state)
{
    static const uint8_t bytes[] = { 0xff, 0, 0, 0 }, also[] = { 0xe0, 0, 0, 0 };
    struct span s = { bytes, 4 };
    uint32_t value;

    (void)state;
    assert_false(metadata_compressed(&s, &value));
    s.data = also;
    assert_false(metadata_compressed(&s, &value));
}

static void user_strings_lose_their_flag(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct span units;
    uint32_t index;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    index = metadata_writer_user_string(&w, "abc");
    md = opened(&w);
    units = metadata_user_string(&md, 0x70000000 | index);
    assert_int_equal(units.size, 6);
    assert_memory_equal(units.data, "a\0b\0c\0", 6);
    assert_int_equal(metadata_user_string(&md, 0xffffff).size, 0);
    metadata_writer_deinit(&w);
}

static void guids_count_from_one(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    uint8_t guid[16];

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    md = opened(&w);
    assert_false(metadata_guid(&md, 0, guid));
    assert_true(metadata_guid(&md, 1, guid));
    assert_false(metadata_guid(&md, 2, guid));
    assert_int_equal(guid[0], 0);
    assert_false(metadata_guid(&md, UINT32_MAX, guid));
    metadata_writer_deinit(&w);
}

/* ---- coded indices ---- */

static void coded_indices_go_both_ways(void **state)
{
    static const struct {
        enum metadata_coded kind;
        uint32_t value, token;
    } cases[] = {
        { METADATA_CODED_TYPE_DEF_OR_REF, 0x49, 0x01000012 },
        { METADATA_CODED_TYPE_DEF_OR_REF, 0x48, 0x02000012 },
        { METADATA_CODED_TYPE_DEF_OR_REF, 0x4a, 0x1b000012 },
        { METADATA_CODED_CUSTOM_ATTRIBUTE_TYPE, 2 << 3 | 3, 0x0a000002 },
        { METADATA_CODED_HAS_CUSTOM_ATTRIBUTE, 7 << 5 | 14, 0x20000007 },
        { METADATA_CODED_HAS_CUSTOM_DEBUG_INFORMATION, 7 << 5 | 26, 0x35000007 },
        { METADATA_CODED_RESOLUTION_SCOPE, 5 << 2 | 2, 0x23000005 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(metadata_decode(cases[i].kind, cases[i].value), cases[i].token);
        assert_int_equal(metadata_encode(cases[i].kind, cases[i].token), cases[i].value);
    }
}

static void forbidden_tags_are_no_token(void **state)
{
    (void)state;
    assert_int_equal(metadata_decode(METADATA_CODED_TYPE_DEF_OR_REF, 0x4b), 0);
    assert_int_equal(metadata_decode(METADATA_CODED_TYPE_DEF_OR_REF, 0x01), 0); /* row 0 */
    assert_int_equal(metadata_decode(METADATA_CODED_CUSTOM_ATTRIBUTE_TYPE, 1 << 3), 0);
    assert_int_equal(metadata_decode(METADATA_CODED_TYPE_DEF_OR_REF, 0xfffffffc), 0);
    assert_int_equal(metadata_encode(METADATA_CODED_CUSTOM_ATTRIBUTE_TYPE, 0x3f000001), 0);
    assert_int_equal(metadata_encode(METADATA_CODED_TYPE_DEF_OR_REF, 0x06000001), 0);
}

/* ---- what is not there ---- */

static void refuses_what_is_no_metadata(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        { "", 0 },
        { "BSJ", 3 },
        { "PK\3\4aaaaaaaaaaaaaaaaaaaaaaaa", 28 },
        { "BSJB\1\0\1\0\0\0\0\0\377\377\377\377v4\0\0\0\0\0\0", 24 },
        { "BSJB\1\0\1\0\0\0\0\0\4\0\0\0v4\0\0\0\0\0\0", 24 }, /* no streams */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metadata md;
        struct error *err = metadata_open((struct span) { (const uint8_t *)cases[i].bytes, cases[i].size }, &md);
        assert_non_null(err);
        assert_int_equal(err->code, ERROR_BAD_DATA);
        error_destroy(err);
    }
}

/* Looks at everything that there is to be seen. */
static void use_all(const struct metadata *md)
{
    static const enum metadata_column columns[] = {
#define COLUMN(table, index, column, kind) METADATA_##table##_##column,
#include "formats/metadata_tables.def"
    };

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        for (uint32_t rid = 0; rid < 4; rid++) {
            uint32_t value = metadata_column(md, columns[i], rid);
            metadata_string(md, value, NULL);
            metadata_blob(md, value);
            metadata_user_string(md, value);
            metadata_column_token(md, columns[i], rid);
        }
}

static void survives_being_cut_at_every_byte(void **state)
{
    struct metadata_writer w;
    struct span image;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    image = metadata_writer_finish(&w);
    for (size_t size = 0; size < image.size; size++) {
        uint8_t *copy = malloc(size + 1); /* so that a sanitizer sees what is read behind it */
        struct metadata md;
        memcpy(copy, image.data, size);
        copy = realloc(copy, size ? size : 1);
        if (metadata_try_open((struct span) { copy, size }, &md)) {
            assert_true(md.truncated);
            use_all(&md);
        }
        free(copy);
    }
    metadata_writer_deinit(&w);
}

static void survives_every_byte_being_wrong(void **state)
{
    static const uint8_t wrong[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    struct metadata_writer w;
    struct span image;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    image = metadata_writer_finish(&w);
    for (size_t off = 0; off < image.size; off++)
        for (size_t i = 0; i < sizeof(wrong); i++) {
            struct metadata md;
            uint8_t before = w.image.data[off];
            w.image.data[off] = wrong[i];
            if (metadata_try_open(image, &md)) use_all(&md);
            w.image.data[off] = before;
        }
    metadata_writer_deinit(&w);
}

static void rows_are_clamped_to_what_is_there(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct metadata_type_def type;
    struct span image;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    md = opened(&w);
    image = md.root;
    image.size = (size_t)(md.rows.data - image.data) + md.tables[METADATA_TYPE_DEF].off + md.tables[METADATA_TYPE_DEF].row_size + 1;
    assert_true(metadata_try_open(image, &md));
    assert_true(md.truncated);
    assert_int_equal(metadata_row_count(&md, METADATA_TYPE_REF), 1);
    assert_int_equal(metadata_row_count(&md, METADATA_TYPE_DEF), 1);
    assert_int_equal(metadata_row_count(&md, METADATA_FIELD), 0);
    assert_true(md.clamped >> METADATA_TYPE_DEF & 1);
    assert_true(metadata_type_def(&md, 1, &type));
    assert_int_equal(type.methods.start, type.methods.end); /* the end of the last list is not known */
    metadata_writer_deinit(&w);
}

static void bytes_behind_the_image_do_no_harm(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    struct span image;

    (void)state;
    metadata_writer_init(&w);
    add_small_module(&w);
    image = metadata_writer_finish(&w);
    for (unsigned i = 0; i < 100; i++)
        assert_true(vec_push(&w.image, 0xcc));
    image = (struct span) { w.image.data, w.image.count };
    assert_true(metadata_try_open(image, &md));
    check_small_module(&md);
    metadata_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_width_of_columns),
        cmocka_unit_test(a_column_is_wide_from_the_first_row_that_does_not_fit),
        cmocka_unit_test(every_column_reads_back),
        cmocka_unit_test(rows_outside_are_zero),
        cmocka_unit_test(a_pdb_takes_the_widths_of_its_assembly),
        cmocka_unit_test(an_unknown_table_hides_those_behind_it),
        cmocka_unit_test(strings_end_inside_their_heap),
        cmocka_unit_test(blobs_of_every_length_form),
        cmocka_unit_test(compressed_numbers_of_the_standard),
        cmocka_unit_test(malformed_compressed_numbers_fail),
        cmocka_unit_test(user_strings_lose_their_flag),
        cmocka_unit_test(guids_count_from_one),
        cmocka_unit_test(coded_indices_go_both_ways),
        cmocka_unit_test(forbidden_tags_are_no_token),
        cmocka_unit_test(refuses_what_is_no_metadata),
        cmocka_unit_test(survives_being_cut_at_every_byte),
        cmocka_unit_test(survives_every_byte_being_wrong),
        cmocka_unit_test(rows_are_clamped_to_what_is_there),
        cmocka_unit_test(bytes_behind_the_image_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
