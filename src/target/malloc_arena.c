/* Arenas and their heaps, by the heaps' own structure: no symbol is needed, and none of libc's data. */
#include "target/malloc_internal.h"

#include <string.h>

/*
 * Offsets of struct malloc_state by release, from the sources of 2.17 to 2.42 and the development head; 2.36 also by its debug
 * information.
 */
static const struct malloc_layout layouts[] = {
    { .name = "2.27-2.42",
      .fastbins = 16,
      .top = 96,
      .bins = 112,
      .next = 2160,
      .system_mem = 2184,
      .max_system_mem = 2192,
      .size = 2200 },
    { .name = "2.23-2.26",
      .fastbins = 8,
      .top = 88,
      .bins = 104,
      .next = 2152,
      .system_mem = 2176,
      .max_system_mem = 2184,
      .size = 2192 },
    { .name = "2.17-2.22",
      .fastbins = 8,
      .top = 88,
      .bins = 104,
      .next = 2152,
      .system_mem = 2168,
      .max_system_mem = 2176,
      .size = 2184 },
    { .name = "2.43", .fastbins = 0, .top = 8, .bins = 24, .next = 2072, .system_mem = 2096, .max_system_mem = 2104, .size = 2112 },
};

enum {
    HEAP_STEP = 8 << 20,   /* the smallest HEAP_MAX_SIZE: four huge pages of 2 MiB */
    HEAP_USUAL = 64 << 20, /* HEAP_MAX_SIZE without GLIBC_TUNABLES */
    ARENAS_MAX = 1 << 16,
};
#define HEAP_LARGEST (UINT64_C(4) << 30) /* four huge pages of 1 GiB */

/* heap_info, as far as it can be checked alone. */
struct candidate {
    uint64_t start, arena, prev, size, writable_size;
    bool is_stray;
};

typedef VEC(struct candidate) candidates;

/* The heaps of one arena. */
struct family {
    const struct candidate *heaps;
    size_t count;
};

static bool dumped(const struct memory *memory, uint64_t addr, void *buffer, uint64_t size)
{
    uint8_t *to = buffer;

    while (size) {
        uint64_t got;
        const uint8_t *bytes = memory_view_dumped(memory, addr, size, &got);

        if (!bytes) return false;
        memcpy(to, bytes, got);
        to += got;
        size -= got;
        if (__builtin_add_overflow(addr, got, &addr)) return !size;
    }
    return true;
}

/* ---- pieces of anonymous writable memory ---- */

static bool is_candidate_range(const struct dump_range *range)
{
    return range->state == RANGE_COMMIT && range->protection & PROTECTION_WRITE && !(range->protection & PROTECTION_EXEC);
}

/* Appends what [start, end) has outside of the exclusions and files, which are both sorted by start. */
static bool add_outside(const struct target *target, const struct malloc_options *options, uint64_t start, uint64_t end,
                        size_t *next_file, size_t *next_exclusion, struct malloc_pieces *ret)
{
    const struct dump *dump = target->dump;

    while (start < end) {
        uint64_t stop = end, resume = end;

        while (*next_file < dump->file_maps.count && dump->file_maps.data[*next_file].end <= start)
            ++*next_file;
        while (*next_exclusion < options->exclusion_count && options->exclusions[*next_exclusion].end <= start)
            ++*next_exclusion;
        if (*next_file < dump->file_maps.count && dump->file_maps.data[*next_file].start < stop) {
            stop = dump->file_maps.data[*next_file].start;
            resume = dump->file_maps.data[*next_file].end;
        }
        if (*next_exclusion < options->exclusion_count && options->exclusions[*next_exclusion].start < stop) {
            stop = options->exclusions[*next_exclusion].start;
            resume = options->exclusions[*next_exclusion].end;
        }
        if (stop > start) {
            struct malloc_piece *last = ret->list.count ? &ret->list.data[ret->list.count - 1] : NULL;
            struct malloc_piece piece = { start, stop };

            if (last && last->end == start)
                last->end = stop;
            else if (!vec_push(&ret->list, piece))
                return false;
        }
        if (resume < start || stop == end) break;
        start = resume;
    }
    return true;
}

bool malloc_pieces_init(const struct target *target, const struct malloc_options *options, struct malloc_pieces *ret)
{
    const struct dump *dump = target->dump;
    size_t next_file = 0, next_exclusion = 0;

    *ret = (struct malloc_pieces) { 0 };
    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        uint64_t end = range->end;

        if (!is_candidate_range(range) || range->end <= range->start) continue;
        if (!vec_push(&ret->starts, range->start)) return false;
        /* Only what the dump holds is searched: a damaged one may claim a range of 2^62 bytes. */
        if (range->file_size < end - range->start) end = range->start + range->file_size;
        if (!add_outside(target, options, range->start, end, &next_file, &next_exclusion, ret)) return false;
    }
    return true;
}

void malloc_pieces_deinit(struct malloc_pieces *pieces)
{
    vec_deinit(&pieces->list);
    vec_deinit(&pieces->starts);
}

bool malloc_pieces_remove(struct malloc_pieces *pieces, uint64_t start, uint64_t end)
{
    size_t low = 0, high = pieces->list.count;
    struct malloc_piece *piece, rest;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pieces->list.data[middle].end <= start)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == pieces->list.count) return true;
    piece = &pieces->list.data[low];
    if (piece->start > start || piece->end < end) return true;
    rest = (struct malloc_piece) { end, piece->end };
    piece->end = start; /* may become empty */
    if (rest.start == rest.end) return true;
    if (!vec_reserve(&pieces->list, pieces->list.count + 1)) return false;
    memmove(&pieces->list.data[low + 2], &pieces->list.data[low + 1], (pieces->list.count - low - 1) * sizeof(rest));
    pieces->list.data[low + 1] = rest;
    pieces->list.count++;
    return true;
}

/* ---- heaps ---- */

static bool read_candidate(const struct memory *memory, uint64_t start, uint64_t end, struct candidate *ret)
{
    uint64_t words[4]; /* struct heap_info: ar_ptr, prev, size, mprotect_size */

    if (!dumped(memory, start, words, sizeof(words))) return false;
    *ret = (struct candidate) { start, words[0], words[1], words[2], words[3], false };
    if (!ret->arena || ret->arena % CHUNK_ALIGN || ret->prev % HEAP_STEP || ret->prev == start) return false;
    if (!ret->size || (ret->size | ret->writable_size) % MALLOC_PAGE) return false;
    return ret->size <= ret->writable_size && ret->writable_size <= HEAP_LARGEST && ret->writable_size <= end - start;
}

static bool is_first_heap(const struct candidate *heap)
{
    uint64_t distance = heap->arena - heap->start;

    return !heap->prev && (distance == HEAP_INFO_OLD || distance == HEAP_INFO_NEW);
}

static bool find_candidates(const struct memory *memory, const struct malloc_pieces *pieces, candidates *ret)
{
    for (size_t i = 0; i < pieces->list.count; i++) {
        const struct malloc_piece *piece = &pieces->list.data[i];
        uint64_t at = piece->start;

        if (__builtin_add_overflow(at, HEAP_STEP - 1, &at)) continue;
        at &= ~(uint64_t)(HEAP_STEP - 1);
        for (; at >= piece->start && at < piece->end; at += HEAP_STEP) {
            struct candidate heap;

            if (read_candidate(memory, at, piece->end, &heap) && !vec_push(ret, heap)) return false;
        }
    }
    return true;
}

static const struct candidate *candidate_at(const candidates *heaps, uint64_t start)
{
    size_t low = 0, high = heaps->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (heaps->data[middle].start == start) return &heaps->data[middle];
        if (heaps->data[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The first heap of the arena at `arena`, NULL if that is none. */
static const struct candidate *arena_heap(const candidates *heaps, uint64_t arena)
{
    const struct candidate *heap = candidate_at(heaps, arena & ~(uint64_t)(HEAP_STEP - 1));

    return heap && heap->arena == arena && is_first_heap(heap) ? heap : NULL;
}

static int compare_families(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    if (left->arena != right->arena) return left->arena < right->arena ? -1 : 1;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* Keeps first heaps, and heaps whose arena and predecessor exist; sorts them by arena. */
static void sort_families(candidates *heaps)
{
    size_t kept = 0;

    for (size_t i = 0; i < heaps->count; i++) {
        struct candidate *heap = &heaps->data[i];
        const struct candidate *prev = heap->prev ? candidate_at(heaps, heap->prev) : NULL;

        heap->is_stray = !is_first_heap(heap) && !(arena_heap(heaps, heap->arena) && prev && prev->arena == heap->arena);
    }
    for (size_t i = 0; i < heaps->count; i++)
        if (!heaps->data[i].is_stray) heaps->data[kept++] = heaps->data[i];
    heaps->count = kept;
    vec_sort(heaps, compare_families);
}

/* The family that begins at `*next`, which moves behind it. */
static struct family next_family(const candidates *heaps, size_t *next)
{
    struct family family = { &heaps->data[*next], 0 };

    while (*next < heaps->count && heaps->data[*next].arena == family.heaps->arena) {
        family.count++;
        ++*next;
    }
    return family;
}

/* ---- malloc_state ---- */

bool malloc_read_fields(const struct memory *memory, const struct malloc_layout *layout, uint64_t arena, struct malloc_fields *ret)
{
    uint8_t bytes[2200];

    if (!dumped(memory, arena, bytes, layout->size)) return false;
    *ret = (struct malloc_fields) { .top = load_u64(bytes + layout->top),
                                    .next = load_u64(bytes + layout->next),
                                    .system_mem = load_u64(bytes + layout->system_mem),
                                    .max_system_mem = load_u64(bytes + layout->max_system_mem) };
    /* An empty bin's list leads to itself: to where a chunk would lie whose list pointers are the bin's. */
    for (unsigned i = 0; i < MALLOC_BINS; i++) {
        uint64_t bin = arena + layout->bins + 16 * i - 16;

        if (load_u64(bytes + layout->bins + 16 * i) == bin && load_u64(bytes + layout->bins + 16 * i + 8) == bin) ret->empty_bins++;
    }
    return true;
}

/* In a heap of the arena, with figures that can be true. */
static bool fields_are_sane(const struct family *family, const struct malloc_fields *fields)
{
    if (!fields->system_mem || fields->system_mem % MALLOC_PAGE || fields->system_mem > fields->max_system_mem) return false;
    if (!fields->next || fields->next % 8 || fields->top % CHUNK_ALIGN) return false;
    for (size_t i = 0; i < family->count; i++) {
        const struct candidate *heap = &family->heaps[i];

        if (fields->top > heap->start && fields->top < heap->start + heap->size) return true;
    }
    return false;
}

/* The layout by which most arenas make sense; among equals the one with more empty bins, which only the right one can see. */
static const struct malloc_layout *choose_layout(const struct memory *memory, const candidates *heaps)
{
    enum { LOOK_AT = 64 };
    const struct malloc_layout *best = NULL;
    uint64_t best_score = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(layouts); i++) {
        uint64_t score = 0;
        size_t next = 0;

        for (unsigned seen = 0; next < heaps->count && seen < LOOK_AT; seen++) {
            struct family family = next_family(heaps, &next);
            struct malloc_fields fields;

            if (!malloc_read_fields(memory, &layouts[i], family.heaps->arena, &fields)) continue;
            if (fields_are_sane(&family, &fields)) score += MALLOC_BINS + fields.empty_bins;
        }
        if (score > best_score) {
            best_score = score;
            best = &layouts[i];
        }
    }
    return best;
}

static bool add_heap(struct glibc_malloc *malloc, const struct candidate *from, uint32_t arena, const struct malloc_fields *fields,
                     uint64_t reserved)
{
    uint64_t info_size = is_first_heap(from) ? from->arena - from->start : 0;
    struct malloc_heap heap = { .start = from->start,
                                .end = from->start + from->writable_size,
                                .limit = from->start + from->size,
                                .reserved = reserved > from->writable_size ? reserved : from->writable_size,
                                .arena = arena };

    if (info_size) {
        heap.first = from->arena + malloc->layout->size;
    } else {
        info_size = malloc->arenas.data[arena].addr % HEAP_STEP;
        heap.first = from->start + info_size;
    }
    heap.first = (heap.first + CHUNK_ALIGN - 1) & ~(uint64_t)(CHUNK_ALIGN - 1);
    if (heap.first >= heap.limit) return true;
    if (fields->top >= heap.first && fields->top < heap.limit) heap.top = fields->top;
    malloc->arenas.data[arena].heap_count++;
    malloc->arenas.data[arena].heap_bytes += heap.end - heap.start;
    return vec_push(&malloc->heaps, heap);
}

static bool add_arena(struct glibc_malloc *malloc, const struct family *family, struct gaps *gaps, uint64_t reserved)
{
    struct malloc_arena arena = { .kind = MALLOC_HEAP_ARENA, .addr = family->heaps->arena, .has_state = true };
    uint32_t index = (uint32_t)malloc->arenas.count;
    struct malloc_fields fields;

    if (!malloc_read_fields(&malloc->target->memory, malloc->layout, arena.addr, &fields) || !fields_are_sane(family, &fields)) {
        gaps_add(gaps, "native heap", arena.addr, 1, "cannot walk this arena, because its state makes no sense");
        return true;
    }
    if (malloc->arenas.count >= ARENAS_MAX) {
        gaps_add(gaps, "native heap", arena.addr, 1, "limit of %d arenas", ARENAS_MAX);
        return true;
    }
    arena.system_bytes = fields.system_mem;
    arena.max_system_bytes = fields.max_system_mem;
    if (!vec_push(&malloc->arenas, arena)) return false;
    for (size_t i = 0; i < family->count; i++)
        if (!add_heap(malloc, &family->heaps[i], index, &fields, reserved)) return false;
    return true;
}

/* ---- the main arena's state ---- */

/* The others are sorted by address. */
static bool is_known_arena(const struct glibc_malloc *malloc, uint64_t addr)
{
    size_t low = 1, high = malloc->arenas.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (malloc->arenas.data[middle].addr == addr) return true;
        if (malloc->arenas.data[middle].addr < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool take_main(struct glibc_malloc *malloc, const struct malloc_layout *layout, uint64_t addr)
{
    struct malloc_arena *arena = &malloc->arenas.data[0];
    struct malloc_fields fields;
    uint64_t words[2];

    arena->addr = addr;
    if (!malloc_read_fields(&malloc->target->memory, layout, addr, &fields)) return false;
    if (fields.system_mem % MALLOC_PAGE || fields.system_mem > fields.max_system_mem) return false;
    if (!fields.system_mem || !dumped(&malloc->target->memory, fields.top, words, sizeof(words))) return false;
    arena->has_state = true;
    arena->system_bytes = fields.system_mem;
    arena->max_system_bytes = fields.max_system_mem;
    return true;
}

/* All arenas form a ring; the one that lies in no heap is the main one. */
static void find_main_by_ring(struct glibc_malloc *malloc)
{
    for (size_t i = 1; i < malloc->arenas.count; i++) {
        struct malloc_fields fields;

        if (!malloc_read_fields(&malloc->target->memory, malloc->layout, malloc->arenas.data[i].addr, &fields)) continue;
        if (fields.next % 8 || is_known_arena(malloc, fields.next)) continue;
        take_main(malloc, malloc->layout, fields.next);
        return;
    }
}

#define MAIN_SCAN_MAX (UINT64_C(256) << 20)

/* Alone it is a ring of one, in the data of libc or of a static program. */
static bool find_main_in(struct glibc_malloc *malloc, const struct malloc_layout *layout, uint64_t start, uint64_t end)
{
    /* A damaged header can claim petabytes: no module has that much data. */
    if (end - start > MAIN_SCAN_MAX) end = start + MAIN_SCAN_MAX;
    for (uint64_t at = start; at < end && end - at >= 8;) {
        uint64_t size, off;
        const uint8_t *bytes = memory_view_dumped(&malloc->target->memory, at, end - at, &size);

        if (!bytes) {
            at = (at | (MALLOC_PAGE - 1)) + 1;
            if (!at) return false;
            continue;
        }
        for (off = 0; off + 8 <= size; off += 8) {
            uint64_t arena = load_u64(bytes + off);
            struct malloc_fields fields;

            if (arena != at + off - layout->next || !malloc_read_fields(&malloc->target->memory, layout, arena, &fields)) continue;
            if (fields.next == arena && fields.top % CHUNK_ALIGN == 0 && take_main(malloc, layout, arena)) return true;
        }
        at += size < 8 ? 8 : size & ~UINT64_C(7);
    }
    return false;
}

static void find_main_by_scan(struct glibc_malloc *malloc)
{
    const struct target *target = malloc->target;

    for (size_t i = 0; i < target->modules.count; i++) {
        const struct target_module *module = &target->modules.data[i];
        bool is_libc = !strncmp(module->name, "libc.so", 7) || !strncmp(module->name, "libc-2.", 7);

        if (!is_libc && i) continue; /* the first is taken for the program itself */
        for (size_t k = 0; k < target->dump->ranges.count; k++) {
            const struct dump_range *range = &target->dump->ranges.data[k];

            if (range->end <= module->base || range->start >= module->end || !(range->protection & PROTECTION_WRITE)) continue;
            for (size_t n = 0; n < ARRAY_LENGTH(layouts); n++) {
                if (!find_main_in(malloc, &layouts[n], range->start, range->end)) continue;
                malloc->layout = &layouts[n];
                return;
            }
        }
    }
    malloc->arenas.data[0].addr = 0;
}

/* All heaps at multiples of 64 MiB: the usual size, else that of GLIBC_TUNABLES with huge pages. */
static uint64_t heap_reserved(const candidates *heaps)
{
    for (size_t i = 0; i < heaps->count; i++)
        if (heaps->data[i].start % HEAP_USUAL) return HEAP_STEP;
    return HEAP_USUAL;
}

static int compare_heaps(const void *a, const void *b)
{
    const struct malloc_heap *left = a, *right = b;

    return left->start < right->start ? -1 : left->start > right->start;
}

bool malloc_find_arenas(struct glibc_malloc *malloc, struct malloc_pieces *pieces, struct gaps *gaps)
{
    const struct memory *memory = &malloc->target->memory;
    struct malloc_arena main_arena = { .kind = MALLOC_MAIN_ARENA };
    candidates heaps = { 0 };
    bool done = find_candidates(memory, pieces, &heaps) && vec_push(&malloc->arenas, main_arena);
    uint64_t reserved;
    size_t next = 0;

    if (done) {
        sort_families(&heaps);
        malloc->layout = choose_layout(memory, &heaps);
    }
    reserved = heap_reserved(&heaps);
    while (done && malloc->layout && next < heaps.count) {
        struct family family = next_family(&heaps, &next);

        done = add_arena(malloc, &family, gaps, reserved);
    }
    if (done && heaps.count && !malloc->layout)
        gaps_add(gaps, "native heap", heaps.data[0].start, heaps.count,
                 "cannot walk these heaps, because no layout that we know of glibc's malloc_state fits");
    for (size_t i = 0; done && i < malloc->heaps.count; i++)
        done = malloc_pieces_remove(pieces, malloc->heaps.data[i].start, malloc->heaps.data[i].end);
    vec_deinit(&heaps);
    if (!done) return false;
    vec_sort(&malloc->heaps, compare_heaps);
    if (malloc->layout)
        find_main_by_ring(malloc);
    else
        find_main_by_scan(malloc);
    if (malloc->layout) malloc->layout_name = malloc->layout->name;
    return true;
}
