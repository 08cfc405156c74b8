/*
 * The same texts again and again.
 *
 * Rows read from a database or a file make a string for each value, also where a column has ten different ones. What could be
 * saved is said, not that it is wrong: the rows may well be needed.
 */
#include "clr/field_value.h"
#include "heap/graph.h"
#include "heap/histogram.h"
#include "managed/equal_content.h"
#include "rules/holder.h"
#include "rules/many.h"
#include "session/session.h"

enum {
    WASTED_MIN = 8 << 20, /* and a tenth of the heap: else it is not worth a change */
    WASTED_PART = 10,
    STRINGS_MAX = 1 << 19, /* that are compared: of more, every n-th one */
    TEXTS_SHOWN = 3,
    TEXT_MAX = 60,
};

struct strings {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    struct equal_groups groups;
    address_list live; /* those compared */
    uint64_t step;
};

static bool is_string(void *user, uint64_t mt_addr)
{
    struct strings *strings = user;
    struct clr_type *type = clr_type_get(strings->clr, mt_addr);

    return type && clr_type_is_string(strings->clr, type);
}

static struct error *compare(struct strings *strings, const address_list *all)
{
    strings->step = all->count / STRINGS_MAX + 1;
    for (size_t i = 0; i < all->count; i += strings->step) {
        struct clr_object object;
        bool read;

        if (!graph_is_live(strings->graph, all->data[i]) || !clr_object_try(strings->clr, all->data[i], &object)) continue;
        if (!vec_push(&strings->live, all->data[i]) ||
            !equal_groups_add(&strings->groups, object.type->mt_addr, object.addr, object.size, object.addr + STRING_DATA_OFF,
                              2ull * object.count, &read))
            return &error_enomem;
    }
    return NULL;
}

static int compare_groups(const void *a, const void *b)
{
    const struct equal_group *left = a, *right = b;

    if (left->bytes != right->bytes) return left->bytes > right->bytes ? -1 : 1;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static void add_texts(struct strings *strings, struct findings *f, struct finding *finding)
{
    struct text text;

    text_init(&text);
    for (size_t i = 0; i < strings->groups.list.count && i < TEXTS_SHOWN; i++) {
        const struct equal_group *group = &strings->groups.list.data[i];
        struct clr_object object;

        text_clear(&text);
        if (group->count < 2 || !clr_object_try(strings->clr, group->addr, &object) ||
            !clr_string_text(strings->clr, &object, TEXT_MAX, &text))
            continue;
        finding_evidence(finding,
                         finding_text(f, "%s times %s", finding_number(f, group->count * strings->step), text_cstr(&text)));
    }
    text_deinit(&text);
}

static struct error *report(struct strings *strings, struct findings *f, uint64_t copies, uint64_t wasted)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "string-duplicates", .kind = "managed", .doc = "docs/causes/string-duplicates.md" });
    uint64_t held;

    if (!finding) return &error_enomem;
    finding->count = copies;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s%s strings are copies of others", strings->step > 1 ? "about " : "",
                                  finding_number(f, copies));
    finding->cause = "the same texts are made anew for each row, message or key";
    finding->fix =
        "keep one of each: a dictionary of known texts (or a pool, string.Intern for few), an enum or a number instead of a text, "
        "and fewer rows at a time";
    finding_evidence(finding, finding_text(f, "%s bytes would be saved if each text was there once", finding_number(f, wasted)));
    if (strings->step > 1)
        finding_evidence(finding, finding_text(f, "one of %s strings was looked at", finding_number(f, strings->step)));
    vec_sort(&strings->groups.list, compare_groups);
    add_texts(strings, f, finding);
    TRY(holder_of_list(strings->session, f, finding, strings->live.data, strings->live.count, &held));
    finding_type(finding, "System.String", copies, 0, false);
    finding_cost(finding, "copies of strings", wasted);
    finding_claim_many(finding, strings->live.data, strings->live.count);
    finding_look(finding, "duplicates -strings");
    return NULL;
}

static struct error *look(struct strings *strings, struct findings *findings)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    address_list all = { 0 };
    uint64_t bytes = 0, copies = 0, wasted = 0;
    struct error *err;

    TRY(session_histogram(strings->session, &histogram));
    for (size_t i = 0; i < histogram->rows.count; i++)
        if (!histogram->rows.data[i].is_free && is_string(strings, histogram->rows.data[i].mt_addr))
            bytes += histogram->rows.data[i].bytes;
    if (bytes < WASTED_MIN || bytes < histogram->object_bytes / WASTED_PART) return NULL;
    TRY(session_gc_heaps(strings->session, &heaps));
    TRY(session_graph(strings->session, &strings->graph));
    err = instances_find(strings->clr, heaps, is_string, strings, SIZE_MAX, &all);
    if (!err) err = compare(strings, &all);
    vec_deinit(&all);
    for (size_t i = 0; i < strings->groups.list.count; i++) {
        const struct equal_group *group = &strings->groups.list.data[i];

        copies += (group->count - 1) * strings->step;
        wasted += (group->bytes - group->bytes / group->count) * strings->step;
    }
    return !err && wasted >= WASTED_MIN && wasted >= histogram->object_bytes / WASTED_PART
               ? report(strings, findings, copies, wasted)
               : err;
}

static struct error *duplicates_run(struct session *session, struct findings *findings)
{
    struct strings strings = { .session = session };
    struct error *err;

    TRY(session_clr(session, &strings.clr));
    equal_groups_init(&strings.groups, strings.clr->memory);
    err = look(&strings, findings);
    equal_groups_deinit(&strings.groups);
    vec_deinit(&strings.live);
    return err;
}

const struct rule rule_string_duplicates = {
    .name = "string-duplicates",
    .summary = "the same texts are there again and again",
    .refines = "accumulation",
    .run = duplicates_run,
};
