#include "relations/growth_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/gaps.h"

/* So many things of one relation at most: what comes later is only counted. */
enum { THINGS_MAX = 1 << 20 };

struct growth_part {
    const struct relation *relation;
    struct text_map names;
    VEC(struct growth_cell) cells; /* dump_count for each name */
    uint64_t columns;              /* that are looked at */
    int count, bytes, certainty;   /* columns, -1: none */
    bool failed;                   /* in one of the dumps */
    uint64_t not_kept;
};

/* ---- what is compared ---- */

/* Does the list "a,b" have the word? */
static bool list_has(const char *list, const char *word)
{
    while (*list) {
        size_t length = strcspn(list, ",");

        if (name_equaln(word, list, length)) return true;
        list += length + (list[length] == ',');
    }
    return false;
}

static bool is_wanted(const struct growth *growth, const struct growth_options *options)
{
    if (!growth->kind) return false;
    return options->kinds ? list_has(options->kinds, growth->kind) : !growth->when_asked;
}

/* Column of that name, or -1; it is then among those that are looked at. */
static int use_column(struct growth_part *part, const char *name)
{
    int column = name ? relation_column(part->relation, name) : -1;

    if (column >= 0) part->columns |= UINT64_C(1) << column;
    return column;
}

static void use_columns(struct growth_part *part, bool retained)
{
    const struct growth *growth = &part->relation->growth;

    part->count = use_column(part, growth->count);
    part->bytes = use_column(part, retained && growth->retained ? growth->retained : growth->bytes);
    part->certainty = use_column(part, "certainty");
    for (unsigned i = 0; i < part->relation->column_count; i++)
        if (list_has(growth->key, part->relation->columns[i].name)) part->columns |= UINT64_C(1) << i;
}

static struct error *add_part(struct growth_table *table, const struct relation *relation)
{
    struct growth_part *part = calloc(1, sizeof(*part));

    if (!part) return &error_enomem;
    part->relation = relation;
    text_map_init(&part->names);
    use_columns(part, table->options->retained);
    if (vec_push(&table->parts, part)) return NULL;
    text_map_deinit(&part->names);
    free(part);
    return &error_enomem;
}

static int compare_ranks(const void *a, const void *b)
{
    unsigned left = (*(struct growth_part *const *)a)->relation->growth.rank;
    unsigned right = (*(struct growth_part *const *)b)->relation->growth.rank;

    return (left > right) - (left < right);
}

static struct error *check_kinds(const struct growth_table *table)
{
    const char *list = table->options->kinds;

    if (list && !*list) return error_create(ERROR_USAGE, "-what: it names nothing");
    while (list && *list) {
        size_t length = strcspn(list, ","), i = 0;

        while (i < table->parts.count && !name_equaln(table->parts.data[i]->relation->growth.kind, list, length))
            i++;
        if (i == table->parts.count)
            return error_create(ERROR_USAGE, "-what: '%.*s' is nothing that can be compared", (int)length, list);
        list += length + (list[length] == ',');
    }
    return NULL;
}

struct error *growth_table_init(struct growth_table *ret, const struct relation *const *relations,
                                const struct growth_options *options, unsigned dump_count)
{
    struct error *err = NULL;

    *ret = (struct growth_table) { .options = options, .dump_count = dump_count };
    text_map_init(&ret->certainties);
    for (; *relations && !err; relations++)
        if (is_wanted(&(*relations)->growth, options)) err = add_part(ret, *relations);
    vec_sort(&ret->parts, compare_ranks);
    if (!err) err = check_kinds(ret);
    if (err) growth_table_deinit(ret);
    return err;
}

void growth_table_deinit(struct growth_table *table)
{
    for (size_t i = 0; i < table->parts.count; i++) {
        text_map_deinit(&table->parts.data[i]->names);
        vec_deinit(&table->parts.data[i]->cells);
        free(table->parts.data[i]);
    }
    vec_deinit(&table->parts);
    text_map_deinit(&table->certainties);
}

/* ---- reading ---- */

/* "strong: System.String": the key's columns in their order. */
static void append_name(const struct growth_part *part, const struct value *row, struct text *ret)
{
    for (const char *list = part->relation->growth.key; *list;) {
        size_t length = strcspn(list, ",");

        for (unsigned i = 0; i < part->relation->column_count; i++) {
            if (!name_equaln(part->relation->columns[i].name, list, length)) continue;
            if (ret->length && row[i].known) text_puts(ret, ": ");
            if (row[i].known) text_append(ret, row[i].s, row[i].length);
        }
        list += length + (list[length] == ',');
    }
    if (!ret->length) text_puts(ret, "(no name)");
}

/* The thing's cells, new ones the first time; NULL: no memory. *kept_ret false: there are too many things. */
static struct growth_cell *find_cells(struct growth_table *table, struct growth_part *part, const struct text *name, bool *kept_ret)
{
    size_t number, wanted;

    *kept_ret = part->names.texts.count < THINGS_MAX || text_map_find(&part->names, text_cstr(name), name->length, &number);
    if (!*kept_ret) return NULL;
    if (!text_map_add(&part->names, text_cstr(name), name->length, &number)) return NULL;
    wanted = (number + 1) * table->dump_count;
    while (part->cells.count < wanted)
        if (!vec_push(&part->cells, (struct growth_cell) { 0 })) return NULL;
    return &part->cells.data[number * table->dump_count];
}

static bool keep_certainty(struct growth_table *table, const struct value *value, struct growth_cell *cell)
{
    size_t number;

    if (!value->known) return true;
    if (!text_map_add(&table->certainties, value->s, value->length, &number)) return false;
    cell->certainty = table->certainties.texts.data[number];
    return true;
}

static struct error *add_row(struct growth_table *table, struct growth_part *part, unsigned dump, const struct value *row,
                             struct text *name)
{
    struct growth_cell *cells, *cell;
    bool kept = true;

    text_clear(name);
    append_name(part, row, name);
    cells = name->failed ? NULL : find_cells(table, part, name, &kept);
    if (!cells && !name->failed && !kept) {
        part->not_kept++;
        return NULL;
    }
    if (!cells) return &error_enomem;
    cell = &cells[dump];
    cell->rows++;
    if (part->count < 0 || row[part->count].known) {
        cell->count += part->count < 0 ? 1 : row[part->count].u;
        cell->has_count = true;
    }
    if (part->bytes >= 0 && row[part->bytes].known) {
        cell->bytes += row[part->bytes].u;
        cell->has_bytes = true;
    }
    return part->certainty < 0 || keep_certainty(table, &row[part->certainty], cell) ? NULL : &error_enomem;
}

static struct error *pull_rows(struct growth_table *table, struct growth_part *part, unsigned dump, void *cursor)
{
    struct value row[RELATION_MAX_COLUMNS];
    struct text name;
    struct error *err = NULL;
    bool more = true;

    text_init(&name);
    while (!err && more) {
        memset(row, 0, sizeof(row));
        more = false;
        err = part->relation->next(cursor, row, &more);
        if (!err && more) err = add_row(table, part, dump, row, &name);
    }
    text_deinit(&name);
    return err;
}

static struct error *read_part(struct growth_table *table, struct growth_part *part, unsigned dump, struct session *session)
{
    static const struct argument no_arguments[RELATION_MAX_PARAMETERS];
    struct request request = { .arguments = no_arguments, .columns_needed = part->columns };
    void *cursor = calloc(1, part->relation->cursor_size ? part->relation->cursor_size : 1);
    struct error *err;

    if (!cursor) return &error_enomem;
    err = part->relation->begin(session, &request, cursor);
    if (!err) err = pull_rows(table, part, dump, cursor);
    if (part->relation->end) part->relation->end(cursor);
    free(cursor);
    return err;
}

struct error *growth_table_read(struct growth_table *table, unsigned dump, struct session *session, const char *label,
                                struct gaps *gaps)
{
    for (size_t i = 0; i < table->parts.count; i++) {
        struct growth_part *part = table->parts.data[i];
        struct error *err = read_part(table, part, dump, session);

        if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
        if (err) {
            part->failed = true;
            err = error_prefix(err, "%s", label);
            gaps_add_error(gaps, part->relation->name, err);
        }
        if (part->not_kept)
            gaps_add(gaps, part->relation->name, 0, part->not_kept, "only the first %d different things are compared", THINGS_MAX);
        part->not_kept = 0;
    }
    return NULL;
}

struct error *growth_table_visit(const struct growth_table *table,
                                 struct error *(*visit)(void *user, const struct growth_thing *thing), void *user)
{
    for (size_t i = 0; i < table->parts.count; i++) {
        const struct growth_part *part = table->parts.data[i];

        for (size_t k = 0; k < part->names.texts.count && !part->failed; k++) {
            struct growth_thing thing = { .relation = part->relation,
                                          .name = part->names.texts.data[k],
                                          .cells = &part->cells.data[k * table->dump_count] };

            TRY(visit(user, &thing));
        }
    }
    return NULL;
}
