#include "clr/ready_to_run.h"

#include <stdlib.h>

#include "base/limits.h"
#include "formats/r2r.h"
#include "formats/unwind_x64.h"

enum { NOT_FOUND = UINT32_MAX, FUNCLETS_MAX = 4096 };

/* The tables of an image's code, of the composite image where it is part of one. */
struct tables {
    uint64_t base;
    uint64_t functions_addr, hot_cold_addr, entry_points_addr;
    uint32_t function_count, hot_cold_count;
    uint64_t header_addr;
};

static bool read_tables(const struct clr *clr, uint64_t module_addr, uint64_t base, struct tables *ret)
{
    uint64_t info, composite;

    *ret = (struct tables) { .base = base };
    if (!clr_try_u64(clr, module_addr, FIELD_Module_ReadyToRunInfo, &info) || !info) return false;
    if (clr_try_u64(clr, info, FIELD_ReadyToRunInfo_CompositeInfo, &composite) && composite) info = composite;
    if (!clr_try_u64(clr, info, FIELD_ReadyToRunInfo_RuntimeFunctions, &ret->functions_addr) ||
        !clr_try_u32(clr, info, FIELD_ReadyToRunInfo_NumRuntimeFunctions, &ret->function_count) ||
        !layout_has(&clr->layout, FIELD_ReadyToRunInfo_EntryPointToMethodDescMap))
        return false;
    if (!clr_try_u64(clr, info, FIELD_ReadyToRunInfo_ReadyToRunHeader, &ret->header_addr)) ret->header_addr = 0;
    ret->entry_points_addr = clr_field_addr(clr, info, FIELD_ReadyToRunInfo_EntryPointToMethodDescMap);
    if (!clr_try_u64(clr, info, FIELD_ReadyToRunInfo_HotColdMap, &ret->hot_cold_addr) ||
        !clr_try_u32(clr, info, FIELD_ReadyToRunInfo_NumHotColdMap, &ret->hot_cold_count))
        ret->hot_cold_count = 0;
    return true;
}

/*
 * A bucket holds four keys and four values. A bucket's first value has its top bit set when a key that belongs there had to go on;
 * values are MethodDescs shifted right by one.
 */
static uint64_t entry_point_lookup(const struct clr *clr, uint64_t map, uint64_t key)
{
    enum { SLOTS = 4, BUCKET_SIZE = 64, PROBES_MAX = 1 << 16 };
    uint64_t buckets, words[2 * SLOTS];
    uint32_t size, seed, step;

    if (!clr_try_u64(clr, map, FIELD_HashMap_Buckets, &buckets) || !buckets || !memory_try_u32(clr->memory, buckets, &size) ||
        size < 2)
        return 0;
    seed = (uint32_t)(key >> 2);
    step = 1 + ((uint32_t)(key >> 5) + 1) % (size - 1);
    for (uint32_t i = 0; i < size && i < PROBES_MAX; i++, seed += step) {
        if (!memory_try_read(clr->memory, buckets + BUCKET_SIZE * (1 + (uint64_t)(seed % size)), words, sizeof(words))) return 0;
        for (unsigned slot = 0; slot < SLOTS; slot++)
            if (words[slot] == key) return (words[SLOTS + slot] & INT64_MAX) << 1;
        if (!(words[SLOTS] >> 63)) return 0;
    }
    return 0;
}

static bool read_function(const struct clr *clr, const struct tables *tables, uint32_t index, struct code_function *ret)
{
    return code_function_read(clr, tables->functions_addr + CODE_FUNCTION_SIZE * (uint64_t)index, ret);
}

/* The last function that begins at or before `rva`; the table ends with a begin of all ones. */
static uint32_t function_at(const struct clr *clr, const struct tables *tables, uint32_t rva)
{
    uint32_t low = 0, high = tables->function_count;
    struct code_function function;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (!read_function(clr, tables, middle, &function)) return NOT_FOUND;
        if (function.begin_rva <= rva)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : NOT_FOUND;
}

/* Pairs {cold, hot} of function indices, sorted: the hot function to which a cold one belongs, else `index` itself. */
static uint32_t hot_function(const struct clr *clr, const struct tables *tables, uint32_t index)
{
    uint32_t low = 0, high = tables->hot_cold_count / 2, pair[2];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (!memory_try_read(&clr->target->constants, tables->hot_cold_addr + 8 * (uint64_t)middle, pair, sizeof(pair)))
            return index;
        if (pair[0] <= index)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !memory_try_read(&clr->target->constants, tables->hot_cold_addr + 8 * (uint64_t)(low - 1), pair, sizeof(pair)))
        return index;
    return pair[1] < index ? pair[1] : index;
}

/* The function before or at `index` that is the entry of a prepared method; its method to *method_ret. */
static uint32_t method_entry(const struct clr *clr, const struct tables *tables, uint32_t index, uint64_t *method_ret)
{
    struct code_function function;

    for (uint32_t i = 0; i < FUNCLETS_MAX && i <= index; i++) {
        if (!read_function(clr, tables, index - i, &function)) break;
        *method_ret = entry_point_lookup(clr, tables->entry_points_addr, tables->base + function.begin_rva);
        if (*method_ret) return index - i;
    }
    return NOT_FOUND;
}

/* GC info follows the unwind info, behind the RVA of a personality routine, which is always there. */
static uint64_t gc_info_addr(const struct clr *clr, uint64_t base, const struct code_function *function)
{
    uint8_t head[4];

    if (!memory_try_read(&clr->target->constants, base + function->unwind_rva, head, sizeof(head))) return 0;
    return base + function->unwind_rva + ((unwind_x64_size(head) + 3) & ~(size_t)3) + 4;
}

static bool read_header(const struct clr *clr, const struct tables *tables, struct r2r_header *ret)
{
    uint8_t bytes[R2R_HEADER_SIZE];

    return tables->header_addr && memory_try_read(&clr->target->constants, tables->header_addr, bytes, sizeof(bytes)) &&
           r2r_header((struct span) { bytes, sizeof(bytes) }, ret);
}

/* Length of a method's code with its funclets, 0 when it cannot be read. */
static uint32_t code_length(const struct clr *clr, const struct tables *tables, const struct code_function *entry)
{
    uint8_t bytes[R2R_MAX_GC_INFO_HEADER];
    uint64_t addr = gc_info_addr(clr, tables->base, entry);
    struct r2r_header header;
    uint32_t length;

    if (!addr || !read_header(clr, tables, &header) || !memory_try_read(&clr->target->constants, addr, bytes, sizeof(bytes)) ||
        !gc_info_code_length((struct span) { bytes, sizeof(bytes) }, r2r_gc_info_version(&header), &length))
        return 0;
    return length;
}

bool ready_to_run_find(const struct clr *clr, const struct code_section *section, uint64_t addr, struct code_block *ret)
{
    struct code_block block = { .kind = CODE_READY_TO_RUN, .base = section->start, .module_addr = section->module_addr };
    struct code_function entry;
    struct tables tables;
    uint32_t index, hot, first, length = 0;

    if (addr - section->start > UINT32_MAX || !read_tables(clr, section->module_addr, section->start, &tables)) return false;
    index = function_at(clr, &tables, (uint32_t)(addr - section->start));
    if (index == NOT_FOUND || !read_function(clr, &tables, index, &block.function)) return false;
    if (addr >= section->start + block.function.end_rva) return false;
    hot = hot_function(clr, &tables, index);
    block.is_cold = hot != index;
    first = method_entry(clr, &tables, hot, &block.method_desc_addr);
    if (first != NOT_FOUND && read_function(clr, &tables, first, &entry)) length = code_length(clr, &tables, &entry);
    /* Beyond the end of the prepared method before it: a method that was never prepared. */
    if (first == NOT_FOUND || (length && !block.is_cold && addr - section->start >= (uint64_t)entry.begin_rva + length)) {
        first = hot;
        block.method_desc_addr = 0;
        length = 0;
    }
    if (!read_function(clr, &tables, first, &entry)) return false;
    block.start = section->start + entry.begin_rva;
    block.size = length ? length : entry.end_rva > entry.begin_rva ? entry.end_rva - entry.begin_rva : 0;
    block.function_index = hot - first;
    block.table_index = hot;
    *ret = block;
    return true;
}

/* A section of the image, copied; the caller frees it. */
static bool copy_section(const struct clr *clr, const struct tables *tables, uint32_t type, struct span *ret)
{
    uint8_t head[R2R_HEADER_SIZE + R2R_MAX_SECTIONS * R2R_SECTION_SIZE], *bytes;
    struct r2r_header header;
    uint32_t rva, size;
    size_t head_size;

    if (!read_header(clr, tables, &header)) return false;
    head_size = R2R_HEADER_SIZE + R2R_SECTION_SIZE * (size_t)header.section_count;
    if (!memory_try_read(&clr->target->constants, tables->header_addr, head, head_size) ||
        !r2r_section((struct span) { head, head_size }, type, &rva, &size) || size > LIMIT_READY_TO_RUN_SECTION)
        return false;
    bytes = malloc(size ? size : 1);
    if (!bytes) return false;
    if (!memory_try_read(&clr->target->constants, tables->base + rva, bytes, size)) {
        free(bytes);
        return false;
    }
    *ret = (struct span) { bytes, size };
    return true;
}

bool ready_to_run_section(const struct clr *clr, const struct code_block *block, uint32_t type, struct span *ret)
{
    struct tables tables;

    return block->kind == CODE_READY_TO_RUN && read_tables(clr, block->module_addr, block->base, &tables) &&
           copy_section(clr, &tables, type, ret);
}

uint32_t ready_to_run_method_token(const struct clr *clr, const struct code_block *block)
{
    enum { METHOD_DEF = 0x06000000 };
    struct tables tables;
    struct span section;
    uint32_t count, element, function, token = 0;

    if (block->kind != CODE_READY_TO_RUN || !read_tables(clr, block->module_addr, block->base, &tables) ||
        !copy_section(clr, &tables, R2R_SECTION_METHOD_DEF_ENTRY_POINTS, &section))
        return 0;
    if (!r2r_array_count(section, 0, &count)) count = 0;
    /* The entry at or before the function: what lies between are funclets. */
    for (uint32_t i = 0, best = 0; i < count && i < 0xffffff; i++) {
        if (!r2r_array_get(section, 0, i, &element) || !r2r_entry_function(section, element, &function)) continue;
        if (function > block->table_index || (token && function < best)) continue;
        best = function;
        token = METHOD_DEF | (i + 1);
    }
    free((void *)(uintptr_t)section.data);
    return token;
}

uint64_t ready_to_run_entry_point(const struct clr *clr, uint64_t module_addr, uint64_t entry)
{
    struct tables tables;

    return read_tables(clr, module_addr, 0, &tables) ? entry_point_lookup(clr, tables.entry_points_addr, entry) : 0;
}

uint64_t ready_to_run_gc_info(const struct clr *clr, const struct code_block *block, unsigned *version_ret)
{
    struct code_function entry;
    struct r2r_header header;
    struct tables tables;

    if (block->kind != CODE_READY_TO_RUN || block->table_index < block->function_index ||
        !read_tables(clr, block->module_addr, block->base, &tables) || !read_header(clr, &tables, &header) ||
        !read_function(clr, &tables, block->table_index - block->function_index, &entry))
        return 0;
    *version_ret = r2r_gc_info_version(&header);
    return gc_info_addr(clr, tables.base, &entry);
}
