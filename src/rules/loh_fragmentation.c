/*
 * A large object heap that is mostly holes.
 *
 *     [array] free [array] free free [array] ...     85,000 bytes and more; not compacted unless that is asked for
 *
 * What dies between two that live leaves a hole, which only something of its size or less fills. Buffers of ever larger sizes find
 * none, and the heap grows although little of it is alive.
 */
#include "rules/gc_space.h"
#include "rules/rule.h"
#include "session/session.h"

/* Less is not worth a word; half of it is what a healthy heap may have between two collections. */
enum { FREE_MIN = 32 << 20, FREE_PART = 2 };

static struct error *report(struct findings *f, const struct gc_space *sum, const struct gc_space *example)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "loh-fragmentation", .kind = "managed", .doc = "docs/causes/loh-fragmentation.md" });
    uint64_t bytes = sum->free_bytes + sum->object_bytes;

    if (!finding) return &error_enomem;
    finding->count = sum->free_count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = CERTAINTY_PROVEN;
    finding->title = finding_text(f, "%.0f %% of the large object heap are holes", 100.0 * (double)sum->free_bytes / (double)bytes);
    finding->cause =
        "large objects of different lifetimes lie side by side; the GC does not move them, and holes are only filled by what fits";
    finding->fix =
        "reuse large buffers (ArrayPool, RecyclableMemoryStream) or make them smaller than 85,000 bytes; "
        "GCSettings.LargeObjectHeapCompactionMode = CompactOnce, or DOTNET_GCConserveMemory, lets the GC close the holes";
    finding_evidence(finding, finding_text(f, "%s bytes in %s holes lie between %s large objects of %s bytes",
                                           finding_number(f, sum->free_bytes), finding_number(f, sum->free_count),
                                           finding_number(f, sum->object_count), finding_number(f, sum->object_bytes)));
    finding_evidence(finding, finding_text(f, "the largest hole has %s bytes", finding_number(f, sum->largest_free)));
    finding_cost(finding, "holes in the large object heap", sum->free_bytes);
    finding_look(finding, "dumpheap -stat -gen loh");
    finding_look(finding, finding_text(f, "objects -segment %llx", (unsigned long long)example->segment->addr));
    return NULL;
}

static struct error *fragmentation_run(struct session *session, struct findings *findings)
{
    struct gc_space sum = { 0 };
    const struct gc_space *example = NULL;
    gc_spaces spaces = { 0 };
    uint64_t free_bytes;
    struct error *err;

    TRY(gc_free_bytes(session, &free_bytes));
    if (free_bytes < FREE_MIN) return NULL;
    err = gc_spaces_read(session, 1u << GC_LOH, &spaces);
    for (size_t i = 0; i < spaces.count && !err; i++) {
        const struct gc_space *space = &spaces.data[i];

        if (!space->object_count) continue;
        sum.object_count += space->object_count;
        sum.object_bytes += space->object_bytes;
        sum.free_count += space->free_count;
        sum.free_bytes += space->free_bytes;
        if (space->largest_free > sum.largest_free) sum.largest_free = space->largest_free;
        if (!example || space->free_bytes > example->free_bytes) example = space;
    }
    if (!err && sum.free_bytes >= FREE_MIN && sum.free_bytes >= (sum.free_bytes + sum.object_bytes) / FREE_PART)
        err = report(findings, &sum, example);
    vec_deinit(&spaces);
    return err;
}

const struct rule rule_loh_fragmentation = {
    .name = "loh-fragmentation",
    .summary = "the large object heap is mostly holes",
    .run = fragmentation_run,
};
