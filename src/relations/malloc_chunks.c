#include "base/text.h"
#include "relations/relation.h"
#include "session/ledger.h"
#include "session/native_references.h"
#include "session/session.h"
#include "target/target.h"

struct malloc_chunks_cursor {
    const struct target *target;
    struct malloc_cursor chunks;
    bool wants_content, wants_pointers;
    struct native_references references;
    uint64_t count[MALLOC_STATE_COUNT], bytes[MALLOC_STATE_COUNT];
    char content[64];
};

enum { ADDRESS, SIZE, STATE, ARENA, CHUNK, CONTENT, POINTED_BY, HELD_BY };

static struct error *malloc_chunks_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct malloc_chunks_cursor *cursor = cursor_;
    const struct glibc_malloc *malloc;

    TRY(session_malloc(session, &malloc));
    cursor->target = session_target(session);
    cursor->wants_content = request->columns_needed >> CONTENT & 1;
    cursor->wants_pointers = request->columns_needed & (1 << POINTED_BY | 1 << HELD_BY);
    if (cursor->wants_pointers) TRY(native_references_init(session, &cursor->references));
    malloc_cursor_init(&cursor->chunks, malloc, 0, malloc->heaps.count);
    return NULL;
}

/* The first bytes as hexadecimal digits. */
static void fill_content(struct malloc_chunks_cursor *cursor, const struct malloc_chunk *chunk, struct value *value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t wanted = malloc_chunk_usable(chunk), size, length = 0;
    const uint8_t *bytes;

    if (wanted > 16) wanted = 16;
    bytes = memory_view_dumped(&cursor->target->memory, chunk->addr + MALLOC_HEADER, wanted, &size);
    if (!bytes) return;
    for (uint64_t i = 0; i < size; i++) {
        cursor->content[length++] = digits[bytes[i] >> 4];
        cursor->content[length++] = digits[bytes[i] & 15];
    }
    value_textn(value, cursor->content, length);
}

static void fill_pointers(struct malloc_chunks_cursor *cursor, const struct malloc_chunk *chunk, struct value *row)
{
    size_t count;
    const struct native_hit *hits = native_references_of(&cursor->references, chunk, &count);

    if (count) {
        value_text(&row[POINTED_BY], "managed");
        value_text(&row[HELD_BY], cursor->references.holders.data[hits[0].holder].name);
    } else {
        value_text(&row[POINTED_BY], native_references_elsewhere(&cursor->references, chunk) ? "native" : "nothing");
    }
}

static struct error *malloc_chunks_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct malloc_chunks_cursor *cursor = cursor_;
    struct malloc_chunk chunk;

    *more_ret = malloc_cursor_next(&cursor->chunks, &chunk);
    if (!*more_ret) return NULL;
    cursor->count[chunk.state]++;
    cursor->bytes[chunk.state] += chunk.size;
    value_u64(&row[ADDRESS], chunk.addr + MALLOC_HEADER);
    value_u64(&row[SIZE], chunk.size);
    value_text(&row[STATE], malloc_state_name(chunk.state));
    value_u64(&row[ARENA], chunk.arena);
    value_u64(&row[CHUNK], chunk.addr);
    if (cursor->wants_content && chunk.state != MALLOC_TOP) fill_content(cursor, &chunk, &row[CONTENT]);
    if (cursor->wants_pointers && (chunk.state == MALLOC_USED || chunk.state == MALLOC_MMAPPED)) fill_pointers(cursor, &chunk, row);
    return NULL;
}

static void malloc_chunks_end(void *cursor_)
{
    struct malloc_chunks_cursor *cursor = cursor_;

    native_references_deinit(&cursor->references);
}

static void malloc_chunks_footer(void *cursor_, struct text *ret)
{
    const struct malloc_chunks_cursor *cursor = cursor_;
    const char *before = "";

    for (unsigned state = 0; state < MALLOC_STATE_COUNT; state++) {
        if (!cursor->count[state]) continue;
        text_printf(ret, "%s", before);
        text_number(ret, cursor->count[state]);
        text_printf(ret, " %s of ", malloc_state_name(state));
        text_number(ret, cursor->bytes[state]);
        text_puts(ret, " bytes");
        before = ", ";
    }
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "what malloc returned" },
    { "size", COLUMN_BYTES, "of the chunk, header included" },
    { "state", COLUMN_TEXT, "used, cached (by a thread), fast, free, top, mmapped" },
    { "arena", COLUMN_NUMBER, "number in malloc_arenas" },
    { "chunk", COLUMN_ADDRESS, "of its header", COLUMN_VERBOSE },
    { "content", COLUMN_TEXT, "its first 16 bytes", COLUMN_VERBOSE },
    { "pointed_by", COLUMN_TEXT, "of blocks in use: managed (objects), native (memory), nothing", COLUMN_VERBOSE },
    { "held_by", COLUMN_TEXT, "the first field, or elements, of a managed object that points at it", COLUMN_VERBOSE },
};

const struct relation relation_malloc_chunks = {
    .name = "malloc_chunks",
    .summary = "glibc's malloc: every chunk",
    .topic = "native memory",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "malloc_chunks" },
                  { "malloc_sizes", .group = "state,size", .sort = "size:desc", .help = "summed by state and size" } },
    .group_by = "state",
    .empty = "no heap of glibc's malloc was found",
    .cursor_size = sizeof(struct malloc_chunks_cursor),
    .begin = malloc_chunks_begin,
    .next = malloc_chunks_next,
    .end = malloc_chunks_end,
    .footer = malloc_chunks_footer,
};
