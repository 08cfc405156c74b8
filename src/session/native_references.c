#include "session/native_references.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/parallel.h"
#include "clr/gc_heap.h"
#include "heap/edge.h"
#include "heap/starts.h"
#include "session/ledger.h"
#include "session/memory_scan.h"
#include "session/session.h"
#include "target/target.h"

enum {
    PIECE_HITS_MAX = 1 << 22, /* words of one piece of the GC heap that are kept */
    HITS_MAX = 1 << 24,       /* of all */
};

/* Words found in one piece of the ledger. */
typedef VEC(struct native_hit) hit_list;

struct scanner {
    struct session *session;
    const struct target *target;
    const struct ledger *ledger;
    struct native_references *ret;
    hit_list *found;          /* one list a piece */
    uint64_t gc_low, gc_high; /* the GC's reservation: no malloc lies in it */
    bool failed;
};

static size_t mapped_at(const struct glibc_malloc *malloc, uint64_t addr)
{
    size_t low = 0, high = malloc->mapped.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (malloc->mapped.data[middle].addr <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low && addr - malloc->mapped.data[low - 1].addr < malloc->mapped.data[low - 1].size ? low - 1 : SIZE_MAX;
}

/* ---- all memory, word by word ---- */

static void set_bit(struct native_references *ret, size_t heap, size_t mapped, uint64_t addr)
{
    uint64_t granule;

    if (heap == SIZE_MAX) {
        __atomic_fetch_or(&ret->mapped_bits[mapped], 1, __ATOMIC_RELAXED);
        return;
    }
    granule = (addr - ret->malloc->heaps.data[heap].start) / 16;
    __atomic_fetch_or(&ret->bits[heap][granule / 64], UINT64_C(1) << granule % 64, __ATOMIC_RELAXED);
}

/* A word `addr` at `from`; `list` is NULL outside of the GC heap. Hits beyond the limit still count as pointing there. */
static void take_word(struct scanner *s, hit_list *list, uint64_t from, uint64_t addr)
{
    size_t heap = glibc_malloc_heap_at(s->ret->malloc, addr);
    size_t mapped = heap == SIZE_MAX ? mapped_at(s->ret->malloc, addr) : SIZE_MAX;
    struct native_hit hit = { .target = addr, .from = from };

    if (heap == SIZE_MAX && mapped == SIZE_MAX) return;
    if (!list || list->count >= PIECE_HITS_MAX)
        set_bit(s->ret, heap, mapped, addr);
    else if (!vec_push(list, hit))
        __atomic_store_n(&s->failed, true, __ATOMIC_RELAXED);
}

static void scan_piece(void *user, size_t i)
{
    struct scanner *s = user;
    struct memory_scan scan;
    const struct ledger_piece *piece = &s->ledger->pieces.data[i];
    hit_list *list = ledger_use_is_gc(piece->use) ? &s->found[i] : NULL;
    uint64_t addr, word;

    if (piece->use == USE_MANAGED_IMAGE || piece->use == USE_MAPPED_FILE || piece->use == USE_GC_BOOKKEEPING) return;
    memory_scan_begin_piece(&scan, s->target, piece);
    while (memory_scan_next(&scan, &addr, &word))
        /* Addresses of managed objects, the most frequent ones, are left at once. */
        if (word < s->gc_low || word >= s->gc_high) take_word(s, list, addr, word);
}

/* ---- which field ---- */

bool native_hit_object(struct session *session, const struct native_hit *hit, uint64_t *ret)
{
    const struct heap_starts *starts;
    struct clr_object object;
    struct clr *clr;
    struct error *err = session_clr(session, &clr);
    bool found;

    if (!err) err = session_starts(session, &starts);
    found = !err && edge_object(clr, starts, hit->from, &object);
    error_destroy(err);
    if (found) *ret = object.addr;
    return found;
}

/* Where in an object of its type a word lies: all elements of an array are one place. */
static uint64_t place_in(struct clr *clr, const struct clr_object *object, uint64_t off)
{
    uint64_t data;

    if (!clr_type_is_array(object->type) || !object->type->component_size) return off;
    data = clr_array_data_off(clr, object->type);
    return off < data ? off : data + (off - data) % object->type->component_size;
}

static const char *holder_name(struct session *session, struct clr *clr, const struct clr_object *object, uint64_t off)
{
    struct text name;
    const char *copy;

    text_init(&name);
    edge_full_name(clr, object->type, off, true, &name);
    copy = name.failed ? NULL : arena_strdup(session_arena(session), text_cstr(&name));
    text_deinit(&name);
    return copy;
}

static bool find_holder(struct scanner *s, struct clr *clr, struct map *index, const struct clr_object *object, uint64_t off,
                        uint32_t *ret)
{
    struct native_holder holder = { .mt_addr = object->type->mt_addr, .off = place_in(clr, object, off) };
    bool added;
    uint64_t *slot = map_slot(index, map_hash(holder.mt_addr) + holder.off, &added);

    if (!slot) return false;
    if (added) {
        *slot = s->ret->holders.count;
        holder.name = holder_name(s->session, clr, object, holder.off);
        if (!holder.name || !vec_push(&s->ret->holders, holder)) return false;
    }
    *ret = (uint32_t)*slot;
    return true;
}

/* Keeps the words that lie in objects, each with its holder. */
static bool gather_hits(struct scanner *s, struct clr *clr, const struct heap_starts *starts)
{
    struct map index;
    bool done = true;

    map_init(&index);
    for (size_t i = 0; done && i < s->ledger->pieces.count; i++) {
        for (size_t k = 0; done && k < s->found[i].count; k++) {
            struct native_hit hit = s->found[i].data[k];
            struct clr_object object;

            if (!edge_object(clr, starts, hit.from, &object)) continue;
            done = find_holder(s, clr, &index, &object, hit.from - object.addr, &hit.holder);
            if (!done) break;
            if (s->ret->hits.count < HITS_MAX) {
                done = vec_push(&s->ret->hits, hit);
            } else {
                size_t heap = glibc_malloc_heap_at(s->ret->malloc, hit.target);
                set_bit(s->ret, heap, heap == SIZE_MAX ? mapped_at(s->ret->malloc, hit.target) : 0, hit.target);
            }
        }
        vec_deinit(&s->found[i]);
    }
    map_deinit(&index);
    return done;
}

static int compare_hits(const void *a, const void *b)
{
    const struct native_hit *left = a, *right = b;

    if (left->target != right->target) return left->target < right->target ? -1 : 1;
    return left->from < right->from ? -1 : left->from > right->from;
}

/* ---- putting together ---- */

static bool make_bits(struct native_references *ret)
{
    size_t heaps = ret->malloc->heaps.count;

    ret->bits = calloc(heaps + 1, sizeof(*ret->bits));
    ret->mapped_bits = calloc(ret->malloc->mapped.count + 1, 1);
    if (!ret->bits || !ret->mapped_bits) return false;
    for (size_t i = 0; i < heaps; i++) {
        const struct malloc_heap *heap = &ret->malloc->heaps.data[i];

        ret->bits[i] = calloc((size_t)((heap->end - heap->start) / (16 * 64)) + 1, 8);
        if (!ret->bits[i]) return false;
    }
    return true;
}

static bool scan(struct scanner *s)
{
    const struct heap_starts *starts;
    const struct gc_heaps *heaps;
    struct clr *clr;
    struct error *err = session_gc_heaps(s->session, &heaps);

    if (!err) {
        s->gc_low = heaps->lowest;
        s->gc_high = heaps->highest;
    }
    parallel_for(session_threads(s->session), s->ledger->pieces.count, scan_piece, s);
    if (s->failed) return false;
    if (!err) err = session_starts(s->session, &starts);
    if (!err) err = session_clr(s->session, &clr);
    /* Without a CLR there are no hits; the ledger has told why. */
    if (!err && !gather_hits(s, clr, starts)) err = &error_enomem;
    if (err == &error_enomem) return false;
    error_destroy(err);
    vec_sort(&s->ret->hits, compare_hits);
    return true;
}

struct error *native_references_init(struct session *session, struct native_references *ret)
{
    struct scanner s = { .session = session, .target = session_target(session), .ret = ret };
    bool done;

    *ret = (struct native_references) { 0 };
    TRY(session_ledger(session, &s.ledger));
    ret->malloc = &s.ledger->malloc;
    s.found = calloc(s.ledger->pieces.count + 1, sizeof(*s.found));
    done = s.found && make_bits(ret) && (!ret->malloc->arenas.count || scan(&s));
    for (size_t i = 0; s.found && i < s.ledger->pieces.count; i++)
        vec_deinit(&s.found[i]);
    free(s.found);
    if (done) return NULL;
    native_references_deinit(ret);
    return &error_enomem;
}

void native_references_deinit(struct native_references *references)
{
    for (size_t i = 0; references->bits && i < references->malloc->heaps.count; i++)
        free(references->bits[i]);
    free(references->bits);
    free(references->mapped_bits);
    vec_deinit(&references->hits);
    vec_deinit(&references->holders);
    *references = (struct native_references) { 0 };
}

/* ---- what is asked of a block ---- */

const struct native_hit *native_references_of(const struct native_references *references, const struct malloc_chunk *chunk,
                                              size_t *count_ret)
{
    uint64_t start = chunk->addr + MALLOC_HEADER, end = chunk->addr + chunk->size;
    size_t low = 0, high = references->hits.count, last;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (references->hits.data[middle].target < start)
            low = middle + 1;
        else
            high = middle;
    }
    for (last = low; last < references->hits.count && references->hits.data[last].target < end;)
        last++;
    *count_ret = last - low;
    return last == low ? NULL : &references->hits.data[low];
}

/* Is one of the bits [from, to) set? */
static bool any_bit(const uint64_t *bits, uint64_t from, uint64_t to)
{
    for (; from < to && from % 64; from++)
        if (bits[from / 64] >> from % 64 & 1) return true;
    for (; from + 64 <= to; from += 64)
        if (bits[from / 64]) return true;
    for (; from < to; from++)
        if (bits[from / 64] >> from % 64 & 1) return true;
    return false;
}

bool native_references_elsewhere(const struct native_references *references, const struct malloc_chunk *chunk)
{
    const struct glibc_malloc *malloc = references->malloc;
    size_t heap = chunk->state == MALLOC_MMAPPED ? SIZE_MAX : glibc_malloc_heap_at(malloc, chunk->addr);
    uint64_t start;

    if (heap == SIZE_MAX) {
        size_t mapped = mapped_at(malloc, chunk->addr);
        return mapped != SIZE_MAX && references->mapped_bits[mapped];
    }
    start = malloc->heaps.data[heap].start;
    return any_bit(references->bits[heap], (chunk->addr + MALLOC_HEADER - start) / 16, (chunk->addr + chunk->size - start) / 16);
}
