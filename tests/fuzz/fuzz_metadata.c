/*
 * Any bytes as metadata: opened, then every accessor over the first rows of every table. Ranges and rids that come back must lie
 * inside their tables, and borrowed spans inside the input.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "formats/metadata.h"
#include "formats/signature.h"

enum { ROWS_MAX = 24 };

static volatile size_t sink;

static void require(bool what)
{
    if (!what) abort();
}

static void use_span(const struct metadata *md, struct span s)
{
    if (!s.size) return;
    require(s.data >= md->root.data && s.data + s.size <= md->root.data + md->root.size);
    sink += s.data[0] + s.data[s.size - 1];
}

static void use_string(const char *s)
{
    sink += strlen(s);
}

static uint32_t rows(const struct metadata *md, enum metadata_table table)
{
    uint32_t count = metadata_row_count(md, table);

    return count < ROWS_MAX ? count : ROWS_MAX;
}

static void use_columns(const struct metadata *md)
{
    static const enum metadata_column columns[] = {
#define COLUMN(table, index, column, kind) METADATA_##table##_##column,
#include "formats/metadata_tables.def"
    };
    uint8_t guid[16];

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        for (uint32_t rid = 0; rid <= rows(md, (unsigned)columns[i] >> 4) + 1; rid++) {
            uint32_t value = metadata_column(md, columns[i], rid);
            use_string(metadata_string(md, value, NULL));
            use_span(md, metadata_blob(md, value));
            use_span(md, metadata_user_string(md, value));
            sink += metadata_guid(md, value, guid) + metadata_column_token(md, columns[i], rid);
        }
}

static void use_list(const struct metadata *md, struct metadata_range range, enum metadata_table table)
{
    require(range.start <= range.end);
    for (uint32_t at = range.start; at < range.end && at - range.start < ROWS_MAX; at++)
        require(metadata_list_rid(md, table, at) <= metadata_row_count(md, table));
}

static void use_names(const struct metadata *md, uint32_t token)
{
    struct text text;

    text_init(&text);
    if (metadata_type_token_name(md, token, &text) && token >> 24 == METADATA_TYPE_DEF && text.length < 256)
        sink += metadata_find_type_by_name(md, text_cstr(&text));
    text_deinit(&text);
}

static void use_rows_of(const struct metadata *md, enum metadata_column column, uint32_t token)
{
    struct metadata_rows it = metadata_rows_of(md, column, token);
    uint32_t last = 0;

    for (unsigned i = 0; i < ROWS_MAX && metadata_rows_next(md, &it); i++) {
        require(it.rid > last && it.rid <= metadata_row_count(md, (unsigned)column >> 4));
        last = it.rid;
    }
}

static void use_types(const struct metadata *md)
{
    for (uint32_t rid = 0; rid <= rows(md, METADATA_TYPE_DEF) + 1; rid++) {
        uint32_t token = metadata_token(METADATA_TYPE_DEF, rid);
        struct metadata_type_def type;
        struct metadata_class_layout layout;
        metadata_type_def(md, rid, &type);
        use_list(md, type.fields, METADATA_FIELD);
        use_list(md, type.methods, METADATA_METHOD_DEF);
        use_list(md, metadata_type_properties(md, rid), METADATA_PROPERTY);
        use_list(md, metadata_type_events(md, rid), METADATA_EVENT);
        use_rows_of(md, METADATA_INTERFACE_IMPL_CLASS, token);
        use_rows_of(md, METADATA_CUSTOM_ATTRIBUTE_PARENT, token);
        use_names(md, token);
        use_names(md, metadata_token(METADATA_TYPE_REF, rid));
        use_names(md, metadata_token(METADATA_TYPE_SPEC, rid));
        use_names(md, metadata_token(METADATA_EXPORTED_TYPE, rid));
        sink += metadata_class_layout(md, rid, &layout) + metadata_type_ref_scope(md, rid);
        sink += metadata_generic_param_count(md, token) + metadata_find_attribute(md, token, "System", "ObsoleteAttribute");
    }
}

static void use_members(const struct metadata *md)
{
    struct metadata_constant constant;
    struct signature_names names;
    struct text text;
    uint32_t value = 0;

    text_init(&text);
    for (uint32_t rid = 0; rid <= ROWS_MAX; rid++) {
        struct metadata_method_def method;
        struct metadata_field field;
        uint32_t owner = metadata_method_type(md, rid);
        require(owner <= metadata_row_count(md, METADATA_TYPE_DEF));
        require(metadata_field_type(md, rid) <= metadata_row_count(md, METADATA_TYPE_DEF));
        metadata_method_def(md, rid, &method);
        metadata_field(md, rid, &field);
        use_list(md, method.params, METADATA_PARAM);
        signature_names_init(&names, md, owner, rid);
        text_clear(&text);
        signature_method_text(md, method.signature, method.name, true, &names.context, &text);
        signature_field_text(md, field.signature, NULL, &text);
        require(text.length <= 2 * (LIMIT_TYPE_NAME + 8));
        for (unsigned table = 0; table < METADATA_TABLE_COUNT; table++) {
            sink += metadata_member_type(md, metadata_token(table, rid)) +
                    metadata_constant(md, metadata_token(table, rid), &constant);
            use_string(metadata_member_name(md, metadata_token(table, rid)));
        }
        sink += metadata_field_rva(md, rid, &value) + metadata_field_offset(md, rid, &value) + metadata_attribute_type(md, rid);
        sink += metadata_accessor(md, metadata_token(METADATA_PROPERTY, rid), METADATA_GETTER);
    }
    text_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata md;
    struct metadata_assembly assembly;

    if (!metadata_try_open((struct span) { data, size }, &md)) return 0;
    use_columns(&md);
    use_types(&md);
    use_members(&md);
    sink += metadata_assembly(&md, &assembly) + strlen(metadata_module_name(&md));
    return 0;
}
