#include "rules/heap_types.h"

#include <string.h>

#include "base/limits.h"

struct heap_sum heap_sum_by_name(struct clr *clr, const struct histogram *histogram, const char *name)
{
    size_t length = strlen(name);
    bool prefix = length && name[length - 1] == '*';
    struct heap_sum sum = { 0 };

    for (size_t i = 0; histogram && i < histogram->rows.count; i++) {
        const char *type = clr_type_name(clr, histogram->rows.data[i].mt_addr);

        if (prefix ? strncmp(type, name, length - 1) != 0 : strcmp(type, name) != 0) continue;
        sum.count += histogram->rows.data[i].count;
        sum.bytes += histogram->rows.data[i].bytes;
    }
    return sum;
}

/* Greedy with one step back: at a mismatch the last * takes one more character. */
static bool matches(const char *name, const char *pattern)
{
    const char *star = NULL, *retry = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool type_name_matches(const char *name, const char *const *patterns)
{
    for (; *patterns; patterns++)
        if (matches(name, *patterns)) return true;
    return false;
}

static const struct metadata *type_metadata(struct clr *clr, const struct clr_type *type)
{
    struct clr_module *module = clr_module_get(clr, type->module_addr);

    return module && !clr_type_is_array(type) ? clr_module_metadata(clr, module) : NULL;
}

bool type_implements(struct clr *clr, uint64_t mt_addr, const char *interface)
{
    struct text name;
    bool found = false;

    text_init(&name);
    for (unsigned depth = 0; mt_addr && !found && depth < LIMIT_TYPE_DEPTH; depth++) {
        struct clr_type *type = clr_type_get(clr, mt_addr);
        const struct metadata *md = type ? type_metadata(clr, type) : NULL;
        struct metadata_rows rows;

        if (!md) break;
        rows = metadata_rows_where(md, METADATA_INTERFACE_IMPL_CLASS, metadata_token_rid(type->token));
        while (!found && metadata_rows_next(md, &rows)) {
            text_clear(&name);
            if (metadata_type_token_name(md, metadata_column_token(md, METADATA_INTERFACE_IMPL_INTERFACE, rows.rid), &name))
                found = !strcmp(text_cstr(&name), interface);
        }
        mt_addr = type->parent_addr;
    }
    text_deinit(&name);
    return found;
}

bool type_declares_method(struct clr *clr, uint64_t mt_addr, const char *name)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);
    const struct metadata *md = type ? type_metadata(clr, type) : NULL;

    return md && metadata_find_method(md, metadata_token_rid(type->token), name);
}

const struct histogram_row *heap_next_implementing(struct clr *clr, const struct histogram *histogram, const char *interface,
                                                   size_t *index)
{
    while (histogram && *index < histogram->rows.count) {
        const struct histogram_row *row = &histogram->rows.data[(*index)++];
        if (!row->is_free && type_implements(clr, row->mt_addr, interface)) return row;
    }
    return NULL;
}
