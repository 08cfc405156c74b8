#include "clr/handle_table.h"

#include "base/limits.h"

/* struct _TableSegmentHeader is packed; N is the number of handle types, which has grown over time. */
enum {
    SEGMENT_SIZE = 64 << 10,
    SEGMENT_HEADER_SIZE = 4096,
    SEGMENT_BLOCKS = 120,
    BLOCK_HANDLES = 64,
    SEGMENT_BLOCK_TYPE = 1560,
    SEGMENT_USER_DATA = 1680,
    SEGMENT_TAIL = 1920, /* u8 tail[N], u8 hint[N], u32 free count[N], next segment, owner */
    SEGMENT_TAIL_EACH = 6,
    TYPES_MIN = 8,
    TYPES_MAX = 32,
    BLOCK_NONE = 0xff,
};

/* struct HandleTableMap, struct HandleTableBucket */
enum { MAP_BUCKETS = 0, MAP_NEXT = 8, MAP_COUNT = 16, BUCKET_TABLES = 0, BUCKETS_MAX = 1 << 16 };

struct handle_reader {
    struct clr *clr;
    const struct memory *memory;
    struct handle_table *table;
    struct map seen; /* maps, tables and segments that were read */
    uint32_t heap_count;
    uint8_t header[SEGMENT_HEADER_SIZE];
};

const char *handle_kind_name(unsigned kind)
{
    static const char *const names[] = {
        "weak_short",
        "weak_long",
        "strong",
        "pinned",
        "variable",
        "ref_counted",
        "dependent",
        "async_pinned",
        "sized_ref",
        "weak_native_com",
        "weak_interior_pointer",
        "cross_reference",
        "kind 12",
        "kind 13",
        "kind 14",
        "kind 15",
        "kind 16",
    };
    return kind < ARRAY_LENGTH(names) ? names[kind] : "unknown kind";
}

bool handle_kind_is_strong(unsigned kind)
{
    switch (kind) {
    case HANDLE_STRONG:
    case HANDLE_PINNED:
    case HANDLE_VARIABLE:
    case HANDLE_REF_COUNTED:
    case HANDLE_ASYNC_PINNED:
    case HANDLE_SIZED_REF:
    case HANDLE_CROSS_REFERENCE:
        return true;
    default:
        return false;
    }
}

void handle_table_deinit(struct handle_table *table)
{
    vec_deinit(&table->list);
    vec_deinit(&table->segments);
}

/* True when `addr` was not met before; an error when memory is exhausted. */
static struct error *meet(struct handle_reader *r, uint64_t addr, bool *new_ret)
{
    return map_slot(&r->seen, addr, new_ret) ? NULL : &error_enomem;
}

static struct error *add_handle(struct handle_reader *r, struct clr_handle handle)
{
    return vec_push(&r->table->list, handle) ? NULL : &error_enomem;
}

/* The secondaries of a block's handles lie at the same places in the block that its user data names. */
static uint64_t read_secondary(const struct handle_reader *r, uint64_t segment, unsigned block, unsigned index)
{
    unsigned data = r->header[SEGMENT_USER_DATA + block];
    uint64_t secondary;

    if (data >= SEGMENT_BLOCKS) return 0;
    return memory_try_u64(r->memory, segment + SEGMENT_HEADER_SIZE + 8ull * (data * BLOCK_HANDLES + index), &secondary) ? secondary
                                                                                                                        : 0;
}

static struct error *read_block(struct handle_reader *r, uint64_t segment, unsigned block, uint32_t heap)
{
    uint64_t words[BLOCK_HANDLES];
    uint64_t addr = segment + SEGMENT_HEADER_SIZE + 8ull * block * BLOCK_HANDLES;
    uint8_t kind = r->header[SEGMENT_BLOCK_TYPE + block];

    if (!memory_try_read(r->memory, addr, words, sizeof(words))) {
        gaps_add(r->clr->gaps, "GC handles", addr, 1, "block of 64 handles not in the dump");
        return NULL;
    }
    for (unsigned i = 0; i < BLOCK_HANDLES; i++) {
        struct clr_handle handle = { .addr = addr + 8ull * i, .object = words[i], .heap = heap, .kind = kind };

        if (!words[i]) continue;
        if (kind == HANDLE_DEPENDENT) handle.dependent = read_secondary(r, segment, block, i);
        TRY(add_handle(r, handle));
    }
    return NULL;
}

/* The word behind the per-type arrays; +8 is the segment's owner. */
static uint64_t segment_word(const struct handle_reader *r, unsigned types, unsigned off)
{
    return load_u64(r->header + SEGMENT_TAIL + SEGMENT_TAIL_EACH * types + off);
}

/* N by the layout when the segment then names its owner, else the only one for which it does; 0 when there is none. */
static unsigned find_type_count(const struct handle_reader *r, uint64_t owner)
{
    uint64_t known = r->clr->layout.constant[CONSTANT_HandleTypeCount];

    if (known >= TYPES_MIN && known <= TYPES_MAX && segment_word(r, (unsigned)known, 8) == owner) return (unsigned)known;
    for (unsigned types = TYPES_MIN; types <= TYPES_MAX; types++)
        if (segment_word(r, types, 8) == owner) return types;
    return 0;
}

static struct error *read_segment(struct handle_reader *r, uint64_t segment, uint64_t owner, uint32_t heap, uint64_t *next_ret)
{
    unsigned types;

    *next_ret = 0;
    if (!memory_try_read(r->memory, segment, r->header, SEGMENT_HEADER_SIZE)) {
        gaps_add(r->clr->gaps, "GC handles", segment, 1, "header of a handle table's segment not in the dump");
        return NULL;
    }
    types = find_type_count(r, owner);
    if (!types) {
        gaps_add(r->clr->gaps, "GC handles", segment, 1, "segment of a handle table does not name its table");
        return NULL;
    }
    if (!vec_push(&r->table->segments, segment)) return &error_enomem;
    r->table->type_count = types;
    *next_ret = segment_word(r, types, 0);
    for (unsigned block = 0; block < SEGMENT_BLOCKS; block++) {
        /* The last type is the table's own (user data), 0xff is a free block. */
        if (r->header[SEGMENT_BLOCK_TYPE + block] < types - 1) TRY(read_block(r, segment, block, heap));
    }
    return NULL;
}

static struct error *read_table(struct handle_reader *r, uint64_t table, uint32_t heap)
{
    uint64_t segment;
    bool is_new;

    if (!clr_try_u64(r->clr, table, FIELD_HandleTable_SegmentList, &segment)) {
        gaps_add(r->clr->gaps, "GC handles", table, 1, "handle table not in the dump");
        return NULL;
    }
    while (segment) {
        if (segment % SEGMENT_SIZE) {
            gaps_add(r->clr->gaps, "GC handles", segment, 1, "segment of a handle table is not at a multiple of its size");
            return NULL;
        }
        TRY(meet(r, segment, &is_new));
        if (!is_new) return NULL;
        TRY(read_segment(r, segment, table, heap, &segment));
    }
    return NULL;
}

/* Does `table` look like one? Its first segment must name it. */
static bool is_table(struct handle_reader *r, uint64_t table)
{
    uint64_t segment;

    return clr_try_u64(r->clr, table, FIELD_HandleTable_SegmentList, &segment) && segment && segment % SEGMENT_SIZE == 0 &&
           memory_try_read(r->memory, segment, r->header, SEGMENT_HEADER_SIZE) && find_type_count(r, table);
}

/*
 * A bucket has a table for each GC heap. A server GC that adapts to its load may have made room for more of them than it uses
 * now, so what follows counts as well as long as it is a table.
 */
static struct error *read_bucket(struct handle_reader *r, uint64_t bucket)
{
    uint64_t tables, table;
    bool is_new;

    if (!memory_try_u64(r->memory, bucket + BUCKET_TABLES, &tables) || !tables) {
        gaps_add(r->clr->gaps, "GC handles", bucket, 1, "bucket of handle tables not in the dump");
        return NULL;
    }
    for (uint32_t heap = 0; heap < LIMIT_GC_HEAPS; heap++) {
        bool readable = memory_try_u64(r->memory, tables + 8ull * heap, &table);

        if (heap >= r->heap_count && (!readable || !table || r->heap_count == 1 || !is_table(r, table))) break;
        if (!readable || !table) continue;
        TRY(meet(r, table, &is_new));
        if (is_new) TRY(read_table(r, table, heap));
    }
    return NULL;
}

static struct error *read_map(struct handle_reader *r, uint64_t map)
{
    uint64_t buckets, bucket;
    uint32_t count;

    if (!memory_try_u64(r->memory, map + MAP_BUCKETS, &buckets) || !memory_try_u32(r->memory, map + MAP_COUNT, &count)) {
        gaps_add(r->clr->gaps, "GC handles", map, 1, "map of handle tables not in the dump");
        return NULL;
    }
    if (count > BUCKETS_MAX) {
        gaps_add(r->clr->gaps, "GC handles", map, 1, "map of handle tables claims %u buckets", count);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_new;

        if (!memory_try_u64(r->memory, buckets + 8ull * i, &bucket)) {
            gaps_add(r->clr->gaps, "GC handles", buckets + 8ull * i, count - i, "buckets of handle tables not in the dump");
            break;
        }
        if (!bucket) continue;
        TRY(meet(r, bucket, &is_new));
        if (is_new) TRY(read_bucket(r, bucket));
    }
    return NULL;
}

static struct error *read_maps(struct handle_reader *r, uint64_t map)
{
    bool is_new;

    while (map) {
        TRY(meet(r, map, &is_new));
        if (!is_new) return NULL;
        TRY(read_map(r, map));
        if (!memory_try_u64(r->memory, map + MAP_NEXT, &map)) return NULL;
    }
    return NULL;
}

struct error *handle_table_init(struct clr *clr, const struct gc_heaps *heaps, struct handle_table *ret)
{
    struct handle_reader reader = { .clr = clr, .memory = clr->memory, .table = ret, .heap_count = heaps->heap_count };
    struct error *err;

    *ret = (struct handle_table) { 0 };
    if (!heaps->handle_table_map) return error_create(ERROR_FAULT, "cannot find the table of GC handles in the dump");
    if (!layout_has(&clr->layout, FIELD_HandleTable_SegmentList))
        return error_create(ERROR_UNSUPPORTED, "the layout of this runtime's handle table is not known");
    if (!reader.heap_count) reader.heap_count = 1;
    map_init(&reader.seen);
    err = read_maps(&reader, heaps->handle_table_map);
    map_deinit(&reader.seen);
    if (err) handle_table_deinit(ret);
    return err;
}
