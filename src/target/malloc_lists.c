/*
 * Lists of freed chunks that the heap itself still calls used: each thread's cache, and each arena's fastbins.
 *
 *     tcache_perthread_struct   2.26: u8 counts[64], entries[64]      2.30: u16 counts[64], entries[64]
 *                               2.42: u16 slots left [76], entries[76]
 *     entry                     at the chunk's memory: next entry      fastbin: at the chunk's memory: next chunk
 *
 * From 2.32 on the word that leads to the next one is mangled: (its own address >> 12) ^ pointer. Source: malloc.c, PROTECT_PTR.
 */
#include "target/malloc_internal.h"

struct cache_layout {
    uint32_t chunk_size;
    uint8_t count_size, bins;
    bool counts_down; /* the counts are of slots left, not of entries */
    uint16_t small_bins;
};

static const struct cache_layout cache_layouts[] = {
    { 0x290, 2, 64, false, 64 },
    { 0x250, 1, 64, false, 64 },
    { 0x300, 2, 76, true, 64 },
};

enum { ENTRIES_MAX = 1 << 16 };

struct list_reader {
    struct glibc_malloc *malloc;
    const struct memory *memory;
    struct malloc_window window;
};

static bool read_word(struct list_reader *r, uint64_t addr, uint64_t *ret)
{
    uint64_t size;
    const uint8_t *bytes = memory_view_dumped(r->memory, addr, 8, &size);

    if (!bytes || size < 8) return false;
    *ret = load_u64(bytes);
    return true;
}

static bool read_link(struct list_reader *r, uint64_t addr, bool mangled, uint64_t *ret)
{
    if (!read_word(r, addr, ret)) return false;
    if (mangled) *ret ^= addr >> 12;
    return *ret % CHUNK_ALIGN == 0;
}

/* The size of the chunk when it lies in a heap that was walked so far; 0: it does not. */
static uint64_t chunk_size_at(struct list_reader *r, uint64_t chunk)
{
    size_t heap = glibc_malloc_heap_at(r->malloc, chunk);
    uint64_t size_word;

    if (heap == SIZE_MAX || chunk % CHUNK_ALIGN) return 0;
    if (chunk < r->malloc->heaps.data[heap].first || chunk >= r->malloc->heaps.data[heap].walked) return 0;
    return read_word(r, chunk + 8, &size_word) ? size_word & ~(uint64_t)CHUNK_FLAGS : 0;
}

/* ---- thread caches ---- */

static uint64_t cache_count(const struct cache_layout *layout, const uint8_t *bytes, unsigned bin)
{
    return layout->count_size == 1 ? bytes[bin] : load_u16(bytes + 2 * bin);
}

/* Follows one list: all entries must be chunks of the bin's size. Large bins hold several sizes. */
static bool follow_bin(struct list_reader *r, const struct cache_layout *layout, unsigned bin, uint64_t entry, uint64_t count,
                       bool mangled, malloc_addresses *found)
{
    uint64_t wanted = bin < layout->small_bins ? CHUNK_MIN + CHUNK_ALIGN * (uint64_t)bin : 0, seen = 0;

    for (; entry; seen++) {
        uint64_t size = chunk_size_at(r, entry - MALLOC_HEADER);

        if (seen >= ENTRIES_MAX || !size || (wanted && size != wanted)) return false;
        if (!vec_push(found, entry - MALLOC_HEADER) || !read_link(r, entry, mangled, &entry)) return false;
    }
    return layout->counts_down || seen == count;
}

static const struct cache_layout *cache_layout_of(uint64_t chunk_size)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cache_layouts); i++)
        if (cache_layouts[i].chunk_size == chunk_size) return &cache_layouts[i];
    return NULL;
}

/* Reads the chunk as a cache; nothing is added when it is none. */
static bool read_cache(struct list_reader *r, uint64_t chunk, bool mangled, malloc_addresses *found)
{
    const struct cache_layout *layout = cache_layout_of(chunk_size_at(r, chunk));
    const uint8_t *bytes, *entries;
    size_t before = found->count;
    uint64_t size;

    if (!layout) return false;
    bytes = memory_view_dumped(r->memory, chunk + MALLOC_HEADER, layout->chunk_size - MALLOC_HEADER, &size);
    if (!bytes || size < layout->chunk_size - MALLOC_HEADER) return false;
    entries = bytes + ((layout->count_size * layout->bins + 7) & ~7);
    for (unsigned bin = 0; bin < layout->bins; bin++) {
        uint64_t entry = load_u64(entries + 8 * bin), count = cache_count(layout, bytes, bin);

        if (entry % CHUNK_ALIGN || (!layout->counts_down && !count != !entry) ||
            !follow_bin(r, layout, bin, entry, count, mangled, found)) {
            found->count = before;
            return false;
        }
    }
    return true;
}

static uint32_t read_caches(struct list_reader *r, const malloc_addresses *caches, bool mangled, malloc_addresses *found)
{
    uint32_t count = 0;

    for (size_t i = 0; i < caches->count; i++)
        if (read_cache(r, caches->data[i], mangled, found)) count++;
    return count;
}

/* ---- fastbins ---- */

static void read_fastbin(struct list_reader *r, uint64_t chunk, uint64_t wanted, uint64_t limit, malloc_addresses *found)
{
    size_t before = found->count;
    uint64_t seen = 0;

    for (; chunk; seen++) {
        if (seen > limit || chunk_size_at(r, chunk) != wanted || !vec_push(found, chunk | 1) ||
            !read_link(r, chunk + MALLOC_HEADER, r->malloc->safe_linking, &chunk)) {
            if (seen > limit) found->count = before; /* a cycle */
            return;
        }
    }
}

static void read_fastbins(struct list_reader *r, const struct malloc_arena *arena, malloc_addresses *found)
{
    if (!arena->has_state || !r->malloc->layout || !r->malloc->layout->fastbins) return;
    for (unsigned i = 0; i < MALLOC_FASTBINS; i++) {
        uint64_t chunk;

        if (read_word(r, arena->addr + r->malloc->layout->fastbins + 8 * i, &chunk) && chunk)
            read_fastbin(r, chunk, CHUNK_MIN + CHUNK_ALIGN * (uint64_t)i, arena->heap_bytes / CHUNK_MIN, found);
    }
}

/* ---- both ---- */

static int compare_addresses(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* Moves each from the used ones of its heap; a chunk in two lists counts once. */
static void move_sums(struct list_reader *r, malloc_addresses *found)
{
    size_t kept = 0;

    vec_sort(found, compare_addresses);
    for (size_t i = 0; i < found->count; i++) {
        uint64_t chunk = found->data[i] & ~UINT64_C(1), size = chunk_size_at(r, chunk);
        enum malloc_state state = found->data[i] & 1 ? MALLOC_FAST : MALLOC_CACHED;
        struct malloc_heap *heap;

        if (kept && (found->data[kept - 1] & ~UINT64_C(1)) == chunk) continue;
        heap = &r->malloc->heaps.data[glibc_malloc_heap_at(r->malloc, chunk)];
        if (!heap->sum[MALLOC_USED].count || heap->sum[MALLOC_USED].bytes < size) continue;
        heap->sum[MALLOC_USED].count--;
        heap->sum[MALLOC_USED].bytes -= size;
        heap->sum[state].count++;
        heap->sum[state].bytes += size;
        found->data[kept++] = found->data[i];
    }
    found->count = kept;
}

bool malloc_read_lists(struct glibc_malloc *malloc, const malloc_addresses *caches)
{
    struct list_reader reader = { .malloc = malloc, .memory = &malloc->target->memory };
    malloc_addresses plain = { 0 }, mangled = { 0 };
    uint32_t plain_count = read_caches(&reader, caches, false, &plain);
    uint32_t mangled_count = read_caches(&reader, caches, true, &mangled);
    malloc_addresses *found = mangled.count > plain.count || mangled_count > plain_count ? &mangled : &plain;

    malloc->safe_linking = found == &mangled;
    malloc->cache_count = malloc->safe_linking ? mangled_count : plain_count;
    for (size_t i = 0; i < malloc->arenas.count; i++)
        read_fastbins(&reader, &malloc->arenas.data[i], found);
    move_sums(&reader, found);
    malloc->freed.data = found->data;
    malloc->freed.count = found->count;
    malloc->freed.capacity = found->capacity;
    vec_deinit(found == &mangled ? &plain : &mangled);
    return true;
}
