#include "dump/minidump_memory.h"

#include "base/vec.h"
#include "dump/minidump_overlay.h"

/* A range that the lists name but the file does not hold has this for a file offset. */
#define NOT_IN_FILE UINT64_MAX

typedef VEC(struct overlay_range) range_vec;

/* ---- what the lists of memory hold ---- */

struct content {
    range_vec ranges;       /* value: file offset, or NOT_IN_FILE; tag: its descriptor, one for all of a MemoryList */
    range_vec absent;       /* added behind the others, so that a copy which is in the file wins */
    uint64_t missing_size;  /* bytes promised and not in the file */
    uint64_t missing_addr;  /* where the first of them belongs */
    uint64_t bad, bad_addr; /* ranges that wrap around the address space */
};

static void content_deinit(struct content *content)
{
    vec_deinit(&content->ranges);
    vec_deinit(&content->absent);
}

static bool content_add_absent(struct content *content, uint64_t start, uint64_t end, uint64_t tag)
{
    if (!content->missing_size) content->missing_addr = start;
    if (__builtin_add_overflow(content->missing_size, end - start, &content->missing_size)) content->missing_size = UINT64_MAX;
    return vec_push(&content->absent, (struct overlay_range) { start, end, NOT_IN_FILE, tag });
}

static bool content_add(struct content *content, const struct minidump *md, const struct minidump_memory *memory, uint64_t tag)
{
    uint64_t end, have = span_from(md->bytes, memory->off).size;

    if (!memory->size) return true;
    if (__builtin_add_overflow(memory->start, memory->size, &end)) {
        if (!content->bad++) content->bad_addr = memory->start;
        return true;
    }
    if (have > memory->size) have = memory->size;
    if (have < memory->size && !content_add_absent(content, memory->start + have, end, tag)) return false;
    return !have || vec_push(&content->ranges, (struct overlay_range) { memory->start, memory->start + have, memory->off, tag });
}

static bool content_read(struct content *content, const struct minidump *md)
{
    struct minidump_memory_iter iter;
    struct minidump_memory memory;

    minidump_memory_begin(&iter, md);
    while (minidump_memory_next(&iter, &memory))
        if (!content_add(content, md, &memory, iter.type == MINIDUMP_MEMORY64_LIST ? iter.i : 0)) return false;
    for (size_t i = 0; i < content->absent.count; i++)
        if (!vec_push(&content->ranges, content->absent.data[i])) return false;
    return true;
}

/* ---- what the MemoryInfoList says ---- */

struct regions {
    struct minidump_list list;
    range_vec ranges; /* value: index in `list` */
};

static bool regions_read(struct regions *regions, const struct minidump *md)
{
    if (!minidump_list(md, MINIDUMP_MEMORY_INFO_LIST, &regions->list)) return true;
    for (uint64_t i = 0; i < regions->list.count; i++) {
        struct minidump_memory_info info = minidump_memory_info(&regions->list, i);
        uint64_t end;
        if (__builtin_add_overflow(info.base, info.size, &end)) end = UINT64_MAX;
        if (info.base < end && !vec_push(&regions->ranges, (struct overlay_range) { info.base, end, i, 0 })) return false;
    }
    return true;
}

/* winnt.h: PAGE_* in the low byte are exclusive, those above are modifiers. */
static uint8_t region_protection(uint32_t protect)
{
    static const struct {
        uint8_t windows, ours;
    } rows[] = {
        { 0x02, PROTECTION_READ },
        { 0x04, PROTECTION_READ | PROTECTION_WRITE },
        { 0x08, PROTECTION_READ | PROTECTION_WRITE | PROTECTION_COPY },
        { 0x10, PROTECTION_EXEC },
        { 0x20, PROTECTION_READ | PROTECTION_EXEC },
        { 0x40, PROTECTION_READ | PROTECTION_WRITE | PROTECTION_EXEC },
        { 0x80, PROTECTION_READ | PROTECTION_WRITE | PROTECTION_EXEC | PROTECTION_COPY },
    };
    uint8_t guard = protect & 0x100 ? PROTECTION_GUARD : 0;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].windows == (protect & 0xff)) return rows[i].ours | guard;
    return guard;
}

static uint8_t region_state(uint32_t state)
{
    if (state == 0x10000) return RANGE_FREE;
    return state == 0x2000 ? RANGE_RESERVE : RANGE_COMMIT;
}

static uint8_t region_type(uint32_t type)
{
    if (type == 0x20000) return RANGE_PRIVATE;
    if (type == 0x40000) return RANGE_MAPPED;
    return type == 0x1000000 ? RANGE_IMAGE : RANGE_UNKNOWN;
}

/* Memory without a region: somebody committed it and the dump's writer could read it; more is not known. */
static struct dump_range range_of_region(const struct regions *regions, const struct overlay_part *region)
{
    struct minidump_memory_info info;

    if (!region) return (struct dump_range) { .state = RANGE_COMMIT, .protection = PROTECTION_READ };
    info = minidump_memory_info(&regions->list, regions->ranges.data[region->source].value);
    return (struct dump_range) {
        .state = region_state(info.state),
        .type = region_type(info.type),
        .protection = region_protection(info.protect),
        .allocation_base = info.allocation_base,
    };
}

/* ---- both laid over each other ---- */

struct carver {
    struct dump *dump;
    const struct regions *regions;
    const struct content *content;
    struct overlay_parts region_parts, content_parts;
    /* Of the range put last. */
    const struct overlay_part *region, *part;
};

/*
 * Whether bytes of `part` outside of any region may go on in the range put last. Ranges of a Memory64List were regions when the
 * dump was written and stay apart; those of a MemoryList are pieces without a meaning of their own.
 */
static bool same_descriptor(const struct carver *carver, const struct overlay_part *part)
{
    const struct overlay_range *ranges = carver->content->ranges.data;

    return part && carver->part && ranges[part->source].tag == ranges[carver->part->source].tag;
}

/* [start, end) with file content at `off` (or NOT_IN_FILE): more of the last range, or a new one. */
static bool carver_put(struct carver *carver, uint64_t start, uint64_t end, const struct overlay_part *region,
                       const struct overlay_part *part, uint64_t off)
{
    struct dump_range *last = carver->dump->ranges.count ? &carver->dump->ranges.data[carver->dump->ranges.count - 1] : NULL;
    bool same = last && last->end == start && region == carver->region && (region || same_descriptor(carver, part));
    bool follows = last && last->file_size == last->end - last->start && off == last->file_off + last->file_size;
    struct dump_range range;

    carver->region = region;
    carver->part = part;
    if (same && (off == NOT_IN_FILE || (last->file_size && follows))) {
        if (off != NOT_IN_FILE) last->file_size += end - start;
        last->end = end;
        return true;
    }
    range = range_of_region(carver->regions, region);
    range.start = start;
    range.end = end;
    range.file_off = off == NOT_IN_FILE ? 0 : off;
    range.file_size = off == NOT_IN_FILE ? 0 : end - start;
    return vec_push(&carver->dump->ranges, range);
}

/* The part that holds `addr`, NULL when it lies before the next one; `*stop` is lowered to where that changes. */
static const struct overlay_part *part_at(const struct overlay_parts *parts, size_t *next, uint64_t addr, uint64_t *stop)
{
    const struct overlay_part *part;
    uint64_t change;

    while (*next < parts->count && parts->data[*next].end <= addr)
        ++*next;
    if (*next == parts->count) return NULL;
    part = &parts->data[*next];
    change = part->start <= addr ? part->end : part->start;
    if (change < *stop) *stop = change;
    return part->start <= addr ? part : NULL;
}

static uint64_t content_off(const struct content *content, const struct overlay_part *part, uint64_t addr)
{
    const struct overlay_range *range;

    if (!part) return NOT_IN_FILE;
    range = &content->ranges.data[part->source];
    return range->value == NOT_IN_FILE ? NOT_IN_FILE : range->value + (addr - range->start);
}

static bool carver_run(struct carver *carver)
{
    size_t next_region = 0, next_part = 0;
    uint64_t addr = 0, stop;

    for (;; addr = stop) {
        const struct overlay_part *region, *part;
        stop = UINT64_MAX;
        region = part_at(&carver->region_parts, &next_region, addr, &stop);
        part = part_at(&carver->content_parts, &next_part, addr, &stop);
        if (next_region == carver->region_parts.count && next_part == carver->content_parts.count) return true;
        if (!region && !part) continue;
        if (!carver_put(carver, addr, stop, region, part, content_off(carver->content, part, addr))) return false;
    }
}

static struct error *carve(struct dump *dump, const struct regions *regions, const struct content *content)
{
    struct carver carver = { .dump = dump, .regions = regions, .content = content };
    struct error *err;

    err = overlay_flatten(regions->ranges.data, regions->ranges.count, &carver.region_parts);
    if (!err) err = overlay_flatten(content->ranges.data, content->ranges.count, &carver.content_parts);
    if (!err && !carver_run(&carver)) err = &error_enomem;
    vec_deinit(&carver.region_parts);
    vec_deinit(&carver.content_parts);
    return err;
}

static void report(struct dump *dump, const struct content *content, struct gaps *gaps)
{
    if (content->bad)
        gaps_add(gaps, "memory range", content->bad_addr, content->bad, "it reaches beyond the end of the address space");
    if (!content->missing_size) return;
    dump->truncated = true;
    gaps_add(gaps, "memory of the process", content->missing_addr, content->absent.count,
             "the file ends before it: %llu bytes are missing", (unsigned long long)content->missing_size);
}

struct error *minidump_read_memory(struct dump *dump, const struct minidump *md, struct gaps *gaps)
{
    struct content content = { 0 };
    struct regions regions = { 0 };
    struct error *err = &error_enomem;

    if (content_read(&content, md) && regions_read(&regions, md)) err = carve(dump, &regions, &content);
    dump->has_memory_info = regions.ranges.count > 0;
    report(dump, &content, gaps);
    content_deinit(&content);
    vec_deinit(&regions.ranges);
    return err;
}
