/* Rows of metadata by key, by list and as structs. */
#include "formats/metadata.h"
#include "formats/metadata_schema.h"

/* ---- rows by the value of a column ---- */

/* The key columns of the tables that are stored in order (II.24.2.6 and the portable PDB format). */
static bool is_key(enum metadata_column column)
{
    switch (column) {
    case METADATA_CLASS_LAYOUT_PARENT:
    case METADATA_CONSTANT_PARENT:
    case METADATA_CUSTOM_ATTRIBUTE_PARENT:
    case METADATA_DECL_SECURITY_PARENT:
    case METADATA_FIELD_LAYOUT_FIELD:
    case METADATA_FIELD_MARSHAL_PARENT:
    case METADATA_FIELD_RVA_FIELD:
    case METADATA_GENERIC_PARAM_OWNER:
    case METADATA_GENERIC_PARAM_CONSTRAINT_OWNER:
    case METADATA_IMPL_MAP_MEMBER_FORWARDED:
    case METADATA_INTERFACE_IMPL_CLASS:
    case METADATA_METHOD_IMPL_CLASS:
    case METADATA_METHOD_SEMANTICS_ASSOCIATION:
    case METADATA_NESTED_CLASS_NESTED:
    case METADATA_LOCAL_SCOPE_METHOD:
    case METADATA_STATE_MACHINE_METHOD_MOVE_NEXT_METHOD:
    case METADATA_CUSTOM_DEBUG_INFORMATION_PARENT:
        return true;
    default:
        return false;
    }
}

/* First rid whose column is at least `value`; row count + 1 when there is none. */
static uint32_t lower_bound(const struct metadata *md, enum metadata_column column, uint32_t value)
{
    uint32_t start = 1, end = metadata_row_count(md, (unsigned)column >> 4) + 1;

    while (start < end) {
        uint32_t middle = start + (end - start) / 2;
        if (metadata_column(md, column, middle) < value)
            start = middle + 1;
        else
            end = middle;
    }
    return start;
}

struct metadata_rows metadata_rows_where(const struct metadata *md, enum metadata_column column, uint32_t value)
{
    struct metadata_rows rows = { .column = column, .value = value };
    unsigned table = (unsigned)column >> 4;

    rows.ordered = is_key(column) && (md->sorted >> table & 1 || metadata_row_count(md, table) > METADATA_UNSORTED_ROWS_MAX);
    if (rows.ordered) rows.rid = lower_bound(md, column, value) - 1;
    return rows;
}

struct metadata_rows metadata_rows_of(const struct metadata *md, enum metadata_column column, uint32_t token)
{
    uint8_t kind = metadata_column_kind(column);
    uint32_t value = 0;

    if (kind >= COLUMN_KIND_CODED)
        value = metadata_encode(kind - COLUMN_KIND_CODED, token);
    else if (kind >= COLUMN_KIND_ROW && token >> 24 == (unsigned)kind - COLUMN_KIND_ROW)
        value = metadata_token_rid(token);
    if (!metadata_token_rid(token) || !value) return (struct metadata_rows) { .column = column, .rid = UINT32_MAX - 1 };
    return metadata_rows_where(md, column, value);
}

/* The first row from `rid` on whose column is `value`; 0 when none. metadata_column in a loop would take thrice as long. */
static uint32_t scan(const struct metadata *md, enum metadata_column column, uint32_t value, uint32_t rid)
{
    const struct metadata_rows_layout *table = &md->tables[(unsigned)column >> 4];
    uint8_t place = table->column[column & 15];
    const uint8_t *at;

    if (!rid || rid > table->row_count) return 0;
    at = md->rows.data + table->off + (size_t)(rid - 1) * table->row_size + (place & ~METADATA_WIDE);
    if (place & METADATA_WIDE) {
        for (; rid <= table->row_count; rid++, at += table->row_size)
            if (load_u32(at) == value) return rid;
    } else {
        for (; rid <= table->row_count; rid++, at += table->row_size)
            if (load_u16(at) == value) return rid;
    }
    return 0;
}

bool metadata_rows_next(const struct metadata *md, struct metadata_rows *rows)
{
    uint32_t next = rows->rid + 1;

    if (!rows->ordered)
        next = scan(md, rows->column, rows->value, next);
    else if (next > md->tables[(unsigned)rows->column >> 4].row_count || metadata_column(md, rows->column, next) != rows->value)
        next = 0;
    rows->rid = next ? next : UINT32_MAX - 1; /* once at the end it stays there */
    return next;
}

uint32_t metadata_find_row(const struct metadata *md, enum metadata_column column, uint32_t value)
{
    struct metadata_rows rows = metadata_rows_where(md, column, value);

    return metadata_rows_next(md, &rows) ? rows.rid : 0;
}

static uint32_t find_row_of(const struct metadata *md, enum metadata_column column, uint32_t token)
{
    struct metadata_rows rows = metadata_rows_of(md, column, token);

    return metadata_rows_next(md, &rows) ? rows.rid : 0;
}

/* ---- lists ---- */

/* The Ptr table that lists of `table` go through, which stands just before it; `table` itself when the image has none. */
static enum metadata_table list_table(const struct metadata *md, enum metadata_table table)
{
    switch (table) {
    case METADATA_FIELD:
    case METADATA_METHOD_DEF:
    case METADATA_PARAM:
    case METADATA_EVENT:
    case METADATA_PROPERTY:
        return metadata_row_count(md, table - 1) ? table - 1 : table;
    default:
        return table;
    }
}

uint32_t metadata_list_rid(const struct metadata *md, enum metadata_table table, uint32_t position)
{
    enum metadata_table through = list_table(md, table);
    uint32_t rid = through == table ? position : metadata_column(md, (unsigned)through << 4, position);

    return rid <= metadata_row_count(md, table) ? rid : 0;
}

/* A list ends where the next row's begins; that of the last row with its table, unless the row behind it is only missing. */
struct metadata_range metadata_list(const struct metadata *md, enum metadata_column column, uint32_t rid)
{
    enum metadata_table owner = (unsigned)column >> 4;
    enum metadata_table items = list_table(md, metadata_column_kind(column) - COLUMN_KIND_ROW);
    uint32_t limit = metadata_row_count(md, items) + 1, start = metadata_column(md, column, rid), end = limit;

    if (rid < metadata_row_count(md, owner))
        end = metadata_column(md, column, rid + 1);
    else if (md->clamped >> owner & 1)
        end = 0;
    if (end > limit) end = limit;
    if (!start || start >= end) return (struct metadata_range) { 0 };
    return (struct metadata_range) { start, end };
}

/* Position of a row in the lists of its table; 0 when it is in none. */
static uint32_t list_position(const struct metadata *md, enum metadata_table table, uint32_t rid)
{
    enum metadata_table through = list_table(md, table);

    if (!rid || rid > metadata_row_count(md, table)) return 0;
    return through == table ? rid : metadata_find_row(md, (unsigned)through << 4, rid);
}

/* The type_def whose list `column` has this row. Lists ascend, so the last one that does not start behind it is the only candidate.
 */
static uint32_t list_owner(const struct metadata *md, enum metadata_column column, enum metadata_table table, uint32_t rid)
{
    uint32_t position = list_position(md, table, rid), owner;
    struct metadata_range range;

    if (!position) return 0;
    owner = lower_bound(md, column, position + 1) - 1;
    range = metadata_list(md, column, owner);
    return position >= range.start && position < range.end ? owner : 0;
}

uint32_t metadata_method_type(const struct metadata *md, uint32_t method_rid)
{
    return list_owner(md, METADATA_TYPE_DEF_METHOD_LIST, METADATA_METHOD_DEF, method_rid);
}

uint32_t metadata_field_type(const struct metadata *md, uint32_t field_rid)
{
    return list_owner(md, METADATA_TYPE_DEF_FIELD_LIST, METADATA_FIELD, field_rid);
}

static struct metadata_range map_list(const struct metadata *md, enum metadata_column parent, uint32_t type_rid)
{
    uint32_t map_rid = type_rid ? metadata_find_row(md, parent, type_rid) : 0;

    return map_rid ? metadata_list(md, parent + 1, map_rid) : (struct metadata_range) { 0 };
}

struct metadata_range metadata_type_properties(const struct metadata *md, uint32_t type_rid)
{
    return map_list(md, METADATA_PROPERTY_MAP_PARENT, type_rid);
}

struct metadata_range metadata_type_events(const struct metadata *md, uint32_t type_rid)
{
    return map_list(md, METADATA_EVENT_MAP_PARENT, type_rid);
}

/* ---- types ---- */

static bool has_row(const struct metadata *md, enum metadata_table table, uint32_t rid)
{
    return rid && rid <= metadata_row_count(md, table);
}

bool metadata_type_def(const struct metadata *md, uint32_t rid, struct metadata_type_def *ret)
{
    *ret = (struct metadata_type_def) {
        .flags = metadata_column(md, METADATA_TYPE_DEF_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_TYPE_DEF_NAME, rid),
        .name_space = metadata_column_string(md, METADATA_TYPE_DEF_NAMESPACE, rid),
        .extends_token = metadata_column_token(md, METADATA_TYPE_DEF_EXTENDS, rid),
        .fields = metadata_list(md, METADATA_TYPE_DEF_FIELD_LIST, rid),
        .methods = metadata_list(md, METADATA_TYPE_DEF_METHOD_LIST, rid),
    };
    return has_row(md, METADATA_TYPE_DEF, rid);
}

uint32_t metadata_enclosing_type(const struct metadata *md, uint32_t type_rid)
{
    enum { VISIBILITY_MASK = 7, NESTED_PUBLIC = 2 }; /* II.23.1.15 */
    uint32_t row;

    if ((metadata_column(md, METADATA_TYPE_DEF_FLAGS, type_rid) & VISIBILITY_MASK) < NESTED_PUBLIC) return 0;
    row = metadata_find_row(md, METADATA_NESTED_CLASS_NESTED, type_rid);
    return metadata_token_rid(metadata_column_token(md, METADATA_NESTED_CLASS_ENCLOSING, row));
}

bool metadata_type_ref(const struct metadata *md, uint32_t rid, struct metadata_type_ref *ret)
{
    *ret = (struct metadata_type_ref) {
        .name = metadata_column_string(md, METADATA_TYPE_REF_NAME, rid),
        .name_space = metadata_column_string(md, METADATA_TYPE_REF_NAMESPACE, rid),
        .scope_token = metadata_column_token(md, METADATA_TYPE_REF_RESOLUTION_SCOPE, rid),
    };
    return has_row(md, METADATA_TYPE_REF, rid);
}

struct span metadata_type_spec(const struct metadata *md, uint32_t rid)
{
    return metadata_column_blob(md, METADATA_TYPE_SPEC_SIGNATURE, rid);
}

bool metadata_exported_type(const struct metadata *md, uint32_t rid, struct metadata_exported_type *ret)
{
    *ret = (struct metadata_exported_type) {
        .flags = metadata_column(md, METADATA_EXPORTED_TYPE_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_EXPORTED_TYPE_NAME, rid),
        .name_space = metadata_column_string(md, METADATA_EXPORTED_TYPE_NAMESPACE, rid),
        .implementation_token = metadata_column_token(md, METADATA_EXPORTED_TYPE_IMPLEMENTATION, rid),
    };
    return has_row(md, METADATA_EXPORTED_TYPE, rid);
}

uint32_t metadata_generic_param_count(const struct metadata *md, uint32_t owner_token)
{
    struct metadata_rows rows = metadata_rows_of(md, METADATA_GENERIC_PARAM_OWNER, owner_token);
    uint32_t count = 0;

    while (count <= UINT16_MAX && metadata_rows_next(md, &rows))
        count++;
    return count;
}

const char *metadata_generic_param_name(const struct metadata *md, uint32_t owner_token, uint32_t number)
{
    struct metadata_rows rows = metadata_rows_of(md, METADATA_GENERIC_PARAM_OWNER, owner_token);

    while (metadata_rows_next(md, &rows))
        if (metadata_column(md, METADATA_GENERIC_PARAM_NUMBER, rows.rid) == number)
            return metadata_column_string(md, METADATA_GENERIC_PARAM_NAME, rows.rid);
    return "";
}

/* ---- members ---- */

bool metadata_method_def(const struct metadata *md, uint32_t rid, struct metadata_method_def *ret)
{
    *ret = (struct metadata_method_def) {
        .rva = metadata_column(md, METADATA_METHOD_DEF_RVA, rid),
        .impl_flags = (uint16_t)metadata_column(md, METADATA_METHOD_DEF_IMPL_FLAGS, rid),
        .flags = (uint16_t)metadata_column(md, METADATA_METHOD_DEF_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_METHOD_DEF_NAME, rid),
        .signature = metadata_column_blob(md, METADATA_METHOD_DEF_SIGNATURE, rid),
        .params = metadata_list(md, METADATA_METHOD_DEF_PARAM_LIST, rid),
    };
    return has_row(md, METADATA_METHOD_DEF, rid);
}

bool metadata_field(const struct metadata *md, uint32_t rid, struct metadata_field *ret)
{
    *ret = (struct metadata_field) {
        .flags = (uint16_t)metadata_column(md, METADATA_FIELD_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_FIELD_NAME, rid),
        .signature = metadata_column_blob(md, METADATA_FIELD_SIGNATURE, rid),
    };
    return has_row(md, METADATA_FIELD, rid);
}

/* Of the row whose `key` is `value`, the first column. */
static bool find_first_column(const struct metadata *md, enum metadata_column key, uint32_t value, uint32_t *ret)
{
    uint32_t row = value ? metadata_find_row(md, key, value) : 0;

    if (row) *ret = metadata_column(md, (unsigned)key & ~15u, row);
    return row;
}

bool metadata_field_rva(const struct metadata *md, uint32_t field_rid, uint32_t *ret)
{
    return find_first_column(md, METADATA_FIELD_RVA_FIELD, field_rid, ret);
}

bool metadata_field_offset(const struct metadata *md, uint32_t field_rid, uint32_t *ret)
{
    return find_first_column(md, METADATA_FIELD_LAYOUT_FIELD, field_rid, ret);
}

bool metadata_class_layout(const struct metadata *md, uint32_t type_rid, struct metadata_class_layout *ret)
{
    uint32_t row = type_rid ? metadata_find_row(md, METADATA_CLASS_LAYOUT_PARENT, type_rid) : 0;

    *ret = (struct metadata_class_layout) {
        .packing_size = metadata_column(md, METADATA_CLASS_LAYOUT_PACKING_SIZE, row),
        .class_size = metadata_column(md, METADATA_CLASS_LAYOUT_CLASS_SIZE, row),
    };
    return row;
}

bool metadata_param(const struct metadata *md, uint32_t rid, struct metadata_param *ret)
{
    *ret = (struct metadata_param) {
        .flags = (uint16_t)metadata_column(md, METADATA_PARAM_FLAGS, rid),
        .sequence = (uint16_t)metadata_column(md, METADATA_PARAM_SEQUENCE, rid),
        .name = metadata_column_string(md, METADATA_PARAM_NAME, rid),
    };
    return has_row(md, METADATA_PARAM, rid);
}

bool metadata_member_ref(const struct metadata *md, uint32_t rid, struct metadata_member_ref *ret)
{
    *ret = (struct metadata_member_ref) {
        .parent_token = metadata_column_token(md, METADATA_MEMBER_REF_CLASS, rid),
        .name = metadata_column_string(md, METADATA_MEMBER_REF_NAME, rid),
        .signature = metadata_column_blob(md, METADATA_MEMBER_REF_SIGNATURE, rid),
    };
    return has_row(md, METADATA_MEMBER_REF, rid);
}

bool metadata_method_spec(const struct metadata *md, uint32_t rid, struct metadata_method_spec *ret)
{
    *ret = (struct metadata_method_spec) {
        .method_token = metadata_column_token(md, METADATA_METHOD_SPEC_METHOD, rid),
        .instantiation = metadata_column_blob(md, METADATA_METHOD_SPEC_INSTANTIATION, rid),
    };
    return has_row(md, METADATA_METHOD_SPEC, rid);
}

static uint32_t type_def_token(uint32_t rid)
{
    return rid ? metadata_token(METADATA_TYPE_DEF, rid) : 0;
}

uint32_t metadata_member_type(const struct metadata *md, uint32_t token)
{
    if (token >> 24 == METADATA_METHOD_SPEC)
        token = metadata_column_token(md, METADATA_METHOD_SPEC_METHOD, metadata_token_rid(token));
    if (token >> 24 == METADATA_MEMBER_REF) {
        token = metadata_column_token(md, METADATA_MEMBER_REF_CLASS, metadata_token_rid(token));
        if (token >> 24 != METADATA_METHOD_DEF) return token >> 24 == METADATA_MODULE_REF ? 0 : token;
    }
    if (token >> 24 == METADATA_METHOD_DEF) return type_def_token(metadata_method_type(md, metadata_token_rid(token)));
    if (token >> 24 == METADATA_FIELD) return type_def_token(metadata_field_type(md, metadata_token_rid(token)));
    return 0;
}

const char *metadata_member_name(const struct metadata *md, uint32_t token)
{
    if (token >> 24 == METADATA_METHOD_SPEC)
        token = metadata_column_token(md, METADATA_METHOD_SPEC_METHOD, metadata_token_rid(token));
    switch (token >> 24) {
    case METADATA_METHOD_DEF:
        return metadata_column_string(md, METADATA_METHOD_DEF_NAME, metadata_token_rid(token));
    case METADATA_FIELD:
        return metadata_column_string(md, METADATA_FIELD_NAME, metadata_token_rid(token));
    case METADATA_MEMBER_REF:
        return metadata_column_string(md, METADATA_MEMBER_REF_NAME, metadata_token_rid(token));
    case METADATA_PROPERTY:
        return metadata_column_string(md, METADATA_PROPERTY_NAME, metadata_token_rid(token));
    case METADATA_EVENT:
        return metadata_column_string(md, METADATA_EVENT_NAME, metadata_token_rid(token));
    default:
        return "";
    }
}

bool metadata_property(const struct metadata *md, uint32_t rid, struct metadata_property *ret)
{
    *ret = (struct metadata_property) {
        .flags = (uint16_t)metadata_column(md, METADATA_PROPERTY_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_PROPERTY_NAME, rid),
        .signature = metadata_column_blob(md, METADATA_PROPERTY_SIGNATURE, rid),
    };
    return has_row(md, METADATA_PROPERTY, rid);
}

bool metadata_event(const struct metadata *md, uint32_t rid, struct metadata_event *ret)
{
    *ret = (struct metadata_event) {
        .flags = (uint16_t)metadata_column(md, METADATA_EVENT_FLAGS, rid),
        .name = metadata_column_string(md, METADATA_EVENT_NAME, rid),
        .type_token = metadata_column_token(md, METADATA_EVENT_TYPE, rid),
    };
    return has_row(md, METADATA_EVENT, rid);
}

uint32_t metadata_accessor(const struct metadata *md, uint32_t token, enum metadata_semantics semantics)
{
    struct metadata_rows rows = metadata_rows_of(md, METADATA_METHOD_SEMANTICS_ASSOCIATION, token);

    while (metadata_rows_next(md, &rows))
        if (metadata_column(md, METADATA_METHOD_SEMANTICS_FLAGS, rows.rid) & semantics)
            return metadata_token_rid(metadata_column_token(md, METADATA_METHOD_SEMANTICS_METHOD, rows.rid));
    return 0;
}

bool metadata_constant(const struct metadata *md, uint32_t token, struct metadata_constant *ret)
{
    uint32_t row = find_row_of(md, METADATA_CONSTANT_PARENT, token);

    *ret = (struct metadata_constant) {
        .element_type = (uint8_t)metadata_column(md, METADATA_CONSTANT_TYPE, row),
        .value = metadata_column_blob(md, METADATA_CONSTANT_VALUE, row),
    };
    return row;
}

/* ---- assembly and module ---- */

bool metadata_assembly(const struct metadata *md, struct metadata_assembly *ret)
{
    *ret = (struct metadata_assembly) {
        .name = metadata_column_string(md, METADATA_ASSEMBLY_NAME, 1),
        .culture = metadata_column_string(md, METADATA_ASSEMBLY_CULTURE, 1),
        .flags = metadata_column(md, METADATA_ASSEMBLY_FLAGS, 1),
        .public_key = metadata_column_blob(md, METADATA_ASSEMBLY_PUBLIC_KEY, 1),
    };
    for (unsigned i = 0; i < 4; i++)
        ret->version[i] = (uint16_t)metadata_column(md, METADATA_ASSEMBLY_MAJOR_VERSION + i, 1);
    return has_row(md, METADATA_ASSEMBLY, 1);
}

bool metadata_assembly_ref(const struct metadata *md, uint32_t rid, struct metadata_assembly *ret)
{
    *ret = (struct metadata_assembly) {
        .name = metadata_column_string(md, METADATA_ASSEMBLY_REF_NAME, rid),
        .culture = metadata_column_string(md, METADATA_ASSEMBLY_REF_CULTURE, rid),
        .flags = metadata_column(md, METADATA_ASSEMBLY_REF_FLAGS, rid),
        .public_key = metadata_column_blob(md, METADATA_ASSEMBLY_REF_PUBLIC_KEY, rid),
    };
    for (unsigned i = 0; i < 4; i++)
        ret->version[i] = (uint16_t)metadata_column(md, METADATA_ASSEMBLY_REF_MAJOR_VERSION + i, rid);
    return has_row(md, METADATA_ASSEMBLY_REF, rid);
}

const char *metadata_module_name(const struct metadata *md)
{
    return metadata_column_string(md, METADATA_MODULE_NAME, 1);
}

bool metadata_module_mvid(const struct metadata *md, uint8_t ret[16])
{
    return metadata_guid(md, metadata_column(md, METADATA_MODULE_MVID, 1), ret);
}
