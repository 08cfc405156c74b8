#include <string.h>
#include <sys/mman.h>

#include "clr/clr.h"
#include "formats/pe.h"

/*
 * Reads absolute words at the export g_dacTable (8.0 and later). The table has no length: it ends at the first word that is neither
 * an address inside the image nor a single 0 between such addresses.
 */
static void dac_table_from_export(const struct target *target, const struct target_module *module, uint64_t addr,
                                  struct dac_table *ret)
{
    ret->addr = addr;
    ret->source = GLOBAL_FROM_DAC_TABLE;
    while (ret->count < DAC_TABLE_MAX) {
        uint64_t word, next;

        if (!memory_try_u64(&target->memory, addr + 8 * ret->count, &word)) break;
        if (word == 0) {
            if (!memory_try_u64(&target->memory, addr + 8 * ret->count + 8, &next) || next < module->base || next >= module->end)
                break;
        } else if (word < module->base || word >= module->end) {
            break;
        }
        ret->words[ret->count++] = word;
    }
}

struct dac_run {
    uint64_t addr;
    uint64_t count;
};

/* The longest run of words of `word_size` bytes in [start, end) whose values all lie in (low, high). */
static void longest_run(const struct memory *memory, uint64_t start, uint64_t end, unsigned word_size, uint64_t low, uint64_t high,
                        struct dac_run *best)
{
    uint64_t addr = start, run = 0;

    while (addr < end) {
        uint64_t size;
        const uint8_t *data = memory_view(memory, addr, end - addr, &size);

        if (!data) {
            addr = (addr | 0xfff) + 1;
            run = 0;
            continue;
        }
        for (uint64_t i = 0; i + word_size <= size; i += word_size) {
            uint64_t word = word_size == 8 ? load_u64(data + i) : load_u32(data + i);

            run = word > low && word < high ? run + 1 : 0;
            if (run > best->count) *best = (struct dac_run) { addr + i + word_size - run * word_size, run };
        }
        addr += size < word_size ? word_size : size & ~(uint64_t)(word_size - 1);
    }
}

/*
 * Without the export: the table is the longest run of pointers into the image in the image's own writable memory. In 3.1 the
 * entries are 32-bit offsets from the image base. Both forms were found so in full and heap dumps of 3.1, 8, 9 and 10.
 */
static bool dac_table_from_scan(const struct target *target, const struct target_module *module, struct dac_table *ret)
{
    enum { SHORTEST_TABLE = 90 };
    struct dac_run absolute = { 0 }, relative = { 0 };
    uint64_t writable = UINT64_MAX;

    for (size_t i = 0; i < target->dump->ranges.count; i++) {
        const struct dump_range *range = &target->dump->ranges.data[i];

        if (range->start < module->base || range->end > module->end || !(range->protection & PROTECTION_WRITE)) continue;
        if (range->start < writable) writable = range->start;
        longest_run(&target->memory, range->start, range->end, 8, module->base, module->end, &absolute);
        longest_run(&target->memory, range->start, range->end, 4, 0, module->end - module->base, &relative);
    }
    ret->source = GLOBAL_FROM_DAC_SCAN;
    if (absolute.count >= SHORTEST_TABLE) {
        ret->count = absolute.count > DAC_TABLE_MAX ? DAC_TABLE_MAX : (uint32_t)absolute.count;
        ret->addr = absolute.addr;
        for (uint32_t i = 0; i < ret->count; i++)
            if (!memory_try_u64(&target->memory, absolute.addr + 8 * i, &ret->words[i])) return false;
        return true;
    }
    if (relative.count < SHORTEST_TABLE) return false;
    ret->addr = relative.addr;
    for (uint64_t i = 0; i < relative.count && ret->count < DAC_TABLE_MAX; i++) {
        uint32_t rva;

        if (!memory_try_u32(&target->memory, relative.addr + 4 * i, &rva)) return false;
        /* A word before the table may look like an offset; the table's first entries are variables, so they are writable. */
        if (ret->count == 0 && module->base + rva < writable) continue;
        ret->words[ret->count++] = module->base + rva;
    }
    return ret->count > 0;
}

/* Copies what the dump has of [addr, addr + size), piece by piece; the rest of `buffer` is left as it is. */
static void memory_read_parts(const struct memory *memory, uint64_t addr, uint8_t *buffer, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        uint64_t piece;
        const uint8_t *view = memory_view(memory, addr + done, size - done, &piece);

        if (!view) {
            done++; /* ranges of a heap dump are smaller than a page */
            continue;
        }
        if (piece > size - done) piece = size - done;
        memcpy(buffer + done, view, piece);
        done += piece;
    }
}

static bool pe_try_open(const uint8_t *bytes, size_t size, struct pe *ret)
{
    struct error *err = pe_open((struct span) { bytes, size }, PE_LAYOUT_MAPPED, ret);

    error_destroy(err);
    return !err;
}

/*
 * Address of a RCDATA resource of a loaded image. Only the headers and the resource directory are looked at, in a sparse copy: the
 * pages between them may be absent, and a heap dump has them in pieces.
 */
static bool find_resource(const struct target *target, const struct target_module *module, const char *name, uint64_t *addr_ret,
                          uint64_t *size_ret)
{
    enum { HEADERS = 4096, IMAGE_MAX = 64 << 20 };
    uint8_t *copy = mmap(NULL, IMAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct pe pe;
    struct pe_directory directory;
    struct span resource;
    bool found = false;

    if (copy == MAP_FAILED) return false;
    memory_read_parts(&target->memory, module->base, copy, HEADERS);
    if (pe_try_open(copy, IMAGE_MAX, &pe)) {
        directory = pe.directories[PE_DIRECTORY_RESOURCE];
        if (directory.rva < IMAGE_MAX && directory.size <= IMAGE_MAX - directory.rva) {
            memory_read_parts(&target->memory, module->base + directory.rva, copy + directory.rva, directory.size);
            found = pe_resource(&pe, PE_RESOURCE_RCDATA, name, &resource);
        }
    }
    if (found) {
        *addr_ret = module->base + (uint64_t)(resource.data - copy);
        *size_ret = resource.size;
    }
    munmap(copy, IMAGE_MAX);
    return found;
}

/*
 * Windows, 6.0 and older: resource RCDATA COREXTERNALDATAACCESSRESOURCE holds {u32 globals, u32 vtables, u32 timestamp, 3 x u32 0}
 * and then as many RVAs.
 */
static bool dac_table_from_resource(const struct target *target, const struct target_module *module, struct dac_table *ret)
{
    uint64_t addr, size;
    uint32_t head[6], total;

    if (!module->is_pe || !find_resource(target, module, "COREXTERNALDATAACCESSRESOURCE", &addr, &size) || size < sizeof(head))
        return false;
    if (!memory_try_read(&target->memory, addr, head, sizeof(head)) || head[2] != module->timestamp) return false;
    if (head[0] > DAC_TABLE_MAX || head[1] > DAC_TABLE_MAX) return false;
    total = head[0] + head[1];
    if (total > DAC_TABLE_MAX || sizeof(head) + 4ull * total > size) return false;
    ret->source = GLOBAL_FROM_DAC_TABLE;
    ret->addr = addr;
    for (uint32_t i = 0; i < total; i++) {
        uint32_t rva;

        if (!memory_try_u32(&target->memory, addr + sizeof(head) + 4ull * i, &rva)) return false;
        ret->words[ret->count++] = rva ? module->base + rva : 0;
    }
    return true;
}

bool dac_table_read(const struct target *target, const struct target_module *module, struct dac_table *ret)
{
    uint64_t addr;

    *ret = (struct dac_table) { 0 };
    if (target_export(target, module, "g_dacTable", &addr)) {
        dac_table_from_export(target, module, addr, ret);
        if (ret->count) return true;
    }
    *ret = (struct dac_table) { 0 };
    if (dac_table_from_resource(target, module, ret)) return true;
    *ret = (struct dac_table) { 0 };
    return dac_table_from_scan(target, module, ret);
}
