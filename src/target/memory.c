/*
 * Look-up in the segments of an address space. Built for a heap walk and for 190,000 modules of twenty reads each: most reads fall
 * into a segment that the same thread met before, so a probe of one cache line answers them.
 */
#include "target/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_SLOTS = 64, CACHE_SHIFT = 16 };

/* A copy of the segment, so that a hit touches one place only. Id 0 is never given to a memory. */
struct cache_slot {
    uint64_t memory_id;
    struct memory_segment segment;
};

static _Thread_local struct cache_slot cache[CACHE_SLOTS];

static uint64_t next_memory_id(void)
{
    static atomic_uint_fast64_t last;

    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void memory_init(struct memory *memory, struct byte_file *file)
{
    *memory = (struct memory) { .file = file, .id = next_memory_id() };
}

void memory_share(struct memory *memory, const struct memory *of)
{
    *memory = *of;
    memory->is_shared = true;
}

void memory_deinit(struct memory *memory)
{
    if (!memory->is_shared) vec_deinit(&memory->segments);
    *memory = (struct memory) { 0 };
}

struct error *memory_add(struct memory *memory, uint64_t start, uint64_t size, const uint8_t *data, uint64_t file_off)
{
    uint64_t end;

    if (size == 0) return NULL;
    if (__builtin_add_overflow(start, size, &end)) {
        return error_create(ERROR_BAD_DATA, "memory range '%llx' of %llu bytes ends outside the address space",
                            (unsigned long long)start, (unsigned long long)size);
    }
    if (!vec_push(&memory->segments, (struct memory_segment) { start, end, data, file_off })) return &error_enomem;
    return NULL;
}

/* Bytes [start, end) of `from`, in the form of a segment. */
static struct memory_segment segment_part(const struct memory_segment *from, uint64_t start, uint64_t end)
{
    uint64_t skipped = start - from->start;

    return (struct memory_segment) { start, end, from->data + skipped, from->file_off + skipped };
}

static bool segments_touch(const struct memory_segment *left, const struct memory_segment *right)
{
    uint64_t size = left->end - left->start;

    return left->end == right->start && left->data + size == right->data && left->file_off + size == right->file_off;
}

static bool is_ordered(const struct memory *memory)
{
    for (size_t i = 1; i < memory->segments.count; i++) {
        if (memory->segments.data[i - 1].end > memory->segments.data[i].start) return false;
    }
    return true;
}

/* Joins neighbours in place. */
static void merge_segments(struct memory *memory)
{
    struct memory_segment *all = memory->segments.data;
    size_t kept = 0;

    for (size_t i = 1; i < memory->segments.count; i++) {
        if (segments_touch(&all[kept], &all[i])) {
            all[kept].end = all[i].end;
        } else {
            all[++kept] = all[i];
        }
    }
    if (memory->segments.count) memory->segments.count = kept + 1;
}

static int compare_starts(const void *a, const void *b, void *segments)
{
    const struct memory_segment *all = segments;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;

    if (all[i].start != all[k].start) return all[i].start < all[k].start ? -1 : 1;
    return i < k ? -1 : i > k;
}

/* A binary heap of segment numbers, the one added first on top. */
struct heap {
    size_t *data;
    size_t count;
};

static void heap_push(struct heap *heap, size_t value)
{
    size_t i = heap->count++;

    for (; i > 0 && heap->data[(i - 1) / 2] > value; i = (i - 1) / 2)
        heap->data[i] = heap->data[(i - 1) / 2];
    heap->data[i] = value;
}

static void heap_pop(struct heap *heap)
{
    size_t last = heap->data[--heap->count], i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && heap->data[child + 1] < heap->data[child]) child++;
        if (heap->data[child] >= last) break;
        heap->data[i] = heap->data[child];
        i = child;
    }
    heap->data[i] = last;
}

/*
 * Sweeps over the starts in `order`; of the segments that are open at a point the one added first gives the bytes. Each step opens
 * or closes at least one segment, so at most 2 n - 1 pieces come out and `out` never grows beyond that.
 */
static bool sweep(const struct memory *memory, const size_t *order, struct heap *open, struct memory *out)
{
    const struct memory_segment *all = memory->segments.data;
    size_t count = memory->segments.count, next = 0;
    uint64_t at = 0;

    while (next < count || open->count) {
        uint64_t end;
        if (!open->count && at < all[order[next]].start) at = all[order[next]].start;
        while (next < count && all[order[next]].start <= at)
            heap_push(open, order[next++]);
        while (open->count && all[open->data[0]].end <= at)
            heap_pop(open);
        if (!open->count) continue;
        end = all[open->data[0]].end;
        if (next < count && all[order[next]].start < end) end = all[order[next]].start;
        if (!vec_push(&out->segments, segment_part(&all[open->data[0]], at, end))) return false;
        at = end;
    }
    return true;
}

static struct error *order_segments(struct memory *memory)
{
    size_t count = memory->segments.count;
    size_t *order = calloc(count, sizeof(*order));
    struct heap open = { calloc(count, sizeof(size_t)), 0 };
    struct memory out = { 0 };
    bool done = false;

    if (order && open.data) {
        for (size_t i = 0; i < count; i++)
            order[i] = i;
        qsort_r(order, count, sizeof(*order), compare_starts, memory->segments.data);
        done = sweep(memory, order, &open, &out);
    }
    free(order);
    free(open.data);
    if (!done) {
        vec_deinit(&out.segments);
        return &error_enomem;
    }
    vec_deinit(&memory->segments);
    memory->segments.data = out.segments.data;
    memory->segments.count = out.segments.count;
    memory->segments.capacity = out.segments.capacity;
    return NULL;
}

struct error *memory_freeze(struct memory *memory)
{
    if (!is_ordered(memory)) TRY(order_segments(memory));
    merge_segments(memory);
    memory->id = next_memory_id(); /* forgets what threads cached of an earlier state */
    return NULL;
}

/* Index of the first segment that ends after `addr`. */
static size_t search(const struct memory *memory, uint64_t addr)
{
    size_t low = 0, high = memory->segments.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->segments.data[middle].end <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static __attribute__((noinline)) const struct memory_segment *fill_slot(const struct memory *memory, uint64_t addr,
                                                                        struct cache_slot *slot)
{
    size_t found = search(memory, addr);

    if (found == memory->segments.count || memory->segments.data[found].start > addr) return NULL;
    slot->memory_id = memory->id;
    slot->segment = memory->segments.data[found];
    return &slot->segment;
}

/* The segment that holds `addr`; valid until this thread's next look-up. */
static inline const struct memory_segment *segment_at(const struct memory *memory, uint64_t addr)
{
    struct cache_slot *slot = &cache[addr >> CACHE_SHIFT & (CACHE_SLOTS - 1)];

    if (__builtin_expect(slot->memory_id == memory->id && addr - slot->segment.start < slot->segment.end - slot->segment.start,
                         1)) {
        return &slot->segment;
    }
    return fill_slot(memory, addr, slot);
}

/* The bytes at `addr`, which lies in `segment`, made valid for `size` bytes; NULL when the file cannot give them. */
static inline const uint8_t *segment_bytes(const struct memory *memory, const struct memory_segment *segment, uint64_t addr,
                                           uint64_t size)
{
    uint64_t skipped = addr - segment->start;
    const uint8_t *bytes = segment->data + skipped;

    if (__builtin_expect(memory->file && memory->file->ensure, 0)) {
        if (!memory->file->ensure(memory->file, segment->file_off + skipped, size)) return NULL;
    }
    return bytes;
}

/* Where a file gives only a part of what is asked for (a page of a live process that went, a damaged frame): a smaller one, up to
 * the next 64 KiB or the next page. */
static const uint8_t *view_part(const struct memory *memory, const struct memory_segment *segment, uint64_t addr, uint64_t *size)
{
    static const uint64_t steps[] = { 64 << 10, 4096 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint64_t part = steps[i] - addr % steps[i];
        const uint8_t *bytes = part < *size ? segment_bytes(memory, segment, addr, part) : NULL;
        if (!bytes) continue;
        *size = part;
        return bytes;
    }
    return NULL;
}

const uint8_t *memory_view_dumped(const struct memory *memory, uint64_t addr, uint64_t wanted, uint64_t *size_ret)
{
    const struct memory_segment *segment = segment_at(memory, addr);
    const uint8_t *bytes;
    uint64_t size;

    if (!segment) return NULL;
    size = segment->end - addr;
    if (size > wanted) size = wanted ? wanted : 1;
    bytes = segment_bytes(memory, segment, addr, size);
    if (!bytes) bytes = view_part(memory, segment, addr, &size);
    if (bytes) *size_ret = size;
    return bytes;
}

/* From a file, and no further than to where the dump has bytes again: they may differ from the file's. */
static const uint8_t *view_image(const struct memory *memory, uint64_t addr, uint64_t wanted, uint64_t *size_ret)
{
    size_t next = search(memory, addr);
    uint64_t size = wanted ? wanted : 1;
    const uint8_t *bytes;

    if (next < memory->segments.count) {
        uint64_t distance = memory->segments.data[next].start - addr;
        if (memory->segments.data[next].start <= addr) return NULL; /* there, but the file cannot give the bytes */
        if (size > distance) size = distance;
    }
    bytes = memory->image_view(memory->image_user, addr, &size);
    if (bytes) *size_ret = size;
    return bytes;
}

const uint8_t *memory_view(const struct memory *memory, uint64_t addr, uint64_t wanted, uint64_t *size_ret)
{
    const uint8_t *bytes = memory_view_dumped(memory, addr, wanted, size_ret);

    return bytes || !memory->image_view ? bytes : view_image(memory, addr, wanted, size_ret);
}

const uint8_t *memory_try_span(const struct memory *memory, uint64_t addr, uint64_t size)
{
    uint64_t got = 0;
    const uint8_t *bytes = memory_view(memory, addr, size, &got);

    return bytes && got >= size ? bytes : NULL;
}

bool memory_try_read(const struct memory *memory, uint64_t addr, void *buffer, size_t size)
{
    uint8_t *to = buffer;

    while (size > 0) {
        uint64_t got;
        const uint8_t *bytes = memory_view(memory, addr, size, &got);
        if (!bytes) return false;
        memcpy(to, bytes, (size_t)got);
        to += got;
        size -= (size_t)got;
        if (size > 0 && __builtin_add_overflow(addr, got, &addr)) return false;
    }
    return true;
}

/* `size` is a constant, so that the copy becomes one load. */
static inline __attribute__((always_inline)) bool read_word(const struct memory *memory, uint64_t addr, void *ret, size_t size)
{
    const struct memory_segment *segment = segment_at(memory, addr);
    const uint8_t *bytes;
    uint8_t word[8];

    if (__builtin_expect(segment && segment->end - addr >= size, 1)) {
        bytes = segment_bytes(memory, segment, addr, size);
        if (!bytes) return false;
        memcpy(ret, bytes, size);
        return true;
    }
    if (!memory_try_read(memory, addr, word, size)) return false;
    memcpy(ret, word, size);
    return true;
}

bool memory_try_u8(const struct memory *memory, uint64_t addr, uint8_t *ret)
{
    return read_word(memory, addr, ret, 1);
}

bool memory_try_u16(const struct memory *memory, uint64_t addr, uint16_t *ret)
{
    return read_word(memory, addr, ret, 2);
}

bool memory_try_u32(const struct memory *memory, uint64_t addr, uint32_t *ret)
{
    return read_word(memory, addr, ret, 4);
}

bool memory_try_u64(const struct memory *memory, uint64_t addr, uint64_t *ret)
{
    return read_word(memory, addr, ret, 8);
}

struct error *memory_read(const struct memory *memory, uint64_t addr, void *buffer, size_t size, const char *what)
{
    if (memory_try_read(memory, addr, buffer, size)) return NULL;
    return error_fault(addr, "cannot read %s at '%llx': address not in dump", what, (unsigned long long)addr);
}

/* Takes back what was appended since the text had `length` bytes. */
static bool text_rewind(struct text *text, size_t length)
{
    text->length = length;
    if (text->data) text->data[length] = 0;
    return false;
}

bool memory_try_cstr(const struct memory *memory, uint64_t addr, size_t limit, struct text *ret)
{
    size_t before = ret->length;

    while (limit > 0) {
        uint64_t got;
        const uint8_t *bytes = memory_view(memory, addr, limit < 256 ? limit : 256, &got), *end;
        if (!bytes) break;
        end = memchr(bytes, 0, (size_t)got);
        text_append(ret, (const char *)bytes, end ? (size_t)(end - bytes) : (size_t)got);
        if (end) return true;
        limit -= (size_t)got;
        if (__builtin_add_overflow(addr, got, &addr)) break;
    }
    return text_rewind(ret, before);
}

/* Units before the terminator in `units`; `count` when there is none. */
static size_t utf16_length(const uint8_t *units, size_t count)
{
    size_t n = 0;

    while (n < count && (units[2 * n] || units[2 * n + 1]))
        n++;
    return n;
}

/* Reads up to `count` units; fewer where the memory ends. */
static size_t read_units(const struct memory *memory, uint64_t addr, uint8_t *units, size_t count)
{
    size_t n = 0;

    if (memory_try_read(memory, addr, units, 2 * count)) return count;
    while (n < count && memory_try_read(memory, addr + 2 * n, units + 2 * n, 2))
        n++;
    return n;
}

bool memory_try_utf16(const struct memory *memory, uint64_t addr, size_t limit, struct text *ret)
{
    enum { PIECE = 128 };
    size_t before = ret->length;
    uint8_t units[2 * PIECE];

    while (limit > 0) {
        size_t wanted = limit < PIECE ? limit : PIECE;
        size_t got = read_units(memory, addr, units, wanted);
        size_t length = utf16_length(units, got);
        bool ends = length < got;
        /* A high surrogate at the end waits for its other half. */
        if (!ends && length > 1 && limit > length && (units[2 * length - 1] & 0xfc) == 0xd8) length--;
        text_append_utf16(ret, units, length);
        if (ends) return true;
        if (got < wanted) break;
        limit -= length;
        if (__builtin_add_overflow(addr, 2 * length, &addr)) break;
    }
    return text_rewind(ret, before);
}

bool memory_has(const struct memory *memory, uint64_t addr, uint64_t size)
{
    while (size > 0) {
        uint64_t got;
        if (!memory_view(memory, addr, size, &got)) return false;
        size -= got;
        if (size > 0 && __builtin_add_overflow(addr, got, &addr)) return false;
    }
    return true;
}
