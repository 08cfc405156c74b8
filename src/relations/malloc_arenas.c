#include "relations/relation.h"
#include "session/ledger.h"
#include "session/session.h"

/* glibc's arenas, and chunks with a mapping of their own as the last row. */
struct malloc_arenas_cursor {
    const struct glibc_malloc *malloc;
    size_t index;
};

enum {
    ARENA,
    ADDRESS,
    KIND,
    HEAPS,
    SYSTEM_BYTES,
    MAX_SYSTEM_BYTES,
    WRITABLE,
    RESERVED,
    USED_COUNT,
    USED_BYTES,
    CACHED_COUNT,
    CACHED_BYTES,
    FAST_COUNT,
    FAST_BYTES,
    FREE_COUNT,
    FREE_BYTES,
    TOP_BYTES,
    TRIMMABLE,
    NOT_WALKED,
    NOTE
};

static struct error *malloc_arenas_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct malloc_arenas_cursor *cursor = cursor_;

    (void)request;
    return session_malloc(session, &cursor->malloc);
}

static uint64_t arena_reserved(const struct glibc_malloc *malloc, uint32_t arena)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < malloc->heaps.count; i++)
        if (malloc->heaps.data[i].arena == arena) sum += malloc->heaps.data[i].reserved;
    return sum;
}

static void fill_sums(const struct malloc_arena *arena, struct value *row)
{
    enum malloc_state used = arena->kind == MALLOC_MAPPED_CHUNKS ? MALLOC_MMAPPED : MALLOC_USED;

    value_u64(&row[USED_COUNT], arena->sum[used].count);
    value_u64(&row[USED_BYTES], arena->sum[used].bytes);
    if (arena->kind == MALLOC_MAPPED_CHUNKS) return;
    value_u64(&row[CACHED_COUNT], arena->sum[MALLOC_CACHED].count);
    value_u64(&row[CACHED_BYTES], arena->sum[MALLOC_CACHED].bytes);
    if (arena->has_state) {
        value_u64(&row[FAST_COUNT], arena->sum[MALLOC_FAST].count);
        value_u64(&row[FAST_BYTES], arena->sum[MALLOC_FAST].bytes);
    }
    value_u64(&row[FREE_COUNT], arena->sum[MALLOC_FREE].count);
    value_u64(&row[FREE_BYTES], arena->sum[MALLOC_FREE].bytes);
    value_u64(&row[TOP_BYTES], arena->sum[MALLOC_TOP].bytes);
    value_u64(&row[TRIMMABLE], arena->trimmable);
    value_u64(&row[NOT_WALKED], arena->not_walked);
}

static struct error *malloc_arenas_next(void *cursor_, struct value *row, bool *more_ret)
{
    static const char *const kinds[] = { "main", "heap", "mmapped" };
    struct malloc_arenas_cursor *cursor = cursor_;
    const struct malloc_arena *arena;
    uint64_t reserved;

    *more_ret = cursor->index < cursor->malloc->arenas.count;
    if (!*more_ret) return NULL;
    arena = &cursor->malloc->arenas.data[cursor->index];
    value_u64(&row[ARENA], cursor->index);
    if (arena->addr) value_u64(&row[ADDRESS], arena->addr);
    value_text(&row[KIND], kinds[arena->kind]);
    value_u64(&row[HEAPS], arena->heap_count);
    value_u64(&row[SYSTEM_BYTES], arena->system_bytes);
    if (arena->max_system_bytes) value_u64(&row[MAX_SYSTEM_BYTES], arena->max_system_bytes);
    value_u64(&row[WRITABLE], arena->heap_bytes);
    reserved = arena_reserved(cursor->malloc, (uint32_t)cursor->index);
    if (reserved) value_u64(&row[RESERVED], reserved);
    fill_sums(arena, row);
    if (arena->problem)
        value_text(&row[NOTE], arena->problem);
    else if (arena->kind == MALLOC_MAIN_ARENA && !arena->has_state)
        value_text(&row[NOTE], "its state is not in the dump: told by its chunks, fastbins count as in use");
    cursor->index++;
    return NULL;
}

static void malloc_arenas_footer(void *cursor_, struct text *ret)
{
    const struct malloc_arenas_cursor *cursor = cursor_;

    if (cursor->malloc->layout_name) text_printf(ret, "layout of glibc %s", cursor->malloc->layout_name);
    if (cursor->malloc->foreign)
        text_printf(ret, "%s%s is loaded: its heap is not walked", cursor->malloc->layout_name ? "\n" : "",
                    cursor->malloc->foreign);
}

static const struct column columns[] = {
    { "arena", COLUMN_NUMBER, "its number here" },
    { "address", COLUMN_ADDRESS, "of its malloc_state" },
    { "kind", COLUMN_TEXT, "main: the brk heap; heap: 64 MiB heaps of their own; mmapped: large chunks, one mapping each" },
    { "heaps", COLUMN_COUNT, "heaps, or pieces of the brk heap" },
    { "system_bytes", COLUMN_BYTES, "taken from the system, as malloc_info says" },
    { "max_system_bytes", COLUMN_BYTES, "the most that was", COLUMN_VERBOSE },
    { "writable_bytes", COLUMN_BYTES, "memory of its heaps that can be written", COLUMN_VERBOSE },
    { "reserved_bytes", COLUMN_BYTES, "address space of its heaps", COLUMN_VERBOSE },
    { "used_count", COLUMN_COUNT, "blocks in use" },
    { "used_bytes", COLUMN_BYTES, "their bytes, headers included" },
    { "cached_count", COLUMN_COUNT, "freed blocks that threads keep for their next malloc", COLUMN_VERBOSE },
    { "cached_bytes", COLUMN_BYTES, "their bytes" },
    { "fast_count", COLUMN_COUNT, "freed blocks in fastbins", COLUMN_VERBOSE },
    { "fast_bytes", COLUMN_BYTES, "their bytes", COLUMN_VERBOSE },
    { "free_count", COLUMN_COUNT, "free chunks" },
    { "free_bytes", COLUMN_BYTES, "their bytes" },
    { "top_bytes", COLUMN_BYTES, "the rest of the newest heap, not yet handed out" },
    { "trimmable_bytes", COLUMN_BYTES, "whole pages inside free chunks and top: what malloc_trim could give back" },
    { "not_walked_bytes", COLUMN_BYTES, "behind a place that makes no sense", COLUMN_VERBOSE },
    { "note", COLUMN_TEXT, "what could not be read" },
};

const struct relation relation_malloc_arenas = {
    .name = "malloc_arenas",
    .summary = "glibc's malloc: arenas, and what is in use, free and kept in them",
    .description = "Every heap is walked chunk by chunk. malloc_info(3) calls a used block what is here used or cached, and counts "
                   "the top chunk among the free ones.",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "malloc_arenas" } },
    .empty = "no heap of glibc's malloc was found",
    .cursor_size = sizeof(struct malloc_arenas_cursor),
    .begin = malloc_arenas_begin,
    .next = malloc_arenas_next,
    .footer = malloc_arenas_footer,
};
