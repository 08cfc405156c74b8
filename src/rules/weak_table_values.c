/*
 * Values in ConditionalWeakTables whose keys do not go.
 *
 *     dependent handle: key -> value      the value lives as long as the key, and is found by nobody who has not got the key
 *
 * A table like this does not keep its keys. When something else does, a list of them, each has its value, too: what looks like a
 * small list holds all that hangs off its elements.
 */
#include "clr/handle_table.h"
#include "heap/graph.h"
#include "heap/retained.h"
#include "rules/holder.h"
#include "rules/keeping.h"
#include "rules/many.h"
#include "session/session.h"

/* Below one root, and of one type of keys; compilers and serializers have thousands of small ones. */
enum { KEYS_MIN = 1000, BYTES_MIN = 2 << 20 };

struct tables {
    struct session *session;
    struct clr *clr;
    const struct graph *graph;
    uint64_t key_mt;
    address_list keys, values;
};

static struct error *take_of_type(struct tables *tables, const struct handle_table *handles)
{
    for (size_t i = 0; i < handles->list.count; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct clr_object key;

        if (handle->kind != HANDLE_DEPENDENT || !handle->dependent || !clr_object_try(tables->clr, handle->object, &key) ||
            key.type->mt_addr != tables->key_mt || !graph_is_live(tables->graph, handle->object))
            continue;
        if (!vec_push(&tables->keys, handle->object) || !vec_push(&tables->values, handle->dependent)) return &error_enomem;
    }
    return NULL;
}

/* The type that most keys have, of those that are not the class library's. */
static bool most_frequent_key(struct tables *tables, const struct handle_table *handles, uint64_t *count_ret)
{
    struct map counts;
    bool ok = true;

    *count_ret = 0;
    map_init(&counts);
    for (size_t i = 0; i < handles->list.count && ok; i++) {
        const struct clr_handle *handle = &handles->list.data[i];
        struct clr_object key;
        uint64_t *slot;

        if (handle->kind != HANDLE_DEPENDENT || !handle->dependent || !clr_object_try(tables->clr, handle->object, &key) ||
            is_framework_type(tables->clr, key.type->mt_addr))
            continue;
        slot = map_slot(&counts, key.type->mt_addr, NULL);
        ok = slot != NULL;
        if (slot && ++*slot > *count_ret) {
            *count_ret = *slot;
            tables->key_mt = key.type->mt_addr;
        }
    }
    map_deinit(&counts);
    return ok;
}

static struct error *report(struct tables *tables, struct findings *f, uint64_t bytes)
{
    const char *key = finding_text(f, "%s", clr_type_name(tables->clr, tables->key_mt));
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "weak-table-values", .kind = "managed", .doc = "docs/causes/weak-table-values.md" });
    uint64_t held;

    if (!finding) return &error_enomem;
    TRY(holder_of_list(tables->session, f, finding, tables->keys.data, tables->keys.count, &held));
    if (held < KEYS_MIN) {
        findings_drop_last(f);
        return NULL;
    }
    finding->count = tables->keys.count;
    finding->severity = SEVERITY_NOTE;
    finding->certainty = CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s values hang off %s objects in weak tables, and these objects stay",
                                  finding_number(f, tables->keys.count), key);
    finding->cause = "a ConditionalWeakTable keeps a value for each key while the key lives, and something keeps the keys";
    finding->fix = "let go of the keys where they are kept, or remove the value (ConditionalWeakTable.Remove) when it is done with";
    finding_evidence(finding, finding_text(f, "%s dependent handles have a key of this type; %s of the keys are held by %s %s",
                                           finding_number(f, tables->keys.count), finding_number(f, held), finding->root_kind,
                                           finding->root_name ? finding->root_name : ""));
    finding_type(finding, key, tables->keys.count, 0, false);
    finding_cost(finding, "gc heap", bytes);
    finding_claim_many(finding, tables->keys.data, tables->keys.count);
    finding_look(finding, "handles -type dependent");
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)tables->keys.data[0]));
    return NULL;
}

static struct error *look(struct tables *tables, struct findings *findings)
{
    const struct handle_table *handles;
    uint64_t count, bytes;

    TRY(session_handles(tables->session, &handles));
    if (!most_frequent_key(tables, handles, &count)) return &error_enomem;
    if (count < KEYS_MIN) return NULL;
    TRY(session_graph(tables->session, &tables->graph));
    TRY(take_of_type(tables, handles));
    if (tables->keys.count < KEYS_MIN) return NULL;
    TRY(retained_sum(tables->session, tables->values.data, tables->values.count, &bytes));
    return bytes >= BYTES_MIN ? report(tables, findings, bytes) : NULL;
}

static struct error *tables_run(struct session *session, struct findings *findings)
{
    struct tables tables = { .session = session };
    struct error *err;

    TRY(session_clr(session, &tables.clr));
    err = look(&tables, findings);
    vec_deinit(&tables.keys);
    vec_deinit(&tables.values);
    return err;
}

const struct rule rule_weak_table_values = {
    .name = "weak-table-values",
    .summary = "values in weak tables whose keys do not go",
    .refines = "accumulation",
    .run = tables_run,
};
