#include "rules/hoard.h"

#include <string.h>

#include "heap/graph.h"
#include "heap/histogram.h"
#include "heap/retained.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/many.h"
#include "session/session.h"

enum { OWNERS_MAX = 1 << 20, REPORTS_MAX = 4, SAMPLE = 20000, TYPES_SHOWN = 5 };

static bool is_owner(void *user, uint64_t mt_addr)
{
    struct hoard_found *found = user;

    return type_name_matches(clr_type_name(found->clr, mt_addr), found->hoard->owners);
}

static uint64_t object_in(const struct clr *clr, const struct managed_value *value)
{
    uint64_t addr = 0;

    return value->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, value->addr, &addr) ? addr : 0;
}

static bool add_element(struct hoard_found *found, const struct collection_element *element)
{
    const struct hoard *hoard = found->hoard;
    uint64_t addr = object_in(found->clr, &element->value), label;

    if (addr && hoard->element) addr = managed_follow_object(found->clr, addr, hoard->element);
    if (addr && !vec_push(&found->elements, addr)) return false;
    if (!hoard->label_noun) return true;
    if (*hoard->label)
        label = addr ? managed_follow_object(found->clr, addr, hoard->label) : 0;
    else
        label = element->has_key ? object_in(found->clr, &element->key) : 0;
    return labels_add(&found->labels, found->clr, label);
}

static struct error *read_elements(struct hoard_found *found, const struct collection *collection)
{
    struct collection_iterator it;
    struct collection_element element;

    collection_begin(collection, &it);
    for (unsigned i = 0; i < SAMPLE && collection_next(&it, &element); i++)
        if (!add_element(found, &element)) return &error_enomem;
    return NULL;
}

struct type_count {
    uint64_t mt_addr, count;
};

static int compare_counts(const void *a, const void *b)
{
    const struct type_count *left = a, *right = b;

    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return left->mt_addr < right->mt_addr ? -1 : left->mt_addr > right->mt_addr;
}

/* The elements by type, most first. */
static struct error *add_types(struct hoard_found *found, struct finding *finding)
{
    VEC(struct type_count) types = { 0 };
    struct map by_mt;
    bool ok = true;

    map_init(&by_mt);
    for (size_t i = 0; i < found->elements.count && ok; i++) {
        struct clr_object object;
        uint64_t *slot;

        if (!clr_object_try(found->clr, found->elements.data[i], &object)) continue;
        slot = map_slot(&by_mt, object.type->mt_addr, NULL);
        ok = slot && (*slot || vec_push(&types, (struct type_count) { object.type->mt_addr, 0 }));
        if (!ok) break;
        if (!*slot) *slot = types.count;
        types.data[*slot - 1].count++;
    }
    vec_sort(&types, compare_counts);
    for (size_t i = 0; i < types.count && i < TYPES_SHOWN; i++)
        finding_type(finding, finding_text(found->findings, "%s", clr_type_name(found->clr, types.data[i].mt_addr)),
                     types.data[i].count, 0, false);
    map_deinit(&by_mt);
    vec_deinit(&types);
    return ok ? NULL : &error_enomem;
}

static struct error *fill(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    const struct hoard *hoard = found->hoard;
    struct findings *f = found->findings;
    const char *number = finding_number(f, found->count);
    uint64_t bytes;
    bool live;

    finding->count = found->count;
    finding->severity = SEVERITY_WARNING;
    finding->title = finding_text(f, "%s %s %s", number, hoard->noun, hoard->place);
    finding->cause = hoard->cause;
    finding->fix = hoard->fix;
    TRY(holder_of_object(found->session, f, finding, found->owner, &live));
    *drop_ret = !live;
    if (!live) return NULL;
    finding_evidence(finding, finding_text(f, "%.*s of %s holds %s %s", (int)strcspn(hoard->path, "|"), hoard->path,
                                           clr_object_type_name(found->clr, found->owner), number, hoard->noun));
    if (hoard->label_noun) found->verdict = labels_tell(&found->labels, f, finding, hoard->label_noun, hoard->label_is_secret);
    finding->certainty = found->verdict == LABELS_VARY                                    ? CERTAINTY_HINT
                         : found->count >= hoard->proven && found->verdict == LABELS_STEM ? CERTAINTY_PROVEN
                                                                                          : CERTAINTY_LIKELY;
    if (hoard->tell) TRY(hoard->tell(found, finding, drop_ret));
    if (*drop_ret) return NULL;
    if (finding->certainty == CERTAINTY_HINT) finding->severity = SEVERITY_NOTE;
    TRY(add_types(found, finding));
    TRY(retained_sum(found->session, &found->collection, 1, &bytes));
    finding_cost(finding, "gc heap", bytes);
    finding_claim(finding, found->collection);
    finding_claim_many(finding, found->elements.data, found->elements.count);
    finding_look(finding, finding_text(f, "elements %llx", (unsigned long long)found->collection));
    finding_look(finding, finding_text(f, "object_fields %llx", (unsigned long long)found->owner));
    return hoard->call_count ? call_sites_find(found->session, f, finding, hoard->calls, hoard->call_count) : NULL;
}

static struct error *look_at(struct hoard_found *found, bool *told_ret)
{
    const struct hoard *hoard = found->hoard;
    struct collection collection;
    struct finding *finding;
    bool drop = false;
    struct error *err;

    found->collection = managed_follow_object(found->clr, found->owner, hoard->path);
    if (!found->collection || (hoard->counts && !hoard->counts(found->clr, found->owner))) return NULL;
    if (!collection_open(&found->types, found->collection, &collection) || !collection.count_known ||
        collection.count < hoard->least)
        return NULL;
    found->count = collection.count;
    found->verdict = LABELS_NONE;
    found->elements.count = 0;
    finding = findings_add(found->findings, &(struct finding) { .rule = hoard->rule, .kind = hoard->kind, .doc = hoard->doc });
    if (!finding) return &error_enomem;
    labels_init(&found->labels);
    err = read_elements(found, &collection);
    if (!err) err = fill(found, finding, &drop);
    labels_deinit(&found->labels);
    if (drop && !err) findings_drop_last(found->findings);
    *told_ret = !drop;
    return err;
}

static struct error *look(struct hoard_found *found)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    address_list owners = { 0 };
    unsigned told = 0;
    bool any = false;
    struct error *err = NULL;

    TRY(session_histogram(found->session, &histogram));
    for (size_t i = 0; i < histogram->rows.count && !any; i++)
        any = !histogram->rows.data[i].is_free && is_owner(found, histogram->rows.data[i].mt_addr);
    if (!any) return NULL;
    TRY(session_gc_heaps(found->session, &heaps));
    err = instances_find(found->clr, heaps, is_owner, found, OWNERS_MAX, &owners);
    for (size_t i = 0; i < owners.count && !err && told < REPORTS_MAX; i++) {
        bool was_told = false;

        found->owner = owners.data[i];
        err = look_at(found, &was_told);
        told += was_told;
    }
    vec_deinit(&owners);
    return err;
}

struct error *hoard_run(struct session *session, struct findings *findings, const struct hoard *hoard)
{
    struct hoard_found found = { .session = session, .findings = findings, .hoard = hoard };
    struct error *err;

    TRY(session_clr(session, &found.clr));
    collection_types_init(&found.types, found.clr);
    err = look(&found);
    collection_types_deinit(&found.types);
    vec_deinit(&found.elements);
    return err;
}
