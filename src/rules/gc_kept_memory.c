/*
 * Memory that the GC has and does not use. No leak, but often taken for one.
 *
 *     committed by the GC = objects + holes + behind the last object of a region + regions kept free + to be given back
 */
#include "clr/gc_heap.h"
#include "rules/rule.h"
#include "session/ledger.h"
#include "session/session.h"

/* Gen 0 budgets alone are some tens of megabytes. */
enum { KEPT_MIN = 64 << 20, KEPT_PART = 2 };

static struct error *report(struct session *session, struct findings *f, const struct ledger *ledger, uint64_t kept, uint64_t all)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "gc-kept-memory", .kind = "managed", .doc = "docs/causes/gc-kept-memory.md" });
    const struct gc_heaps *heaps;

    if (!finding) return &error_enomem;
    TRY(session_gc_heaps(session, &heaps));
    finding->count = heaps->free_regions.count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_PROVEN;
    finding->title = finding_text(f, "the GC keeps %.0f MiB that no object uses, %.0f %% of what it has", (double)kept / (1 << 20),
                                  100.0 * (double)kept / (double)all);
    finding->cause = "a peak is over, and the GC keeps what it had then for the next one: no leak";
    finding->fix =
        "if the machine needs it: DOTNET_GCConserveMemory, a hard limit (DOTNET_GCHeapHardLimit), workstation GC or fewer heaps "
        "(DOTNET_GCHeapCount), no DOTNET_GCRetainVM";
    finding_evidence(
        finding,
        finding_text(f, "%s bytes in regions kept free, %s behind the last objects of regions in use, %s about to be given back",
                     finding_number(f, ledger->rows[USE_GC_FREE].committed),
                     finding_number(f, ledger->rows[USE_GC_UNUSED].committed),
                     finding_number(f, ledger->rows[USE_GC_DECOMMIT].committed)));
    finding_evidence(finding, finding_text(f, "%s GC, %u heap%s", heaps->is_server ? "server" : "workstation", heaps->heap_count,
                                           heaps->heap_count == 1 ? "" : "s: each keeps memory of its own"));
    finding_cost(finding, "kept by the GC", kept);
    finding_look(finding, "eeheap -gc");
    finding_look(finding, "gc_settings");
    return NULL;
}

static struct error *kept_run(struct session *session, struct findings *findings)
{
    static const enum ledger_use uses[] = { USE_GC_GEN0, USE_GC_GEN1, USE_GC_GEN2,     USE_GC_EPHEMERAL, USE_GC_LOH,
                                            USE_GC_POH,  USE_GC_FREE, USE_GC_DECOMMIT, USE_GC_UNUSED };
    const struct ledger *ledger;
    uint64_t all = 0, kept;

    TRY(session_ledger(session, &ledger));
    for (size_t i = 0; i < ARRAY_LENGTH(uses); i++)
        all += ledger->rows[uses[i]].committed;
    kept = ledger->rows[USE_GC_FREE].committed + ledger->rows[USE_GC_DECOMMIT].committed + ledger->rows[USE_GC_UNUSED].committed;
    return kept >= KEPT_MIN && kept >= all / KEPT_PART ? report(session, findings, ledger, kept, all) : NULL;
}

const struct rule rule_gc_kept_memory = {
    .name = "gc-kept-memory",
    .summary = "the GC keeps memory that no object uses",
    .run = kept_run,
};
