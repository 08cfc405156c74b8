#include "clr/executable_memory.h"

#include <string.h>

enum { BLOCK_MAX = 1 << 20, PAGE_MASK = 4095 };

/* Chain of BlockRX: base, size and offset are page multiples, and all lie below `free_offset` in the memfd. */
static bool read_blocks(const struct clr *clr, uint64_t block, uint64_t free_offset, struct executable_memory *ret)
{
    while (block) {
        uint64_t words[4]; /* next, base, size, offset */
        struct executable_range range;

        if (ret->blocks.count >= BLOCK_MAX || !memory_try_read(clr->memory, block, words, sizeof(words))) return false;
        if ((words[1] | words[2] | words[3]) & PAGE_MASK || !words[1] || !words[2]) return false;
        if (words[2] > free_offset || words[3] > free_offset - words[2] || words[1] > UINT64_MAX - words[2]) return false;
        range = (struct executable_range) { words[1], words[1] + words[2] };
        if (!vec_push(&ret->blocks, range)) return false;
        block = words[0];
    }
    return ret->blocks.count > 0;
}

static void read_views(const struct clr *clr, uint64_t view, struct executable_memory *ret)
{
    while (view && ret->views.count < BLOCK_MAX) {
        uint64_t words[4]; /* next, RW base, RX base, size */
        struct executable_range range;

        if (!memory_try_read(clr->memory, view, words, sizeof(words))) return;
        if ((words[1] | words[2] | words[3]) & PAGE_MASK || !words[1] || !words[3] || words[3] > UINT64_C(1) << 40) return;
        range = (struct executable_range) { words[1], words[1] + words[3] };
        if (!vec_push(&ret->views, range)) return;
        view = words[0];
    }
}

/* Is the thing at `addr` the allocator? */
static bool read_allocator(const struct clr *clr, uint64_t addr, struct executable_memory *ret)
{
    enum { RX_BLOCKS, FREE_BLOCKS, RW_BLOCKS, DESCRIPTOR, MAX_SIZE, FREE_OFFSET, WORDS };
    uint64_t words[WORDS];

    if ((addr & 7) || !memory_try_read(clr->memory, addr, words, sizeof(words))) return false;
    /* The file descriptor is an int with padding behind it. */
    if ((uint32_t)words[DESCRIPTOR] > 1 << 20 || !words[RX_BLOCKS] || (words[RX_BLOCKS] & 7)) return false;
    if ((words[MAX_SIZE] | words[FREE_OFFSET]) & PAGE_MASK || !words[FREE_OFFSET] || words[FREE_OFFSET] > words[MAX_SIZE])
        return false;
    if (!read_blocks(clr, words[RX_BLOCKS], words[FREE_OFFSET], ret)) {
        executable_memory_deinit(ret);
        return false;
    }
    read_views(clr, words[RW_BLOCKS], ret);
    return true;
}

/* A minidump without a MemoryInfoList does not say what can be written. */
static bool has_no_protections(const struct dump *dump)
{
    return !strcmp(dump->format, "minidump") && !dump->has_memory_info;
}

bool executable_memory_init(const struct clr *clr, struct executable_memory *ret)
{
    const struct dump *dump = clr->target->dump;

    *ret = (struct executable_memory) { 0 };
    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];

        if (range->end <= clr->module->base || range->start >= clr->module->end) continue;
        if (!(range->protection & PROTECTION_WRITE) && !has_no_protections(dump)) continue;
        for (uint64_t addr = range->start; addr + 8 <= range->end;) {
            uint64_t size, word;
            const uint8_t *view = memory_view(clr->memory, addr, range->end - addr, &size);

            if (!view) {
                addr = (addr | PAGE_MASK) + 1;
                continue;
            }
            for (uint64_t off = 0; off + 8 <= size && addr + off + 8 <= range->end; off += 8) {
                word = load_u64(view + off);
                /* Heap pointers only: aligned, and not into the image itself. */
                if (word < 4096 || (word & 15) || (word >= clr->module->base && word < clr->module->end)) continue;
                if (read_allocator(clr, word, ret)) return true;
            }
            addr += size < 8 ? 8 : size & ~UINT64_C(7);
        }
    }
    return false;
}

void executable_memory_deinit(struct executable_memory *memory)
{
    vec_deinit(&memory->blocks);
    vec_deinit(&memory->views);
}
