#include "heap/walk.h"

enum { RESYNC_OBJECTS = 4 };

static void walk_find_context(struct walk *walk)
{
    const struct gc_heaps *heaps = walk->heaps;

    while (walk->context < heaps->contexts.count && heaps->contexts.data[walk->context].ptr < walk->addr)
        walk->context++;
    walk->context_ptr = walk->context < heaps->contexts.count ? heaps->contexts.data[walk->context].ptr : UINT64_MAX;
}

void walk_init(struct walk *walk, const struct clr *clr, struct object_types *types, const struct gc_heaps *heaps,
               const struct gc_segment *segment)
{
    size_t low = 0, high = heaps->contexts.count;

    *walk = (struct walk) { .memory = clr->memory,
                            .types = types,
                            .heaps = heaps,
                            .addr = segment->start,
                            .end = segment->end,
                            .context_ptr = UINT64_MAX };
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (heaps->contexts.data[middle].ptr < walk->addr)
            low = middle + 1;
        else
            high = middle;
    }
    walk->context = low;
    walk_find_context(walk);
}

/* The two header words at `addr`; false when they are not in the dump. */
static bool walk_header(struct walk *walk, uint64_t addr, uint64_t *mt_ret, uint32_t *count_ret)
{
    uint8_t copy[OBJECT_HEADER_SIZE];
    const uint8_t *header = copy;

    if (addr - walk->view_start >= walk->view_limit) {
        uint64_t size = 0;

        walk->view = memory_view(walk->memory, addr, walk->end - addr, &size);
        if (size > walk->end - addr) size = walk->end - addr;
        walk->view_start = addr;
        walk->view_limit = walk->view && size >= OBJECT_HEADER_SIZE ? size - OBJECT_HEADER_SIZE + 1 : 0;
    }
    if (walk->view_limit)
        header = walk->view + (addr - walk->view_start);
    else if (!memory_try_read(walk->memory, addr, copy, OBJECT_HEADER_SIZE)) /* across the edge of two pieces */
        return false;
    *mt_ret = load_u64(header);
    *count_ret = load_u32(header + 8);
    return true;
}

/* The object at `addr`, if there is one that ends inside the segment. */
static bool walk_object_at(struct walk *walk, uint64_t addr, struct object *ret)
{
    uint64_t mt, size;
    uint32_t count;
    struct object_type *type;

    if (walk->end - addr < OBJECT_SIZE_MIN || !walk_header(walk, addr, &mt, &count)) return false;
    type = object_types_get(walk->types, mt & ~UINT64_C(7));
    if (!type || !type->is_valid) return false;
    size = type->base_size + (uint64_t)type->component_size * (type->component_size ? count : 0);
    if (size < OBJECT_SIZE_MIN) size = OBJECT_SIZE_MIN;
    if (((size + 7) & ~UINT64_C(7)) > walk->end - addr) return false;
    *ret = (struct object) { addr, size, type };
    return true;
}

static uint64_t object_end(const struct object *object)
{
    return object->addr + ((object->size + 7) & ~UINT64_C(7));
}

/* From here on, do objects follow each other? The word must be a MethodTable that is already known to be one. */
static bool walk_is_in_step(struct walk *walk, uint64_t addr)
{
    for (int i = 0; i < RESYNC_OBJECTS && addr < walk->end; i++) {
        struct object object;

        if (addr == walk->context_ptr) return true;
        if (!walk_object_at(walk, addr, &object)) return false;
        addr = object_end(&object);
    }
    return true;
}

/* Moves to the next place where objects follow each other again, or to the end. */
static void walk_resync(struct walk *walk)
{
    uint64_t from = walk->addr, addr = from + 8;

    if (walk->broken++ == 0) walk->first_broken = from;
    while (addr < walk->end) {
        uint64_t size;

        if (addr == walk->context_ptr) break;
        if (!memory_view(walk->memory, addr, 8, &size)) {
            addr = (addr | 0xfff) + 1;
            /* A context inside the missing page has to be entered at its pointer or not at all. */
            if (walk->context_ptr < addr) addr = walk->context_ptr;
            continue;
        }
        if (walk_is_in_step(walk, addr)) break;
        addr += 8;
    }
    if (addr > walk->end) addr = walk->end;
    walk->skipped += addr - from;
    walk->addr = addr;
    walk_find_context(walk);
}

/* Jumps over the unused rest of the allocation context that starts here. */
static void walk_skip_context(struct walk *walk)
{
    uint64_t limit = walk->heaps->contexts.data[walk->context].limit;

    walk->addr = limit + OBJECT_SIZE_MIN;
    if (walk->addr > walk->end) walk->addr = walk->end;
    walk_find_context(walk);
}

bool walk_next_slow(struct walk *walk, struct object *ret)
{
    for (;;) {
        if (walk->addr >= walk->end) return false;
        if (walk->addr >= walk->context_ptr) {
            if (walk->addr == walk->context_ptr) {
                walk_skip_context(walk);
                continue;
            }
            walk_find_context(walk);
            continue;
        }
        if (walk_object_at(walk, walk->addr, ret)) {
            walk->addr = object_end(ret);
            return true;
        }
        walk_resync(walk);
    }
}

void walk_report(const struct walk *walk, struct gaps *gaps)
{
    if (walk->broken)
        gaps_add(gaps, "GC heap", walk->first_broken, walk->broken, "%llu bytes of a segment are not objects, or not in the dump",
                 (unsigned long long)walk->skipped);
}
