/*
 * A pinned object heap that is large.
 *
 *     POH: buffers that GC.AllocateArray(pinned: true) made, slabs of Kestrel's memory pool
 *
 * What lies here is not moved, and its regions go only when all in them is dead.
 */
#include "heap/graph.h"
#include "heap/histogram.h"
#include "heap/walk.h"
#include "rules/holder.h"
#include "rules/many.h"
#include "session/session.h"

enum { BYTES_MIN = 16 << 20, BYTES_PART = 4 };

static bool is_pinned_heap(const struct gc_segment *segment)
{
    return segment->generation == GC_POH;
}

/* Live objects, and what they take. */
static struct error *find_objects(struct session *session, struct clr *clr, address_list *ret, uint64_t *bytes_ret)
{
    const struct gc_heaps *heaps;
    const struct graph *graph;
    struct object_types types;
    struct error *err = NULL;

    TRY(session_gc_heaps(session, &heaps));
    TRY(session_graph(session, &graph));
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct object object;
        struct walk walk;

        if (!is_pinned_heap(&heaps->segments.data[i])) continue;
        walk_init(&walk, clr, &types, heaps, &heaps->segments.data[i]);
        while (!err && walk_next(&walk, &object)) {
            if (object.type->is_free || !graph_is_live(graph, object.addr)) continue;
            *bytes_ret += object.size;
            if (!vec_push(ret, object.addr)) err = &error_enomem;
        }
    }
    object_types_deinit(&types);
    return err;
}

static struct error *report(struct session *session, struct clr *clr, struct findings *f, const address_list *objects,
                            uint64_t bytes)
{
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "pinned-object-heap", .kind = "managed", .doc = "docs/causes/pinned-object-heap.md" });
    uint64_t held;

    if (!finding) return &error_enomem;
    TRY(holder_of_list(session, f, finding, objects->data, objects->count, &held));
    finding->count = objects->count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s objects of %.0f MiB are alive in the pinned object heap",
                                  finding_number(f, objects->count), (double)bytes / (1 << 20));
    finding->cause = "pinned buffers are made and kept: a pool without limit, or connections that each keep some";
    finding->fix = "use buffers again (a pool with a limit), and see who holds them: slow readers of a server keep its blocks";
    finding_evidence(finding, finding_text(f, "%s of them are held by %s %s", finding_number(f, held),
                                           finding->root_kind ? finding->root_kind : "nobody",
                                           finding->root_name ? finding->root_name : ""));
    finding_type(finding, finding_text(f, "%s", clr_object_type_name(clr, objects->data[objects->count - 1])), objects->count,
                 bytes, true);
    finding_cost(finding, "pinned object heap", bytes);
    finding_claim_many(finding, objects->data, objects->count);
    finding_look(finding, "objects -gen poh");
    return NULL;
}

static struct error *pinned_run(struct session *session, struct findings *findings)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    uint64_t size = 0, bytes = 0;
    address_list objects = { 0 };
    struct clr *clr;
    struct error *err;

    TRY(session_clr(session, &clr));
    TRY(session_histogram(session, &histogram));
    TRY(session_gc_heaps(session, &heaps));
    for (size_t i = 0; i < heaps->segments.count; i++)
        if (is_pinned_heap(&heaps->segments.data[i])) size += heaps->segments.data[i].end - heaps->segments.data[i].start;
    if (size < BYTES_MIN || size < histogram->object_bytes / BYTES_PART) return NULL;
    err = find_objects(session, clr, &objects, &bytes);
    if (!err && bytes >= BYTES_MIN) err = report(session, clr, findings, &objects, bytes);
    vec_deinit(&objects);
    return err;
}

const struct rule rule_pinned_object_heap = {
    .name = "pinned-object-heap",
    .summary = "the pinned object heap is large",
    .refines = "accumulation",
    .run = pinned_run,
};
