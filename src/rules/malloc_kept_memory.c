/*
 * Memory that glibc's malloc has and nobody uses.
 *
 *     arena: [used] free free [used] free ... top     whole pages inside of free chunks could be given back, and are not
 *
 * Each thread may have an arena of its own, up to eight a processor, and a heap is only given back from its end: one small block
 * that stays holds all below it open.
 */
#include "rules/rule.h"
#include "session/ledger.h"
#include "session/session.h"

/* glibc keeps some on purpose: 128 KiB to 64 MiB at the top of each heap (M_TRIM_THRESHOLD adapts). */
enum { FREE_MIN = 64 << 20, FREE_PART = 2 };

struct sum {
    uint64_t trimmable, used, free_count;
    size_t arenas;
    const struct malloc_arena *most;
};

static struct error *report(struct findings *f, const struct sum *sum)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "malloc-kept-memory", .kind = "native", .doc = "docs/causes/malloc-kept-memory.md" });

    if (!finding) return &error_enomem;
    finding->count = sum->free_count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_PROVEN;
    finding->title = finding_text(f, "malloc keeps %.0f MiB that were freed", (double)sum->trimmable / (1 << 20));
    finding->cause =
        "native memory was freed, but blocks that stay hold their heaps open, or each thread's arena keeps its own: no leak";
    finding->fix = "MALLOC_ARENA_MAX=2 (or 4), MALLOC_TRIM_THRESHOLD_=131072, a call of malloc_trim(0) after a peak, or another "
                   "allocator (jemalloc)";
    finding_evidence(finding, finding_text(f, "%s bytes in whole free pages, beside %s bytes in use, in %zu arenas",
                                           finding_number(f, sum->trimmable), finding_number(f, sum->used), sum->arenas));
    finding_evidence(finding, finding_text(f, "%s of them are in %s", finding_number(f, sum->most->trimmable),
                                           sum->most->kind == MALLOC_MAIN_ARENA ? "the main arena" : "one thread's arena"));
    finding_cost(finding, "native heap, free", sum->trimmable);
    finding_look(finding, "malloc_arenas");
    return NULL;
}

static struct error *kept_run(struct session *session, struct findings *findings)
{
    const struct glibc_malloc *malloc;
    struct sum sum = { 0 };

    TRY(session_malloc(session, &malloc));
    for (size_t i = 0; i < malloc->arenas.count; i++) {
        const struct malloc_arena *arena = &malloc->arenas.data[i];

        sum.used += arena->sum[MALLOC_USED].bytes;
        if (arena->kind == MALLOC_MAPPED_CHUNKS) continue;
        sum.arenas++;
        sum.trimmable += arena->trimmable;
        sum.free_count += arena->sum[MALLOC_FREE].count + arena->sum[MALLOC_TOP].count;
        if (!sum.most || arena->trimmable > sum.most->trimmable) sum.most = arena;
    }
    return sum.most && sum.trimmable >= FREE_MIN && sum.trimmable >= (sum.trimmable + sum.used) / FREE_PART ? report(findings, &sum)
                                                                                                            : NULL;
}

const struct rule rule_malloc_kept_memory = {
    .name = "malloc-kept-memory",
    .summary = "glibc's malloc keeps memory that was freed",
    .run = kept_run,
};
