#include "formats/metadata_schema.h"

/* The words of metadata_tables.def for the kinds of columns. */
#define U16 COLUMN_KIND_U16
#define U32 COLUMN_KIND_U32
#define STRING COLUMN_KIND_STRING
#define GUID COLUMN_KIND_GUID
#define BLOB COLUMN_KIND_BLOB
#define ROW(table) (COLUMN_KIND_ROW + METADATA_##table)
#define LIST(table) ROW(table)
#define CODED_INDEX(kind) (COLUMN_KIND_CODED + METADATA_CODED_##kind)

const uint8_t metadata_column_kinds[METADATA_TABLE_COUNT][METADATA_COLUMNS_MAX] = {
#define COLUMN(table, index, column, kind) [METADATA_##table][index] = (kind),
#include "formats/metadata_tables.def"
};

/* The tables of a coded index are written once, as T(a) T(b), and read twice: as a list here, as a set below. */
#define T(table) METADATA_##table,
#define CODED(kind, tag_bits, ...) static const uint8_t kind##_tables[] = { __VA_ARGS__ };
#include "formats/metadata_tables.def"
#undef T

const struct coded_index metadata_coded_indices[METADATA_CODED_COUNT] = {
#define T(table) | UINT64_C(1) << METADATA_##table
#define CODED(kind, tag_bits, ...) [METADATA_CODED_##kind] = { (tag_bits), sizeof(kind##_tables), kind##_tables, 0 __VA_ARGS__ },
#include "formats/metadata_tables.def"
#undef T
};
