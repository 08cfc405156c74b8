#include "clr/finalizer.h"
#include "clr/object.h"
#include "relations/relation.h"
#include "session/session.h"

struct finalize_queue_cursor {
    struct clr *clr;
    const struct finalizables *objects;
    size_t index;
    uint64_t columns_needed, count;
};

enum { OBJECT, TYPE, STATE, GENERATION, HEAP, ADDRESS };

static struct error *finalize_queue_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct finalize_queue_cursor *cursor = cursor_;

    cursor->columns_needed = request->columns_needed;
    TRY(session_clr(session, &cursor->clr));
    return session_finalizables(session, &cursor->objects);
}

static const char *state_name(const struct finalizable *entry)
{
    if (!entry->is_f_reachable) return "registered";
    return entry->is_critical ? "ready, critical" : "ready";
}

static struct error *finalize_queue_next(void *cursor_, struct value *row, bool *more_ret)
{
    static const enum gc_generation generations[] = { GC_GEN0, GC_GEN1, GC_GEN2, GC_LOH, GC_POH };
    struct finalize_queue_cursor *cursor = cursor_;
    const struct finalizable *entry;

    *more_ret = cursor->index < cursor->objects->list.count;
    if (!*more_ret) return NULL;
    entry = &cursor->objects->list.data[cursor->index++];
    value_u64(&row[OBJECT], entry->object);
    if (cursor->columns_needed & 1 << TYPE) value_text(&row[TYPE], clr_object_type_name(cursor->clr, entry->object));
    value_text(&row[STATE], state_name(entry));
    if (!entry->is_f_reachable && entry->generation < ARRAY_COUNT(generations))
        value_text(&row[GENERATION], gc_generation_name(generations[entry->generation]));
    value_u64(&row[HEAP], entry->heap);
    value_u64(&row[ADDRESS], entry->slot_addr);
    return NULL;
}

static void finalize_queue_footer(void *cursor_, struct text *ret)
{
    const struct finalize_queue_cursor *cursor = cursor_;
    size_t ready = 0;

    for (size_t i = 0; i < cursor->objects->list.count; i++)
        ready += cursor->objects->list.data[i].is_f_reachable;
    text_printf(ret, "%zu objects with a finalizer, %zu of them ready for it", cursor->objects->list.count, ready);
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "with a finalizer that has not run" },
    { "type", COLUMN_TEXT, "of the object" },
    { "state", COLUMN_TEXT, "registered; ready: found dead and kept alive until the finalizer thread has run its finalizer" },
    { "generation", COLUMN_TEXT, "part of the queue that it is in" },
    { "heap", COLUMN_NUMBER, "number of the GC heap", COLUMN_VERBOSE },
    { "address", COLUMN_ADDRESS, "of its slot in the queue", COLUMN_VERBOSE },
};

const struct relation relation_finalize_queue = {
    .name = "finalize_queue",
    .summary = "objects with a finalizer that has not run yet",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "finalize_queue" },
                  { "finalizequeue", .group = "type", .help = "by type, as SOS sums them up" },
                  { "finalizequeue -fReachable", .where = "state ~ ready",
                    .help = "only those that wait for the finalizer thread" } },
    .group_by = "type",
    .empty = "no objects with finalizers, or the queue is not in this dump",
    .cursor_size = sizeof(struct finalize_queue_cursor),
    .begin = finalize_queue_begin,
    .next = finalize_queue_next,
    .footer = finalize_queue_footer,
};
