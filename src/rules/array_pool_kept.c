/*
 * Arrays that the shared pools keep. No leak, but often taken for one.
 *
 *     SharedArrayPool<T> {_buckets: for each length, by processor: a stack of arrays}     SharedArrayPoolThreadLocalArray[] of a
 * thread
 *
 * What was rented at once and given back stays for the next time, until the GC trims what was not used for a while. Arrays of more
 * than 2^30 elements are not kept.
 */
#include <string.h>

#include "heap/histogram.h"
#include "heap/retained.h"
#include "rules/heap_types.h"
#include "rules/many.h"
#include "session/session.h"

enum { KEPT_MIN = 32 << 20, KEPT_PART = 4, ARRAY_MIN = 1024, DOMINATORS_MAX = 6 };

static const char *const pool_types[] = { "System.Buffers.SharedArrayPool<*>", "System.Buffers.SharedArrayPoolThreadLocalArray[]",
                                          NULL };

struct pools {
    struct session *session;
    struct clr *clr;
    const struct retained *retained;
    struct map pools; /* addresses */
    address_list arrays;
    uint64_t bytes;
};

static bool is_pool(void *user, uint64_t mt_addr)
{
    struct pools *pools = user;

    return type_name_matches(clr_type_name(pools->clr, mt_addr), pool_types);
}

/* Arrays of numbers and the like, and of references; the pools' own are neither long nor of these names. */
static bool is_array(void *user, uint64_t mt_addr)
{
    struct pools *pools = user;
    struct clr_type *type = clr_type_get(pools->clr, mt_addr);

    return type && clr_type_is_array(type) && strncmp(clr_type_name(pools->clr, mt_addr), "System.Buffers.", 15) != 0;
}

static bool is_pooled(const struct pools *pools, uint64_t addr)
{
    uint64_t ignored;

    for (unsigned i = 0; i < DOMINATORS_MAX; i++) {
        addr = retained_dominator(pools->retained, addr);
        if (!addr) return false;
        if (map_get(&pools->pools, addr, &ignored)) return true;
    }
    return false;
}

static struct error *find_arrays(struct pools *pools, const struct gc_heaps *heaps)
{
    address_list all = { 0 };
    uint64_t bytes = 0;
    struct error *err = instances_find(pools->clr, heaps, is_pool, pools, SIZE_MAX, &all);

    for (size_t i = 0; i < all.count && !err; i++)
        if (!map_put(&pools->pools, all.data[i], 1)) err = &error_enomem;
    if (!err) err = reached_sum(pools->session, all.data, all.count, &bytes);
    all.count = 0;
    if (!err && bytes >= KEPT_MIN) err = session_retained(pools->session, &pools->retained);
    if (!err && bytes >= KEPT_MIN) err = instances_find(pools->clr, heaps, is_array, pools, SIZE_MAX, &all);
    for (size_t i = 0; i < all.count && !err; i++) {
        struct clr_object object;

        if (!clr_object_try(pools->clr, all.data[i], &object) || object.size < ARRAY_MIN || !is_pooled(pools, all.data[i]))
            continue;
        pools->bytes += object.size;
        if (!vec_push(&pools->arrays, all.data[i])) err = &error_enomem;
    }
    vec_deinit(&all);
    return err;
}

static struct error *report(struct pools *pools, struct findings *f, uint64_t live_bytes)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "array-pool-kept", .kind = "pool", .doc = "docs/causes/array-pool-kept.md" });

    if (!finding) return &error_enomem;
    finding->count = pools->arrays.count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_PROVEN;
    finding->title = finding_text(f, "the shared array pools keep %s arrays of %.0f MiB", finding_number(f, pools->arrays.count),
                                  (double)pools->bytes / (1 << 20));
    finding->cause = "many or large arrays were rented at once and given back; the pool keeps them for the next time: no leak";
    finding->fix = "rent smaller pieces, fewer at a time; for a rare peak take new arrays, or a pool of your own with a limit "
                   "(ArrayPool.Create)";
    finding_evidence(finding, finding_text(f, "%s bytes, %.0f %% of all that is alive, are kept by nothing but ArrayPool.Shared",
                                           finding_number(f, pools->bytes), 100.0 * (double)pools->bytes / (double)live_bytes));
    finding_type(finding, finding_text(f, "%s", clr_object_type_name(pools->clr, pools->arrays.data[0])), pools->arrays.count,
                 pools->bytes, true);
    finding_cost(finding, "kept by ArrayPool.Shared", pools->bytes);
    finding_claim_many(finding, pools->arrays.data, pools->arrays.count);
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)pools->arrays.data[0]));
    return NULL;
}

static struct error *look(struct pools *pools, struct findings *findings)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    uint64_t array_bytes = 0;
    bool any = false;

    TRY(session_histogram(pools->session, &histogram));
    for (size_t i = 0; i < histogram->rows.count; i++) {
        const struct histogram_row *row = &histogram->rows.data[i];

        if (row->is_free) continue;
        any |= is_pool(pools, row->mt_addr);
        if (is_array(pools, row->mt_addr)) array_bytes += row->bytes;
    }
    if (!any || array_bytes < KEPT_MIN) return NULL;
    TRY(session_gc_heaps(pools->session, &heaps));
    TRY(find_arrays(pools, heaps));
    return pools->bytes >= KEPT_MIN && pools->bytes >= pools->retained->totals.live_bytes / KEPT_PART
               ? report(pools, findings, pools->retained->totals.live_bytes)
               : NULL;
}

static struct error *pools_run(struct session *session, struct findings *findings)
{
    struct pools pools = { .session = session };
    struct error *err;

    TRY(session_clr(session, &pools.clr));
    map_init(&pools.pools);
    err = look(&pools, findings);
    map_deinit(&pools.pools);
    vec_deinit(&pools.arrays);
    return err;
}

const struct rule rule_array_pool_kept = {
    .name = "array-pool-kept",
    .summary = "the shared array pools keep many or large arrays",
    .run = pools_run,
};
