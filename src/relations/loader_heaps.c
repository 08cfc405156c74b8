#include "clr/loader_heap.h"
#include "relations/relation.h"
#include "session/session.h"

struct loader_heaps_cursor {
    const struct loader_heap_blocks *blocks;
    size_t index;
    uint64_t reserved, committed;
};

enum { ALLOCATOR, KIND, ADDRESS, SIZE, COMMITTED, OWNER };

static struct error *loader_heaps_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct loader_heaps_cursor *cursor = cursor_;

    (void)request;
    return session_loader_heaps(session, &cursor->blocks);
}

static struct error *loader_heaps_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct loader_heaps_cursor *cursor = cursor_;
    const struct loader_heap_block *block;

    *more_ret = cursor->index < cursor->blocks->list.count;
    if (!*more_ret) return NULL;
    block = &cursor->blocks->list.data[cursor->index++];
    value_u64(&row[ALLOCATOR], block->allocator_addr);
    value_text(&row[KIND], block->kind);
    value_u64(&row[ADDRESS], block->start);
    value_u64(&row[SIZE], block->reserved_size);
    value_u64(&row[COMMITTED], block->committed_size);
    value_text(&row[OWNER], block->is_collectible ? "collectible" : "global");
    cursor->reserved += block->reserved_size;
    cursor->committed += block->committed_size;
    return NULL;
}

static void loader_heaps_footer(void *cursor_, struct text *ret)
{
    const struct loader_heaps_cursor *cursor = cursor_;

    text_number(ret, cursor->blocks->list.count);
    text_printf(ret, " blocks of %zu allocator%s, ", cursor->blocks->allocator_count,
                cursor->blocks->allocator_count == 1 ? "" : "s");
    text_number(ret, cursor->committed);
    text_puts(ret, " bytes committed of ");
    text_number(ret, cursor->reserved);
    text_puts(ret, " reserved");
}

static const struct column columns[] = {
    { "allocator", COLUMN_ADDRESS, "the LoaderAllocator" },
    { "kind", COLUMN_TEXT, "LowFrequencyHeap, HighFrequencyHeap, StubHeap, ..." },
    { "address", COLUMN_ADDRESS, "start of the block" },
    { "size", COLUMN_BYTES, "reserved" },
    { "committed", COLUMN_BYTES, "committed" },
    { "owner", COLUMN_TEXT, "global, or collectible (freed with its load context)" },
};

const struct relation relation_loader_heaps = {
    .name = "loader_heaps",
    .summary = "blocks of the loader heaps, in which types and methods live",
    .description = "Each block once; other tools list the blocks of the global allocator several times over.",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "loader_heaps" }, { "eeheap -loader", .group = "kind", .help = "summed by kind" } },
    .group_by = "kind",
    .empty = "the loader heaps' structures are not in this dump",
    .cursor_size = sizeof(struct loader_heaps_cursor),
    .begin = loader_heaps_begin,
    .next = loader_heaps_next,
    .footer = loader_heaps_footer,
};
