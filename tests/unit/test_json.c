#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "session/session.h"
#include "support/toy_relation.h"
#include "surfaces/json.h"

static const struct command plain = { .name = "toys" };

static const struct session_info info = { .path = "a \"b\".core",
                                          .format = "elf-core",
                                          .kind = "heap",
                                          .os = "linux",
                                          .arch = "x64",
                                          .pid = 4711,
                                          .runtime_name = "coreclr",
                                          .runtime_version = "10.0.12",
                                          .gc = "server",
                                          .heaps = 8 };

static const struct toy rows[] = {
    { .address = 0x7f6a10c8,
      .name = "a\"\033\xff<b>",
      .size = 4096,
      .count = INT64_MAX,
      .id = 7,
      .token = 0x02000001,
      .live = 1,
      .share = 0.25,
      .extra = "{\"k\": [1, 2]}" },
    { .address = 0, .name = NULL, .size = -1, .live = -1, .share = NAN },
};

static struct query *start(struct query_options options)
{
    struct query *query = NULL;

    options.view = QUERY_DATA;
    assert_null(query_create(&relation_toy, &plain, &options, &query));
    assert_null(query_begin(query, NULL));
    return query;
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *ret = json_loads(text, 0, &error);

    if (!ret) fail_msg("%s in %s", error.text, text);
    return ret;
}

static const char *string_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_t *print_document(struct gaps *gaps, const struct session_info *dump, bool fails)
{
    struct query *query;
    struct capture capture;
    struct error *err;
    json_t *ret;

    toy_set(rows, 2);
    if (fails) toy_rows.fail_at = 1;
    query = start((struct query_options) { 0 });
    capture_begin(&capture);
    err = json_print(query, dump, gaps, &capture.output);
    assert_int_equal(err != NULL, fails);
    error_destroy(err);
    ret = parse(capture_end(&capture));
    capture_deinit(&capture);
    query_destroy(query);
    return ret;
}

static void the_head_describes_the_dump(void **state)
{
    json_t *document = print_document(NULL, &info, false);
    const json_t *dump = json_object_get(document, "dump"), *runtime = json_object_get(dump, "runtime");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(document, "schema")), 1);
    assert_string_equal(string_of(dump, "path"), "a \"b\".core");
    assert_int_equal(json_integer_value(json_object_get(dump, "pid")), 4711);
    assert_string_equal(string_of(runtime, "version"), "10.0.12");
    assert_int_equal(json_integer_value(json_object_get(runtime, "heaps")), 8);
    assert_true(json_is_null(json_object_get(runtime, "layouts")));
    assert_string_equal(string_of(document, "relation"), "toys");
    assert_int_equal(json_array_size(json_object_get(document, "columns")), TOY_COLUMNS);
    assert_string_equal(string_of(json_array_get(json_object_get(document, "columns"), TOY_SIZE), "kind"), "bytes");
    json_decref(document);
}

static void values_keep_their_types(void **state)
{
    json_t *document = print_document(NULL, NULL, false);
    const json_t *row = json_array_get(json_object_get(document, "rows"), 0);

    (void)state;
    assert_null(json_object_get(document, "dump"));
    assert_string_equal(string_of(row, "address"), "0x7f6a10c8");
    assert_string_equal(string_of(row, "name"), "a\"\033\uFFFD<b>");
    assert_int_equal(json_integer_value(json_object_get(row, "size")), 4096);
    assert_string_equal(string_of(row, "token"), "0x02000001");
    assert_true(json_is_true(json_object_get(row, "live")));
    assert_true(json_real_value(json_object_get(row, "share")) == 0.25);
    assert_int_equal(json_array_size(json_object_get(json_object_get(row, "extra"), "k")), 2);
    json_decref(document);
}

static void what_is_unknown_is_null(void **state)
{
    static const char *const names[] = { "name", "size", "live", "share", "extra", "note" };
    json_t *document = print_document(NULL, NULL, false);
    const json_t *row = json_array_get(json_object_get(document, "rows"), 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_true(json_is_null(json_object_get(row, names[i])));
    assert_string_equal(string_of(row, "address"), "0x0");
    json_decref(document);
}

static void gaps_stand_at_the_end(void **state)
{
    struct gaps gaps;
    json_t *document;
    const json_t *gap;

    (void)state;
    gaps_init(&gaps);
    gaps_add(&gaps, "module metadata", 0, 3, "file not found: %s", "/app/His.dll");
    document = print_document(&gaps, NULL, false);
    gap = json_array_get(json_object_get(document, "gaps"), 0);
    assert_string_equal(string_of(gap, "what"), "module metadata");
    assert_int_equal(json_integer_value(json_object_get(gap, "count")), 3);
    assert_string_equal(string_of(gap, "why"), "file not found: /app/His.dll");
    json_decref(document);
    gaps_deinit(&gaps);
}

static void a_document_that_breaks_off_can_be_read(void **state)
{
    json_t *document = print_document(NULL, NULL, true);

    (void)state;
    assert_int_equal(json_array_size(json_object_get(document, "rows")), 1);
    assert_string_equal(string_of(document, "error"), "cannot read toy 1");
    json_decref(document);
}

static void what_fails_at_once_prints_nothing(void **state)
{
    struct query *query;
    struct capture capture;
    struct error *err;

    (void)state;
    toy_set(rows, 2);
    toy_rows.fail_at = 0;
    query = start((struct query_options) { 0 });
    capture_begin(&capture);
    err = json_print(query, NULL, NULL, &capture.output);
    assert_non_null(err);
    error_destroy(err);
    capture_end(&capture);
    assert_int_equal(capture.size, 0);
    capture_deinit(&capture);
    query_destroy(query);
}

static void every_line_of_jsonl_is_a_document(void **state)
{
    struct query *query;
    struct capture capture;
    unsigned lines = 0;
    char *rest = NULL;

    (void)state;
    toy_set(rows, 2);
    query = start((struct query_options) { .sort = "size" });
    capture_begin(&capture);
    assert_null(json_print_lines(query, &info, &capture.output));
    capture_end(&capture);
    for (char *line = strtok_r(capture.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *document = parse(line);

        assert_int_equal(json_object_get(document, "schema") != NULL, lines == 0);
        json_decref(document);
        lines++;
    }
    assert_int_equal(lines, 3);
    capture_deinit(&capture);
    query_destroy(query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_describes_the_dump),
        cmocka_unit_test(values_keep_their_types),
        cmocka_unit_test(what_is_unknown_is_null),
        cmocka_unit_test(gaps_stand_at_the_end),
        cmocka_unit_test(a_document_that_breaks_off_can_be_read),
        cmocka_unit_test(what_fails_at_once_prints_nothing),
        cmocka_unit_test(every_line_of_jsonl_is_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
