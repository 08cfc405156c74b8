/*
 * GC handles that were allocated and are never freed.
 *
 *     GCHandle.Alloc(object) -> handle {object}      the address of the handle is all that can free it
 *
 * A strong or pinned handle keeps its object until Free. Whoever may still free it has its address somewhere: in a field, on a
 * stack, in native memory. The address of a leaked one is nowhere in memory, so counting these proves the leak; many handles whose
 * address is known are no leak, but buffers in use.
 */
#include "clr/handle_table.h"
#include "clr/object.h"
#include "heap/retained.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "rules/rule.h"
#include "session/handle_finds.h"
#include "session/session.h"

/* The class library forgets a handful at start. A hundred of one type are made by calls. */
enum { HANDLES_MIN = 100, HANDLES_PROVEN = 200, REPORTS_MAX = 4 };

static const struct call_pattern calls[] = {
    { .type = "System.Runtime.InteropServices.GCHandle", .method = "Alloc" },
};

/* Handles of one kind to objects of one type. */
struct handle_group {
    uint64_t mt_addr, example, first_object;
    uint64_t handles, lost; /* that nobody knows */
    uint64_t bytes;         /* of what the lost ones hold */
    uint8_t kind;
};

struct gc_handles {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    const struct handle_table *table;
    struct map by_type; /* of pinned ones with the lowest bit set -> index + 1 */
    VEC(struct handle_group) groups;
};

/* NULL: no handle that a GCHandle can be, or no object; *memory_ret false: no memory. */
static struct handle_group *group_of(struct gc_handles *g, const struct clr_handle *handle, uint64_t *size_ret, bool *memory_ret)
{
    struct handle_group group = { .kind = handle->kind, .example = handle->addr, .first_object = handle->object };
    struct clr_object object;
    uint64_t *slot;

    *memory_ret = true;
    if (handle->kind != HANDLE_STRONG && handle->kind != HANDLE_PINNED) return NULL;
    if (!clr_object_try(g->clr, handle->object, &object)) return NULL;
    *size_ret = object.size;
    group.mt_addr = object.type->mt_addr;
    /* MethodTables are aligned. */
    slot = map_slot(&g->by_type, group.mt_addr | (handle->kind == HANDLE_PINNED), NULL);
    *memory_ret = slot && (*slot || vec_push(&g->groups, group));
    if (!*memory_ret) return NULL;
    if (!*slot) *slot = g->groups.count;
    return &g->groups.data[*slot - 1];
}

/* With `finds`: counts those that nobody knows; without: all. */
static struct error *count_handles(struct gc_handles *g, const struct handle_finds *finds)
{
    for (size_t i = 0; i < g->table->list.count; i++) {
        struct handle_group *group;
        uint64_t size;
        bool memory;

        if (finds && finds->list[i].first) continue;
        group = group_of(g, &g->table->list.data[i], &size, &memory);
        if (!memory) return &error_enomem;
        if (!group) continue;
        if (!finds) {
            group->handles++;
            continue;
        }
        if (!group->lost++) {
            group->example = g->table->list.data[i].addr;
            group->first_object = g->table->list.data[i].object;
        }
        group->bytes += size;
    }
    return NULL;
}

static struct error *report(struct gc_handles *g, const struct handle_group *group)
{
    struct findings *f = g->findings;
    const char *type = finding_text(f, "%s", clr_type_name(g->clr, group->mt_addr));
    const char *kind = handle_kind_name(group->kind);
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "gc-handles", .kind = "handles", .doc = "docs/causes/gc-handles.md" });

    if (!finding) return &error_enomem;
    finding->count = group->lost;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = group->lost >= HANDLES_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s %s GC handles to %s can no longer be freed", finding_number(f, group->lost), kind, type);
    finding->cause = "GCHandle.Alloc is called, and Free is not: the handle keeps its object for ever";
    finding->fix = "call Free in a finally block, or wrap the handle in a SafeHandle or PinnedGCHandle; for a call use fixed";
    finding->root_kind = kind;
    if (!vec_push(&finding->path, type)) return &error_enomem;
    finding_evidence(finding,
                     finding_text(f, "there are %s %s handles to objects of this type", finding_number(f, group->handles), kind));
    finding_evidence(
        finding, finding_text(f, "the address of %s of them is nowhere in the memory of the process: nobody is left to free them",
                              finding_number(f, group->lost)));
    if (group->kind == HANDLE_PINNED)
        finding_evidence(finding, "pinned objects stay where they are, and leave holes between them that the GC cannot close");
    finding_type(finding, type, group->lost, group->bytes, true);
    finding_cost(finding, "gc heap", group->bytes);
    finding_look(finding, "gchandleleaks");
    finding_look(finding, finding_text(f, "object_fields %llx", (unsigned long long)group->first_object));
    return call_sites_find(g->session, f, finding, calls, ARRAY_LENGTH(calls));
}

static bool has_many(const struct gc_handles *g)
{
    for (size_t i = 0; i < g->groups.count; i++)
        if (g->groups.data[i].handles >= HANDLES_MIN) return true;
    return false;
}

static int compare_groups(const void *a, const void *b)
{
    const struct handle_group *left = a, *right = b;

    if (left->lost != right->lost) return left->lost > right->lost ? -1 : 1;
    return left->example < right->example ? -1 : left->example > right->example;
}

/* All memory is searched only when there are enough handles for a leak. */
static struct error *look(struct gc_handles *g)
{
    struct handle_finds finds;
    struct error *err;

    TRY(count_handles(g, NULL));
    if (!has_many(g)) return NULL;
    TRY(handle_finds_init(&finds, g->session, g->table));
    err = count_handles(g, &finds);
    handle_finds_deinit(&finds);
    vec_sort(&g->groups, compare_groups);
    for (size_t i = 0; i < g->groups.count && i < REPORTS_MAX && !err; i++)
        if (g->groups.data[i].lost >= HANDLES_MIN) err = report(g, &g->groups.data[i]);
    return err;
}

static struct error *gc_handles_run(struct session *session, struct findings *findings)
{
    struct gc_handles g = { .session = session, .findings = findings };
    struct error *err;

    TRY(session_clr(session, &g.clr));
    TRY(session_handles(session, &g.table));
    map_init(&g.by_type);
    err = look(&g);
    map_deinit(&g.by_type);
    vec_deinit(&g.groups);
    return err;
}

const struct rule rule_gc_handles = {
    .name = "gc-handles",
    .summary = "GC handles that nobody can free any more",
    .run = gc_handles_run,
};
