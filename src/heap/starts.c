#include "heap/starts.h"

#include <stdlib.h>
#include <string.h>

#include "base/large_array.h"
#include "base/parallel.h"
#include "heap/walk.h"

enum { BUCKETS_MAX = 1 << 20, BUCKET_SHIFT_MIN = 16, INTERLEAVED = 8, PROGRESS_EVERY = 1 << 20 };

struct starts_job {
    struct heap_starts *starts;
    const struct clr *clr;
    const struct gc_heaps *heaps;
    struct progress *progress;
    struct object_types *types; /* one a worker */
    atomic_size_t next_chunk;
    atomic_bool no_memory;
};

static int compare_chunks(const void *a, const void *b)
{
    const struct heap_chunk *left = a, *right = b;

    if (left->start != right->start) return left->start < right->start ? -1 : 1;
    return left->segment < right->segment ? -1 : left->segment > right->segment;
}

void heap_starts_deinit(struct heap_starts *starts)
{
    for (size_t i = 0; i < starts->chunks.count; i++)
        free(starts->chunks.data[i].gathered);
    vec_deinit(&starts->chunks);
    free(starts->lines);
    free(starts->buckets);
    *starts = (struct heap_starts) { 0 };
}

/* A segment that lies in pieces is put together; what is missing reads as zeros, which are no objects. */
static struct error *gather(const struct clr *clr, struct heap_chunk *chunk)
{
    uint64_t size = chunk->end - chunk->start;

    chunk->gathered = calloc(1, (size_t)size);
    if (!chunk->gathered) return &error_enomem;
    chunk->data = chunk->gathered;
    for (uint64_t done = 0; done < size;) {
        uint64_t piece, step = 4096 - ((chunk->start + done) & 4095);
        const uint8_t *view = memory_view(clr->memory, chunk->start + done, size - done, &piece);

        if (view) step = piece;
        if (step > size - done) step = size - done;
        if (view) memcpy(chunk->gathered + done, view, (size_t)step);
        done += step;
    }
    return NULL;
}

/* Bytes of the heap that the dump could hold: a segment that claims more lies. */
static uint64_t heap_limit(const struct clr *clr)
{
    return clr->target->dump->file ? clr->target->dump->file->bytes.size : UINT64_C(1) << 32;
}

static struct error *add_chunk(struct heap_starts *starts, const struct clr *clr, const struct gc_heaps *heaps, size_t segment,
                               uint64_t *budget)
{
    const struct gc_segment *from = &heaps->segments.data[segment];
    struct heap_chunk chunk = { .start = from->start, .end = from->end & ~UINT64_C(7), .segment = (uint32_t)segment };
    uint64_t size;
    struct error *err = NULL;

    if (chunk.end <= chunk.start || chunk.start % 8) return NULL;
    if (chunk.end - chunk.start > *budget) {
        gaps_add(clr->gaps, "GC heap", chunk.start, 1, "segment is larger than the dump");
        return NULL;
    }
    chunk.data = memory_view(clr->memory, chunk.start, chunk.end - chunk.start, &size);
    if (!chunk.data || size < chunk.end - chunk.start) err = gather(clr, &chunk);
    if (!err && !vec_push(&starts->chunks, chunk)) err = &error_enomem;
    if (err) free(chunk.gathered);
    *budget -= chunk.end - chunk.start;
    return err;
}

/* Segments of a damaged heap may overlap: the first one keeps the place. */
static void remove_overlaps(struct heap_starts *starts, const struct clr *clr)
{
    size_t kept = 0;

    for (size_t i = 0; i < starts->chunks.count; i++) {
        struct heap_chunk *chunk = &starts->chunks.data[i];

        if (kept && chunk->start < starts->chunks.data[kept - 1].end) {
            gaps_add(clr->gaps, "GC heap", chunk->start, 1, "segments overlap");
            free(chunk->gathered);
            continue;
        }
        starts->chunks.data[kept++] = *chunk;
    }
    starts->chunks.count = kept;
}

static bool make_buckets(struct heap_starts *starts)
{
    uint64_t first, span;
    uint32_t chunk = 0;

    if (!starts->chunks.count) return true;
    first = starts->chunks.data[0].start;
    span = starts->chunks.data[starts->chunks.count - 1].end - first;
    starts->bucket_base = first;
    for (starts->bucket_shift = BUCKET_SHIFT_MIN; span >> starts->bucket_shift >= BUCKETS_MAX;)
        starts->bucket_shift++;
    starts->bucket_count = (span + (UINT64_C(1) << starts->bucket_shift) - 1) >> starts->bucket_shift;
    starts->buckets = calloc(starts->bucket_count, sizeof(*starts->buckets));
    if (!starts->buckets) return false;
    for (uint64_t i = 0; i < starts->bucket_count; i++) {
        while (starts->chunks.data[chunk].end <= first + (i << starts->bucket_shift))
            chunk++;
        starts->buckets[i] = chunk;
    }
    return true;
}

static bool make_lines(struct heap_starts *starts)
{
    for (size_t i = 0; i < starts->chunks.count; i++) {
        struct heap_chunk *chunk = &starts->chunks.data[i];

        chunk->first_line = starts->line_count;
        starts->line_count += (chunk->end - chunk->start + LINE_HEAP_BYTES - 1) / LINE_HEAP_BYTES;
    }
    starts->lines = large_array_zeroed((size_t)starts->line_count + 1, sizeof(*starts->lines));
    return starts->lines != NULL;
}

/* A chunk being walked. */
struct chunk_walk {
    const struct heap_chunk *chunk;
    struct walk walk;
};

/* Next chunk for a walk; false when all are taken. */
static bool take_chunk(struct starts_job *job, struct object_types *types, struct chunk_walk *ret)
{
    size_t i = atomic_fetch_add(&job->next_chunk, 1);
    struct gc_segment segment;

    if (i >= job->starts->chunks.count) return false;
    ret->chunk = &job->starts->chunks.data[i];
    segment = job->heaps->segments.data[ret->chunk->segment];
    segment.end = ret->chunk->end;
    walk_init(&ret->walk, job->clr, types, job->heaps, &segment);
    return true;
}

/* Marks one object of the walk; false at its end. */
static inline bool mark_one(const struct heap_starts *starts, struct chunk_walk *walk)
{
    struct object object;
    uint64_t at;

    if (!walk_next(&walk->walk, &object)) return false;
    at = (object.addr - walk->chunk->start) >> 3;
    starts->lines[walk->chunk->first_line + at / LINE_BITS].bits[at % LINE_BITS / 64] |= UINT64_C(1) << at % LINE_BITS % 64;
    return true;
}

/* Several chunks by turns: while the next header of one comes from memory, those of the others are read. */
static void walk_chunks(void *user, size_t worker)
{
    struct starts_job *job = user;
    struct chunk_walk walks[INTERLEAVED];
    size_t active = 0;
    uint64_t walked = 0;

    while (active < INTERLEAVED && take_chunk(job, &job->types[worker], &walks[active]))
        active++;
    while (active) {
        for (size_t i = 0; i < active;) {
            uint64_t before = walks[i].walk.addr;

            if (mark_one(job->starts, &walks[i])) {
                walked += walks[i].walk.addr - before;
                i++;
                continue;
            }
            walk_report(&walks[i].walk, job->clr->gaps);
            if (!take_chunk(job, &job->types[worker], &walks[i])) walks[i] = walks[--active];
        }
        if (walked < PROGRESS_EVERY) continue;
        progress_add(job->progress, walked);
        walked = 0;
        if (progress_is_cancelled(job->progress)) return;
    }
    progress_add(job->progress, walked);
}

/* Objects before each line and word. */
static struct error *number_objects(struct heap_starts *starts)
{
    uint64_t rank = 0;

    for (uint64_t i = 0; i < starts->line_count; i++) {
        struct starts_line *line = &starts->lines[i];
        uint32_t count = 0;

        line->rank = (uint32_t)rank;
        for (unsigned w = 0; w < LINE_WORDS; w++) {
            if (w % 2 == 0) line->before[w / 2] = (uint8_t)count;
            count += popcount64(line->bits[w]);
        }
        rank += count;
    }
    /* The highest numbers are marks of the passes. */
    if (rank >= UINT32_MAX / 2)
        return error_create(ERROR_LIMIT, "the heap has %llu objects, more than 2^31", (unsigned long long)rank);
    starts->lines[starts->line_count].rank = (uint32_t)rank;
    starts->object_count = (uint32_t)rank;
    return NULL;
}

static struct error *walk_all(struct starts_job *job, unsigned threads)
{
    unsigned ready = 0;
    uint64_t total = 0;
    struct error *err = NULL;

    for (size_t i = 0; i < job->starts->chunks.count; i++)
        total += job->starts->chunks.data[i].end - job->starts->chunks.data[i].start;
    if (threads > job->starts->chunks.count) threads = (unsigned)job->starts->chunks.count;
    if (threads < 1) threads = 1;
    job->types = calloc(threads, sizeof(*job->types));
    while (job->types && ready < threads && object_types_init(&job->types[ready], job->clr))
        ready++;
    if (job->types && ready == threads) {
        progress_start(job->progress, "finding the objects of the GC heap", total);
        parallel_for(threads, threads, walk_chunks, job);
        progress_end(job->progress);
        if (progress_is_cancelled(job->progress)) err = error_create(ERROR_CANCELLED, "cancelled");
    } else {
        err = &error_enomem;
    }
    while (ready)
        object_types_deinit(&job->types[--ready]);
    free(job->types);
    return err;
}

/* Leaves the lines zeroed when it returns false. */
static bool read_lines(const struct heap_starts *starts, const struct store *store)
{
    size_t size = (size_t)starts->line_count * sizeof(*starts->lines);

    if (!size || store_size(store, "starts", starts->hash) != size) return false;
    if (store_read(store, "starts", starts->hash, starts->lines, size)) return true;
    memset(starts->lines, 0, size);
    return false;
}

static struct error *find_objects(struct starts_job *job, unsigned threads, struct store *store)
{
    struct heap_starts *starts = job->starts;
    uint64_t missed = gaps_added(job->clr->gaps);

    if (read_lines(starts, store)) return number_objects(starts);
    TRY(walk_all(job, threads));
    TRY(number_objects(starts));
    /* What is missing would not be said a second time. */
    if (gaps_added(job->clr->gaps) == missed)
        store_offer(store, "starts", starts->hash, starts->lines, (size_t)starts->line_count * sizeof(*starts->lines));
    return NULL;
}

struct error *heap_starts_init(struct heap_starts *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                               struct progress *progress, struct store *store)
{
    struct starts_job job = { .starts = ret, .clr = clr, .heaps = heaps, .progress = progress };
    uint64_t budget = heap_limit(clr);
    struct error *err = NULL;

    *ret = (struct heap_starts) { 0 };
    for (size_t i = 0; !err && i < heaps->segments.count; i++)
        err = add_chunk(ret, clr, heaps, i, &budget);
    if (!err) {
        vec_sort(&ret->chunks, compare_chunks);
        remove_overlaps(ret, clr);
        if (!make_buckets(ret) || !make_lines(ret)) err = &error_enomem;
    }
    if (!err) {
        ret->hash = gc_heaps_hash(heaps);
        err = find_objects(&job, threads, store);
    }
    if (err) heap_starts_deinit(ret);
    return err;
}

/* The line that has the object with this id. */
static uint64_t line_of_id(const struct heap_starts *starts, uint32_t id)
{
    uint64_t low = 0, high = starts->line_count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (starts->lines[middle].rank <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

static const struct heap_chunk *chunk_of_line(const struct heap_starts *starts, uint64_t line)
{
    size_t low = 0, high = starts->chunks.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (starts->chunks.data[middle].first_line <= line)
            low = middle + 1;
        else
            high = middle;
    }
    return &starts->chunks.data[low - 1];
}

uint64_t heap_starts_addr(const struct heap_starts *starts, uint32_t id)
{
    uint64_t index, bits;
    const struct starts_line *line;
    const struct heap_chunk *chunk;
    uint32_t left;
    unsigned word = 0;

    if (id >= starts->object_count) return 0;
    index = line_of_id(starts, id);
    line = &starts->lines[index];
    chunk = chunk_of_line(starts, index);
    for (left = id - line->rank; word < LINE_WORDS - 1 && popcount64(line->bits[word]) <= left; word++)
        left -= popcount64(line->bits[word]);
    for (bits = line->bits[word]; left; left--)
        bits &= bits - 1;
    return chunk->start + 8 * ((index - chunk->first_line) * LINE_BITS + word * 64 + (unsigned)__builtin_ctzll(bits));
}

bool heap_starts_before(const struct heap_starts *starts, uint64_t addr, uint64_t *ret)
{
    const struct heap_chunk *chunk = heap_chunk_at(starts, addr);
    uint64_t at;
    unsigned bit;

    if (!chunk) return false;
    at = (addr - chunk->start) >> 3;
    for (uint64_t line = at / LINE_BITS;; line--) {
        const uint64_t *bits = starts->lines[chunk->first_line + line].bits;

        bit = line == at / LINE_BITS ? (unsigned)(at % LINE_BITS) : LINE_BITS - 1;
        for (unsigned word = bit / 64;; word--) {
            uint64_t here = bits[word] & (word == bit / 64 && bit % 64 < 63 ? (UINT64_C(2) << bit % 64) - 1 : UINT64_MAX);

            if (here) {
                *ret = chunk->start + 8 * (line * LINE_BITS + word * 64 + 63 - (unsigned)__builtin_clzll(here));
                return true;
            }
            if (!word) break;
        }
        if (!line) return false;
    }
}

static void enter_chunk(struct heap_starts_iterator *it, size_t chunk)
{
    const struct heap_starts *starts = it->starts;

    it->chunk = chunk;
    it->line = starts->chunks.data[chunk].first_line;
    it->line_end = chunk + 1 < starts->chunks.count ? starts->chunks.data[chunk + 1].first_line : starts->line_count;
    it->word = 0;
    it->bits = starts->lines[it->line].bits[0];
}

void heap_starts_begin(const struct heap_starts *starts, struct heap_starts_iterator *ret)
{
    *ret = (struct heap_starts_iterator) { .starts = starts };
    if (starts->chunks.count) enter_chunk(ret, 0);
}

void heap_starts_begin_chunk(const struct heap_starts *starts, size_t chunk, struct heap_starts_iterator *ret)
{
    *ret = (struct heap_starts_iterator) { .starts = starts, .one_chunk = true };
    enter_chunk(ret, chunk);
    ret->id = starts->lines[ret->line].rank;
}

bool heap_starts_next(struct heap_starts_iterator *it, uint64_t *addr_ret, const struct heap_chunk **chunk_ret)
{
    const struct heap_starts *starts = it->starts;

    if (it->line >= it->line_end) return false;
    while (!it->bits) {
        if (++it->word == LINE_WORDS) {
            it->word = 0;
            if (++it->line == it->line_end) {
                if (it->one_chunk || it->chunk + 1 >= starts->chunks.count || it->line == starts->line_count) return false;
                enter_chunk(it, it->chunk + 1);
                continue;
            }
        }
        it->bits = starts->lines[it->line].bits[it->word];
    }
    *chunk_ret = &starts->chunks.data[it->chunk];
    *addr_ret = (*chunk_ret)->start +
                8 * ((it->line - (*chunk_ret)->first_line) * LINE_BITS + it->word * 64 + (unsigned)__builtin_ctzll(it->bits));
    it->bits &= it->bits - 1;
    it->id++;
    return true;
}
