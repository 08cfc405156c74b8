/*
 * Where objects start: a bit for every 8 bytes of the GC heap, and with it a dense number for every object.
 *
 *     chunk   one segment or region, its bytes in one piece in our memory
 *     line    64 bytes for 3,584 bytes of heap: {objects before it; objects before its words 2, 4, 6; 448 start bits}
 *             one cache miss answers whether an address is an object and which number it has
 *
 * Numbers (ids) run by address through all chunks. Built by one walk over the heap, in parallel by chunk; 2 bytes an object of
 * usual size. Objects that a damaged heap hides have no bit, so a reference to them leads nowhere.
 */
#ifndef CLRTRAIL_HEAP_STARTS_H
#define CLRTRAIL_HEAP_STARTS_H

#include "base/progress.h"
#include "clr/gc_heap.h"
#include "heap/references.h"
#include "heap/store.h"

enum { LINE_WORDS = 7, LINE_BITS = 64 * LINE_WORDS, LINE_HEAP_BYTES = 8 * LINE_BITS };

struct starts_line {
    uint32_t rank;
    uint8_t before[4]; /* objects of this line before words 0, 2, 4, 6 */
    uint64_t bits[LINE_WORDS];
};

struct heap_chunk {
    uint64_t start, end;
    const uint8_t *data; /* byte of `start` */
    uint64_t first_line;
    uint32_t segment;  /* index in the heaps' list */
    uint8_t *gathered; /* owned: the bytes of a segment that lies in pieces */
};

struct heap_starts {
    VEC(struct heap_chunk) chunks; /* by address, not overlapping */
    struct starts_line *lines;
    uint64_t line_count;
    uint32_t object_count;
    /* For an address: the first chunk that ends behind the start of its bucket. */
    uint32_t *buckets;
    uint64_t bucket_base, bucket_count;
    unsigned bucket_shift;
    uint64_t hash; /* of the segments: the context of numbers in a store */
};

/*
 * Walks the heap, unless the store knows where its objects are. `store` may be NULL. Errors: out of memory, cancelled, ERROR_LIMIT
 * (2^32 objects or more). Parts that cannot be walked are gaps.
 */
struct error *heap_starts_init(struct heap_starts *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                               struct progress *progress, struct store *store);
void heap_starts_deinit(struct heap_starts *starts);

/* The chunk that holds `addr`, NULL if none. */
static inline const struct heap_chunk *heap_chunk_at(const struct heap_starts *starts, uint64_t addr)
{
    uint64_t bucket = (addr - starts->bucket_base) >> starts->bucket_shift;
    const struct heap_chunk *chunk;

    if (bucket >= starts->bucket_count) return NULL;
    for (chunk = &starts->chunks.data[starts->buckets[bucket]]; chunk->end <= addr; chunk++)
        ;
    return chunk->start <= addr ? chunk : NULL;
}

static inline const uint8_t *heap_chunk_bytes(const struct heap_chunk *chunk, uint64_t addr)
{
    return chunk->data + (addr - chunk->start);
}

/* Line and bit of an address in a chunk. */
static inline const struct starts_line *starts_line_at(const struct heap_starts *starts, const struct heap_chunk *chunk,
                                                       uint64_t addr, unsigned *bit_ret)
{
    uint64_t at = (addr - chunk->start) >> 3;

    *bit_ret = (unsigned)(at % LINE_BITS);
    return &starts->lines[chunk->first_line + at / LINE_BITS];
}

static inline bool starts_line_has(const struct starts_line *line, unsigned bit)
{
    return line->bits[bit / 64] >> (bit % 64) & 1;
}

static inline uint32_t popcount64(uint64_t x)
{
    return (uint32_t)__builtin_popcountll(x);
}

/* Objects before `bit` of the line in all. */
static inline uint32_t starts_line_rank(const struct starts_line *line, unsigned bit)
{
    unsigned word = bit / 64;
    uint32_t rank = line->rank + line->before[word / 2];

    if (word & 1) rank += popcount64(line->bits[word - 1]);
    return rank + popcount64(line->bits[word] & ((UINT64_C(1) << bit % 64) - 1));
}

/* The id of the object that starts at `addr`; false when none does. */
static inline bool heap_starts_id(const struct heap_starts *starts, uint64_t addr, uint32_t *ret)
{
    const struct heap_chunk *chunk = heap_chunk_at(starts, addr);
    const struct starts_line *line;
    unsigned bit;

    if (!chunk || addr & 7) return false;
    line = starts_line_at(starts, chunk, addr, &bit);
    if (!starts_line_has(line, bit)) return false;
    *ret = starts_line_rank(line, bit);
    return true;
}

/* Address of the object with this id, 0 when there is none. */
uint64_t heap_starts_addr(const struct heap_starts *starts, uint32_t id);
/* The object that begins at or before `addr` in the same chunk; false when there is none. Whether it reaches `addr` is not told. */
bool heap_starts_before(const struct heap_starts *starts, uint64_t addr, uint64_t *ret);

/* All objects by address, with their ids. */
struct heap_starts_iterator {
    const struct heap_starts *starts;
    size_t chunk;
    uint64_t line, line_end;
    unsigned word;
    uint64_t bits; /* what is left of the word */
    uint32_t id;   /* of the next one */
    bool one_chunk;
};
void heap_starts_begin(const struct heap_starts *starts, struct heap_starts_iterator *ret);
/* The same of one chunk only. */
void heap_starts_begin_chunk(const struct heap_starts *starts, size_t chunk, struct heap_starts_iterator *ret);
bool heap_starts_next(struct heap_starts_iterator *it, uint64_t *addr_ret, const struct heap_chunk **chunk_ret);

#endif
