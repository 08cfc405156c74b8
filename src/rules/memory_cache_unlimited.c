/*
 * A MemoryCache without limit, whose entries do not expire.
 *
 *     MemoryCache {_coherentState {_stringEntries, _nonStringEntries: ConcurrentDictionary<key, CacheEntry>}, _options
 * {_sizeLimit}} CacheEntry {_value, _absoluteExpirationTicks, _slidingExpiration...}
 *
 * Without SizeLimit nothing is ever dropped to make room, and without expiry nothing by itself. Keys that differ by numbers only
 * are made from data and go on as long as the data does.
 */
#include "rules/hoard.h"

enum { ENTRIES_MIN = 1000, ENTRIES_PROVEN = 2000, EXPIRES_PART = 10 };

#define SIZE_LIMIT "_options._sizeLimit"

static const char *const owners[] = { "Microsoft.Extensions.Caching.Memory.MemoryCache", NULL };
static const struct call_pattern calls[] = {
    { .type = "Microsoft.Extensions.Caching.Memory.CacheExtensions", .method = "Set*" },
    { .type = "Microsoft.Extensions.Caching.Memory.CacheExtensions", .method = "GetOrCreate*" },
    { .type = "Microsoft.Extensions.Caching.Memory.IMemoryCache", .method = "CreateEntry" },
};

/* Nullable in older versions: then no number is at the path itself. -1: none. */
static bool has_no_limit(struct clr *clr, uint64_t cache)
{
    int64_t limit;

    if (managed_follow_number(clr, cache, SIZE_LIMIT ".hasValue", &limit)) return !limit;
    return managed_follow_number(clr, cache, SIZE_LIMIT, &limit) && limit < 0;
}

/* An entry that will go by itself: at a time, after a while, or on a token. */
static bool expires(struct clr *clr, uint64_t entry)
{
    int64_t ticks;

    if (managed_follow_number(clr, entry, "_absoluteExpirationTicks", &ticks) && (uint64_t)ticks != UINT64_MAX &&
        ticks != INT64_MAX && ticks >= 0)
        return true;
    if (managed_follow_number(clr, entry, "_slidingExpirationTicks|_slidingExpiration._ticks", &ticks) && ticks > 0) return true;
    return managed_follow_object(clr, entry, "_tokens._expirationTokens|_expirationTokens") != 0;
}

static struct error *tell(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    struct findings *f = found->findings;
    uint64_t expiring = 0;

    for (size_t i = 0; i < found->elements.count; i++)
        expiring += expires(found->clr, found->elements.data[i]);
    *drop_ret = expiring * EXPIRES_PART > found->elements.count;
    finding_evidence(finding, "the cache has no SizeLimit: it never drops an entry to make room");
    finding_evidence(finding, finding_text(f, "%s of %zu entries that were looked at expire", finding_number(f, expiring),
                                           found->elements.count));
    return NULL;
}

static const struct hoard cache = {
    .rule = "memory-cache-unlimited",
    .doc = "docs/causes/memory-cache-unlimited.md",
    .kind = "managed",
    .owners = owners,
    .path = "_coherentState._stringEntries|_coherentState._entries|_entries",
    .least = ENTRIES_MIN,
    .proven = ENTRIES_PROVEN,
    .noun = "entries",
    .place = "are in a MemoryCache without limit, and do not expire",
    .cause = "entries are put into a MemoryCache that has no SizeLimit, without an expiry: none of them ever leaves",
    .fix = "give the cache a SizeLimit and each entry a Size, or each entry an expiry (SetSlidingExpiration, "
           "AbsoluteExpirationRelativeToNow)",
    .label = "",
    .label_noun = "keys",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = has_no_limit,
    .tell = tell,
};

static struct error *cache_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &cache);
}

const struct rule rule_memory_cache_unlimited = {
    .name = "memory-cache-unlimited",
    .summary = "a MemoryCache without limit, whose entries do not expire",
    .refines = "accumulation",
    .run = cache_run,
};
