/*
 * What metadata_tables.def says about each column, for the files of the metadata reader only.
 */
#ifndef CLRTRAIL_FORMATS_METADATA_SCHEMA_H
#define CLRTRAIL_FORMATS_METADATA_SCHEMA_H

#include <stdint.h>

#include "formats/metadata.h"

enum {
    COLUMN_KIND_NONE,
    COLUMN_KIND_U16,
    COLUMN_KIND_U32,
    COLUMN_KIND_STRING,
    COLUMN_KIND_GUID,
    COLUMN_KIND_BLOB,
    COLUMN_KIND_ROW = 0x40,   /* + table */
    COLUMN_KIND_CODED = 0x80, /* + enum metadata_coded */
};

/* A tag that stands for no table. */
enum { METADATA_NONE = 0x3f };

struct coded_index {
    uint8_t bits;          /* of the tag */
    uint8_t count;         /* tags in use */
    const uint8_t *by_tag; /* enum metadata_table or METADATA_NONE */
    uint64_t tables;       /* set of the tables that it can name */
};

extern const uint8_t metadata_column_kinds[METADATA_TABLE_COUNT][METADATA_COLUMNS_MAX];
extern const struct coded_index metadata_coded_indices[METADATA_CODED_COUNT];

static inline uint8_t metadata_column_kind(enum metadata_column column)
{
    return metadata_column_kinds[(unsigned)column >> 4][column & 15];
}

#endif
