#include "target/malloc_glibc.h"

#include <string.h>

#include "base/parallel.h"
#include "target/malloc_internal.h"

const char *malloc_state_name(enum malloc_state state)
{
    static const char *const names[] = { "used", "cached", "fast", "free", "top", "mmapped" };
    return names[state];
}

/* Libraries that put another malloc in glibc's place. */
static const struct {
    const char *prefix, *name;
} foreign_allocators[] = {
    { "ld-musl-", "musl" },        { "libjemalloc", "jemalloc" }, { "libmimalloc", "mimalloc" },
    { "libtcmalloc", "tcmalloc" }, { "libsnmalloc", "snmalloc" },
};

static const char *find_foreign(const struct target *target)
{
    for (size_t i = 0; i < target->modules.count; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(foreign_allocators); k++)
            if (!strncmp(target->modules.data[i].name, foreign_allocators[k].prefix, strlen(foreign_allocators[k].prefix)))
                return foreign_allocators[k].name;
    return NULL;
}

size_t glibc_malloc_heap_at(const struct glibc_malloc *malloc, uint64_t addr)
{
    size_t low = 0, high = malloc->heaps.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (malloc->heaps.data[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low && addr < malloc->heaps.data[low - 1].end ? low - 1 : SIZE_MAX;
}

/* ---- summing up ---- */

struct walkers {
    struct glibc_malloc *malloc;
    malloc_addresses *caches; /* one a heap */
    bool *failed;
};

static void walk_one(void *user, size_t i)
{
    struct walkers *walkers = user;

    walkers->failed[i] = !malloc_walk_heap(walkers->malloc, &walkers->malloc->heaps.data[i], &walkers->caches[i]);
}

static bool gather_caches(const struct walkers *walkers, size_t count, malloc_addresses *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (walkers->failed[i]) return false;
        for (size_t k = 0; k < walkers->caches[i].count; k++)
            if (!vec_push(ret, walkers->caches[i].data[k])) return false;
    }
    return true;
}

static bool walk_heaps(struct glibc_malloc *malloc, unsigned threads)
{
    size_t count = malloc->heaps.count;
    struct walkers walkers = { malloc, calloc(count + 1, sizeof(*walkers.caches)), calloc(count + 1, sizeof(*walkers.failed)) };
    malloc_addresses caches = { 0 };
    bool done = walkers.caches && walkers.failed;

    if (done) {
        parallel_for(threads ? threads : 1, count, walk_one, &walkers);
        done = gather_caches(&walkers, count, &caches) && malloc_read_lists(malloc, &caches);
        for (size_t i = 0; i < count; i++)
            vec_deinit(&walkers.caches[i]);
    }
    vec_deinit(&caches);
    free(walkers.caches);
    free(walkers.failed);
    return done;
}

static void sum_heaps(struct glibc_malloc *malloc, struct gaps *gaps)
{
    for (size_t i = 0; i < malloc->heaps.count; i++) {
        const struct malloc_heap *heap = &malloc->heaps.data[i];
        struct malloc_arena *arena = &malloc->arenas.data[heap->arena];

        for (unsigned state = 0; state < MALLOC_STATE_COUNT; state++) {
            arena->sum[state].count += heap->sum[state].count;
            arena->sum[state].bytes += heap->sum[state].bytes;
        }
        arena->trimmable += heap->trimmable;
        if (!arena->has_state) arena->system_bytes += heap->limit - heap->start;
        if (!heap->problem) continue;
        arena->not_walked += heap->limit - heap->walked;
        if (!arena->problem) arena->problem = heap->problem;
        gaps_add(gaps, "native heap", heap->walked, 1, "cannot walk the rest of this heap, because %s", heap->problem);
    }
}

/* Mapped chunks as an arena of their own; a main arena of which nothing was found goes. */
static bool add_mapped(struct glibc_malloc *malloc)
{
    struct malloc_arena arena = { .kind = MALLOC_MAPPED_CHUNKS };

    for (size_t i = 0; i < malloc->mapped.count; i++) {
        arena.sum[MALLOC_MMAPPED].count++;
        arena.sum[MALLOC_MMAPPED].bytes += malloc->mapped.data[i].size;
    }
    arena.system_bytes = arena.heap_bytes = arena.sum[MALLOC_MMAPPED].bytes;
    return vec_push(&malloc->arenas, arena);
}

static int compare_heaps(const void *a, const void *b)
{
    const struct malloc_heap *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static bool read_all(struct glibc_malloc *malloc, const struct malloc_options *options, struct gaps *gaps)
{
    struct malloc_pieces pieces;
    bool done = malloc_pieces_init(malloc->target, options, &pieces) && malloc_find_arenas(malloc, &pieces, gaps) &&
                malloc_find_main(malloc, &pieces);

    malloc_pieces_deinit(&pieces);
    if (!done) return false;
    /* Without any heap there is no glibc, and what looks like a mapped chunk is none. */
    if (!malloc->heaps.count) {
        malloc->arenas.count = malloc->mapped.count = 0;
        return true;
    }
    vec_sort(&malloc->heaps, compare_heaps);
    if (!walk_heaps(malloc, options->threads)) return false;
    sum_heaps(malloc, gaps);
    return add_mapped(malloc);
}

struct error *glibc_malloc_init(const struct target *target, const struct malloc_options *options, struct gaps *gaps,
                                struct glibc_malloc *ret)
{
    *ret = (struct glibc_malloc) { .target = target };
    if (target->is_windows) return NULL;
    ret->foreign = find_foreign(target);
    if (read_all(ret, options, gaps)) return NULL;
    glibc_malloc_deinit(ret);
    return &error_enomem;
}

void glibc_malloc_deinit(struct glibc_malloc *malloc)
{
    vec_deinit(&malloc->arenas);
    vec_deinit(&malloc->heaps);
    vec_deinit(&malloc->mapped);
    vec_deinit(&malloc->freed);
}
