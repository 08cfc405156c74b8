/* Names of types: to text, and from text to rows. */
#include "formats/metadata.h"

#include "formats/signature.h"

static uint32_t enclosing_token(const struct metadata *md, uint32_t token)
{
    uint32_t rid = metadata_token_rid(token), outer;

    switch (token >> 24) {
    case METADATA_TYPE_DEF:
        outer = metadata_enclosing_type(md, rid);
        return outer ? metadata_token(METADATA_TYPE_DEF, outer) : 0;
    case METADATA_TYPE_REF:
        outer = metadata_column_token(md, METADATA_TYPE_REF_RESOLUTION_SCOPE, rid);
        return outer >> 24 == METADATA_TYPE_REF ? outer : 0;
    case METADATA_EXPORTED_TYPE:
        outer = metadata_column_token(md, METADATA_EXPORTED_TYPE_IMPLEMENTATION, rid);
        return outer >> 24 == METADATA_EXPORTED_TYPE ? outer : 0;
    default:
        return 0;
    }
}

static bool name_part(const struct metadata *md, uint32_t token, struct metadata_name_part *ret)
{
    static const struct {
        enum metadata_column name, name_space;
    } columns[] = {
        [METADATA_TYPE_DEF] = { METADATA_TYPE_DEF_NAME, METADATA_TYPE_DEF_NAMESPACE },
        [METADATA_TYPE_REF] = { METADATA_TYPE_REF_NAME, METADATA_TYPE_REF_NAMESPACE },
        [METADATA_EXPORTED_TYPE] = { METADATA_EXPORTED_TYPE_NAME, METADATA_EXPORTED_TYPE_NAMESPACE },
    };
    uint32_t table = token >> 24, rid = metadata_token_rid(token);

    if (table >= sizeof(columns) / sizeof(columns[0]) || !columns[table].name) return false;
    if (!rid || rid > metadata_row_count(md, table)) return false;
    ret->name = metadata_column_string(md, columns[table].name, rid);
    ret->name_space = metadata_column_string(md, columns[table].name_space, rid);
    return true;
}

size_t metadata_type_name_parts(const struct metadata *md, uint32_t token, struct metadata_name_part parts[METADATA_NAME_PARTS])
{
    size_t count = 0;

    while (count < METADATA_NAME_PARTS && name_part(md, token, &parts[count])) {
        count++;
        token = enclosing_token(md, token);
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct metadata_name_part inner = parts[i];
        parts[i] = parts[count - 1 - i];
        parts[count - 1 - i] = inner;
    }
    return count;
}

void metadata_type_def_name(const struct metadata *md, uint32_t rid, struct text *out)
{
    metadata_type_token_name(md, metadata_token(METADATA_TYPE_DEF, rid), out);
}

bool metadata_type_token_name(const struct metadata *md, uint32_t token, struct text *out)
{
    struct metadata_name_part parts[METADATA_NAME_PARTS];
    size_t count;

    if (token >> 24 == METADATA_TYPE_SPEC) {
        if (metadata_token_rid(token) - 1 >= metadata_row_count(md, METADATA_TYPE_SPEC)) return false;
        signature_type_spec_text(md, metadata_type_spec(md, metadata_token_rid(token)), NULL, out);
        return true;
    }
    count = metadata_type_name_parts(md, token, parts);
    for (size_t i = 0; i < count; i++) {
        if (i) text_putc(out, '+');
        if (*parts[i].name_space) {
            text_puts(out, parts[i].name_space);
            text_putc(out, '.');
        }
        text_puts(out, parts[i].name);
    }
    return count;
}

uint32_t metadata_type_ref_scope(const struct metadata *md, uint32_t rid)
{
    for (unsigned depth = 0; depth < LIMIT_TYPE_DEPTH; depth++) {
        uint32_t scope = metadata_column_token(md, METADATA_TYPE_REF_RESOLUTION_SCOPE, rid);
        if (scope >> 24 != METADATA_TYPE_REF) return scope;
        rid = metadata_token_rid(scope);
    }
    return 0;
}

/* ---- finding ---- */

struct words {
    const char *text;
    size_t length;
};

/* Compares in the heap, without looking for the end of what is there. */
static bool string_is(const struct metadata *md, uint32_t index, struct words words)
{
    struct span there;

    if (!span_slice(md->strings, index, (uint64_t)words.length + 1, &there)) return !words.length;
    return !memcmp(there.data, words.text, words.length) && !there.data[words.length];
}

static uint32_t find_type(const struct metadata *md, uint32_t enclosing_rid, struct words name_space, struct words name)
{
    uint32_t count = metadata_row_count(md, METADATA_TYPE_DEF);

    for (uint32_t rid = 1; rid <= count; rid++) {
        if (!string_is(md, metadata_column(md, METADATA_TYPE_DEF_NAME, rid), name)) continue;
        if (!string_is(md, metadata_column(md, METADATA_TYPE_DEF_NAMESPACE, rid), name_space)) continue;
        if (metadata_enclosing_type(md, rid) == enclosing_rid) return rid;
    }
    return 0;
}

static struct words words_of(const char *s)
{
    return (struct words) { s, strlen(s) };
}

uint32_t metadata_find_type_def(const struct metadata *md, uint32_t enclosing_rid, const char *name_space, const char *name)
{
    return find_type(md, enclosing_rid, words_of(name_space), words_of(name));
}

uint32_t metadata_find_type_by_name(const struct metadata *md, const char *full_name)
{
    size_t length = strcspn(full_name, "+");
    const char *dot = memrchr(full_name, '.', length);
    struct words name_space = { full_name, dot ? (size_t)(dot - full_name) : 0 }, name = { full_name, length };
    uint32_t rid;

    if (dot) name = (struct words) { dot + 1, length - name_space.length - 1 };
    rid = find_type(md, 0, name_space, name);
    for (full_name += length; rid && *full_name; full_name += length) {
        length = strcspn(++full_name, "+");
        rid = find_type(md, rid, (struct words) { "", 0 }, (struct words) { full_name, length });
    }
    return rid;
}

static uint32_t find_in_list(const struct metadata *md, struct metadata_range range, enum metadata_column name_column,
                             const char *name)
{
    struct words words = words_of(name);

    for (uint32_t i = range.start; i < range.end; i++) {
        uint32_t rid = metadata_list_rid(md, (unsigned)name_column >> 4, i);
        if (rid && string_is(md, metadata_column(md, name_column, rid), words)) return rid;
    }
    return 0;
}

uint32_t metadata_find_method(const struct metadata *md, uint32_t type_rid, const char *name)
{
    return find_in_list(md, metadata_list(md, METADATA_TYPE_DEF_METHOD_LIST, type_rid), METADATA_METHOD_DEF_NAME, name);
}

uint32_t metadata_find_field(const struct metadata *md, uint32_t type_rid, const char *name)
{
    return find_in_list(md, metadata_list(md, METADATA_TYPE_DEF_FIELD_LIST, type_rid), METADATA_FIELD_NAME, name);
}

/* ---- custom attributes ---- */

uint32_t metadata_attribute_type(const struct metadata *md, uint32_t attribute_rid)
{
    return metadata_member_type(md, metadata_column_token(md, METADATA_CUSTOM_ATTRIBUTE_TYPE, attribute_rid));
}

uint32_t metadata_find_attribute(const struct metadata *md, uint32_t token, const char *name_space, const char *name)
{
    struct metadata_rows rows = metadata_rows_of(md, METADATA_CUSTOM_ATTRIBUTE_PARENT, token);
    struct metadata_name_part type;

    while (metadata_rows_next(md, &rows))
        if (name_part(md, metadata_attribute_type(md, rows.rid), &type) && !strcmp(type.name, name) &&
            !strcmp(type.name_space, name_space))
            return rows.rid;
    return 0;
}
