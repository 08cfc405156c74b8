/*
 * Closures that hold more than they need.
 *
 *     delegate -> Closures+<>c__DisplayClass2_0 {document: byte[], step: int}
 *
 * What a lambda uses of the method around it lies in one object, which all lambdas of that scope share: a delegate that is kept for
 * one number keeps the whole document beside it.
 */
#include <string.h>

#include "clr/method_desc.h"
#include "clr/method_origin.h"
#include "heap/histogram.h"
#include "rules/heap_types.h"
#include "rules/many.h"
#include "session/session.h"

/* Of one lambda, below one root, and what they retain together. */
enum { CLOSURES_MIN = 500, BYTES_MIN = 4 << 20, METHODS_MAX = 1000, REPORTS_MAX = 4 };

static const char *const closure_types[] = { "*+<>c__DisplayClass*", NULL };

/* The method that the first lambda of the type was written in; appended. */
static void lambda_origin(struct clr *clr, uint64_t mt_addr, struct text *ret)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;
    struct clr_method_iterator it;
    struct clr_method method;
    struct text name;
    bool broken = false;

    if (!md) return;
    text_init(&name);
    clr_methods_begin(clr, type, &it);
    for (unsigned i = 0; i < METHODS_MAX && clr_methods_next(&it, &method, &broken); i++) {
        text_clear(&name);
        if (!clr_method_name(clr, &method, &name) || !strstr(text_cstr(&name), ">b__")) continue;
        method_origin_text(md, metadata_token_rid(method.token), ret);
        break;
    }
    text_deinit(&name);
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    struct findings *f = found->findings;
    struct clr_object object;
    struct text origin;
    uint64_t bytes;

    TRY(retained_sum(found->session, found->live.data, found->live.count, &bytes));
    *drop_ret = bytes < BYTES_MIN || !clr_object_try(found->clr, found->live.data[0], &object) ||
                findings_tell_of(f, clr_type_name(found->clr, object.type->mt_addr));
    if (*drop_ret) return NULL;
    text_init(&origin);
    lambda_origin(found->clr, object.type->mt_addr, &origin);
    if (origin.length) {
        const char *method = finding_text(f, "%s", text_cstr(&origin));

        finding_evidence(finding, finding_text(f, "they were made by %s", method));
        finding_code(finding, method, "lambda", NULL, 0);
    }
    text_deinit(&origin);
    finding_evidence(finding, finding_text(f, "each holds %s bytes on average", finding_number(f, bytes / found->live.count)));
    return NULL;
}

static struct error *closures_run(struct session *session, struct findings *findings)
{
    const struct histogram *histogram;
    struct clr *clr;
    unsigned looked_at = 0;

    TRY(session_clr(session, &clr));
    TRY(session_histogram(session, &histogram));
    for (size_t i = 0; i < histogram->rows.count && looked_at < REPORTS_MAX; i++) {
        const struct histogram_row *row = &histogram->rows.data[i];
        const char *const types[] = { clr_type_name(clr, row->mt_addr), NULL };
        const struct many closures = {
            .rule = "closure-capture",
            .doc = "docs/causes/closure-capture.md",
            .kind = "managed",
            .types = types,
            .least = CLOSURES_MIN,
            .proven = UINT64_MAX,
            .noun = "closures of one lambda",
            .state = "are alive",
            .cause = "delegates are kept, and with each the object that holds all that the lambdas around it captured",
            .fix = "let go of the delegates, or capture only what is needed: copy it into a local of its own, or make the lambda "
                   "static",
            .tell = tell,
        };

        if (row->is_free || row->count < CLOSURES_MIN || !type_name_matches(types[0], closure_types)) continue;
        looked_at++;
        TRY(many_run(session, findings, &closures));
    }
    return NULL;
}

const struct rule rule_closure_capture = {
    .name = "closure-capture",
    .summary = "closures that are kept hold more than they need",
    .refines = "accumulation",
    .run = closures_run,
    .is_general = true,
};
