#include "clr/object.h"
#include "heap/walk.h"
#include "managed/blocked.h"
#include "relations/place_cells.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * Locks that are held: sync blocks, and thin locks in the headers of objects.
 *
 *     u32 at object - 4    0x08000000 clear: thin lock {owner's managed id: 16, recursion: 6}
 *                          set: index of a sync block, or a hash code
 *
 * Source: src/coreclr/vm/syncblk.h, "Sync block index and thin lock".
 */
enum { NOT_THIN = 0x08000000, OWNER_MASK = 0xffff, RECURSION_SHIFT = 16, RECURSION_MASK = 0x3f };

struct held_lock {
    uint64_t object;
    uint32_t owner_id, recursion, entering;
    bool is_thin;
};

struct locks_cursor {
    struct session *session;
    struct clr *clr;
    VEC(struct held_lock) list;
    const struct blocked_threads *threads;
    size_t index;
    struct text waiters;
    struct code_lines lines;
    struct code_place place;
};

enum { OBJECT, TYPE, KIND, OWNER, RECURSION, ENTERING, WAITERS, OWNER_IN, SOURCE };

static struct error *find_sync_blocks(struct locks_cursor *cursor)
{
    struct clr_sync_block_iterator blocks;
    struct clr_sync_block block;

    if (!clr_sync_blocks_begin(cursor->clr, &blocks)) {
        gaps_add(session_gaps(cursor->session), "sync blocks", 0, 1, "their table is not known, or not in the dump");
        return NULL;
    }
    while (clr_sync_blocks_next(&blocks, &block)) {
        struct held_lock lock = { block.object, block.owner_id, block.recursion, block.entering_count, false };

        if (block.is_held && !vec_push(&cursor->list, lock)) return &error_enomem;
    }
    return NULL;
}

static struct error *find_thin_locks(struct locks_cursor *cursor, struct walk *walk)
{
    struct object object;

    while (walk_next(walk, &object)) {
        uint32_t header;
        struct held_lock lock = { .object = object.addr, .is_thin = true };

        if (object.type->is_free || !memory_try_u32(cursor->clr->memory, object.addr - 4, &header)) continue;
        if ((header & NOT_THIN) || !(header & OWNER_MASK)) continue;
        lock.owner_id = header & OWNER_MASK;
        lock.recursion = 1 + (header >> RECURSION_SHIFT & RECURSION_MASK);
        if (!vec_push(&cursor->list, lock)) return &error_enomem;
    }
    return NULL;
}

static struct error *locks_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct locks_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;
    struct object_types types;
    struct error *err = NULL;

    (void)request;
    cursor->session = session;
    text_init(&cursor->waiters);
    code_lines_init(&cursor->lines, NULL);
    code_place_init(&cursor->place);
    TRY(session_clr(session, &cursor->clr));
    cursor->lines.clr = cursor->clr;
    TRY(session_blocked_threads(session, &cursor->threads));
    TRY(find_sync_blocks(cursor));
    TRY(session_gc_heaps(session, &heaps));
    if (!object_types_init(&types, cursor->clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct walk walk;

        walk_init(&walk, cursor->clr, &types, heaps, &heaps->segments.data[i]);
        err = find_thin_locks(cursor, &walk);
    }
    object_types_deinit(&types);
    return err;
}

static void append_waiters(struct locks_cursor *cursor, uint64_t object)
{
    enum { WAITERS_MAX = 1000 };
    unsigned shown = 0;

    for (size_t i = 0; i < cursor->threads->count && shown < WAITERS_MAX; i++)
        if (cursor->threads->list[i].lock_object == object)
            text_printf(&cursor->waiters, "%s%u", shown++ ? ", " : "", cursor->threads->list[i].thread->managed_id);
}

static struct error *locks_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct locks_cursor *cursor = cursor_;
    const struct blocked_thread *owner;
    const struct held_lock *lock;

    *more_ret = cursor->index < cursor->list.count;
    if (!*more_ret) return NULL;
    lock = &cursor->list.data[cursor->index++];
    value_u64(&row[OBJECT], lock->object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, lock->object));
    value_text(&row[KIND], lock->is_thin ? "thin" : "sync_block");
    if (lock->owner_id) value_u64(&row[OWNER], lock->owner_id);
    value_u64(&row[RECURSION], lock->recursion);
    value_u64(&row[ENTERING], lock->entering);
    text_clear(&cursor->waiters);
    append_waiters(cursor, lock->object);
    if (cursor->waiters.length) value_text(&row[WAITERS], text_cstr(&cursor->waiters));
    owner = blocked_thread_by_id(cursor->threads, lock->owner_id);
    if (!owner || !owner->site_method) return NULL;
    code_lines_describe(&cursor->lines, owner->site_method, owner->site_ip, owner->site_is_leaf, &cursor->place);
    place_cells(&cursor->place, &row[OWNER_IN], &row[SOURCE], NULL, NULL);
    return NULL;
}

static void locks_end(void *cursor_)
{
    struct locks_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    text_deinit(&cursor->waiters);
    code_lines_deinit(&cursor->lines);
    code_place_deinit(&cursor->place);
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "whose lock it is" },
    { "type", COLUMN_TEXT, "of the object" },
    { "kind", COLUMN_TEXT, "thin: in the object's header; sync_block: somebody waited for it, or its header was needed" },
    { "owner", COLUMN_NUMBER, "managed id of the thread that holds it" },
    { "recursion", COLUMN_COUNT, "how often its owner entered" },
    { "entering", COLUMN_COUNT, "threads that wait to enter" },
    { "waiters", COLUMN_TEXT, "managed ids of those whose stack shows it" },
    { "owner_in", COLUMN_TEXT, "where the owner is, the first method that is not the framework's" },
    { "source", COLUMN_TEXT, "file and line of that" },
};

const struct relation relation_locks = {
    .name = "locks",
    .summary = "locks (Monitor) that are held: thin ones and sync blocks, owner and waiters",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "locks" },
                  { "dumplocks", .help = "the same" },
                  { "dumpheap -thinlock", .where = "kind = thin", .help = "as SOS calls it: only thin locks" } },
    .empty = "no lock is held",
    .cursor_size = sizeof(struct locks_cursor),
    .begin = locks_begin,
    .next = locks_next,
    .end = locks_end,
};
