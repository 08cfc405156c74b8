#include "formats/metadata.h"

#include "base/limits.h"
#include "formats/metadata_schema.h"

enum {
    ROOT_SIGNATURE = 0x424a5342, /* "BSJB" */
    ROOT_VERSION_OFF = 16,
    ROOT_HAS_EXTRA_DATA = 0x01, /* STGHDR_EXTRADATA of dotnet/runtime src/coreclr/md/inc/mdfileformat.h */
    STREAM_NAME_MAX = 32,
};

/* HeapSizes of the table stream's header. 0x40 is not in ECMA-335; dotnet/runtime src/coreclr/md/inc/metamodel.h, EXTRA_DATA. */
enum {
    HEAP_STRINGS_WIDE = 0x01,
    HEAP_GUIDS_WIDE = 0x02,
    HEAP_BLOBS_WIDE = 0x04,
    HEAP_EXTRA_DATA = 0x40,
    HEAP_ALL_WIDE = HEAP_STRINGS_WIDE | HEAP_GUIDS_WIDE | HEAP_BLOBS_WIDE,
};

enum { TAG_BITS_MAX = 5, RID_MAX = 0xffffff };

/* What decides whether a column takes two or four bytes. */
struct widths {
    uint8_t heaps;                    /* HEAP_..._WIDE */
    uint64_t large[TAG_BITS_MAX + 1]; /* by tag bits: tables with too many rows for an index of two bytes */
};

/* ---- the root and its streams (II.24.2.1, II.24.2.2) ---- */

/* The part of [off, off + size) that is there. */
static struct span slice_clamped(struct metadata *md, uint32_t off, uint32_t size)
{
    struct span s = span_from(md->root, off);

    if (s.size < size)
        md->truncated = true;
    else
        s.size = size;
    return s;
}

static void set_stream(struct metadata *md, struct span *stream, uint32_t off, uint32_t size)
{
    if (!stream->data) *stream = slice_clamped(md, off, size); /* of two with one name the runtime takes the first */
}

/* `minimal_ret` is set by the empty stream that marks a delta of edit and continue: all indices in it take four bytes. */
static void add_stream(struct metadata *md, const char *name, uint32_t off, uint32_t size, bool *minimal_ret)
{
    const struct {
        const char *name;
        struct span *stream;
    } streams[] = {
        { "#~", &md->rows },     { "#Strings", &md->strings }, { "#US", &md->user_strings },
        { "#GUID", &md->guids }, { "#Blob", &md->blobs },      { "#Pdb", &md->pdb },
    };

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        if (!strcmp(name, streams[i].name)) set_stream(md, streams[i].stream, off, size);
    if (!strcmp(name, "#JTD")) *minimal_ret = true;
}

/* "" when the name is not there or too long. Its field is padded to four bytes. */
static size_t read_stream_name(struct span header, char name[STREAM_NAME_MAX])
{
    size_t length = 0;

    while (length < STREAM_NAME_MAX && length < header.size && header.data[length])
        length++;
    if (length == STREAM_NAME_MAX || length == header.size) return 0;
    memcpy(name, header.data, length + 1);
    return (length + 4) & ~(size_t)3;
}

/* `*uncompressed` is #-, which counts only when there is no #~: the runtime looks for that first. */
static void read_streams(struct metadata *md, struct span at, unsigned count, struct span *uncompressed, bool *minimal_ret)
{
    char name[STREAM_NAME_MAX];

    for (unsigned i = 0; i < count; i++) {
        uint32_t off, size;
        size_t name_size;
        if (!span_u32(at, 0, &off) || !span_u32(at, 4, &size)) goto torn;
        name_size = read_stream_name(span_from(at, 8), name);
        if (!name_size) goto torn;
        if (strcmp(name, "#-"))
            add_stream(md, name, off, size, minimal_ret);
        else
            set_stream(md, uncompressed, off, size);
        at = span_from(at, 8 + name_size);
    }
    return;
torn:
    md->truncated = true;
}

/* NULL or why not. */
static const char *read_root(struct metadata *md, bool *minimal_ret)
{
    uint32_t signature, version_size, extra_size;
    uint16_t flags, stream_count;
    struct span uncompressed = { 0 }, at;

    if (!span_u32(md->root, 0, &signature) || signature != ROOT_SIGNATURE) return "no signature 'BSJB'";
    if (!span_u32(md->root, 12, &version_size)) return "root is cut off";
    if (!span_slice(md->root, ROOT_VERSION_OFF, version_size, &md->version)) return "version text is cut off";
    at = span_from(md->root, ROOT_VERSION_OFF + (uint64_t)version_size);
    if (!span_u16(at, 0, &flags) || !span_u16(at, 2, &stream_count)) return "stream headers are cut off";
    md->version.size = strnlen((const char *)md->version.data, md->version.size);
    at = span_from(at, 4);
    if (flags & ROOT_HAS_EXTRA_DATA && span_u32(at, 0, &extra_size)) at = span_from(at, 4 + (uint64_t)extra_size);
    read_streams(md, at, stream_count, &uncompressed, minimal_ret);
    if (!md->rows.data && uncompressed.data) {
        md->rows = uncompressed;
        md->uncompressed = true;
    }
    return md->rows.data ? NULL : "no stream '#~' or '#-'";
}

/* ---- the table stream (II.24.2.6) ---- */

static bool column_is_wide(uint8_t kind, const struct widths *widths)
{
    const struct coded_index *coded;

    switch (kind) {
    case COLUMN_KIND_U16:
        return false;
    case COLUMN_KIND_U32:
        return true;
    case COLUMN_KIND_STRING:
        return widths->heaps & HEAP_STRINGS_WIDE;
    case COLUMN_KIND_GUID:
        return widths->heaps & HEAP_GUIDS_WIDE;
    case COLUMN_KIND_BLOB:
        return widths->heaps & HEAP_BLOBS_WIDE;
    default:
        if (kind < COLUMN_KIND_CODED) return widths->large[0] >> (kind - COLUMN_KIND_ROW) & 1;
        coded = &metadata_coded_indices[kind - COLUMN_KIND_CODED];
        return widths->large[coded->bits] & coded->tables;
    }
}

static void lay_out_row(struct metadata_rows_layout *table, const uint8_t *kinds, const struct widths *widths)
{
    uint8_t off = 0;

    for (unsigned i = 0; i < METADATA_COLUMNS_MAX && kinds[i]; i++) {
        bool wide = column_is_wide(kinds[i], widths);
        table->column[i] = wide ? off | METADATA_WIDE : off;
        off += wide ? 4 : 2;
    }
    table->row_size = off;
}

static void count_rows(struct widths *widths, unsigned table, uint32_t row_count)
{
    for (unsigned bits = 0; bits <= TAG_BITS_MAX; bits++)
        if (row_count >= UINT32_C(1) << (16 - bits)) widths->large[bits] |= UINT64_C(1) << table;
}

/*
 * Row counts of the tables in the set `valid`, one after the other at `off`; the offset behind them. Counts that are not there
 * are 0.
 */
static uint64_t read_row_counts(struct span s, uint64_t off, uint64_t valid, uint32_t counts[64], struct widths *widths)
{
    for (; valid; valid &= valid - 1, off += 4) {
        unsigned table = (unsigned)__builtin_ctzll(valid);
        if (span_u32(s, off, &counts[table]) && table < METADATA_TABLE_COUNT) count_rows(widths, table, counts[table]);
    }
    return off;
}

/* The sizes of columns in a portable PDB that lead to tables of its assembly: #Pdb has the row counts of those. */
static void read_referenced_counts(struct span pdb, struct widths *widths)
{
    enum { PDB_REFERENCED_OFF = 24 }; /* behind the id of 20 bytes and the entry point's token */
    uint32_t counts[64];
    uint64_t referenced;

    if (!span_u64(pdb, PDB_REFERENCED_OFF, &referenced)) return;
    read_row_counts(pdb, PDB_REFERENCED_OFF + 8, referenced, counts, widths);
}

static void clamp_rows(struct metadata *md, unsigned table, uint64_t off, uint32_t row_count)
{
    struct metadata_rows_layout *layout = &md->tables[table];
    uint64_t fits = off < md->rows.size ? (md->rows.size - off) / layout->row_size : 0;

    if (fits > RID_MAX) fits = RID_MAX;
    layout->row_count = row_count < fits ? row_count : (uint32_t)fits;
    layout->off = layout->row_count ? (uint32_t)off : 0;
    if (layout->row_count == row_count) return;
    md->clamped |= UINT64_C(1) << table;
    md->truncated = true;
}

static void lay_out_tables(struct metadata *md, uint64_t valid, uint64_t off, const uint32_t counts[64],
                           const struct widths *widths)
{
    for (; valid; valid &= valid - 1) {
        unsigned table = (unsigned)__builtin_ctzll(valid);
        if (table >= METADATA_TABLE_COUNT || !metadata_column_kinds[table][0]) {
            /* A table that nobody knows the width of hides those behind it. */
            if (counts[table]) {
                md->truncated = true;
                return;
            }
            continue;
        }
        lay_out_row(&md->tables[table], metadata_column_kinds[table], widths);
        clamp_rows(md, table, off, counts[table]);
        off += (uint64_t)counts[table] * md->tables[table].row_size;
    }
}

static const char *read_tables(struct metadata *md, bool minimal)
{
    enum { HEAP_SIZES_OFF = 6, VALID_OFF = 8, SORTED_OFF = 16, COUNTS_OFF = 24 };
    uint32_t counts[64] = { 0 };
    struct widths widths = { 0 };
    uint64_t valid, off;

    if (!span_u8(md->rows, HEAP_SIZES_OFF, &widths.heaps) || !span_u64(md->rows, VALID_OFF, &valid) ||
        !span_u64(md->rows, SORTED_OFF, &md->sorted))
        return "table stream is cut off";
    if (!span_holds(md->rows, COUNTS_OFF, 4 * (uint64_t)__builtin_popcountll(valid))) return "row counts are cut off";
    off = read_row_counts(md->rows, COUNTS_OFF, valid, counts, &widths);
    if (widths.heaps & HEAP_EXTRA_DATA) off += 4;
    if (md->pdb.size) read_referenced_counts(md->pdb, &widths);
    if (minimal) {
        widths.heaps |= HEAP_ALL_WIDE;
        memset(widths.large, 0xff, sizeof(widths.large));
    }
    lay_out_tables(md, valid, off, counts, &widths);
    return NULL;
}

static const char *open_metadata(struct span span, struct metadata *ret)
{
    struct metadata md = { .root = span };
    bool minimal = false;
    const char *why = read_root(&md, &minimal);

    if (!why) why = read_tables(&md, minimal);
    if (!why) *ret = md;
    return why;
}

struct error *metadata_open(struct span span, struct metadata *ret)
{
    const char *why = open_metadata(span, ret);

    return why ? error_create(ERROR_BAD_DATA, "cannot read metadata: %s", why) : NULL;
}

bool metadata_try_open(struct span span, struct metadata *ret)
{
    return !open_metadata(span, ret);
}

/* ---- coded indices ---- */

uint32_t metadata_decode(enum metadata_coded kind, uint32_t value)
{
    const struct coded_index *coded = &metadata_coded_indices[kind];
    uint32_t tag = value & ((UINT32_C(1) << coded->bits) - 1), rid = value >> coded->bits;

    if (tag >= coded->count || coded->by_tag[tag] == METADATA_NONE || !rid || rid > RID_MAX) return 0;
    return metadata_token(coded->by_tag[tag], rid);
}

uint32_t metadata_encode(enum metadata_coded kind, uint32_t token)
{
    const struct coded_index *coded = &metadata_coded_indices[kind];

    for (uint32_t tag = 0; tag < coded->count; tag++)
        if (coded->by_tag[tag] == token >> 24 && coded->by_tag[tag] != METADATA_NONE)
            return metadata_token_rid(token) << coded->bits | tag;
    return 0;
}

uint32_t metadata_column_token(const struct metadata *md, enum metadata_column column, uint32_t rid)
{
    uint8_t kind = metadata_column_kind(column);
    uint32_t value = metadata_column(md, column, rid);

    if (kind >= COLUMN_KIND_CODED) return metadata_decode(kind - COLUMN_KIND_CODED, value);
    if (kind >= COLUMN_KIND_ROW) return value && value <= RID_MAX ? metadata_token(kind - COLUMN_KIND_ROW, value) : 0;
    return kind == COLUMN_KIND_U32 ? value : 0;
}

/* ---- heaps (II.24.2.3 to II.24.2.5) ---- */

const char *metadata_string(const struct metadata *md, uint32_t index, size_t *length_ret)
{
    struct span s = span_from(md->strings, index);
    size_t size = s.size > LIMIT_NAME_LENGTH + 1 ? LIMIT_NAME_LENGTH + 1 : s.size;
    const uint8_t *end = size ? memchr(s.data, 0, size) : NULL;

    if (length_ret) *length_ret = end ? (size_t)(end - s.data) : 0;
    return end ? (const char *)s.data : "";
}

bool metadata_compressed(struct span *bytes, uint32_t *ret)
{
    const uint8_t *p = bytes->data;
    size_t size;

    if (!bytes->size) return false;
    size = !(p[0] & 0x80) ? 1 : !(p[0] & 0x40) ? 2 : 4;
    if (size > bytes->size || (p[0] & 0xe0) == 0xe0) return false;
    if (size == 1)
        *ret = p[0];
    else if (size == 2)
        *ret = (uint32_t)(p[0] & 0x3f) << 8 | p[1];
    else
        *ret = (uint32_t)(p[0] & 0x1f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *bytes = (struct span) { p + size, bytes->size - size };
    return true;
}

static struct span heap_blob(struct span heap, uint32_t index)
{
    struct span bytes = span_from(heap, index), blob = { 0 };
    uint32_t size;

    if (metadata_compressed(&bytes, &size) && span_slice(bytes, 0, size, &blob)) return blob;
    return (struct span) { 0 };
}

struct span metadata_blob(const struct metadata *md, uint32_t index)
{
    return heap_blob(md->blobs, index);
}

struct span metadata_user_string(const struct metadata *md, uint32_t index)
{
    struct span units = heap_blob(md->user_strings, index & RID_MAX);

    units.size &= ~(size_t)1; /* the flag byte makes it odd */
    return units;
}

bool metadata_guid(const struct metadata *md, uint32_t index, uint8_t ret[16])
{
    struct span guid;

    memset(ret, 0, 16);
    if (!index || !span_slice(md->guids, ((uint64_t)index - 1) * 16, 16, &guid)) return false;
    memcpy(ret, guid.data, 16);
    return true;
}

const char *metadata_column_string(const struct metadata *md, enum metadata_column column, uint32_t rid)
{
    return metadata_string(md, metadata_column(md, column, rid), NULL);
}

struct span metadata_column_blob(const struct metadata *md, enum metadata_column column, uint32_t rid)
{
    return metadata_blob(md, metadata_column(md, column, rid));
}
