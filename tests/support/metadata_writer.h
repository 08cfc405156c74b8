/*
 * ECMA-335 metadata made in memory, for tests: heaps and rows are added in any order, then written as an image whose columns are as
 * narrow as the row counts allow.
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_METADATA_WRITER_H
#define CLRTRAIL_TESTS_SUPPORT_METADATA_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/vec.h"
#include "formats/metadata.h"

struct metadata_writer {
    VEC(uint8_t) strings, user_strings, guids, blobs, image;
    VEC(uint32_t) rows[METADATA_TABLE_COUNT]; /* all columns of row 1, then of row 2... */
    uint64_t sorted;
    bool uncompressed;                         /* #- */
    bool minimal;                              /* #JTD: all indices take four bytes */
    bool wide_heaps;                           /* four bytes although the heaps are small */
    bool extra_data;                           /* HeapSizes bit 0x40 */
    uint32_t referenced[METADATA_TABLE_COUNT]; /* row counts in the assembly of a portable PDB */
    bool has_pdb;
    uint64_t more_tables; /* valid bits of tables that do not exist, with one row each */
};

void metadata_writer_init(struct metadata_writer *w);
void metadata_writer_deinit(struct metadata_writer *w);

/* All return the index. */
uint32_t metadata_writer_string(struct metadata_writer *w, const char *text);
uint32_t metadata_writer_user_string(struct metadata_writer *w, const char *ascii);
uint32_t metadata_writer_blob(struct metadata_writer *w, const void *data, size_t size);
uint32_t metadata_writer_guid(struct metadata_writer *w, const uint8_t guid[16]);

/* Adds a row of raw column values; returns its rid. */
uint32_t metadata_writer_row(struct metadata_writer *w, enum metadata_table table, const uint32_t *columns, size_t column_count);
#define metadata_writer_add(w, table, ...) \
    metadata_writer_row((w), (table), (const uint32_t[]) { __VA_ARGS__ }, \
                        sizeof((const uint32_t[]) { __VA_ARGS__ }) / sizeof(uint32_t))
/* Adds rows of zeros until the table has `count`. */
void metadata_writer_fill(struct metadata_writer *w, enum metadata_table table, uint32_t count);
void metadata_writer_set(struct metadata_writer *w, enum metadata_column column, uint32_t rid, uint32_t value);
uint32_t metadata_writer_count(const struct metadata_writer *w, enum metadata_table table);

/* Members are added behind their type. `extends` and `scope` are tokens. */
uint32_t metadata_writer_type(struct metadata_writer *w, uint32_t flags, const char *name_space, const char *name,
                              uint32_t extends);
uint32_t metadata_writer_type_ref(struct metadata_writer *w, uint32_t scope, const char *name_space, const char *name);
uint32_t metadata_writer_field(struct metadata_writer *w, const char *name, const void *signature, size_t size);
uint32_t metadata_writer_method(struct metadata_writer *w, const char *name, const void *signature, size_t size);
uint32_t metadata_writer_nest(struct metadata_writer *w, uint32_t nested_rid, uint32_t enclosing_rid);

/* The image; borrowed until the next call. */
struct span metadata_writer_finish(struct metadata_writer *w);

#endif
