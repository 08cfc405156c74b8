/*
 * Reader of ECMA-335 metadata (partition II, 22 to 24) and of portable PDBs, over a borrowed span that starts at the root.
 *
 *     root     "BSJB", version, stream headers
 *     #~ / #-  heap sizes, row counts, rows of up to 64 tables
 *     #Strings, #US, #GUID, #Blob, #Pdb
 *
 * A dump may hold 190,000 of these, most of 2 KiB and some of 30 MiB, so a `struct metadata` is a plain value: opening one takes
 * about a microsecond, allocates nothing, and needs no closing; it lives as long as the bytes that it was opened over.
 * All functions are safe on hostile bytes: a rid, heap index or token that leads outside gives 0, "" or an empty span. Once opened
 * it never changes and may be read from many threads.
 *
 * Rids count from 1. A token is (table << 24 | rid), 0 is "none". Positions in field, method, parameter, event and property lists
 * are positions and not rids: in an uncompressed image (#-) they go through a Ptr table, see metadata_list_rid.
 */
#ifndef CLRTRAIL_FORMATS_METADATA_H
#define CLRTRAIL_FORMATS_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/text.h"

/* METADATA_TYPE_DEF = 0x02, ... */
enum metadata_table {
#define TABLE(number, table) METADATA_##table = (number),
#include "formats/metadata_tables.def"
    METADATA_TABLE_COUNT = 0x38,
    METADATA_USER_STRING = 0x70, /* a token of ldstr: its lower 24 bits are an index into #US */
};

/* METADATA_TYPE_DEF_NAME = METADATA_TYPE_DEF << 4 | 1, ... */
enum metadata_column {
#define COLUMN(table, index, column, kind) METADATA_##table##_##column = METADATA_##table << 4 | (index),
#include "formats/metadata_tables.def"
};

/* METADATA_CODED_TYPE_DEF_OR_REF, ... (II.24.2.6) */
enum metadata_coded {
#define CODED(kind, bits, ...) METADATA_CODED_##kind,
#include "formats/metadata_tables.def"
    METADATA_CODED_COUNT,
};

enum { METADATA_COLUMNS_MAX = 9, METADATA_WIDE = 0x80 };

struct metadata_rows_layout {
    uint32_t off;                         /* of row 1, from the start of the tables stream */
    uint32_t row_count;                   /* rows that are there */
    uint8_t row_size;                     /* bytes */
    uint8_t column[METADATA_COLUMNS_MAX]; /* offset in the row; METADATA_WIDE: four bytes, else two */
};

struct metadata {
    struct span root; /* all of it */
    struct span rows; /* #~ or #- */
    struct span strings, user_strings, guids, blobs;
    struct span pdb;     /* #Pdb, empty unless this is a portable PDB */
    struct span version; /* text of the root: "v4.0.30319", "PDB v1.0" */
    uint64_t sorted;     /* bit by table: rows are in order of their key column */
    uint64_t clamped;    /* bit by table: fewer rows are there than the header says */
    bool truncated;      /* something that the headers promise is not there */
    bool uncompressed;   /* #- */
    struct metadata_rows_layout tables[METADATA_TABLE_COUNT];
};

/*
 * Opens the metadata whose root starts at span.data; bytes behind its end do no harm, missing ones set `truncated`.
 * Errors: ERROR_BAD_DATA (no "BSJB", no table stream, or its header is not there).
 */
struct error *metadata_open(struct span span, struct metadata *ret);
/* The same without a message, for the walk over very many. `*ret` is untouched when false. */
bool metadata_try_open(struct span span, struct metadata *ret);

/* ---- rows ---- */

static inline uint32_t metadata_token(enum metadata_table table, uint32_t rid)
{
    return (uint32_t)table << 24 | (rid & 0xffffff);
}

static inline uint32_t metadata_token_rid(uint32_t token)
{
    return token & 0xffffff;
}

static inline enum metadata_table metadata_token_table(uint32_t token)
{
    return (enum metadata_table)(token >> 24);
}

static inline uint32_t metadata_row_count(const struct metadata *md, enum metadata_table table)
{
    return (unsigned)table < METADATA_TABLE_COUNT ? md->tables[table].row_count : 0;
}

/* Raw value of a column; 0 when there is no such row. `column` is one of the enum. */
static inline uint32_t metadata_column(const struct metadata *md, enum metadata_column column, uint32_t rid)
{
    const struct metadata_rows_layout *table = &md->tables[(unsigned)column >> 4];
    uint8_t place = table->column[column & 15];
    const uint8_t *row;

    if (rid - 1 >= table->row_count) return 0;
    row = md->rows.data + table->off + (size_t)(rid - 1) * table->row_size;
    return place & METADATA_WIDE ? load_u32(row + (place & ~METADATA_WIDE)) : load_u16(row + place);
}

/* Value of a column that is a coded index, a row number or a token; 0 when it is none or its tag is not allowed. */
uint32_t metadata_column_token(const struct metadata *md, enum metadata_column column, uint32_t rid);
/* Coded index to token and back; 0 when it cannot be. */
uint32_t metadata_decode(enum metadata_coded kind, uint32_t value);
uint32_t metadata_encode(enum metadata_coded kind, uint32_t token);

/* ---- heaps; what they return is borrowed from the span ---- */

/* NUL-terminated; "" when outside or longer than LIMIT_NAME_LENGTH. `length_ret` may be NULL. Bytes may be any, not only UTF-8. */
const char *metadata_string(const struct metadata *md, uint32_t index, size_t *length_ret);
/* Length prefix removed (II.24.2.4); cut to what is there is never done: empty when it does not fit. */
struct span metadata_blob(const struct metadata *md, uint32_t index);
/* UTF-16 units (size is even) without the trailing flag byte. `index` may be the whole 0x70 token. */
struct span metadata_user_string(const struct metadata *md, uint32_t index);
/* Index counts from 1. False (and zeros) when there is none. */
bool metadata_guid(const struct metadata *md, uint32_t index, uint8_t ret[16]);

/* String or blob of a column. */
const char *metadata_column_string(const struct metadata *md, enum metadata_column column, uint32_t rid);
struct span metadata_column_blob(const struct metadata *md, enum metadata_column column, uint32_t rid);
/* II.23.2 compressed unsigned integer; advances the span. False when it is not there or malformed. */
bool metadata_compressed(struct span *bytes, uint32_t *ret);

/* ---- rows of a table by the value of a column ---- */

/*
 * for (it = metadata_rows_where(md, METADATA_INTERFACE_IMPL_CLASS, type_rid); metadata_rows_next(md, &it);) use(it.rid);
 * Binary search when the column is the table's key and the image says that it is sorted, else all rows are looked at (about a
 * nanosecond each). The saved copies of dynamic modules are never sorted. A table of more than METADATA_UNSORTED_ROWS_MAX rows is
 * taken as sorted whatever the image says, so that a hostile one cannot make every name cost millions of steps.
 * `value` is the raw column value; for coded columns see metadata_rows_of.
 */
enum { METADATA_UNSORTED_ROWS_MAX = 1 << 17 };
struct metadata_rows {
    enum metadata_column column;
    uint32_t value;
    uint32_t rid; /* the current row, 0 before the first */
    bool ordered; /* stop at the first difference */
};
struct metadata_rows metadata_rows_where(const struct metadata *md, enum metadata_column column, uint32_t value);
/* Rows whose `column` (a coded index, or a row of the token's table) names `token`; none when it cannot. */
struct metadata_rows metadata_rows_of(const struct metadata *md, enum metadata_column column, uint32_t token);
bool metadata_rows_next(const struct metadata *md, struct metadata_rows *rows);
/* The first such row, 0 when none. */
uint32_t metadata_find_row(const struct metadata *md, enum metadata_column column, uint32_t value);

/* ---- lists: fields and methods of a type, parameters of a method, events and properties of a map ---- */

/*
 * Positions [start, end); never outside of the table. The lists of a damaged image may overlap, so a walk through those of all
 * types bounds its steps by the table's row count.
 */
struct metadata_range {
    uint32_t start, end;
};
struct metadata_range metadata_list(const struct metadata *md, enum metadata_column column, uint32_t rid);
/* Row at a position of a list of `table` (FIELD, METHOD_DEF, PARAM, EVENT, PROPERTY); 0 when outside. */
uint32_t metadata_list_rid(const struct metadata *md, enum metadata_table table, uint32_t position);

/* ---- types ---- */

struct metadata_type_def {
    uint32_t flags;         /* II.23.1.15 */
    const char *name;       /* "List`1" */
    const char *name_space; /* "" for nested types */
    uint32_t extends_token; /* type_def, type_ref, type_spec; 0: none (System.Object, interfaces, <Module>) */
    struct metadata_range fields, methods;
};
/* False when there is no such row; `ret` then has empty names. Same for the structs below. */
bool metadata_type_def(const struct metadata *md, uint32_t rid, struct metadata_type_def *ret);
/* Enclosing type_def of a nested one, 0 when not nested. */
uint32_t metadata_enclosing_type(const struct metadata *md, uint32_t type_rid);
/* The type_def that has the method or field, 0 when none. */
uint32_t metadata_method_type(const struct metadata *md, uint32_t method_rid);
uint32_t metadata_field_type(const struct metadata *md, uint32_t field_rid);

struct metadata_type_ref {
    const char *name, *name_space;
    uint32_t scope_token; /* assembly_ref, module_ref, module, or the enclosing type_ref; 0: look in exported types */
};
bool metadata_type_ref(const struct metadata *md, uint32_t rid, struct metadata_type_ref *ret);

struct span metadata_type_spec(const struct metadata *md, uint32_t rid); /* signature */

struct metadata_exported_type {
    uint32_t flags; /* 0x200000: forwarder */
    const char *name, *name_space;
    uint32_t implementation_token; /* file, assembly_ref, or the enclosing exported_type */
};
bool metadata_exported_type(const struct metadata *md, uint32_t rid, struct metadata_exported_type *ret);

/* Number of generic parameters of a type_def or method_def token, at most 65,536; a nested type repeats those of its enclosing one.
 */
uint32_t metadata_generic_param_count(const struct metadata *md, uint32_t owner_token);
/* Name of the parameter with this number, "" when none. */
const char *metadata_generic_param_name(const struct metadata *md, uint32_t owner_token, uint32_t number);

/* ---- members ---- */

struct metadata_method_def {
    uint32_t rva;
    uint16_t impl_flags, flags; /* II.23.1.11, II.23.1.10 */
    const char *name;
    struct span signature;
    struct metadata_range params;
};
bool metadata_method_def(const struct metadata *md, uint32_t rid, struct metadata_method_def *ret);

struct metadata_field {
    uint16_t flags; /* II.23.1.5: 0x10 static, 0x40 literal, 0x100 has RVA */
    const char *name;
    struct span signature;
};
bool metadata_field(const struct metadata *md, uint32_t rid, struct metadata_field *ret);
/* RVA of a field's data, explicit offset in its type; false when it has none. */
bool metadata_field_rva(const struct metadata *md, uint32_t field_rid, uint32_t *ret);
bool metadata_field_offset(const struct metadata *md, uint32_t field_rid, uint32_t *ret);

struct metadata_class_layout {
    uint32_t packing_size, class_size;
};
bool metadata_class_layout(const struct metadata *md, uint32_t type_rid, struct metadata_class_layout *ret);

struct metadata_param {
    uint16_t flags, sequence; /* sequence 0: the return value */
    const char *name;
};
bool metadata_param(const struct metadata *md, uint32_t rid, struct metadata_param *ret);

struct metadata_member_ref {
    uint32_t parent_token; /* type_ref, type_def, type_spec, module_ref, method_def (vararg call) */
    const char *name;
    struct span signature; /* starts with 0x06 for a field */
};
bool metadata_member_ref(const struct metadata *md, uint32_t rid, struct metadata_member_ref *ret);

struct metadata_method_spec {
    uint32_t method_token; /* method_def or member_ref */
    struct span instantiation;
};
bool metadata_method_spec(const struct metadata *md, uint32_t rid, struct metadata_method_spec *ret);

/* Type token that a method_def, field, member_ref or method_spec belongs to; 0 when none. */
uint32_t metadata_member_type(const struct metadata *md, uint32_t token);
/* Its name, "" when none. */
const char *metadata_member_name(const struct metadata *md, uint32_t token);

/* Lists of positions of a type; start == end when it has none. */
struct metadata_range metadata_type_properties(const struct metadata *md, uint32_t type_rid);
struct metadata_range metadata_type_events(const struct metadata *md, uint32_t type_rid);

struct metadata_property {
    uint16_t flags;
    const char *name;
    struct span signature;
};
bool metadata_property(const struct metadata *md, uint32_t rid, struct metadata_property *ret);

struct metadata_event {
    uint16_t flags;
    const char *name;
    uint32_t type_token;
};
bool metadata_event(const struct metadata *md, uint32_t rid, struct metadata_event *ret);

enum metadata_semantics { /* II.23.1.12 */
                          METADATA_SETTER = 0x01,
                          METADATA_GETTER = 0x02,
                          METADATA_OTHER = 0x04,
                          METADATA_ADD_ON = 0x08,
                          METADATA_REMOVE_ON = 0x10,
                          METADATA_FIRE = 0x20,
};
/* method_def rid of the accessor of a property or event token, 0 when none. */
uint32_t metadata_accessor(const struct metadata *md, uint32_t token, enum metadata_semantics semantics);

struct metadata_constant {
    uint8_t element_type; /* II.23.1.16; 0x12 (class): the value is null */
    struct span value;
};
/* Of a field, param or property token. */
bool metadata_constant(const struct metadata *md, uint32_t token, struct metadata_constant *ret);

/* ---- assembly and module ---- */

struct metadata_assembly {
    const char *name, *culture;
    uint16_t version[4]; /* major, minor, build, revision */
    uint32_t flags;
    struct span public_key; /* or its token */
};
/* False when the module has no manifest. */
bool metadata_assembly(const struct metadata *md, struct metadata_assembly *ret);
bool metadata_assembly_ref(const struct metadata *md, uint32_t rid, struct metadata_assembly *ret);
const char *metadata_module_name(const struct metadata *md);
bool metadata_module_mvid(const struct metadata *md, uint8_t ret[16]);

/* ---- custom attributes ---- */

/* Rows: metadata_rows_of(md, METADATA_CUSTOM_ATTRIBUTE_PARENT, token). Token of the attribute's type, 0 when it has none. */
uint32_t metadata_attribute_type(const struct metadata *md, uint32_t attribute_rid);
/* First attribute of `token` whose type has this name; 0 when none. */
uint32_t metadata_find_attribute(const struct metadata *md, uint32_t token, const char *name_space, const char *name);

/* ---- names ---- */

/* Appends "Namespace.Outer`1+Inner" as reflection writes it (without escapes). Nesting is cut at LIMIT_TYPE_DEPTH. */
void metadata_type_def_name(const struct metadata *md, uint32_t rid, struct text *out);
/*
 * The same for a type_def, type_ref, exported_type or type_spec token (which is written as signature_type_text does).
 * False, and nothing appended, when there is no such row.
 */
bool metadata_type_token_name(const struct metadata *md, uint32_t token, struct text *out);
/* Assembly that a type_ref token comes from: assembly_ref, module_ref or module token at the end of its scopes; 0 when none. */
uint32_t metadata_type_ref_scope(const struct metadata *md, uint32_t rid);

/* Names from the outermost type inwards, without copying. Up to LIMIT_TYPE_DEPTH parts; 0 when there is no such row. */
struct metadata_name_part {
    const char *name, *name_space;
};
enum { METADATA_NAME_PARTS = LIMIT_TYPE_DEPTH };
size_t metadata_type_name_parts(const struct metadata *md, uint32_t token, struct metadata_name_part parts[METADATA_NAME_PARTS]);

/* First type_def that is not nested (or, `enclosing_rid` != 0, is nested in it) and has this name; 0 when none. Looks at all rows.
 */
uint32_t metadata_find_type_def(const struct metadata *md, uint32_t enclosing_rid, const char *name_space, const char *name);
/* The type_def of "Namespace.Outer`1+Inner"; 0 when none. */
uint32_t metadata_find_type_by_name(const struct metadata *md, const char *full_name);
/* method_def of a type by name, first one; field of a type by name. 0 when none. */
uint32_t metadata_find_method(const struct metadata *md, uint32_t type_rid, const char *name);
uint32_t metadata_find_field(const struct metadata *md, uint32_t type_rid, const char *name);

#endif
