#include "clr/loader_heap.h"
#include "relations/relation.h"
#include "session/session.h"

struct code_heaps_cursor {
    const struct code_heaps *heaps;
    size_t index;
};

enum { ADDRESS, KIND, SIZE, COMMITTED, HEAP };

static struct error *code_heaps_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct code_heaps_cursor *cursor = cursor_;

    (void)request;
    return session_code_heaps(session, &cursor->heaps);
}

static struct error *code_heaps_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct code_heaps_cursor *cursor = cursor_;
    const struct code_heap *heap;

    *more_ret = cursor->index < cursor->heaps->list.count;
    if (!*more_ret) return NULL;
    heap = &cursor->heaps->list.data[cursor->index++];
    value_u64(&row[ADDRESS], heap->start);
    value_text(&row[KIND], heap->kind);
    value_u64(&row[SIZE], heap->reserved_size);
    if (heap->committed_known) value_u64(&row[COMMITTED], heap->committed_size);
    value_u64(&row[HEAP], heap->addr);
    return NULL;
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "start of the code" },
    { "kind", COLUMN_TEXT, "LoaderCodeHeap, or HostCodeHeap (dynamic methods)" },
    { "size", COLUMN_BYTES, "reserved" },
    { "committed", COLUMN_BYTES, "committed" },
    { "heap", COLUMN_ADDRESS, "the CodeHeap structure", COLUMN_VERBOSE },
};

const struct relation relation_code_heaps = {
    .name = "code_heaps",
    .summary = "heaps of jitted code",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "code_heaps" } },
    .empty = "the JIT's code manager is not in this dump",
    .cursor_size = sizeof(struct code_heaps_cursor),
    .begin = code_heaps_begin,
    .next = code_heaps_next,
};
