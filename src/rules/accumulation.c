/*
 * Collections that hold very much, whatever it is: what no other rule knows.
 *
 * Big is not a leak: a data set that was loaded, or a cache at its capacity, looks the same in one dump. So the largest holder is
 * told as a note. It is more where the dump shows why entries are never found again:
 *
 *     dictionary whose keys are compared by reference, while most have the content of another one, and nobody else has them
 *
 * Nobody can hand in such a key again, so each entry is dead weight, and the next call with the same content adds another one.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/histogram.h"
#include "heap/retained.h"
#include "managed/differ.h"
#include "managed/instances.h"
#include "rules/holder.h"
#include "rules/keeping.h"
#include "rules/labels.h"
#include "rules/rule.h"
#include "session/session.h"

enum {
    ENTRIES_MIN = 1000,    /* of a dictionary whose keys are looked at */
    ENTRIES_LARGE = 10000, /* of a collection that is worth a note */
    BYTES_LARGE = 4 << 20, /* that it retains */
    SHARE_LARGE = 2,       /* and at least this part of all that is alive: a half */
    OBJECTS_PART = 100,    /* its elements are at least this part of all objects; what is smaller holds half of nothing */
    CANDIDATES = 32,       /* collections with most entries */
    SAMPLE = 20000,        /* entries that are compared */
    KEYS_DEPTH = 4,
    ALONE_TENTHS = 9, /* keys that nobody else has */
    COLLECTIONS_MAX = 1 << 26,
    GROWING_SHOWN = 3,
};

struct candidate {
    uint64_t addr, count;
    uint64_t retained;
};

struct accumulation {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    struct collection_types types;
    const struct retained *retained; /* NULL until it is needed */
    VEC(struct candidate) candidates;
};

/* ---- which ones ---- */

static bool wants(void *user, uint64_t mt_addr)
{
    struct accumulation *a = user;
    struct clr_type *type = clr_type_get(a->clr, mt_addr);

    return type && !type->component_size && collection_type_get(&a->types, mt_addr);
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static struct error *find_candidates(struct accumulation *a)
{
    const struct gc_heaps *heaps;
    address_list all = { 0 };
    struct error *err;

    TRY(session_gc_heaps(a->session, &heaps));
    err = instances_find(a->clr, heaps, wants, a, COLLECTIONS_MAX, &all);
    for (size_t i = 0; i < all.count && !err; i++) {
        struct candidate candidate = { all.data[i], 0, 0 };
        struct collection collection;

        if (!collection_open(&a->types, all.data[i], &collection) || !collection.count_known || collection.count < ENTRIES_MIN)
            continue;
        candidate.count = collection.count;
        if (!vec_push(&a->candidates, candidate)) err = &error_enomem;
    }
    vec_deinit(&all);
    vec_sort(&a->candidates, compare_candidates);
    if (a->candidates.count > CANDIDATES) a->candidates.count = CANDIDATES;
    return err;
}

/* Dominators take as long as all else together, so they are only asked for when there is a suspect. */
static struct error *measure(struct accumulation *a, struct candidate *candidate)
{
    if (!a->retained) TRY(session_retained(a->session, &a->retained));
    candidate->retained = retained_size(a->retained, candidate->addr);
    return NULL;
}

/* ---- entries ---- */

typedef VEC(struct managed_value) value_list;

static uint64_t referent(const struct clr *clr, const struct managed_value *value)
{
    uint64_t addr = 0;

    return value->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, value->addr, &addr) ? addr : 0;
}

static struct error *sample(struct accumulation *a, const struct candidate *candidate, bool keys, value_list *ret)
{
    struct collection collection;
    struct collection_iterator it;
    struct collection_element element;

    if (!collection_open(&a->types, candidate->addr, &collection)) return NULL;
    collection_begin(&collection, &it);
    while (ret->count < SAMPLE && collection_next(&it, &element)) {
        if (keys && !element.has_key) return NULL;
        if (!vec_push(ret, keys ? element.key : element.value)) return &error_enomem;
    }
    return NULL;
}

/* The type of all sampled objects, 0: several, or no objects. */
static uint64_t only_type(struct accumulation *a, const value_list *values)
{
    uint64_t ret = 0;

    for (size_t i = 0; i < values->count; i++) {
        struct clr_object object;

        if (!clr_object_try(a->clr, referent(a->clr, &values->data[i]), &object)) return 0;
        if (ret && object.type->mt_addr != ret) return 0;
        ret = object.type->mt_addr;
    }
    return ret;
}

static uint64_t count_alone(struct accumulation *a, const value_list *values, uint64_t keeper)
{
    uint64_t count = 0;

    for (size_t i = 0; i < values->count; i++)
        count += is_kept_alone(a->retained, referent(a->clr, &values->data[i]), keeper);
    return count;
}

/* A comparer of the app's own may compare content; the ones of the class library do as the keys do. */
static bool has_own_comparer(struct accumulation *a, uint64_t addr)
{
    uint64_t comparer = managed_follow_object(a->clr, addr, "_comparer|comparer|_tables._comparer|_equalityComparer");
    struct clr_object object;

    return clr_object_try(a->clr, comparer, &object) &&
           strncmp(clr_type_name(a->clr, object.type->mt_addr), "System.Collections.Generic.ObjectEqualityComparer", 49) != 0;
}

/* ---- keys that are never equal ---- */

static struct error *report_keys(struct accumulation *a, const struct candidate *candidate, const struct differ_row *keys,
                                 uint64_t key_mt, uint64_t alone)
{
    struct findings *f = a->findings;
    const char *key = finding_text(f, "%s", clr_type_name(a->clr, key_mt));
    const char *collection = finding_text(f, "%s", clr_object_type_name(a->clr, candidate->addr));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "accumulation", .kind = "managed", .doc = "docs/causes/accumulation.md" });
    bool live;

    if (!finding) return &error_enomem;
    finding->count = candidate->count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = CERTAINTY_PROVEN;
    TRY(holder_of_object(a->session, f, finding, candidate->addr, &live));
    finding->title = finding_text(f, "a dictionary finds none of its %s keys again: %s has no Equals",
                                  finding_number(f, candidate->count), key);
    finding->cause = finding_text(
        f,
        "%s declares no Equals and GetHashCode, so two keys of the same content are two keys: every look-up "
        "misses and adds another entry",
        key);
    finding->fix = finding_text(f, "give %s Equals and GetHashCode (or make it a record), or the dictionary a comparer", key);
    finding_evidence(finding, finding_text(f, "%s has %s entries", collection, finding_number(f, candidate->count)));
    finding_evidence(finding, finding_text(f, "of %s keys compared only %s are different in content, by identity all are",
                                           finding_number(f, keys->of), finding_number(f, keys->contents)));
    finding_evidence(finding,
                     finding_text(f, "%s of these keys are referred to by nothing but the dictionary: nobody can ask for them",
                                  finding_number(f, alone)));
    finding_key(finding, key, keys->distinct, keys->of);
    finding_type(finding, key, candidate->count, 0, false);
    finding_cost(finding, "gc heap", candidate->retained);
    finding_look(finding, finding_text(f, "differ -keys-of %llx", (unsigned long long)candidate->addr));
    finding_look(finding, finding_text(f, "elements %llx", (unsigned long long)candidate->addr));
    return NULL;
}

/* The keys are one type that is compared by reference, and no comparer says otherwise. */
static bool are_compared_by_reference(struct accumulation *a, const struct candidate *candidate, uint64_t key_mt)
{
    return key_mt && managed_equality(a->clr, key_mt) == EQUALITY_REFERENCE && !has_own_comparer(a, candidate->addr) &&
           strcmp(clr_type_name(a->clr, key_mt), "System.RuntimeType") != 0;
}

static struct error *compare_keys(struct accumulation *a, struct candidate *candidate, const value_list *keys, bool *found_ret)
{
    struct differ_options options = { .depth = KEYS_DEPTH };
    uint64_t key_mt = only_type(a, keys), alone;
    struct differ differ;
    struct error *err = NULL;

    if (!are_compared_by_reference(a, candidate, key_mt)) return NULL;
    TRY(differ_init(&differ, &a->types, keys->data, keys->count, &options));
    if (differ.rows.count && differ.rows.data[0].complete && differ.rows.data[0].contents * 2 <= differ.rows.data[0].distinct) {
        err = measure(a, candidate);
        alone = err ? 0 : count_alone(a, keys, candidate->addr);
        *found_ret = alone && alone * 10 >= keys->count * ALONE_TENTHS;
        if (*found_ret) err = report_keys(a, candidate, &differ.rows.data[0], key_mt, alone);
    }
    differ_deinit(&differ);
    return err;
}

/* *found_ret: the keys are why it grows. */
static struct error *look_at_keys(struct accumulation *a, struct candidate *candidate, bool *found_ret)
{
    value_list keys = { 0 };
    struct error *err = sample(a, candidate, true, &keys);

    if (!err && keys.count >= ENTRIES_MIN) err = compare_keys(a, candidate, &keys, found_ret);
    vec_deinit(&keys);
    return err;
}

/* ---- the largest holder ---- */

/* Fields that grow from element to element: when they were made. */
static struct error *add_growing(struct accumulation *a, const value_list *values, struct finding *finding)
{
    struct differ_options options = { .depth = 1 };
    unsigned shown = 0;
    struct differ differ;

    TRY(differ_init(&differ, &a->types, values->data, values->count, &options));
    for (size_t i = 0; i < differ.rows.count && shown < GROWING_SHOWN; i++) {
        const struct differ_row *row = &differ.rows.data[i];

        if (row->verdict != DIFFER_GROWS || !*row->path) continue;
        shown++;
        finding_evidence(finding,
                         finding_text(a->findings, "%s grows from element to element (%s): they were made one after the other",
                                      row->path, row->examples));
    }
    differ_deinit(&differ);
    return NULL;
}

static struct error *describe_elements(struct accumulation *a, const struct candidate *candidate, struct finding *finding)
{
    value_list values = { 0 };
    struct error *err = sample(a, candidate, false, &values);
    uint64_t type;

    if (!err && values.count) {
        type = only_type(a, &values);
        if (type) finding_type(finding, finding_text(a->findings, "%s", clr_type_name(a->clr, type)), candidate->count, 0, false);
        err = add_growing(a, &values, finding);
    }
    vec_deinit(&values);
    return err;
}

/* Keys that are texts: made from data when they differ by numbers only. */
static struct error *describe_keys(struct accumulation *a, const struct candidate *candidate, struct finding *finding)
{
    value_list keys = { 0 };
    struct labels labels;
    struct error *err = sample(a, candidate, true, &keys);

    labels_init(&labels);
    for (size_t i = 0; i < keys.count && !err; i++)
        if (!labels_add(&labels, a->clr, referent(a->clr, &keys.data[i]))) err = &error_enomem;
    if (!err) labels_tell(&labels, a->findings, finding, "keys", false);
    labels_deinit(&labels);
    vec_deinit(&keys);
    return err;
}

static struct error *report_largest(struct accumulation *a, const struct candidate *candidate)
{
    struct findings *f = a->findings;
    const char *collection = finding_text(f, "%s", clr_object_type_name(a->clr, candidate->addr));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "accumulation", .kind = "managed", .doc = "docs/causes/accumulation.md" });
    double share = 100.0 * (double)candidate->retained / (double)a->retained->totals.live_bytes;
    bool live;

    if (!finding) return &error_enomem;
    finding->count = candidate->count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_HINT;
    TRY(holder_of_object(a->session, f, finding, candidate->addr, &live));
    finding->title = finding_text(f, "one collection of %s elements holds %.0f %% of all that is alive",
                                  finding_number(f, candidate->count), share);
    finding->cause = "not known: one dump cannot tell a collection that grows from one that is simply large";
    finding->fix = "compare with a dump of another time; if it grew, remove what is done with, or bound it";
    finding_evidence(finding, finding_text(f, "%s has %s elements", collection, finding_number(f, candidate->count)));
    TRY(describe_keys(a, candidate, finding));
    TRY(describe_elements(a, candidate, finding));
    finding_cost(finding, "gc heap", candidate->retained);
    finding_look(finding, finding_text(f, "elements %llx", (unsigned long long)candidate->addr));
    finding_look(finding, finding_text(f, "differ -elements-of %llx", (unsigned long long)candidate->addr));
    return NULL;
}

/* Told already: a finding claims most of a sample of what it holds, or the collection itself. */
static struct error *is_claimed(struct accumulation *a, const struct candidate *candidate, bool *ret)
{
    *ret = false;
    for (size_t i = 0; i < a->findings->list.count && !*ret; i++) {
        const struct finding *finding = &a->findings->list.data[i];
        size_t below = 0;

        if (!finding->claims.count) continue;
        TRY(measure(a, &(struct candidate) { candidate->addr, 0, 0 }));
        for (size_t k = 0; k < finding->claims.count; k++) {
            uint64_t claim = finding->claims.data[k];
            below += is_kept_alone(a->retained, claim, candidate->addr) || is_kept_alone(a->retained, candidate->addr, claim);
        }
        *ret = below * 2 >= finding->claims.count;
    }
    return NULL;
}

static struct error *look(struct accumulation *a)
{
    const struct candidate *largest = NULL;
    const struct histogram *histogram;

    TRY(find_candidates(a));
    if (!a->candidates.count) return NULL;
    TRY(session_histogram(a->session, &histogram));
    for (size_t i = 0; i < a->candidates.count; i++) {
        struct candidate *candidate = &a->candidates.data[i];
        bool found = false;

        TRY(is_claimed(a, candidate, &found));
        if (found) continue;
        TRY(look_at_keys(a, candidate, &found));
        if (found || candidate->count < ENTRIES_LARGE || candidate->count < histogram->object_count / OBJECTS_PART) continue;
        TRY(measure(a, candidate));
        if (!largest || candidate->retained > largest->retained) largest = candidate;
    }
    if (!largest || largest->retained < BYTES_LARGE || largest->retained < a->retained->totals.live_bytes / SHARE_LARGE)
        return NULL;
    return report_largest(a, largest);
}

static struct error *accumulation_run(struct session *session, struct findings *findings)
{
    struct accumulation a = { .session = session, .findings = findings };
    struct error *err;

    TRY(session_clr(session, &a.clr));
    collection_types_init(&a.types, a.clr);
    err = look(&a);
    collection_types_deinit(&a.types);
    vec_deinit(&a.candidates);
    return err;
}

const struct rule rule_accumulation = {
    .name = "accumulation",
    .summary = "a collection holds very much, or finds nothing of it again",
    .is_general = true,
    .run = accumulation_run,
};
