#include "surfaces/query_plan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "surfaces/words.h"

/* ---- lists of names ---- */

struct name {
    const char *s;
    size_t length;
};

/* The next part of a list that `separator` divides, blanks around it removed. False behind the last. */
static bool list_next(const char **list, char separator, struct name *ret)
{
    const char *s = *list, *end;

    if (!s) return false;
    end = strchrnul(s, separator);
    *list = *end ? end + 1 : NULL;
    while (s < end && isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    *ret = (struct name) { s, (size_t)(end - s) };
    return true;
}

static int base_find(const struct query_plan *plan, struct name name)
{
    for (unsigned i = 0; i < plan->base_count; i++)
        if (name_equaln(plan->base[i].name, name.s, name.length)) return (int)i;
    return -1;
}

static struct error *base_unknown(struct query_plan *plan, struct name name)
{
    struct suggestion suggestion;
    char *wanted = arena_strndup(&plan->names, name.s, name.length);

    if (!wanted) return &error_enomem;
    suggestion_init(&suggestion, wanted);
    for (unsigned i = 0; i < plan->base_count; i++)
        suggestion_add(&suggestion, plan->base[i].name);
    return suggestion_error(&suggestion, "column");
}

/* ---- base columns ---- */

static void base_add(struct query_plan *plan, struct base_column column)
{
    if (plan->base_count < QUERY_MAX_CELLS) plan->base[plan->base_count++] = column;
}

static void base_from_relation(struct query_plan *plan, const struct relation *relation)
{
    for (unsigned i = 0; i < relation->column_count; i++) {
        const struct column *c = &relation->columns[i];

        base_add(plan, (struct base_column) { c->name, c->kind, BASE_PLAIN, i, c->flags });
    }
}

static bool is_grouped_by(const struct query_plan *plan, unsigned source)
{
    for (unsigned i = 0; i < plan->group_count; i++)
        if (plan->base[i].source == source) return true;
    return false;
}

static bool view_hides(enum query_view view, unsigned flags, enum column_kind kind)
{
    if (view == QUERY_DATA) return flags & COLUMN_TEXT_ONLY;
    return kind == COLUMN_JSON || (view == QUERY_TEXT && (flags & COLUMN_VERBOSE));
}

/* An address leads to the thing itself; a text is the next best. */
static int example_column(const struct query_plan *plan, const struct relation *relation)
{
    static const enum column_kind wanted[] = { COLUMN_ADDRESS, COLUMN_TEXT };

    for (unsigned k = 0; k < ARRAY_COUNT(wanted); k++)
        for (unsigned i = 0; i < relation->column_count; i++)
            if (relation->columns[i].kind == wanted[k] && !is_grouped_by(plan, i)) return (int)i;
    return -1;
}

static void base_add_sums(struct query_plan *plan, const struct relation *relation, enum query_view view)
{
    for (unsigned i = 0; i < relation->column_count; i++) {
        const struct column *c = &relation->columns[i];

        if (c->kind != COLUMN_BYTES && c->kind != COLUMN_COUNT) continue;
        if (view_hides(view, c->flags, c->kind) || is_grouped_by(plan, i)) continue;
        base_add(plan, (struct base_column) { c->name, c->kind, BASE_SUM, i, 0 });
    }
}

static struct error *base_from_group(struct query_plan *plan, const struct relation *relation, const char *group,
                                     enum query_view view)
{
    struct query_plan relation_plan = { 0 };
    struct error *err = NULL;
    struct name name;
    int example;

    base_from_relation(&relation_plan, relation);
    arena_init(&relation_plan.names);
    while (!err && list_next(&group, ',', &name)) {
        int column = base_find(&relation_plan, name);

        if (column < 0)
            err = base_unknown(&relation_plan, name);
        else if (!is_grouped_by(plan, (unsigned)column)) {
            base_add(plan, relation_plan.base[column]);
            plan->base[plan->group_count++].role = BASE_GROUP;
        }
    }
    arena_deinit(&relation_plan.names);
    if (err) return err;
    base_add(plan, (struct base_column) { "rows", COLUMN_COUNT, BASE_ROWS, 0, 0 });
    base_add_sums(plan, relation, view);
    example = example_column(plan, relation);
    if (example >= 0)
        base_add(plan, (struct base_column) { "example", relation->columns[example].kind, BASE_EXAMPLE, (unsigned)example, 0 });
    return NULL;
}

/* ---- what is shown ---- */

static void view_add(struct query_plan *plan, unsigned base)
{
    if (plan->view_count == QUERY_MAX_CELLS) return;
    plan->titles[plan->view_count] = plan->base[base].name;
    plan->view[plan->view_count++] = base;
}

static void view_default(struct query_plan *plan, enum query_view view)
{
    for (unsigned i = 0; i < plan->base_count; i++)
        if (!view_hides(view, plan->base[i].flags, plan->base[i].kind)) view_add(plan, i);
}

static struct error *view_named(struct query_plan *plan, const char *columns, enum query_view view)
{
    struct name name;

    while (list_next(&columns, ',', &name)) {
        int column = base_find(plan, name);

        if (name_equaln("all", name.s, name.length)) {
            view_default(plan, view == QUERY_TEXT ? QUERY_TEXT_VERBOSE : view);
            continue;
        }
        if (column < 0) return base_unknown(plan, name);
        if (view == QUERY_DATA && (plan->base[column].flags & COLUMN_TEXT_ONLY))
            return error_create(ERROR_USAGE, "column '%s' exists in text tables only", plan->base[column].name);
        view_add(plan, (unsigned)column);
    }
    return NULL;
}

static struct error *view_titles(struct query_plan *plan, const char *titles)
{
    struct name name;

    for (unsigned i = 0; i < plan->view_count && list_next(&titles, '|', &name); i++) {
        plan->titles[i] = arena_strndup(&plan->names, name.s, name.length);
        if (!plan->titles[i]) return &error_enomem;
    }
    return NULL;
}

static struct error *plan_view(struct query_plan *plan, const struct command *command, const struct query_options *options)
{
    bool own_group = plan->group_count && options->group;

    if (options->columns) return view_named(plan, options->columns, options->view);
    /* Aliases choose columns and heads for people only; machines get the whole relation. */
    if (options->view == QUERY_DATA || own_group || !command->columns) {
        view_default(plan, options->view);
        return NULL;
    }
    TRY(view_named(plan, command->columns, options->view));
    return view_titles(plan, command->titles);
}

/* ---- order ---- */

static bool take_direction(struct name *name, const char *word)
{
    size_t length = strlen(word);

    if (name->length <= length || strncasecmp(name->s + name->length - length, word, length) != 0) return false;
    name->length -= length;
    while (name->length > 0 && isspace((unsigned char)name->s[name->length - 1]))
        name->length--;
    return true;
}

static struct error *plan_key(struct query_plan *plan, struct name name)
{
    bool descending = take_direction(&name, ":desc") || take_direction(&name, " desc");
    int column;

    if (!descending && !take_direction(&name, ":asc")) take_direction(&name, " asc");
    column = base_find(plan, name);
    if (column < 0) return base_unknown(plan, name);
    if (plan->key_count == QUERY_MAX_KEYS) return error_create(ERROR_USAGE, "more than %d columns to sort by", QUERY_MAX_KEYS);
    plan->keys[plan->key_count++] = (struct sort_key) { (unsigned)column, descending };
    return NULL;
}

static struct error *plan_sort(struct query_plan *plan, const struct command *command, const struct query_options *options)
{
    bool own_group = plan->group_count && options->group;
    const char *sort = options->sort;
    struct name name;

    if (!sort && !own_group) sort = command->sort;
    if (!sort && plan->group_count) sort = "rows:desc";
    while (list_next(&sort, ',', &name))
        TRY(plan_key(plan, name));
    if (!options->sort && plan->key_count) {
        enum column_kind kind = plan->base[plan->keys[0].cell].kind;

        plan->largest_last = !plan->keys[0].descending && (kind == COLUMN_BYTES || kind == COLUMN_COUNT);
    }
    return NULL;
}

static uint64_t plan_needed(const struct query_plan *plan)
{
    uint64_t needed = 0;

    if (plan->group_count) {
        for (unsigned i = 0; i < plan->base_count; i++)
            if (plan->base[i].role != BASE_ROWS) needed |= UINT64_C(1) << plan->base[i].source;
        return needed;
    }
    for (unsigned i = 0; i < plan->view_count; i++)
        needed |= UINT64_C(1) << plan->base[plan->view[i]].source;
    for (unsigned i = 0; i < plan->key_count; i++)
        needed |= UINT64_C(1) << plan->base[plan->keys[i].cell].source;
    return needed;
}

struct error *query_plan(struct query_plan *plan, const struct relation *relation, const struct command *command,
                         const struct query_options *options)
{
    const char *group = options->group ? options->group : command->group;

    *plan = (struct query_plan) { 0 };
    arena_init(&plan->names);
    if (group)
        TRY(base_from_group(plan, relation, group, options->view));
    else
        base_from_relation(plan, relation);
    TRY(plan_view(plan, command, options));
    TRY(plan_sort(plan, command, options));
    plan->needed = plan_needed(plan) | options->seen_columns;
    return NULL;
}

void query_plan_deinit(struct query_plan *plan)
{
    arena_deinit(&plan->names);
}
