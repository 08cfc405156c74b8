/*
 * What threads keep in their static fields.
 *
 *     [ThreadStatic] field: one value in each thread that used it, until the thread ends
 *
 * A buffer that is kept for the next time is multiplied by the threads, also by those of the pool that a burst left behind.
 */
#include <string.h>

#include "clr/object.h"
#include "heap/graph.h"
#include "heap/retained.h"
#include "rules/many.h"
#include "session/session.h"

enum { BYTES_MIN = 16 << 20, BYTES_PART = 4, THREADS_MIN = 8, FIELDS_MAX = 4096 };

struct thread_field {
    const struct root *root; /* the first one */
    uint64_t threads, bytes;
};

typedef VEC(struct thread_field) field_list;

static bool has_field(const struct root *root, const struct thread_field *field)
{
    return root->kind == ROOT_THREAD_STATIC && root->field == field->root->field && root->type_addr == field->root->type_addr;
}

static struct error *list_fields(const struct roots *roots, field_list *ret)
{
    for (size_t i = 0; i < roots->list.count; i++) {
        const struct root *root = &roots->list.data[i];
        struct thread_field *field = NULL;

        if (root->kind != ROOT_THREAD_STATIC) continue;
        for (size_t k = 0; k < ret->count && !field; k++)
            if (has_field(root, &ret->data[k])) field = &ret->data[k];
        if (!field) {
            if (ret->count >= FIELDS_MAX) continue;
            if (!vec_push(ret, (struct thread_field) { .root = root })) return &error_enomem;
            field = &ret->data[ret->count - 1];
        }
        field->threads++;
    }
    return NULL;
}

/* Could the field's values keep enough? What they lead to is found much faster than what they keep. */
static struct error *may_keep_much(struct session *session, const struct roots *roots, const struct thread_field *field, bool *ret)
{
    address_list values = { 0 };
    uint64_t bytes = 0;
    struct error *err = NULL;

    for (size_t i = 0; i < roots->list.count && !err; i++)
        if (has_field(&roots->list.data[i], field) && !vec_push(&values, roots->list.data[i].object)) err = &error_enomem;
    if (!err) err = reached_sum(session, values.data, values.count, &bytes);
    *ret = bytes >= BYTES_MIN;
    vec_deinit(&values);
    return err;
}

static void sum_field(const struct roots *roots, const struct retained *retained, struct thread_field *field)
{
    for (size_t i = 0; i < roots->list.count; i++)
        if (has_field(&roots->list.data[i], field)) field->bytes += retained_size(retained, roots->list.data[i].object);
}

static struct error *report(struct session *session, struct findings *f, const struct thread_field *field, uint64_t live_bytes)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "thread-static-values", .kind = "threads", .doc = "docs/causes/thread-static-values.md" });
    struct clr *clr;
    struct text name;

    if (!finding) return &error_enomem;
    TRY(session_clr(session, &clr));
    text_init(&name);
    root_name(clr, field->root, &name);
    finding->root_kind = root_kind_name(field->root);
    /* The root's own name goes on with its thread; the field is meant. */
    finding->root_name = finding_text(f, "%.*s", (int)strcspn(text_cstr(&name), ","), text_cstr(&name));
    text_deinit(&name);
    finding->count = field->threads;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s threads keep %.0f MiB in %s", finding_number(f, field->threads),
                                  (double)field->bytes / (1 << 20), finding->root_name);
    finding->cause = "a [ThreadStatic] field keeps a value for the next time in each thread, and threads are many";
    finding->fix = "rent buffers from ArrayPool, keep small ones only, or have fewer threads";
    finding_evidence(finding, finding_text(f, "%s bytes, %.0f %% of all that is alive, are kept by this field alone",
                                           finding_number(f, field->bytes), 100.0 * (double)field->bytes / (double)live_bytes));
    if (!vec_push(&finding->path, finding->root_name)) return &error_enomem;
    finding_type(finding, finding_text(f, "%s", clr_object_type_name(clr, field->root->object)), field->threads, field->bytes,
                 true);
    finding_cost(finding, "gc heap", field->bytes);
    finding_look(finding, "roots --where 'kind = thread_static'");
    return NULL;
}

static struct error *look(struct session *session, struct findings *findings, field_list *fields)
{
    const struct retained *retained;
    const struct roots *roots;

    TRY(session_roots(session, &roots));
    TRY(list_fields(roots, fields));
    for (size_t i = 0; i < fields->count; i++) {
        struct thread_field *field = &fields->data[i];
        bool much;

        if (field->threads < THREADS_MIN) continue;
        TRY(may_keep_much(session, roots, field, &much));
        if (!much) continue;
        TRY(session_retained(session, &retained));
        sum_field(roots, retained, field);
        if (field->bytes >= BYTES_MIN && field->bytes >= retained->totals.live_bytes / BYTES_PART)
            TRY(report(session, findings, field, retained->totals.live_bytes));
    }
    return NULL;
}

static struct error *values_run(struct session *session, struct findings *findings)
{
    field_list fields = { 0 };
    struct error *err = look(session, findings, &fields);

    vec_deinit(&fields);
    return err;
}

const struct rule rule_thread_static_values = {
    .name = "thread-static-values",
    .summary = "threads keep much in their static fields",
    .run = values_run,
};
