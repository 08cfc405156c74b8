/* rules/labels.c: what names of many things have in common. */
#include "rules/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/rule.h"

static void add_numbered(struct labels *labels, const char *format, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s%u", format, i);
        assert_true(labels_add_text(labels, name));
    }
}

static void test_verdicts(void **state)
{
    struct labels labels;

    (void)state;
    labels_init(&labels);
    assert_int_equal(labels_verdict(&labels), LABELS_NONE);
    assert_true(labels_add_text(&labels, "wards"));
    assert_int_equal(labels_verdict(&labels), LABELS_SAME);
    add_numbered(&labels, "tenant-", 10);
    assert_int_equal(labels_verdict(&labels), LABELS_STEM);
    add_numbered(&labels, "", 10); /* numbers only are one stem, too */
    assert_int_equal(labels_verdict(&labels), LABELS_VARY);
    for (unsigned i = 0; i < 30; i++)
        assert_true(labels_add_text(&labels, "wards"));
    assert_int_equal(labels_verdict(&labels), LABELS_SAME);
    labels_deinit(&labels);
}

static void test_stems(void **state)
{
    static const char *const guids[] = { "user 0f8fad5b-d9cb-469f-a165-70867728950e x",
                                         "user 7c9e6679-7425-40de-944b-e07fc1f90ae7 x" };
    struct labels labels;

    (void)state;
    labels_init(&labels);
    for (unsigned i = 0; i < 2; i++)
        assert_true(labels_add_text(&labels, guids[i]));
    assert_true(labels_add_text(&labels, "other"));
    assert_int_equal(labels_verdict(&labels), LABELS_STEM);
    assert_string_equal(labels.stems.texts.data[0], "user # x");
    labels_deinit(&labels);
}

static void expect_told(const struct labels *labels, bool are_secret, const char *expected)
{
    struct arena arena;
    struct findings findings = { .arena = &arena };
    struct finding *finding;

    arena_init(&arena);
    finding = findings_add(&findings, &(struct finding) { 0 });
    assert_non_null(finding);
    labels_tell(labels, &findings, finding, "names", are_secret);
    assert_int_equal(finding->evidence.count, 1);
    assert_string_equal(finding->evidence.data[0], expected);
    assert_int_equal(finding->keys.count, 1);
    findings_deinit(&findings);
    arena_deinit(&arena);
}

static void test_secrets_are_not_told(void **state)
{
    struct labels labels;

    (void)state;
    labels_init(&labels);
    add_numbered(&labels, "Password=abc;Timeout=", 3);
    expect_told(&labels, false,
                "3 of 3 names differ by numbers only: \"Password=abc;Timeout=#\", like \"Password=abc;Timeout=0\" and "
                "\"Password=abc;Timeout=1\"");
    expect_told(&labels, true, "3 of 3 names differ by numbers only");
    labels_deinit(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_stems),
        cmocka_unit_test(test_secrets_are_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
