#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relations/relation.h"
#include "surfaces/builtin.h"
#include "surfaces/query.h"

static void names_ignore_case_and_kind_of_dash(void **state)
{
    (void)state;
    assert_true(name_equal("gc_heaps", "GC-heaps"));
    assert_false(name_equal("gc_heaps", "gc_heap"));
    assert_true(name_equaln("where", "where=x", 5));
}

static void unknown_text_is_not_empty_text(void **state)
{
    struct value value = { 0 };

    (void)state;
    value_text(&value, NULL);
    assert_false(value.known);
    value_text(&value, "");
    assert_true(value.known);
    assert_int_equal(value.length, 0);
    value_textn(&value, "abc", 2);
    assert_int_equal(value.length, 2);
}

/* ---- what every relation of the program must keep to ---- */

static void relations_describe_themselves(void **state)
{
    (void)state;
    for (const struct relation *const *r = relations_all; *r; r++) {
        assert_non_null((*r)->summary);
        assert_true((*r)->column_count > 0 && (*r)->column_count <= RELATION_MAX_COLUMNS);
        assert_true((*r)->parameter_count <= RELATION_MAX_PARAMETERS);
        assert_ptr_equal(relation_find(relations_all, (*r)->name), *r);
        for (unsigned i = 0; i < (*r)->column_count; i++)
            if (relation_column(*r, (*r)->columns[i].name) != (int)i) fail_msg("%s: %s twice", (*r)->name, (*r)->columns[i].name);
    }
}

static void check_growth_column(const struct relation *relation, const char *name, enum column_kind kind)
{
    int column = name ? relation_column(relation, name) : -1;

    if (name && (column < 0 || relation->columns[column].kind != kind)) fail_msg("%s: growth of %s", relation->name, name);
}

/* What `diff` reads of a relation: without arguments, by names that exist and are of the right kind. */
static void relations_say_truly_how_they_are_compared(void **state)
{
    (void)state;
    for (const struct relation *const *r = relations_all; *r; r++) {
        char key[64], *rest = key;

        if (!(*r)->growth.kind) continue;
        check_growth_column(*r, (*r)->growth.count, COLUMN_COUNT);
        check_growth_column(*r, (*r)->growth.bytes, COLUMN_BYTES);
        check_growth_column(*r, (*r)->growth.retained, COLUMN_BYTES);
        assert_true(strlen((*r)->growth.key) < sizeof(key));
        strcpy(key, (*r)->growth.key);
        while (rest)
            check_growth_column(*r, strsep(&rest, ","), COLUMN_TEXT);
        for (unsigned i = 0; i < (*r)->parameter_count; i++)
            assert_false((*r)->parameters[i].required);
    }
}

static unsigned parts(const char *list, char separator)
{
    unsigned count = 1;

    for (; *list; list++)
        count += *list == separator;
    return count;
}

static void check_command(const struct relation *relation, const struct command *command, enum query_view view)
{
    struct query_options options = { .view = view };
    struct query *query = NULL;
    struct error *err = query_create(relation, command, &options, &query);

    if (err) fail_msg("%s: %s", command->name, error_message(err));
    query_destroy(query);
}

static void the_defaults_of_commands_make_sense(void **state)
{
    (void)state;
    for (const struct relation *const *r = relations_all; *r; r++) {
        if ((*r)->group_by && relation_column(*r, (*r)->group_by) < 0) fail_msg("%s: group_by", (*r)->name);
        for (unsigned i = 0; i < RELATION_MAX_COMMANDS && (*r)->commands[i].name; i++) {
            const struct command *command = &(*r)->commands[i];

            check_command(*r, command, QUERY_TEXT);
            check_command(*r, command, QUERY_DATA);
            if (!command->titles) continue;
            if (!command->columns || parts(command->titles, '|') != parts(command->columns, ','))
                fail_msg("%s: titles", command->name);
        }
    }
}

static unsigned count_command(const char *name)
{
    unsigned count = builtin_find(name) != NULL;

    for (const struct relation *const *r = relations_all; *r; r++) {
        bool found = name_equal((*r)->name, name);

        for (unsigned i = 0; i < RELATION_MAX_COMMANDS && (*r)->commands[i].name; i++)
            found = found || name_equal((*r)->commands[i].name, name);
        count += found;
    }
    return count;
}

static void every_command_means_one_thing(void **state)
{
    (void)state;
    for (const struct relation *const *r = relations_all; *r; r++) {
        if (count_command((*r)->name) != 1) fail_msg("%s", (*r)->name);
        for (unsigned i = 0; i < RELATION_MAX_COMMANDS && (*r)->commands[i].name; i++)
            if (count_command((*r)->commands[i].name) != 1) fail_msg("%s", (*r)->commands[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_ignore_case_and_kind_of_dash),        cmocka_unit_test(unknown_text_is_not_empty_text),
        cmocka_unit_test(relations_say_truly_how_they_are_compared), cmocka_unit_test(relations_describe_themselves),
        cmocka_unit_test(the_defaults_of_commands_make_sense),       cmocka_unit_test(every_command_means_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
