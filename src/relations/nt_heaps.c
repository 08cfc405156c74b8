#include "relations/relation.h"
#include "session/ledger.h"
#include "session/session.h"
#include "target/target.h"

struct nt_heaps_cursor {
    const struct windows_heaps *heaps;
    const struct target *target;
    size_t index;
};

enum {
    HEAP,
    ADDRESS,
    KIND,
    SEGMENTS,
    COMMITTED,
    RESERVED,
    USED_COUNT,
    USED_BYTES,
    FREE_COUNT,
    FREE_BYTES,
    LARGE_COUNT,
    LARGE_BYTES,
    NOT_WALKED,
    NOTE
};

static struct error *nt_heaps_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct nt_heaps_cursor *cursor = cursor_;

    (void)request;
    cursor->target = session_target(session);
    return session_windows_heaps(session, &cursor->heaps);
}

/* Of its segments and large blocks, in one pass over the dump's ranges each. */
static uint64_t heap_committed(const struct nt_heaps_cursor *cursor)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < cursor->heaps->parts.count; i++) {
        const struct windows_heap_part *part = &cursor->heaps->parts.data[i];

        if (part->heap == cursor->index) sum += windows_committed(cursor->target, part->start, part->end);
    }
    return sum;
}

static struct error *nt_heaps_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct nt_heaps_cursor *cursor = cursor_;
    const struct windows_heap *heap;

    *more_ret = cursor->index < cursor->heaps->list.count;
    if (!*more_ret) return NULL;
    heap = &cursor->heaps->list.data[cursor->index];
    value_u64(&row[HEAP], cursor->index);
    value_u64(&row[ADDRESS], heap->addr);
    value_text(&row[KIND], windows_heap_kind_name(heap->kind));
    value_u64(&row[SEGMENTS], heap->segment_count);
    value_u64(&row[COMMITTED], heap_committed(cursor));
    value_u64(&row[RESERVED], heap->reserved);
    if (heap->kind != WINDOWS_HEAP_SEGMENT) {
        value_u64(&row[USED_COUNT], heap->used.count);
        value_u64(&row[USED_BYTES], heap->used.bytes);
        value_u64(&row[FREE_COUNT], heap->free.count);
        value_u64(&row[FREE_BYTES], heap->free.bytes);
    }
    value_u64(&row[LARGE_COUNT], heap->large.count);
    value_u64(&row[LARGE_BYTES], heap->large.bytes);
    value_u64(&row[NOT_WALKED], heap->not_walked);
    value_text(&row[NOTE], heap->problem);
    cursor->index++;
    return NULL;
}

static const struct column columns[] = {
    { "heap", COLUMN_NUMBER, "its number here; 0 is the process's default heap" },
    { "address", COLUMN_ADDRESS, "of the _HEAP or _SEGMENT_HEAP: the handle" },
    { "kind", COLUMN_TEXT, "nt, segment, or wine" },
    { "segments", COLUMN_COUNT, "pieces of address space" },
    { "committed", COLUMN_BYTES, "of its segments and large blocks" },
    { "reserved", COLUMN_BYTES, "address space of the same", COLUMN_VERBOSE },
    { "used_count", COLUMN_COUNT, "blocks in use, those of the low fragmentation heap one by one" },
    { "used_bytes", COLUMN_BYTES, "their bytes, headers included" },
    { "free_count", COLUMN_COUNT, "free blocks" },
    { "free_bytes", COLUMN_BYTES, "their committed bytes" },
    { "large_count", COLUMN_COUNT, "blocks with memory of their own" },
    { "large_bytes", COLUMN_BYTES, "their bytes" },
    { "not_walked_bytes", COLUMN_BYTES, "not told apart, or behind a place that makes no sense", COLUMN_VERBOSE },
    { "note", COLUMN_TEXT, "what could not be read" },
};

const struct relation relation_nt_heaps = {
    .name = "nt_heaps",
    .summary = "the heaps of a Windows process: what is in use and free in them",
    .description =
        "NT heaps are walked entry by entry, the groups of their low fragmentation heap block by block. Of segment heaps "
        "the segments and large blocks are found, but blocks are not told apart. wine's heaps, which a process under "
        "wine has instead, are walked as well.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "nt_heaps" }, { "heap -s", .help = "as WinDbg calls it" } },
    .empty = "no heap of a Windows process was found",
    .cursor_size = sizeof(struct nt_heaps_cursor),
    .begin = nt_heaps_begin,
    .next = nt_heaps_next,
};
