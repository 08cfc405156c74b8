#include "clr/code_manager.h"

#include "clr/ready_to_run.h"

enum { /* RangeSection::RangeSectionFlags, src/coreclr/vm/codeman.h */
       SECTION_CODE_HEAP = 2,
       SECTION_RANGE_LIST = 4,
};

/* ---- sections ---- */

/* The list of fragments at `addr`'s place in the map. Bit 0 of each pointer is a flag for collectible code. */
static bool fragments_at(const struct clr *clr, uint64_t addr, uint64_t *ret)
{
    enum { LEVELS = 5, BITS = 8, LOWEST_BIT = 17, INDEX_BITS = 57 };
    uint64_t table = clr->global[GLOBAL_ExecutionManagerCodeRangeMapAddress];

    if (!table || addr >> INDEX_BITS) return false;
    for (unsigned level = LEVELS; level-- > 0;) {
        uint64_t index = addr >> (LOWEST_BIT + BITS * level) & 0xff;

        if (!memory_try_u64(clr->memory, table + 8 * index, &table)) return false;
        table &= ~UINT64_C(1);
        if (!table) return false;
    }
    *ret = table;
    return true;
}

static bool read_section(const struct clr *clr, uint64_t addr, struct code_section *ret)
{
    struct code_section section = { .addr = addr };
    uint32_t flags;

    if (!clr_try_u64(clr, addr, FIELD_RangeSection_RangeBegin, &section.start) ||
        !clr_try_u64(clr, addr, FIELD_RangeSection_RangeEndOpen, &section.end) ||
        !clr_try_u32(clr, addr, FIELD_RangeSection_Flags, &flags) ||
        !clr_try_u64(clr, addr, FIELD_RangeSection_HeapList, &section.heap_addr) ||
        !clr_try_u64(clr, addr, FIELD_RangeSection_R2RModule, &section.module_addr))
        return false;
    if (flags & SECTION_RANGE_LIST)
        section.kind = CODE_SECTION_STUBS;
    else if (section.module_addr)
        section.kind = CODE_SECTION_READY_TO_RUN;
    else if ((flags & SECTION_CODE_HEAP) || section.heap_addr)
        section.kind = CODE_SECTION_HEAP;
    else
        return false;
    *ret = section;
    return true;
}

bool code_section_find(const struct clr *clr, uint64_t addr, struct code_section *ret)
{
    enum { FRAGMENTS_MAX = 1 << 16 };
    uint64_t fragment, begin, end, section;

    if (!fragments_at(clr, addr, &fragment)) return false;
    for (unsigned i = 0; fragment && i < FRAGMENTS_MAX; i++) {
        if (!clr_try_u64(clr, fragment, FIELD_RangeSectionFragment_RangeBegin, &begin) ||
            !clr_try_u64(clr, fragment, FIELD_RangeSectionFragment_RangeEndOpen, &end))
            return false;
        if (addr >= begin && addr < end)
            return clr_try_u64(clr, fragment, FIELD_RangeSectionFragment_RangeSection, &section) && read_section(clr, section, ret);
        if (!clr_try_u64(clr, fragment, FIELD_RangeSectionFragment_Next, &fragment)) return false;
        fragment &= ~UINT64_C(1);
    }
    return false;
}

/* ---- nibble map: a nibble for every 32 bytes of code, eight in a word, the first one highest ---- */

enum { BUCKET_SIZE = 32, NIBBLES = 8, NIBBLE_UNIT = 4, POINTER_NIBBLE = 9 };

/* Since .NET 10 a word whose lowest nibble is 9 or more is where a method starts that covers all of its 256 bytes. */
static bool word_is_pointer(uint32_t word)
{
    return (word & 0xf) >= POINTER_NIBBLE;
}

static uint64_t pointer_start(uint32_t word)
{
    return (word & ~UINT32_C(0xf)) + (((word & 0xf) - POINTER_NIBBLE) * (uint64_t)NIBBLE_UNIT);
}

/* The last method that starts in `word`'s 256 bytes, among the first `count` buckets; offset from the map's base. */
static bool last_start(uint32_t word, uint64_t word_index, unsigned count, uint64_t *ret)
{
    while (count-- > 0) {
        unsigned nibble = word >> 4 * (NIBBLES - 1 - count) & 0xf;

        if (!nibble) continue;
        *ret = (word_index * NIBBLES + count) * BUCKET_SIZE + (nibble - 1) * (uint64_t)NIBBLE_UNIT;
        return true;
    }
    return false;
}

/* Where the method starts that may hold the code at `off` from the map's base. */
static bool nibble_map_find(const struct clr *clr, uint64_t map, uint64_t off, uint64_t *ret)
{
    uint64_t index = off / BUCKET_SIZE / NIBBLES;
    unsigned bucket = (unsigned)(off / BUCKET_SIZE % NIBBLES);
    uint32_t word;

    if (!memory_try_u32(clr->memory, map + 4 * index, &word)) return false;
    if (word_is_pointer(word)) {
        *ret = pointer_start(word);
        return true;
    }
    if (last_start(word, index, bucket + 1, ret) && *ret <= off) return true;
    if (last_start(word, index, bucket, ret)) return true;
    /* Before .NET 10 a large method is a run of zeros; no method is larger than its heap, whose map is all there or the dump is
     * cut. */
    while (index-- > 0) {
        if (!memory_try_u32(clr->memory, map + 4 * index, &word)) return false;
        if (!word) continue;
        if (word_is_pointer(word)) {
            *ret = pointer_start(word);
            return true;
        }
        return last_start(word, index, NIBBLES, ret);
    }
    return false;
}

/* ---- jitted code ---- */

bool code_function_read(const struct clr *clr, uint64_t addr, struct code_function *ret)
{
    uint32_t words[3];

    if (!memory_try_read(&clr->target->constants, addr, words, sizeof(words))) return false;
    *ret = (struct code_function) { words[0], words[1], words[2] };
    return true;
}

/* The RUNTIME_FUNCTION of block->header_addr that holds `addr`. */
static bool find_function(const struct clr *clr, uint64_t addr, struct code_block *block)
{
    enum { FUNCTIONS_MAX = 1 << 16 };
    uint64_t functions = clr_field_addr(clr, block->header_addr, FIELD_RealCodeHeader_UnwindInfos);
    bool found = false;

    if (!clr_try_u32(clr, block->header_addr, FIELD_RealCodeHeader_NumUnwindInfos, &block->function_count) ||
        block->function_count == 0 || block->function_count > FUNCTIONS_MAX)
        return false;
    for (uint32_t i = 0; i < block->function_count; i++) {
        struct code_function function;

        if (!code_function_read(clr, functions + CODE_FUNCTION_SIZE * (uint64_t)i, &function) ||
            function.end_rva < function.begin_rva)
            return false;
        if (block->base + function.end_rva > block->start + block->size)
            block->size = block->base + function.end_rva - block->start;
        if (addr < block->base + function.begin_rva || addr >= block->base + function.end_rva) continue;
        block->function = function;
        block->function_index = i;
        found = true;
    }
    return found;
}

static bool find_jitted(const struct clr *clr, const struct code_section *section, uint64_t addr, struct code_block *ret)
{
    enum { STUB_KIND_LAST = 15 }; /* values up to it in the header's place say which kind of stub this is */
    struct code_block block = { .kind = CODE_JITTED, .base = section->start };
    uint64_t start, end, map_base, map, off;

    if (!clr_try_u64(clr, section->heap_addr, FIELD_CodeHeapListNode_StartAddress, &start) ||
        !clr_try_u64(clr, section->heap_addr, FIELD_CodeHeapListNode_EndAddress, &end) ||
        !clr_try_u64(clr, section->heap_addr, FIELD_CodeHeapListNode_MapBase, &map_base) ||
        !clr_try_u64(clr, section->heap_addr, FIELD_CodeHeapListNode_HeaderMap, &map))
        return false;
    if (addr < start || addr >= end || addr < map_base) return false;
    if (!nibble_map_find(clr, map, addr - map_base, &off)) return false;
    block.start = map_base + off;
    if (!memory_try_u64(clr->memory, block.start - 8, &block.header_addr) || block.header_addr <= STUB_KIND_LAST) return false;
    if (!clr_try_u64(clr, block.header_addr, FIELD_RealCodeHeader_MethodDesc, &block.method_desc_addr)) return false;
    if (!find_function(clr, addr, &block)) return false;
    *ret = block;
    return true;
}

bool code_find(const struct clr *clr, uint64_t addr, struct code_block *ret)
{
    struct code_section section;

    if (!code_section_find(clr, addr, &section)) return false;
    switch (section.kind) {
    case CODE_SECTION_HEAP:
        return find_jitted(clr, &section, addr, ret);
    case CODE_SECTION_READY_TO_RUN:
        return ready_to_run_find(clr, &section, addr, ret);
    default:
        return false;
    }
}
