/*
 * ThreadLocal objects made again and again.
 *
 *     ThreadLocal {_idComplement, _initialized}, and in every thread ts_slotArray: one slot for each of them
 *
 * They are meant to be static. Each one that is not disposed keeps a slot, and its value, in every thread that used it.
 */
#include "rules/many.h"

enum { LOCALS_MIN = 100, LOCALS_PROVEN = 300 };

static const char *const types[] = { "System.Threading.ThreadLocal<*>", NULL };
static const struct call_pattern calls[] = { { .type = "System.Threading.ThreadLocal`1", .method = ".ctor" } };

static bool is_open(struct clr *clr, uint64_t addr)
{
    int64_t initialized = 1;

    return !managed_follow_number(clr, addr, "_initialized", &initialized) || initialized;
}

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    const char *name = clr_object_type_name(found->clr, found->live.data[0]);
    uint64_t same = 0;

    (void)drop_ret;
    for (size_t i = 0; i < found->live.count; i++)
        same += clr_object_type_name(found->clr, found->live.data[i]) == name;
    finding_evidence(finding, finding_text(found->findings, "%s of them are %s, where one for all calls would do",
                                           finding_number(found->findings, same), name));
    if (same >= LOCALS_PROVEN && found->held >= LOCALS_PROVEN) finding->certainty = CERTAINTY_PROVEN;
    return NULL;
}

static const struct many locals = {
    .rule = "thread-locals",
    .doc = "docs/causes/thread-locals.md",
    .kind = "managed",
    .types = types,
    .least = LOCALS_MIN,
    .proven = UINT64_MAX,
    .noun = "ThreadLocals",
    .state = "are alive and not disposed",
    .cause = "a ThreadLocal is made again and again and kept: each has a slot, and a value, in every thread that used it",
    .fix = "make it static, or dispose it; for a buffer that is needed for a moment take ArrayPool",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_open,
    .tell = tell,
};

static struct error *locals_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &locals);
}

const struct rule rule_thread_locals = {
    .name = "thread-locals",
    .summary = "ThreadLocals are made again and again, and not disposed",
    .refines = "accumulation",
    .run = locals_run,
};
