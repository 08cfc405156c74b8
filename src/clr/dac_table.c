#include <string.h>
#include <sys/mman.h>

#include "clr/clr.h"
#include "clr/gc_heap.h"
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

/* Where to look for the table: the image's own writable memory, and what its words may be. */
struct dac_scan {
    const struct memory *memory;
    const struct target_module *module;
    uint64_t writable;  /* where it begins */
    unsigned word_size; /* 8: addresses; 4: offsets from the image base */
    uint64_t best_addr, best_count;
};

static uint64_t scan_word(const struct dac_scan *scan, const uint8_t *bytes)
{
    return scan->word_size == 8 ? load_u64(bytes) : scan->module->base + load_u32(bytes);
}

/*
 * The linker's own tables are longer runs of pointers into the image; but only the DAC's leads to the GC's variables: by the
 * pointer that one of its entries is the address of.
 */
static bool run_is_table(const struct dac_scan *scan, uint64_t addr, uint64_t count)
{
    enum { SHORTEST_TABLE = 90 };

    if (count < SHORTEST_TABLE) return false;
    for (uint64_t i = 0; i < count && i < DAC_TABLE_MAX; i++) {
        uint8_t raw[8];
        uint64_t pointer;
        struct gc_vars vars;

        if (memory_try_read(scan->memory, addr + i * scan->word_size, raw, scan->word_size) &&
            memory_try_u64(scan->memory, scan_word(scan, raw), &pointer) && gc_vars_check(scan->memory, pointer, &vars))
            return true;
    }
    return false;
}

static void scan_take(struct dac_scan *scan, uint64_t end, uint64_t count)
{
    uint64_t addr = end - count * scan->word_size;

    if (count <= scan->best_count || !run_is_table(scan, addr, count)) return;
    scan->best_addr = addr;
    scan->best_count = count;
}

/* The longest run in [start, end) of words that lead into the image. */
static void scan_range(struct dac_scan *scan, uint64_t start, uint64_t end)
{
    uint64_t addr = start, run = 0;

    while (addr < end) {
        uint64_t size, i;
        const uint8_t *data = memory_view(scan->memory, addr, end - addr, &size);

        if (!data) {
            scan_take(scan, addr, run);
            addr = (addr | 0xfff) + 1;
            run = 0;
            continue;
        }
        for (i = 0; i + scan->word_size <= size; i += scan->word_size) {
            uint64_t word = scan_word(scan, data + i);

            if (word > scan->module->base && word < scan->module->end) {
                run++;
                continue;
            }
            scan_take(scan, addr + i, run);
            run = 0;
        }
        addr += size < scan->word_size ? scan->word_size : i;
    }
    scan_take(scan, addr, run);
}

/* The writable part of the image that a range of the dump covers; false when there is none. */
static bool writable_part(const struct target_module *module, const struct dump_range *range, uint64_t *start_ret,
                          uint64_t *end_ret)
{
    *start_ret = range->start < module->base ? module->base : range->start;
    *end_ret = range->end > module->end ? module->end : range->end; /* .bss ends inside a page */
    return *start_ret < *end_ret && (range->protection & PROTECTION_WRITE);
}

static void scan_image(struct dac_scan *scan, const struct dump *dump)
{
    uint64_t start, end;

    scan->writable = UINT64_MAX;
    for (size_t i = 0; i < dump->ranges.count; i++) {
        if (!writable_part(scan->module, &dump->ranges.data[i], &start, &end)) continue;
        if (start < scan->writable) scan->writable = start;
    }
    for (size_t i = 0; i < dump->ranges.count; i++)
        if (writable_part(scan->module, &dump->ranges.data[i], &start, &end)) scan_range(scan, start, end);
}

/* The words of the table: the run, and what follows it behind a few null entries (functions of other systems, then vtables). */
static void scan_read(const struct dac_scan *scan, struct dac_table *ret)
{
    enum { NULLS_MAX = 8 };
    uint32_t nulls = 0;

    for (uint64_t i = 0; ret->count < DAC_TABLE_MAX; i++) {
        uint8_t raw[8];
        uint64_t word;

        if (!memory_try_read(scan->memory, scan->best_addr + i * scan->word_size, raw, scan->word_size)) break;
        word = scan_word(scan, raw);
        /* A word before the table may look like an address in the image; the table's first entries are variables. */
        if (ret->count == 0 && word < scan->writable) continue;
        if (word <= scan->module->base || word >= scan->module->end) {
            bool is_null = word == (scan->word_size == 8 ? 0 : scan->module->base);

            if (!is_null || nulls++ >= NULLS_MAX) break;
            word = 0;
        } else {
            nulls = 0;
        }
        ret->words[ret->count++] = word;
    }
    while (ret->count && !ret->words[ret->count - 1])
        ret->count--;
}

/*
 * Without the export. In 3.1 the entries are 32-bit offsets from the image base. Both forms were found so in full and heap dumps
 * of 3.1, 8, 9 and 10 on Linux.
 */
static bool dac_table_from_scan(const struct target *target, const struct target_module *module, struct dac_table *ret)
{
    struct dac_scan scan = { .memory = &target->memory, .module = module, .word_size = 8 };

    scan_image(&scan, target->dump);
    if (!scan.best_count) {
        scan.word_size = 4;
        scan_image(&scan, target->dump);
    }
    ret->source = GLOBAL_FROM_DAC_SCAN;
    ret->addr = scan.best_addr;
    if (scan.best_count) scan_read(&scan, ret);
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
