#include "heap/traverse.h"

#include <stdlib.h>
#include <string.h>

#include "base/large_array.h"
#include "heap/walk.h"

enum { BATCH = 256, AHEAD = 32, LIST_MIN = 1 << 16, LIST_SHARE = 4, CANCEL_EVERY = 1 << 16, CACHE_LINE = 64 };

static size_t bitmap_words(const struct heap_starts *starts)
{
    return (size_t)starts->object_count / 64 + 1;
}

/* Which ids are worth a look into the dependents. */
static void note_primaries(struct traversal *t)
{
    uint32_t id;

    for (size_t i = 0; t->dependents && i < t->dependents->list.count; i++)
        if (heap_starts_id(t->starts, t->dependents->list.data[i].primary, &id))
            t->has_dependents[id % TRAVERSE_FILTER_BITS / 64] |= UINT64_C(1) << id % 64;
}

struct error *traversal_init(struct traversal *ret, const struct clr *clr, const struct heap_starts *starts,
                             const struct dependents *dependents, uint32_t *parents, struct progress *progress)
{
    *ret = (struct traversal) { .starts = starts, .dependents = dependents, .parents = parents, .progress = progress };
    ret->list_max = starts->object_count / LIST_SHARE;
    if (ret->list_max < LIST_MIN) ret->list_max = LIST_MIN;
    note_primaries(ret);
    ret->reached = large_array_zeroed(bitmap_words(starts), sizeof(*ret->reached));
    if (ret->reached && reference_types_init(&ret->types, clr)) return NULL;
    traversal_deinit(ret);
    return &error_enomem;
}

static void frontier_deinit(struct traverse_frontier *frontier)
{
    vec_deinit(&frontier->list);
    free(frontier->bits);
}

void traversal_deinit(struct traversal *traversal)
{
    free(traversal->reached);
    vec_deinit(&traversal->watchers);
    reference_types_deinit(&traversal->types);
    frontier_deinit(&traversal->now);
    frontier_deinit(&traversal->next);
    *traversal = (struct traversal) { 0 };
}

/* From a list to bits. */
static __attribute__((noinline)) bool frontier_widen(const struct traversal *t, struct traverse_frontier *frontier)
{
    if (!frontier->bits) frontier->bits = large_array_zeroed(bitmap_words(t->starts), sizeof(*frontier->bits));
    if (!frontier->bits) return false;
    for (size_t i = 0; i < frontier->list.count; i++)
        frontier->bits[frontier->list.data[i].id / 64] |= UINT64_C(1) << frontier->list.data[i].id % 64;
    frontier->list.count = 0;
    frontier->is_dense = true;
    return true;
}

static inline void frontier_push(struct traversal *t, const uint8_t *bytes, uint32_t id)
{
    struct traverse_frontier *next = &t->next;
    struct traverse_item item = { bytes, id };

    if (!next->is_dense) {
        if (next->list.count < t->list_max) {
            if (!vec_push(&next->list, item)) t->failed = true;
            return;
        }
        if (!frontier_widen(t, next)) {
            t->failed = true;
            return;
        }
    }
    next->bits[id / 64] |= UINT64_C(1) << id % 64;
}

/* The edge's line has arrived: is its target an object that was not reached before? */
static inline void settle(struct traversal *t, const struct traverse_edge *edge)
{
    uint32_t id;
    uint64_t *word, bit;

    if (!starts_line_has(edge->line, edge->bit)) return;
    id = starts_line_rank(edge->line, edge->bit);
    word = &t->reached[id / 64];
    bit = UINT64_C(1) << id % 64;
    if (*word & bit) return;
    *word |= bit;
    if (t->parents) t->parents[id] = edge->parent;
    frontier_push(t, edge->bytes, id);
}

static inline void enter_edge(struct traversal *t, uint64_t target, uint32_t parent)
{
    const struct heap_chunk *chunk = heap_chunk_at(t->starts, target);
    struct traverse_edge *slot = &t->ring[t->ring_at];

    if (!chunk || target & 7) return;
    if (slot->line) settle(t, slot);
    slot->line = starts_line_at(t->starts, chunk, target, &slot->bit);
    __builtin_prefetch(slot->line);
    slot->bytes = heap_chunk_bytes(chunk, target);
    slot->parent = parent;
    t->ring_at = (t->ring_at + 1) % TRAVERSE_RING;
}

static void settle_all(struct traversal *t)
{
    for (unsigned i = 0; i < TRAVERSE_RING; i++) {
        struct traverse_edge *slot = &t->ring[(t->ring_at + i) % TRAVERSE_RING];

        if (slot->line) settle(t, slot);
        slot->line = NULL;
    }
}

static __attribute__((noinline)) void note_watcher(struct traversal *t)
{
    if (t->watchers.count && t->watchers.data[t->watchers.count - 1] == t->from) return;
    if (!vec_push(&t->watchers, t->from)) t->failed = true;
}

static inline void visit_edge(void *user, uint64_t offset, uint64_t target)
{
    struct traversal *t = user;

    (void)offset;
    if (target == t->watched) note_watcher(t);
    enter_edge(t, target, t->from);
}

static __attribute__((noinline)) void follow_dependents(struct traversal *t, uint32_t id)
{
    const struct dependents *dependents = t->dependents;
    uint64_t addr = heap_starts_addr(t->starts, id);

    for (size_t i = dependents_find(dependents, addr); i < dependents->list.count && dependents->list.data[i].primary == addr; i++)
        visit_edge(t, 0, dependents->list.data[i].secondary);
}

static inline bool may_have_dependents(const struct traversal *t, uint32_t id)
{
    return t->has_dependents[id % TRAVERSE_FILTER_BITS / 64] >> (id % 64) & 1;
}

static inline void process(struct traversal *t, const struct traverse_item *item)
{
    const uint8_t *bytes = item->bytes;
    const struct reference_type *type = reference_types_get(&t->types, load_u64(bytes) & ~UINT64_C(7));
    uint64_t size;

    if (!type) {
        t->failed = true;
        return;
    }
    size = reference_object_size(type, bytes);
    t->count++;
    t->bytes += size < OBJECT_SIZE_MIN ? OBJECT_SIZE_MIN : size;
    t->from = item->id;
    references_visit(type, bytes, size, visit_edge, t);
    if (may_have_dependents(t, item->id)) follow_dependents(t, item->id);
}

/*
 * The first two lines of the object AHEAD of the one at hand are asked for, of the `known` ones, which are more than those
 * processed: what lies behind them comes in order.
 */
static void process_batch(struct traversal *t, const struct traverse_item *items, size_t count, size_t known)
{
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < known) {
            __builtin_prefetch(items[i + AHEAD].bytes);
            __builtin_prefetch(items[i + AHEAD].bytes + CACHE_LINE);
        }
        process(t, &items[i]);
    }
}

/* Objects of one line that are in the frontier, appended to `items`. */
static size_t collect_line(const struct traversal *t, const struct heap_chunk *chunk, uint64_t index, const uint64_t *bits,
                           struct traverse_item *items)
{
    const struct starts_line *line = &t->starts->lines[index];
    const uint8_t *bytes = chunk->data + 8 * LINE_BITS * (index - chunk->first_line);
    uint32_t id = line->rank;
    size_t count = 0;

    for (unsigned word = 0; word < LINE_WORDS; word++)
        for (uint64_t left = line->bits[word]; left; left &= left - 1, id++)
            if (bits[id / 64] >> (id % 64) & 1)
                items[count++] = (struct traverse_item) { bytes + 8 * (64 * word + (unsigned)__builtin_ctzll(left)), id };
    return count;
}

/* Is any id of [start, end) in the bits? Ranges are those of a line: at most 150. */
static inline bool any_bit(const uint64_t *bits, uint32_t start, uint32_t end)
{
    uint32_t first = start / 64, last = (end - 1) / 64;

    if (start == end) return false;
    for (uint32_t word = first; word <= last; word++) {
        uint64_t mask = UINT64_MAX;

        if (word == first) mask &= UINT64_MAX << start % 64;
        if (word == last) mask &= UINT64_MAX >> (63 - (end - 1) % 64);
        if (bits[word] & mask) return true;
    }
    return false;
}

static bool is_cancelled(struct traversal *t, uint64_t *done)
{
    if (t->count - *done >= CANCEL_EVERY) {
        progress_add(t->progress, t->count - *done);
        *done = t->count;
        if (progress_is_cancelled(t->progress)) return true;
    }
    return t->failed;
}

/* A wide level, by address. */
static void run_dense(struct traversal *t, uint64_t *done)
{
    struct traverse_item items[BATCH + LINE_BITS];
    const uint64_t *bits = t->now.bits;
    size_t count = 0;

    for (size_t c = 0; c < t->starts->chunks.count; c++) {
        const struct heap_chunk *chunk = &t->starts->chunks.data[c];
        uint64_t end = c + 1 < t->starts->chunks.count ? chunk[1].first_line : t->starts->line_count;

        for (uint64_t line = chunk->first_line; line < end; line++) {
            if (!any_bit(bits, t->starts->lines[line].rank, t->starts->lines[line + 1].rank)) continue;
            count += collect_line(t, chunk, line, bits, items + count);
            if (count < BATCH) continue;
            process_batch(t, items, count, count);
            count = 0;
            if (is_cancelled(t, done)) return;
        }
    }
    process_batch(t, items, count, count);
}

static void run_list(struct traversal *t, uint64_t *done)
{
    for (size_t i = 0; i < t->now.list.count && !is_cancelled(t, done); i += BATCH) {
        size_t count = t->now.list.count - i;

        process_batch(t, t->now.list.data + i, count < BATCH ? count : BATCH, count);
    }
}

static void frontier_clear(const struct traversal *t, struct traverse_frontier *frontier)
{
    frontier->list.count = 0;
    if (frontier->is_dense) memset(frontier->bits, 0, bitmap_words(t->starts) * sizeof(*frontier->bits));
    frontier->is_dense = false;
}

void traversal_seed(struct traversal *traversal, uint64_t addr, uint32_t parent)
{
    const struct heap_chunk *chunk = heap_chunk_at(traversal->starts, addr);
    uint32_t id;

    if (!heap_starts_id(traversal->starts, addr, &id) || traversal_reached(traversal, id)) return;
    traversal->reached[id / 64] |= UINT64_C(1) << id % 64;
    if (traversal->parents) traversal->parents[id] = parent;
    frontier_push(traversal, heap_chunk_bytes(chunk, addr), id);
}

struct error *reachable_size(const struct clr *clr, const struct heap_starts *starts, const struct dependents *dependents,
                             const uint64_t *addrs, size_t count, struct progress *progress, uint64_t *count_ret,
                             uint64_t *bytes_ret)
{
    struct traversal traversal;
    struct error *err = traversal_init(&traversal, clr, starts, dependents, NULL, progress);

    if (err) return err;
    progress_start(progress, "following references", starts->object_count);
    for (size_t i = 0; i < count; i++)
        traversal_seed(&traversal, addrs[i], 0);
    err = traversal_run(&traversal);
    progress_end(progress);
    if (!err) {
        *count_ret = traversal.count;
        *bytes_ret = traversal.bytes;
    }
    traversal_deinit(&traversal);
    return err;
}

struct error *traversal_run(struct traversal *t)
{
    uint64_t done = t->count;

    while ((t->next.list.count || t->next.is_dense) && !t->failed) {
        struct traverse_frontier swap = t->now;

        t->now = t->next;
        t->next = swap;
        if (t->now.is_dense)
            run_dense(t, &done);
        else
            run_list(t, &done);
        settle_all(t);
        frontier_clear(t, &t->now);
        if (progress_is_cancelled(t->progress)) return error_create(ERROR_CANCELLED, "cancelled");
    }
    progress_add(t->progress, t->count - done);
    return t->failed ? &error_enomem : NULL;
}
