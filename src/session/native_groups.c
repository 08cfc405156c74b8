#include "session/native_groups.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/span.h"
#include "base/text.h"
#include "clr/gc_heap.h"
#include "session/ledger.h"
#include "session/native_references.h"
#include "session/session.h"
#include "target/target.h"

enum {
    LOOK_BYTES = 256,         /* of a block */
    BEGINNINGS_MAX = 1 << 16, /* texts told apart, per heap */
    RARE = 16,                /* texts that begin alike less often are put together */
};

const char *native_content_name(enum native_content content)
{
    static const char *const names[] = { "vtable", "text", "utf-16", "managed pointers", "native pointers", "zeros", "other" };
    return names[content];
}

struct interval {
    uint64_t start, end;
};

typedef VEC(struct native_group) group_list;

/* The part of one run of chunks: a heap, or all mapped chunks. */
struct part {
    group_list list;
    struct map index; /* hash of content and word or size -> index in the list */
    bool failed;
};

struct analyst {
    struct session *session;
    const struct target *target;
    const struct ledger *ledger;
    const struct glibc_malloc *malloc;
    struct native_references references;
    VEC(struct interval) gc; /* segments, sorted */
    uint64_t module_low, module_high;
    struct part *parts; /* one a heap, and one for mapped chunks */
};

static bool in_gc(const struct analyst *a, uint64_t addr)
{
    size_t low = 0, high = a->gc.count;

    if (!high || addr < a->gc.data[0].start || addr >= a->gc.data[high - 1].end) return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (a->gc.data[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low && addr < a->gc.data[low - 1].end;
}

/* ---- what lies in a block ---- */

/* Bytes of printable UTF-8 at the beginning; a character that `size` cuts counts. */
static size_t text_length(const uint8_t *bytes, size_t size)
{
    size_t n = 0;

    while (n < size) {
        uint32_t code_point;
        size_t step = utf8_decode((const char *)bytes + n, size - n, &code_point);

        if (!step) return size - n < 4 && bytes[n] >= 0xc0 ? size : n;
        if ((code_point < 0x20 && code_point != '\t' && code_point != '\n' && code_point != '\r') || code_point == 0x7f) return n;
        n += step;
    }
    return n;
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    enum { SHORTEST = 6 };
    size_t length = text_length(bytes, size);

    return length >= SHORTEST && (length == size || !bytes[length]);
}

static bool is_utf16(const uint8_t *bytes, size_t size)
{
    enum { SHORTEST = 4 };
    size_t n = 0;

    while (2 * n + 1 < size && !bytes[2 * n + 1] && bytes[2 * n] >= 0x20 && bytes[2 * n] < 0x7f)
        n++;
    return n >= SHORTEST && (2 * n + 1 >= size || (!bytes[2 * n] && !bytes[2 * n + 1]));
}

static inline bool may_be_address(uint64_t word)
{
    return word >= 0x10000 && word < UINT64_C(1) << 47;
}

static enum native_content content_of(const struct analyst *a, const uint8_t *bytes, size_t size, uint64_t *word_ret)
{
    uint64_t first = size >= 8 ? load_u64(bytes) : 0;
    size_t words = 0, managed = 0, native = 0;

    *word_ret = 0;
    if (first % 8 == 0 && first >= a->module_low && first < a->module_high) {
        const struct target_module *module = target_module_at(a->target, first);

        *word_ret = first;
        if (module && (!module->is_pe || a->target->is_windows)) return NATIVE_VTABLE;
    }
    *word_ret = first;
    if (is_text(bytes, size)) return NATIVE_TEXT;
    if (is_utf16(bytes, size)) return NATIVE_UTF16;
    *word_ret = 0;
    for (size_t off = 0; off + 8 <= size; off += 8) {
        uint64_t word = load_u64(bytes + off);

        if (!word) continue;
        words++;
        if (in_gc(a, word))
            managed++;
        else if (may_be_address(word) && word % 8 == 0 && glibc_malloc_heap_at(a->malloc, word) != SIZE_MAX)
            native++;
    }
    if (!words) return NATIVE_ZEROS;
    if (managed * 2 >= words) return NATIVE_MANAGED_POINTERS;
    return native * 2 >= words ? NATIVE_NATIVE_POINTERS : NATIVE_OTHER;
}

/* Groups that have no word are told apart by size. */
static uint64_t group_key(enum native_content content, uint64_t word, uint64_t size)
{
    return map_hash(map_hash((word ? word : size) + content) + (word ? 1 : 0));
}

static struct native_group *find_group(group_list *list, struct map *index, enum native_content content, uint64_t word,
                                       uint64_t size, uint64_t example)
{
    struct native_group fresh = { .content = content, .word = word, .size_min = size, .example = example };
    bool added;
    uint64_t *slot = map_slot(index, group_key(content, word, size), &added);

    if (!slot) return NULL;
    if (added) {
        *slot = list->count;
        if (!vec_push(list, fresh)) return NULL;
    }
    return &list->data[*slot];
}

static void add_to_group(struct native_group *group, uint64_t count, uint64_t bytes, uint64_t size_min, uint64_t size_max)
{
    group->count += count;
    group->bytes += bytes;
    if (size_min < group->size_min) group->size_min = size_min;
    if (size_max > group->size_max) group->size_max = size_max;
}

static void add_holder(struct native_group *group, uint32_t holder, uint64_t count)
{
    for (size_t i = 0; i < NATIVE_GROUP_HOLDERS; i++) {
        struct native_group_holder *slot = &group->holders[i];

        if (slot->count && slot->holder != holder) continue;
        slot->holder = holder;
        slot->count += count;
        return;
    }
}

/* Each place that points at the block counts once, however often it does. */
static void add_references(struct analyst *a, struct native_group *group, const struct malloc_chunk *chunk)
{
    size_t count;
    const struct native_hit *hits = native_references_of(&a->references, chunk, &count);

    if (!count) {
        group->from_nowhere += !native_references_elsewhere(&a->references, chunk);
        return;
    }
    group->from_gc++;
    for (size_t i = 0; i < count; i++) {
        enum { LOOKED_AT = 8 };
        size_t k = i > LOOKED_AT ? i - LOOKED_AT : 0;

        while (k < i && hits[k].holder != hits[i].holder)
            k++;
        if (k == i) add_holder(group, hits[i].holder, 1);
    }
}

static bool take_chunk(struct analyst *a, size_t index, const struct malloc_chunk *chunk)
{
    struct part *part = &a->parts[index];
    uint64_t wanted = malloc_chunk_usable(chunk), size = 0, word = 0;
    const uint8_t *bytes;
    enum native_content content = NATIVE_OTHER;
    struct native_group *group;

    if (wanted > LOOK_BYTES) wanted = LOOK_BYTES;
    bytes = memory_view_dumped(&a->target->memory, chunk->addr + MALLOC_HEADER, wanted, &size);
    if (bytes) content = content_of(a, bytes, (size_t)size, &word);
    if (content != NATIVE_VTABLE && part->list.count > BEGINNINGS_MAX) word = 0;
    group = find_group(&part->list, &part->index, content, word, chunk->size, chunk->addr + MALLOC_HEADER);
    if (!group) return false;
    add_to_group(group, 1, chunk->size, chunk->size, chunk->size);
    add_references(a, group, chunk);
    return true;
}

static void classify_part(void *user, size_t i)
{
    struct analyst *a = user;
    size_t heaps = a->malloc->heaps.count;
    struct malloc_cursor cursor;
    struct malloc_chunk chunk;

    /* The last part is of the mapped chunks, which a cursor gives behind the last heap. */
    malloc_cursor_init(&cursor, a->malloc, i, i == heaps ? heaps : i + 1);
    while (malloc_cursor_next(&cursor, &chunk)) {
        if (i < heaps && chunk.state == MALLOC_MMAPPED) break;
        if (chunk.state != MALLOC_USED && chunk.state != MALLOC_MMAPPED) continue;
        if (!take_chunk(a, i, &chunk)) {
            a->parts[i].failed = true;
            return;
        }
    }
}

/* ---- putting together ---- */

static bool merge_group(struct native_groups *ret, struct map *index, const struct native_group *from, uint64_t word)
{
    group_list list = { ret->list.data, ret->list.count, ret->list.capacity };
    struct native_group *group = find_group(&list, index, from->content, word, from->size_min, from->example);

    ret->list.data = list.data;
    ret->list.count = list.count;
    ret->list.capacity = list.capacity;
    if (!group) return false;
    add_to_group(group, from->count, from->bytes, from->size_min, from->size_max);
    group->from_gc += from->from_gc;
    group->from_nowhere += from->from_nowhere;
    for (size_t i = 0; i < NATIVE_GROUP_HOLDERS && from->holders[i].count; i++)
        add_holder(group, from->holders[i].holder, from->holders[i].count);
    return true;
}

static int compare_groups(const void *a, const void *b)
{
    const struct native_group *left = a, *right = b;

    if (left->bytes != right->bytes) return left->bytes > right->bytes ? -1 : 1;
    return left->example < right->example ? -1 : left->example > right->example;
}

/* First by beginning over all heaps; what is rare then goes under its size. */
static bool merge_parts(struct analyst *a, struct native_groups *ret)
{
    struct native_groups all = { 0 };
    struct map index;
    bool done = true;

    map_init(&index);
    for (size_t i = 0; done && i <= a->malloc->heaps.count; i++) {
        done = !a->parts[i].failed;
        for (size_t k = 0; done && k < a->parts[i].list.count; k++)
            done = merge_group(&all, &index, &a->parts[i].list.data[k], a->parts[i].list.data[k].word);
    }
    map_deinit(&index);
    map_init(&index);
    for (size_t i = 0; done && i < all.list.count; i++) {
        const struct native_group *group = &all.list.data[i];
        bool is_rare = group->content != NATIVE_VTABLE && group->count < RARE;

        done = merge_group(ret, &index, group, is_rare ? 0 : group->word);
        ret->count += group->count;
        ret->bytes += group->bytes;
    }
    map_deinit(&index);
    vec_deinit(&all.list);
    if (done) vec_sort(&ret->list, compare_groups);
    return done;
}

static int compare_intervals(const void *a, const void *b)
{
    const struct interval *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static bool find_gc(struct analyst *a)
{
    const struct gc_heaps *heaps;
    struct error *err = session_gc_heaps(a->session, &heaps);

    for (size_t i = 0; !err && i < heaps->segments.count; i++) {
        struct interval interval = { heaps->segments.data[i].start, heaps->segments.data[i].end };
        if (interval.end > interval.start && !vec_push(&a->gc, interval)) return false;
    }
    error_destroy(err); /* the ledger has told */
    vec_sort(&a->gc, compare_intervals);
    return true;
}

static bool make_parts(struct analyst *a)
{
    size_t heaps = a->malloc->heaps.count;

    a->parts = calloc(heaps + 1, sizeof(*a->parts));
    if (!a->parts) return false;
    for (size_t i = 0; i <= heaps; i++)
        map_init(&a->parts[i].index);
    return true;
}

static void analyst_deinit(struct analyst *a)
{
    for (size_t i = 0; a->parts && i <= a->malloc->heaps.count; i++) {
        vec_deinit(&a->parts[i].list);
        map_deinit(&a->parts[i].index);
    }
    free(a->parts);
    native_references_deinit(&a->references);
    vec_deinit(&a->gc);
}

static bool analyse(struct analyst *a, struct native_groups *ret)
{
    unsigned threads = session_threads(a->session);

    if (!a->malloc->heaps.count) return true;
    if (!find_gc(a) || !make_parts(a)) return false;
    if (a->target->modules.count) {
        a->module_low = a->target->modules.data[0].base;
        for (size_t i = 0; i < a->target->modules.count; i++)
            if (a->target->modules.data[i].end > a->module_high) a->module_high = a->target->modules.data[i].end;
    }
    parallel_for(threads, a->malloc->heaps.count + 1, classify_part, a);
    return merge_parts(a, ret);
}

/* The place that points at most blocks of each group. */
static void name_holders(struct analyst *a, struct native_groups *ret)
{
    for (size_t i = 0; i < ret->list.count; i++) {
        struct native_group *group = &ret->list.data[i];

        for (size_t k = 0; k < NATIVE_GROUP_HOLDERS && group->holders[k].count; k++) {
            if (group->holders[k].count <= group->held_count) continue;
            group->held_count = group->holders[k].count;
            group->held_by = a->references.holders.data[group->holders[k].holder].name;
        }
    }
}

struct error *native_groups_init(struct session *session, struct native_groups *ret)
{
    struct analyst a = { .session = session, .target = session_target(session) };
    bool done;

    *ret = (struct native_groups) { 0 };
    TRY(session_ledger(session, &a.ledger));
    a.malloc = &a.ledger->malloc;
    TRY(native_references_init(session, &a.references));
    done = analyse(&a, ret);
    if (done) name_holders(&a, ret);
    analyst_deinit(&a);
    if (done) return NULL;
    native_groups_deinit(ret);
    return &error_enomem;
}

void native_groups_deinit(struct native_groups *groups)
{
    vec_deinit(&groups->list);
}
