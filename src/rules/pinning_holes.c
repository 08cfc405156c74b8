/*
 * Regions that are kept alive by a few pinned objects.
 *
 *     region: free ... [pinned] free ... [pinned] free ...
 *
 * An object that is pinned cannot be moved, so the region around it stays, however empty.
 */
#include "clr/handle_table.h"
#include "heap/graph.h"
#include "rules/gc_space.h"
#include "rules/keeping.h"
#include "rules/rule.h"
#include "session/session.h"

enum { FREE_MIN = 16 << 20, FREE_PART = 2, TYPES_SHOWN = 3 };

/* What is pinned in small object regions, most first. */
static struct error *add_types(struct session *session, struct clr *clr, const gc_spaces *spaces, struct findings *f,
                               struct finding *finding)
{
    const struct handle_table *handles;
    struct keeping_groups groups;
    bool ok = true;

    TRY(session_handles(session, &handles));
    keeping_groups_init(&groups);
    for (size_t i = 0; i < handles->list.count && ok; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct keeping_group *group;
        bool inside = false;

        if (handle->kind != HANDLE_PINNED && handle->kind != HANDLE_ASYNC_PINNED) continue;
        for (size_t k = 0; k < spaces->count && !inside; k++)
            inside = handle->object >= spaces->data[k].segment->start && handle->object < spaces->data[k].segment->end;
        if (inside) ok = keeping_groups_add(&groups, clr, NULL, handle->object, handle->addr, &group);
    }
    keeping_groups_sort(&groups);
    for (size_t i = 0; i < groups.list.count && i < TYPES_SHOWN; i++)
        finding_type(finding, finding_text(f, "%s", clr_type_name(clr, groups.list.data[i].mt_addr)), groups.list.data[i].count, 0,
                     false);
    keeping_groups_deinit(&groups);
    return ok ? NULL : &error_enomem;
}

static struct error *report(struct session *session, struct findings *f, const gc_spaces *spaces, const struct gc_space *sum)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "pinning-holes", .kind = "handles", .doc = "docs/causes/pinning-holes.md" });
    struct clr *clr;

    if (!finding) return &error_enomem;
    TRY(session_clr(session, &clr));
    finding->count = sum->pinned_count;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = CERTAINTY_PROVEN;
    finding->title = finding_text(f, "%s pinned objects keep %.0f MiB of empty regions", finding_number(f, sum->pinned_count),
                                  (double)sum->free_bytes / (1 << 20));
    finding->cause =
        "small objects are pinned for long where all around them dies: the GC can neither move them nor give the region back";
    finding->fix = "pin for a moment only (fixed), take buffers that stay pinned from the pinned object heap "
                   "(GC.AllocateArray(pinned: true)) or from a pool, and free GCHandles";
    finding_evidence(finding,
                     finding_text(f, "%zu regions or segments with pinned objects have %s bytes of objects and %s bytes of holes",
                                  spaces->count, finding_number(f, sum->object_bytes), finding_number(f, sum->free_bytes)));
    TRY(add_types(session, clr, spaces, f, finding));
    finding_cost(finding, "holes around pinned objects", sum->free_bytes);
    finding_look(finding, "gchandles -type pinned");
    finding_look(finding, finding_text(f, "objects -segment %llx", (unsigned long long)spaces->data[0].segment->addr));
    return NULL;
}

/* Leaves those that hold something pinned and are mostly empty. */
static void take_empty(gc_spaces *spaces, struct gc_space *sum)
{
    size_t kept = 0;

    for (size_t i = 0; i < spaces->count; i++) {
        const struct gc_space *space = &spaces->data[i];

        if (!space->pinned_count || space->free_bytes < (space->free_bytes + space->object_bytes) / FREE_PART) continue;
        sum->pinned_count += space->pinned_count;
        sum->object_bytes += space->object_bytes;
        sum->free_bytes += space->free_bytes;
        spaces->data[kept++] = *space;
    }
    spaces->count = kept;
}

static struct error *pinning_run(struct session *session, struct findings *findings)
{
    struct gc_space sum = { 0 };
    gc_spaces spaces = { 0 };
    uint64_t free_bytes;
    struct error *err;

    TRY(gc_free_bytes(session, &free_bytes));
    if (free_bytes < FREE_MIN) return NULL;
    err = gc_spaces_read(session, 1u << GC_GEN0 | 1u << GC_GEN1 | 1u << GC_GEN2 | 1u << GC_EPHEMERAL, &spaces);
    if (!err) take_empty(&spaces, &sum);
    if (!err && sum.free_bytes >= FREE_MIN) err = report(session, findings, &spaces, &sum);
    vec_deinit(&spaces);
    return err;
}

const struct rule rule_pinning_holes = {
    .name = "pinning-holes",
    .summary = "a few pinned objects keep regions that are mostly empty",
    .run = pinning_run,
};
