#include "relations/relation.h"

#include <string.h>

void value_textn(struct value *v, const char *s, size_t length)
{
    v->known = s != NULL;
    v->s = s;
    v->length = s ? length : 0;
}

void value_text(struct value *v, const char *s)
{
    value_textn(v, s, s ? strlen(s) : 0);
}

static char name_fold(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

bool name_equaln(const char *a, const char *b, size_t b_length)
{
    if (strlen(a) != b_length) return false;
    for (size_t i = 0; i < b_length; i++)
        if (name_fold(a[i]) != name_fold(b[i])) return false;
    return true;
}

bool name_equal(const char *a, const char *b)
{
    return name_equaln(a, b, strlen(b));
}

const struct relation *relation_find(const struct relation *const *relations, const char *name)
{
    for (; *relations; relations++)
        if (name_equal((*relations)->name, name)) return *relations;
    return NULL;
}

int relation_column(const struct relation *relation, const char *name)
{
    for (unsigned i = 0; i < relation->column_count; i++)
        if (name_equal(relation->columns[i].name, name)) return (int)i;
    return -1;
}

const char *column_kind_name(enum column_kind kind)
{
    static const char *const names[] = {
        [COLUMN_ADDRESS] = "address", [COLUMN_BYTES] = "bytes",   [COLUMN_COUNT] = "count", [COLUMN_NUMBER] = "number",
        [COLUMN_TOKEN] = "token",     [COLUMN_TEXT] = "text",     [COLUMN_BOOL] = "bool",   [COLUMN_SHARE] = "share",
        [COLUMN_JSON] = "json",       [COLUMN_CHANGE] = "change",
    };
    return names[kind];
}
