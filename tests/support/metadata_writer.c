#include "support/metadata_writer.h"

#include <stdlib.h>
#include <string.h>

/*
 * What metadata_tables.def says, in a form of its own: the writer must not share the reader's sums. A column is
 * (kind << 8 | table or kind of coded index).
 */
enum { KIND_END, KIND_U16, KIND_U32, KIND_HEAP, KIND_ROW, KIND_CODED };
#define U16 (KIND_U16 << 8)
#define U32 (KIND_U32 << 8)
#define STRING (KIND_HEAP << 8)
#define GUID (KIND_HEAP << 8)
#define BLOB (KIND_HEAP << 8)
#define ROW(table) (KIND_ROW << 8 | METADATA_##table)
#define LIST(table) ROW(table)
#define CODED_INDEX(coded) (KIND_CODED << 8 | METADATA_CODED_##coded)
static const unsigned forms[METADATA_TABLE_COUNT][METADATA_COLUMNS_MAX] = {
#define COLUMN(table, index, column, kind) [METADATA_##table][index] = kind,
#include "formats/metadata_tables.def"
};

enum { METADATA_NONE = -1, TAGS_END = -2, TAGS_MAX = 33 };
#define T(table) METADATA_##table,
static const struct {
    unsigned bits;
    int tables[TAGS_MAX];
} coded_forms[METADATA_CODED_COUNT] = {
#define CODED(kind, tag_bits, ...) [METADATA_CODED_##kind] = { (tag_bits), { __VA_ARGS__ TAGS_END } },
#include "formats/metadata_tables.def"
};

static void must(bool done)
{
    if (!done) abort();
}

static void put(struct metadata_writer *w, const void *data, size_t size)
{
    must(vec_reserve(&w->image, w->image.count + size));
    if (size) memcpy(w->image.data + w->image.count, data, size);
    w->image.count += size;
}

static void put_number(struct metadata_writer *w, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        must(vec_push(&w->image, (uint8_t)(value >> 8 * i)));
}

static void align(struct metadata_writer *w)
{
    while (w->image.count % 4)
        put_number(w, 0, 1);
}

static void patch_u32(struct metadata_writer *w, size_t off, uint32_t value)
{
    memcpy(w->image.data + off, &value, 4);
}

void metadata_writer_init(struct metadata_writer *w)
{
    memset(w, 0, sizeof(*w));
    must(vec_push(&w->strings, 0));
    must(vec_push(&w->user_strings, 0));
    must(vec_push(&w->blobs, 0));
}

void metadata_writer_deinit(struct metadata_writer *w)
{
    vec_deinit(&w->strings);
    vec_deinit(&w->user_strings);
    vec_deinit(&w->guids);
    vec_deinit(&w->blobs);
    vec_deinit(&w->image);
    for (unsigned i = 0; i < METADATA_TABLE_COUNT; i++)
        vec_deinit(&w->rows[i]);
}

/* ---- heaps ---- */

uint32_t metadata_writer_string(struct metadata_writer *w, const char *text)
{
    uint32_t index = (uint32_t)w->strings.count;

    if (!*text) return 0;
    for (size_t i = 0; i <= strlen(text); i++)
        must(vec_push(&w->strings, (uint8_t)text[i]));
    return index;
}

/* The length of a blob, in one, two or four bytes. */
static size_t compress(uint32_t value, uint8_t ret[4])
{
    if (value < 0x80) {
        ret[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x4000) {
        ret[0] = (uint8_t)(0x80 | value >> 8);
        ret[1] = (uint8_t)value;
        return 2;
    }
    ret[0] = (uint8_t)(0xc0 | value >> 24);
    ret[1] = (uint8_t)(value >> 16);
    ret[2] = (uint8_t)(value >> 8);
    ret[3] = (uint8_t)value;
    return 4;
}

uint32_t metadata_writer_blob(struct metadata_writer *w, const void *data, size_t size)
{
    uint32_t index = (uint32_t)w->blobs.count;
    uint8_t length[4];
    size_t length_size = compress((uint32_t)size, length);

    for (size_t i = 0; i < length_size; i++)
        must(vec_push(&w->blobs, length[i]));
    for (size_t i = 0; i < size; i++)
        must(vec_push(&w->blobs, ((const uint8_t *)data)[i]));
    return index;
}

uint32_t metadata_writer_user_string(struct metadata_writer *w, const char *ascii)
{
    uint32_t index = (uint32_t)w->user_strings.count;
    uint8_t length[4];
    size_t length_size = compress((uint32_t)(2 * strlen(ascii) + 1), length);

    for (size_t i = 0; i < length_size; i++)
        must(vec_push(&w->user_strings, length[i]));
    for (; *ascii; ascii++)
        must(vec_push(&w->user_strings, (uint8_t)*ascii) && vec_push(&w->user_strings, 0));
    must(vec_push(&w->user_strings, 0));
    return index;
}

uint32_t metadata_writer_guid(struct metadata_writer *w, const uint8_t guid[16])
{
    for (unsigned i = 0; i < 16; i++)
        must(vec_push(&w->guids, guid[i]));
    return (uint32_t)(w->guids.count / 16);
}

/* ---- rows ---- */

static size_t column_count(unsigned table)
{
    size_t count = 0;

    while (count < METADATA_COLUMNS_MAX && forms[table][count])
        count++;
    return count;
}

uint32_t metadata_writer_count(const struct metadata_writer *w, enum metadata_table table)
{
    return (uint32_t)(w->rows[table].count / column_count(table));
}

uint32_t metadata_writer_row(struct metadata_writer *w, enum metadata_table table, const uint32_t *columns, size_t count)
{
    must(count == column_count(table));
    for (size_t i = 0; i < count; i++)
        must(vec_push(&w->rows[table], columns[i]));
    return metadata_writer_count(w, table);
}

void metadata_writer_fill(struct metadata_writer *w, enum metadata_table table, uint32_t count)
{
    static const uint32_t zeros[METADATA_COLUMNS_MAX];

    while (metadata_writer_count(w, table) < count)
        metadata_writer_row(w, table, zeros, column_count(table));
}

void metadata_writer_set(struct metadata_writer *w, enum metadata_column column, uint32_t rid, uint32_t value)
{
    unsigned table = (unsigned)column >> 4;

    w->rows[table].data[(rid - 1) * column_count(table) + (column & 15)] = value;
}

uint32_t metadata_writer_type(struct metadata_writer *w, uint32_t flags, const char *name_space, const char *name, uint32_t extends)
{
    return metadata_writer_add(w, METADATA_TYPE_DEF, flags, metadata_writer_string(w, name), metadata_writer_string(w, name_space),
                               metadata_encode(METADATA_CODED_TYPE_DEF_OR_REF, extends),
                               metadata_writer_count(w, METADATA_FIELD) + 1, metadata_writer_count(w, METADATA_METHOD_DEF) + 1);
}

uint32_t metadata_writer_type_ref(struct metadata_writer *w, uint32_t scope, const char *name_space, const char *name)
{
    return metadata_writer_add(w, METADATA_TYPE_REF, metadata_encode(METADATA_CODED_RESOLUTION_SCOPE, scope),
                               metadata_writer_string(w, name), metadata_writer_string(w, name_space));
}

uint32_t metadata_writer_field(struct metadata_writer *w, const char *name, const void *signature, size_t size)
{
    return metadata_writer_add(w, METADATA_FIELD, 0, metadata_writer_string(w, name), metadata_writer_blob(w, signature, size));
}

uint32_t metadata_writer_method(struct metadata_writer *w, const char *name, const void *signature, size_t size)
{
    return metadata_writer_add(w, METADATA_METHOD_DEF, 0, 0, 0, metadata_writer_string(w, name),
                               metadata_writer_blob(w, signature, size), metadata_writer_count(w, METADATA_PARAM) + 1);
}

uint32_t metadata_writer_nest(struct metadata_writer *w, uint32_t nested_rid, uint32_t enclosing_rid)
{
    return metadata_writer_add(w, METADATA_NESTED_CLASS, nested_rid, enclosing_rid);
}

/* ---- the image ---- */

static uint32_t rows_of(const struct metadata_writer *w, int table)
{
    if (table < 0) return 0;
    if (w->rows[table].count) return metadata_writer_count(w, table);
    return w->has_pdb ? w->referenced[table] : 0;
}

static unsigned column_size(const struct metadata_writer *w, unsigned form)
{
    unsigned of = form & 0xff;
    uint64_t most = 0;

    switch (form >> 8) {
    case KIND_U16:
        return 2;
    case KIND_U32:
        return 4;
    case KIND_ROW:
        return w->minimal || rows_of(w, (int)of) > 0xffff ? 4 : 2;
    case KIND_CODED:
        for (const int *table = coded_forms[of].tables; *table != TAGS_END; table++)
            if (rows_of(w, *table) > most) most = rows_of(w, *table);
        return w->minimal || most << coded_forms[of].bits > 0xffff ? 4 : 2;
    default:
        return w->minimal || w->wide_heaps ? 4 : 2;
    }
}

static void put_rows(struct metadata_writer *w, unsigned table)
{
    size_t columns = column_count(table);

    for (size_t i = 0; i < w->rows[table].count; i++)
        put_number(w, w->rows[table].data[i], column_size(w, forms[table][i % columns]));
}

static void put_tables(struct metadata_writer *w)
{
    uint64_t valid = w->more_tables;

    for (unsigned i = 0; i < METADATA_TABLE_COUNT; i++)
        if (w->rows[i].count) valid |= UINT64_C(1) << i;
    put_number(w, 0, 4);
    put_number(w, 2, 2);
    put_number(w, (w->wide_heaps || w->minimal ? 7 : 0) | (w->extra_data ? 0x40 : 0), 1);
    put_number(w, 1, 1);
    put_number(w, valid, 8);
    put_number(w, w->sorted, 8);
    for (unsigned i = 0; i < 64; i++)
        if (valid >> i & 1) put_number(w, w->more_tables >> i & 1 ? 1 : metadata_writer_count(w, i), 4);
    if (w->extra_data) put_number(w, 0xaaaaaaaa, 4);
    for (unsigned i = 0; i < METADATA_TABLE_COUNT; i++)
        put_rows(w, i);
}

static void put_pdb(struct metadata_writer *w)
{
    uint64_t referenced = 0;

    for (unsigned i = 0; i < METADATA_TABLE_COUNT; i++)
        if (w->referenced[i]) referenced |= UINT64_C(1) << i;
    for (unsigned i = 0; i < 20; i++)
        put_number(w, i, 1);
    put_number(w, 0, 4);
    put_number(w, referenced, 8);
    for (unsigned i = 0; i < METADATA_TABLE_COUNT; i++)
        if (w->referenced[i]) put_number(w, w->referenced[i], 4);
}

/* A stream header whose offset and size are filled in by end_stream; returns where. */
static size_t put_header(struct metadata_writer *w, const char *name)
{
    size_t header = w->image.count;

    put_number(w, 0, 8);
    put(w, name, strlen(name) + 1);
    align(w);
    return header;
}

static void end_stream(struct metadata_writer *w, size_t header, size_t start)
{
    align(w);
    patch_u32(w, header, (uint32_t)start);
    patch_u32(w, header + 4, (uint32_t)(w->image.count - start));
}

static void put_heap(struct metadata_writer *w, size_t header, const uint8_t *data, size_t size)
{
    size_t start = w->image.count;

    put(w, data, size);
    end_stream(w, header, start);
}

struct span metadata_writer_finish(struct metadata_writer *w)
{
    size_t pdb = 0, tables, strings, user_strings, guids, blobs, start;

    w->image.count = 0;
    put(w, "BSJB\1\0\1\0\0\0\0\0\14\0\0\0v4.0.30319\0\0\0\0", 30);
    put_number(w, 5 + w->has_pdb + w->minimal, 2);
    if (w->has_pdb) pdb = put_header(w, "#Pdb");
    tables = put_header(w, w->uncompressed ? "#-" : "#~");
    strings = put_header(w, "#Strings");
    user_strings = put_header(w, "#US");
    guids = put_header(w, "#GUID");
    blobs = put_header(w, "#Blob");
    if (w->minimal) put_header(w, "#JTD");
    if (w->has_pdb) {
        start = w->image.count;
        put_pdb(w);
        end_stream(w, pdb, start);
    }
    start = w->image.count;
    put_tables(w);
    end_stream(w, tables, start);
    put_heap(w, strings, w->strings.data, w->strings.count);
    put_heap(w, user_strings, w->user_strings.data, w->user_strings.count);
    put_heap(w, guids, w->guids.data, w->guids.count);
    put_heap(w, blobs, w->blobs.data, w->blobs.count);
    return (struct span) { w->image.data, w->image.count };
}
