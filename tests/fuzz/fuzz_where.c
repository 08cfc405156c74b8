/* A condition of --where compiles or is refused, and runs on any row: an unknown one, and one whose texts hold the condition
 * itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "surfaces/where.h"

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS }, { "name", COLUMN_TEXT },   { "size", COLUMN_BYTES },
    { "count", COLUMN_COUNT },     { "id", COLUMN_NUMBER },   { "token", COLUMN_TOKEN },
    { "live", COLUMN_BOOL },       { "share", COLUMN_SHARE }, { "extra", COLUMN_JSON },
};
static const struct relation relation = { .name = "things", .columns = columns, .column_count = ARRAY_COUNT(columns) };

static void fill(struct value *row, const char *text)
{
    for (unsigned i = 0; i < relation.column_count; i++) {
        if (columns[i].kind == COLUMN_TEXT || columns[i].kind == COLUMN_JSON)
            value_text(&row[i], text);
        else if (columns[i].kind == COLUMN_SHARE)
            value_share(&row[i], 0.5);
        else
            value_u64(&row[i], i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value row[ARRAY_COUNT(columns)] = { 0 };
    char *expression = malloc(size + 1);
    struct where where;
    struct error *err;

    if (!expression) return 0;
    if (size) memcpy(expression, data, size);
    expression[size] = 0;
    err = where_compile(&where, &relation, expression);
    error_destroy(err);
    if (!err) {
        where_matches(&where, row);
        fill(row, expression);
        where_matches(&where, row);
        where_deinit(&where);
    }
    free(expression);
    return 0;
}
