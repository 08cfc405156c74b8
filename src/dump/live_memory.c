#include "dump/live_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 64 << 10, CHUNK_PAGES = CHUNK / PAGE, CHUNK_TRIED = 1u << 31, FILLED_STEP = 64 };

/* linux Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)

void live_memory_init(struct live_memory *memory, int mem_fd, int pagemap_fd, struct gaps *gaps)
{
    *memory = (struct live_memory) { .mem_fd = mem_fd, .pagemap_fd = pagemap_fd, .gaps = gaps };
    for (size_t i = 0; i < LIVE_LOCKS; i++)
        pthread_mutex_init(&memory->locks[i], NULL);
}

void live_memory_deinit(struct live_memory *memory)
{
    if (memory->content) munmap(memory->content, memory->size);
    if (memory->mem_fd >= 0) close(memory->mem_fd);
    if (memory->pagemap_fd >= 0) close(memory->pagemap_fd);
    for (size_t i = 0; i < LIVE_LOCKS; i++)
        pthread_mutex_destroy(&memory->locks[i]);
    vec_deinit(&memory->pieces);
    free(memory->chunks);
    *memory = (struct live_memory) { .mem_fd = -1, .pagemap_fd = -1 };
}

struct error *live_memory_add(struct live_memory *memory, uint64_t addr, uint64_t size, bool is_sparse, uint64_t *off_ret)
{
    struct live_piece piece = { memory->size, addr, size, is_sparse };

    if (__builtin_add_overflow(memory->size, size, &memory->size))
        return error_create(ERROR_LIMIT, "more memory than 64 bits address");
    if (!vec_push(&memory->pieces, piece)) return &error_enomem;
    *off_ret = piece.off;
    return NULL;
}

struct error *live_memory_reserve(struct live_memory *memory)
{
    void *map;

    if (memory->size == 0) return error_create(ERROR_BAD_DATA, "the process has no memory that can be read");
    map = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return error_create(ERROR_LIMIT, "cannot reserve %llu bytes: %s", (unsigned long long)memory->size, strerror(errno));
    memory->content = map;
    memory->chunks = calloc((memory->size + CHUNK - 1) / CHUNK, sizeof(*memory->chunks));
    return memory->chunks ? NULL : &error_enomem;
}

/* ---- reading ---- */

/* Which of `count` pages have content: a bit each. All when the kernel does not tell. */
static uint32_t touched_pages(const struct live_memory *memory, uint64_t addr, unsigned count)
{
    uint64_t entries[CHUNK_PAGES];
    size_t size = count * sizeof(entries[0]);
    uint32_t ret = 0;

    if (memory->pagemap_fd < 0) return UINT32_MAX;
    if (pread(memory->pagemap_fd, entries, size, (off_t)(addr / PAGE * sizeof(entries[0]))) != (ssize_t)size) return UINT32_MAX;
    for (unsigned i = 0; i < count; i++)
        if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) ret |= 1u << i;
    return ret;
}

/* Reads `count` pages; returns a bit for each that could be read. */
static uint32_t read_pages(struct live_memory *memory, uint64_t addr, unsigned count, uint8_t *to)
{
    uint32_t ret = 0;
    unsigned i = 0;

    while (i < count && !atomic_load_explicit(&memory->is_gone, memory_order_relaxed)) {
        ssize_t got = pread(memory->mem_fd, to + (size_t)i * PAGE, (size_t)(count - i) * PAGE, (off_t)(addr + (uint64_t)i * PAGE));
        if (got < 0 && errno == EINTR) continue;
        if (got == 0 && !atomic_exchange(&memory->is_gone, true))
            gaps_add(memory->gaps, "memory of the process", addr, 1,
                     "the process ended, or became another program, while it was read");
        for (; got >= PAGE; got -= PAGE)
            ret |= 1u << i++;
        if (i < count) memset(to + (size_t)i * PAGE, 0, PAGE);
        i++;
    }
    return ret;
}

/* The same, without asking for pages that were never touched. At most CHUNK_PAGES. */
static uint32_t read_run(struct live_memory *memory, const struct live_piece *piece, uint64_t skip, unsigned count, uint8_t *to)
{
    uint64_t addr = piece->addr + skip;
    uint32_t touched = piece->is_sparse ? touched_pages(memory, addr, count) : UINT32_MAX, ret = 0;

    for (unsigned i = 0, end; i < count; i = end) {
        bool is_touched = touched >> i & 1;
        for (end = i + 1; end < count && (touched >> end & 1) == is_touched;)
            end++;
        if (is_touched)
            ret |= read_pages(memory, addr + (uint64_t)i * PAGE, end - i, to + (size_t)i * PAGE) << i;
        else
            ret |= ((1u << (end - i)) - 1) << i;
    }
    return ret;
}

/* Index of the first piece that ends behind `off`. */
static size_t piece_at(const struct live_memory *memory, uint64_t off)
{
    size_t low = 0, high = memory->pieces.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->pieces.data[middle].off + memory->pieces.data[middle].size <= off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static unsigned fill_chunk(struct live_memory *memory, uint64_t chunk)
{
    uint64_t start = chunk * CHUNK, end = start + CHUNK < memory->size ? start + CHUNK : memory->size;
    unsigned ret = CHUNK_TRIED, wanted = (unsigned)((end - start) / PAGE), bad;

    for (size_t i = piece_at(memory, start); i < memory->pieces.count && memory->pieces.data[i].off < end; i++) {
        const struct live_piece *piece = &memory->pieces.data[i];
        uint64_t from = piece->off > start ? piece->off : start;
        uint64_t to = piece->off + piece->size < end ? piece->off + piece->size : end;
        ret |= read_run(memory, piece, from - piece->off, (unsigned)((to - from) / PAGE), memory->content + from)
               << (from - start) / PAGE;
    }
    bad = wanted - (unsigned)__builtin_popcount(ret & ~CHUNK_TRIED);
    if (bad && !atomic_load(&memory->is_gone))
        gaps_add(memory->gaps, "memory of the process", 0, bad, "pages that went, or cannot be read");
    return ret;
}

static unsigned ensure_chunk(struct live_memory *memory, uint64_t chunk)
{
    pthread_mutex_t *lock = &memory->locks[chunk % LIVE_LOCKS];
    unsigned state;

    pthread_mutex_lock(lock);
    state = atomic_load_explicit(&memory->chunks[chunk], memory_order_relaxed);
    if (!(state & CHUNK_TRIED)) {
        state = fill_chunk(memory, chunk);
        atomic_store_explicit(&memory->chunks[chunk], state, memory_order_release);
    }
    pthread_mutex_unlock(lock);
    if (atomic_fetch_add_explicit(&memory->filled_count, 1, memory_order_relaxed) % FILLED_STEP == FILLED_STEP - 1 &&
        memory->on_filled)
        memory->on_filled(memory->user);
    return state;
}

bool live_memory_ensure(struct live_memory *memory, uint64_t off, uint64_t size)
{
    uint64_t end;

    if (__builtin_add_overflow(off, size, &end) || end > memory->size) return false;
    for (uint64_t chunk = off / CHUNK; size > 0 && chunk <= (end - 1) / CHUNK; chunk++) {
        uint64_t start = chunk * CHUNK;
        unsigned first = off > start ? (unsigned)((off - start) / PAGE) : 0;
        unsigned last = end - start < CHUNK ? (unsigned)((end - start - 1) / PAGE) : CHUNK_PAGES - 1;
        unsigned wanted = ((2u << last) - 1) & ~((1u << first) - 1);
        unsigned state = atomic_load_explicit(&memory->chunks[chunk], memory_order_acquire);
        if (!(state & CHUNK_TRIED)) state = ensure_chunk(memory, chunk);
        if ((state & wanted) != wanted) return false;
    }
    return true;
}

void live_memory_release(struct live_memory *memory, uint64_t off, uint64_t size)
{
    uint64_t first = (off + CHUNK - 1) / CHUNK, end = (off + size) / CHUNK;

    if (first >= end || end * CHUNK > memory->size) return;
    for (uint64_t chunk = first; chunk < end; chunk++)
        atomic_store_explicit(&memory->chunks[chunk], 0, memory_order_release);
    madvise(memory->content + first * CHUNK, (end - first) * CHUNK, MADV_DONTNEED);
}
