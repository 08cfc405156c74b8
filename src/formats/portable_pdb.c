#include "formats/portable_pdb.h"

bool portable_pdb_id(const struct metadata *pdb, uint8_t ret[PORTABLE_PDB_ID_SIZE])
{
    if (pdb->pdb.size < PORTABLE_PDB_ID_SIZE) return false;
    memcpy(ret, pdb->pdb.data, PORTABLE_PDB_ID_SIZE);
    return true;
}

/* II.23.2, signed: the sign is the lowest bit, and the width tells how far to extend it. */
static bool compressed_signed(struct span *bytes, int32_t *ret)
{
    size_t before = bytes->size;
    uint32_t value;
    unsigned bits;

    if (!metadata_compressed(bytes, &value)) return false;
    bits = before - bytes->size == 1 ? 6 : before - bytes->size == 2 ? 13 : 28;
    *ret = value & 1 ? (int32_t)(value >> 1) - (1 << bits) : (int32_t)(value >> 1);
    return true;
}

bool sequence_points_begin(const struct metadata *pdb, uint32_t method_rid, struct sequence_points *ret)
{
    uint32_t locals, document = metadata_column(pdb, METADATA_METHOD_DEBUG_INFORMATION_DOCUMENT, method_rid);
    struct span blob = metadata_column_blob(pdb, METADATA_METHOD_DEBUG_INFORMATION_SEQUENCE_POINTS, method_rid);

    if (!metadata_compressed(&blob, &locals)) return false;
    if (!document && !metadata_compressed(&blob, &document)) return false;
    *ret = (struct sequence_points) { .blob = blob, .current.document_rid = document };
    return true;
}

/* Line or column: the first as it is, then differences. */
static bool read_position(struct sequence_points *points, uint32_t *position, bool is_first)
{
    int32_t difference;

    if (is_first) return metadata_compressed(&points->blob, position);
    if (!compressed_signed(&points->blob, &difference)) return false;
    *position += (uint32_t)difference;
    return true;
}

/* What follows the IL offset of a point. */
static bool read_lines(struct sequence_points *points)
{
    struct sequence_point *point = &points->current;
    bool is_first = points->line == 0;
    uint32_t lines, columns;
    int32_t difference;

    if (!metadata_compressed(&points->blob, &lines)) return false;
    if (lines) {
        if (!compressed_signed(&points->blob, &difference)) return false;
        columns = (uint32_t)difference;
    } else if (!metadata_compressed(&points->blob, &columns)) {
        return false;
    }
    point->is_hidden = !lines && !columns;
    if (point->is_hidden) {
        point->start_line = point->start_column = point->end_line = point->end_column = 0;
        return true;
    }
    if (!read_position(points, &points->line, is_first) || !read_position(points, &points->column, is_first)) return false;
    point->start_line = points->line;
    point->start_column = points->column;
    point->end_line = points->line + lines;
    point->end_column = points->column + columns;
    return true;
}

bool sequence_points_next(struct sequence_points *points)
{
    uint32_t difference;

    while (points->blob.size) {
        if (!metadata_compressed(&points->blob, &difference)) return false;
        if (points->is_started && difference == 0) { /* a record that changes the document */
            if (!metadata_compressed(&points->blob, &points->current.document_rid)) return false;
            continue;
        }
        points->current.il_offset += difference;
        points->is_started = true;
        return read_lines(points);
    }
    return false;
}

bool portable_pdb_find(const struct metadata *pdb, uint32_t method_rid, uint32_t il_offset, struct sequence_point *ret)
{
    struct sequence_points points;
    bool found = false;

    if (!sequence_points_begin(pdb, method_rid, &points)) return false;
    while (sequence_points_next(&points) && points.current.il_offset <= il_offset) {
        if (points.current.is_hidden) continue;
        *ret = points.current;
        found = true;
    }
    return found;
}

bool portable_pdb_document(const struct metadata *pdb, uint32_t document_rid, struct text *out)
{
    struct span name = metadata_column_blob(pdb, METADATA_DOCUMENT_NAME, document_rid);
    size_t start = out->length;
    uint32_t part;
    uint8_t separator;

    if (!span_u8(name, 0, &separator)) return false;
    name = span_from(name, 1);
    for (bool is_first = true; name.size && metadata_compressed(&name, &part); is_first = false) {
        struct span bytes = metadata_blob(pdb, part);

        if (!is_first && separator) text_putc(out, (char)separator);
        if (out->length - start + bytes.size > LIMIT_PATH_LENGTH) break;
        text_append(out, (const char *)bytes.data, bytes.size);
    }
    return out->length > start;
}

uint32_t portable_pdb_kickoff_method(const struct metadata *pdb, uint32_t move_next_rid)
{
    uint32_t row = metadata_find_row(pdb, METADATA_STATE_MACHINE_METHOD_MOVE_NEXT_METHOD, move_next_rid);

    return metadata_column(pdb, METADATA_STATE_MACHINE_METHOD_KICKOFF_METHOD, row);
}

static struct span stepping_information(const struct metadata *pdb, uint32_t move_next_rid)
{
    /* {54FD2AC5-E925-401A-9C2A-F94F171072F8}: AsyncMethodSteppingInformation */
    static const uint8_t kind[16] = {
        0xc5, 0x2a, 0xfd, 0x54, 0x25, 0xe9, 0x1a, 0x40, 0x9c, 0x2a, 0xf9, 0x4f, 0x17, 0x10, 0x72, 0xf8
    };
    uint32_t token = metadata_token(METADATA_METHOD_DEF, move_next_rid);
    struct metadata_rows rows = metadata_rows_of(pdb, METADATA_CUSTOM_DEBUG_INFORMATION_PARENT, token);
    uint8_t guid[16];

    while (metadata_rows_next(pdb, &rows))
        if (metadata_guid(pdb, metadata_column(pdb, METADATA_CUSTOM_DEBUG_INFORMATION_KIND, rows.rid), guid) &&
            !memcmp(guid, kind, sizeof(kind)))
            return metadata_column_blob(pdb, METADATA_CUSTOM_DEBUG_INFORMATION_VALUE, rows.rid);
    return (struct span) { 0 };
}

bool portable_pdb_await(const struct metadata *pdb, uint32_t move_next_rid, uint32_t index, uint32_t *il_offset_ret)
{
    enum { HANDLER_SIZE = 4, OFFSETS_SIZE = 8 };
    struct span bytes = span_from(stepping_information(pdb, move_next_rid), HANDLER_SIZE);
    uint32_t ignored;

    for (; bytes.size >= OFFSETS_SIZE; index--) {
        uint32_t yield_off = load_u32(bytes.data);

        if (!index) {
            *il_offset_ret = yield_off;
            return true;
        }
        bytes = span_from(bytes, OFFSETS_SIZE);
        if (!metadata_compressed(&bytes, &ignored)) return false;
    }
    return false;
}
