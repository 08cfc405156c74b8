#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "support/toy_relation.h"
#include "surfaces/diagnose.h"

struct story {
    struct capture capture;
    struct run run;
    struct gaps gaps;
    struct error *err;
};

static void begin(struct story *story, unsigned findings)
{
    *story = (struct story) { 0 };
    toy_finding_count = findings;
    capture_begin(&story->capture);
    gaps_init(&story->gaps);
    story->run = (struct run) {
        .relations = toy_relations, .target = "his dump.core", .gaps = &story->gaps, .output = story->capture.output
    };
    story->run.info = (struct session_info) { .path = "his dump.core",
                                              .format = "elf-core",
                                              .kind = "full",
                                              .os = "linux",
                                              .arch = "x64",
                                              .pid = 4711,
                                              .time = 1795183320,
                                              .runtime_version = "10.0.12",
                                              .gc = "server",
                                              .heaps = 8 };
}

static const char *diagnose(struct story *story, unsigned format)
{
    struct options options = { .format = format };

    story->err = diagnose_run(&story->run, &options);
    assert_null(story->err);
    return capture_end(&story->capture);
}

static const char *explain(struct story *story, unsigned format, uint64_t id)
{
    struct options options = { .format = format };

    story->err = explain_run(&story->run, &options, id);
    return capture_end(&story->capture);
}

static void end(struct story *story)
{
    error_destroy(story->err);
    gaps_deinit(&story->gaps);
    capture_deinit(&story->capture);
}

static void the_story_is_told_in_order(void **state)
{
    struct story story;

    (void)state;
    begin(&story, 2);
    assert_string_equal(
        diagnose(&story, FORMAT_TEXT),
        "his dump.core   .NET 10.0.12, linux x64, server GC (8 heaps), full dump of pid 4711, 2026-11-20 14:02 UTC\n"
        "where 4.00 GiB of committed memory went\n"
        "  GC heap       3.00 GiB   75.0 %  "
        "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\n"
        "  loader heaps  1.00 GiB   25.0 %  \u2588\u2588\u2588\u2588\u2588                 190,377 modules\n"
        "\n"
        "1  CRITICAL  dynamic assemblies without end: 190,214 of 190,377 modules   certainty: proven\n"
        "   cause     a new ProxyGenerator per call\n"
        "   costs     3.02 GiB loader heap + 1.07 GiB gc heap\n"
        "   evidence  one\n"
        "             two\n"
        "             three\n"
        "             and 2 more\n"
        "   types     21,034 Castle.Proxies.IPatientServiceProxy, 986 KiB\n"
        "   held by   static His.Cache -> Dictionary._entries -> [*]\n"
        "   code      His.Resolve (His.cs:41) calls new ProxyGenerator()\n"
        "   fix       keep one ProxyGenerator for the process\n"
        "   see       docs/causes/castle-proxy-generator.md\n"
        "   look      clrtrail 'his dump.core' modules --where dynamic\n"
        "             clrtrail 'his dump.core' explain 1\n"
        "\n"
        "2  WARNING  many threads   certainty: hint\n"
        "\n");
    assert_int_equal(story.run.certainty, FAIL_ON_PROVEN);
    end(&story);
}

static void explain_shows_all_evidence_safely(void **state)
{
    struct story story;

    (void)state;
    begin(&story, 2);
    assert_non_null(strstr(explain(&story, FORMAT_TEXT, 1), "             four\\u{1b}[31m\n             five\n"));
    assert_null(story.err);
    end(&story);
}

static void a_healthy_process_hears_so(void **state)
{
    struct story story;

    (void)state;
    begin(&story, 0);
    assert_non_null(strstr(diagnose(&story, FORMAT_TEXT), "\nno leak found\n"));
    assert_int_equal(story.run.certainty, FAIL_ON_NONE);
    end(&story);
}

static void gaps_weaken_the_all_clear(void **state)
{
    struct story story;
    const char *text;

    (void)state;
    begin(&story, 0);
    gaps_add(&story.gaps, "objects", 0, 3, "pages not in the dump");
    text = diagnose(&story, FORMAT_TEXT);
    assert_non_null(strstr(text, "no leak found in what could be read"));
    assert_non_null(strstr(text, "1 kind of data could not be read"));
    end(&story);
}

static void unknown_findings_are_said_to_be(void **state)
{
    struct story story;

    (void)state;
    begin(&story, 2);
    assert_string_equal(explain(&story, FORMAT_TEXT, 9), "");
    assert_int_equal(story.err->code, ERROR_NOT_FOUND);
    end(&story);
}

static void json_leaves_out_what_does_not_apply(void **state)
{
    struct story story;
    json_t *document;
    const json_t *first, *second;

    (void)state;
    begin(&story, 1);
    document = json_loads(diagnose(&story, FORMAT_JSON), 0, NULL);
    assert_non_null(document);
    assert_int_equal(json_integer_value(json_object_get(document, "schema")), 1);
    assert_int_equal(json_array_size(json_object_get(document, "ledger")), 3);
    first = json_array_get(json_object_get(document, "findings"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "id")), 1);
    assert_int_equal(json_array_size(json_object_get(first, "costs")), 2);
    assert_null(json_object_get(first, "keys"));
    second = json_object_get(document, "gaps");
    assert_true(json_is_array(second));
    json_decref(document);
    end(&story);
}

static void explain_as_json_is_one_finding(void **state)
{
    struct story story;
    json_t *document;

    (void)state;
    begin(&story, 1);
    document = json_loads(explain(&story, FORMAT_JSON, 1), 0, NULL);
    assert_non_null(document);
    assert_null(json_object_get(document, "ledger"));
    assert_int_equal(json_array_size(json_object_get(document, "findings")), 1);
    json_decref(document);
    end(&story);
}

static void what_is_unknown_of_a_dump_is_left_out(void **state)
{
    struct session_info info = { .path = "x\033.core", .os = "linux", .arch = "x64", .kind = "mini" };
    struct text text = { 0 };

    (void)state;
    diagnose_append_head(&text, &info);
    assert_string_equal(text_cstr(&text), "x\\u{1b}.core   no .NET runtime that can be read, linux x64, mini dump");
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_story_is_told_in_order),      cmocka_unit_test(explain_shows_all_evidence_safely),
        cmocka_unit_test(a_healthy_process_hears_so),      cmocka_unit_test(gaps_weaken_the_all_clear),
        cmocka_unit_test(unknown_findings_are_said_to_be), cmocka_unit_test(json_leaves_out_what_does_not_apply),
        cmocka_unit_test(explain_as_json_is_one_finding),  cmocka_unit_test(what_is_unknown_of_a_dump_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
