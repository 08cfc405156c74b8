/*
 * Linux cores: of the kernel, of gdb's gcore, of .NET's createdump.
 *
 *     PT_LOAD headers -> ranges      notes -> threads, mapped files, process (elf_core_notes.c)
 *
 * What each writer puts where (measured, and linux fs/binfmt_elf.c, gdb gcore.c, dotnet/runtime src/coreclr/debug/createdump):
 *
 *     kernel      a header for every mapping; flags 0 = no access; p_filesz < p_memsz where pages were left out
 *     gcore       every mapping that the process may read, and those without access as zeros with flags R
 *     createdump  only what is in the file, p_filesz = p_memsz; one page of its own at 0x7ffffff10000
 */
#include <stdlib.h>

#include "dump/core_notes.h"
#include "dump/dump.h"
#include "dump/elf_core_notes.h"
#include "formats/elf.h"

/* createdump specialdiaginfo.h: the page's address on 64-bit hosts, and how it begins. */
#define DIAG_INFO_ADDR UINT64_C(0x7ffffff10000)
static const char diag_info_magic[] = "DIAGINFOHEADER";

enum {
    PAGE = 4096,
    CHECK_CHUNK = 1 << 20,
    SEGMENTS_MAX = 1 << 24, /* a process of the default vm.max_map_count has 65,530 */
};

struct core {
    struct dump *dump;
    struct gaps *gaps;
    struct elf elf;
    struct elf_core_traces traces;
    bool by_createdump;
    bool has_partial; /* a range without access, or with p_filesz < p_memsz */
    bool is_unaligned;
    uint64_t missing_size, missing_count; /* promised by headers, behind the end of the file */
};

static bool core_probe(struct span bytes)
{
    uint16_t type;

    /* Other classes and byte orders too, so that `open` can say what is wrong with them. */
    return elf_probe(bytes) && span_u16(bytes, 16, &type) && (type == ELF_TYPE_CORE || type == ELF_TYPE_CORE << 8);
}

static uint8_t protection_of(uint32_t flags)
{
    return (uint8_t)((flags & ELF_SEGMENT_READ ? PROTECTION_READ : 0) | (flags & ELF_SEGMENT_WRITE ? PROTECTION_WRITE : 0) |
                     (flags & ELF_SEGMENT_EXEC ? PROTECTION_EXEC : 0));
}

/* How many of the segment's bytes the file really holds. */
static uint64_t present_size(struct core *core, const struct elf_segment *segment)
{
    uint64_t file_size = segment->file_size < segment->mem_size ? segment->file_size : segment->mem_size;
    uint64_t room = span_from(core->dump->file->bytes, segment->off).size;

    if (file_size <= room) return file_size;
    core->missing_size += file_size - room;
    core->missing_count++;
    return room;
}

/* A page at that address that a cut file promises but lacks is taken for it too. */
static bool is_diag_info(const struct core *core, const struct elf_segment *segment, const struct dump_range *range)
{
    struct span page;

    if (range->start != DIAG_INFO_ADDR || segment->file_size != segment->mem_size) return false;
    if (range->file_size < sizeof(diag_info_magic)) return range->file_size == 0;
    if (!byte_file_ensure(core->dump->file, range->file_off, sizeof(diag_info_magic))) return false;
    return span_slice(core->dump->file->bytes, range->file_off, sizeof(diag_info_magic), &page) &&
           !memcmp(page.data, diag_info_magic, page.size);
}

static struct error *add_load(struct core *core, const struct elf_segment *segment)
{
    struct dump_range range = {
        .start = segment->addr,
        .file_off = segment->off,
        .protection = protection_of(segment->flags),
        .state = RANGE_COMMIT,
    };

    if (segment->mem_size == 0) return NULL;
    if (__builtin_add_overflow(segment->addr, segment->mem_size, &range.end)) {
        gaps_add(core->gaps, "memory range", segment->addr, 1, "it ends outside the address space");
        return NULL;
    }
    range.file_size = present_size(core, segment);
    if (is_diag_info(core, segment, &range)) {
        core->by_createdump = true;
        return NULL;
    }
    if (segment->file_size < segment->mem_size || range.protection == 0) core->has_partial = true;
    if (segment->off % PAGE) core->is_unaligned = true;
    if (range.protection == 0) {
        range.state = RANGE_RESERVE;
        range.file_size = 0; /* the kernel writes zeros for what is shared */
    }
    if (!range.file_size) range.file_off = 0;
    return vec_push(&core->dump->ranges, range) ? NULL : &error_enomem;
}

static struct error *read_note_segment(struct core *core, const struct elf_segment *segment, uint64_t *budget)
{
    struct span notes = span_from(core->dump->file->bytes, segment->off);

    if (notes.size < segment->file_size) {
        gaps_add(core->gaps, "notes of the core", 0, 1, "%llu of %llu bytes are behind the end of the file",
                 (unsigned long long)(segment->file_size - notes.size), (unsigned long long)segment->file_size);
        core->dump->truncated = true;
    } else {
        notes.size = (size_t)segment->file_size;
    }
    if (notes.size > *budget) {
        gaps_add(core->gaps, "notes of the core", 0, 1, "several headers point at the same bytes");
        return NULL;
    }
    *budget -= notes.size;
    if (!byte_file_ensure(core->dump->file, segment->off, notes.size)) {
        gaps_add(core->gaps, "notes of the core", 0, 1, "they cannot be read");
        return NULL;
    }
    return elf_core_read_notes(core->dump, notes, segment->align, core->elf.machine, &core->traces, core->gaps);
}

static struct error *read_segments(struct core *core)
{
    uint64_t note_budget = core->elf.bytes.size;

    for (uint64_t i = 0; i < core->elf.segment_count; i++) {
        struct elf_segment segment = elf_segment(&core->elf, i);
        if (segment.type == ELF_SEGMENT_LOAD) TRY(add_load(core, &segment));
        if (segment.type == ELF_SEGMENT_NOTE) TRY(read_note_segment(core, &segment, &note_budget));
    }
    return NULL;
}

static void report_missing(struct core *core)
{
    const struct elf *elf = &core->elf;

    if (elf->segment_promised == ELF_SEGMENTS_UNKNOWN) {
        core->dump->truncated = true;
        gaps_add(core->gaps, "core", 0, 1, "the file is cut off: the number of its headers is lost, %llu were found",
                 (unsigned long long)elf->segment_count);
    } else if (elf->segment_count < elf->segment_promised) {
        core->dump->truncated = true;
        gaps_add(core->gaps, "core", 0, elf->segment_promised - elf->segment_count, "the file is cut off within its %llu headers",
                 (unsigned long long)elf->segment_promised);
    }
    if (core->missing_count) {
        core->dump->truncated = true;
        gaps_add(core->gaps, "memory range", 0, core->missing_count, "the file is cut off: %llu bytes of memory are missing",
                 (unsigned long long)core->missing_size);
    }
}

static int compare_ranges(const void *a, const void *b)
{
    const struct dump_range *x = a, *y = b;

    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    return x->file_off < y->file_off ? -1 : x->file_off > y->file_off;
}

/* Cuts off the first `size` bytes. */
static void range_advance(struct dump_range *range, uint64_t size)
{
    uint64_t skipped = size < range->file_size ? size : range->file_size;

    range->start += size;
    range->file_off += skipped;
    range->file_size -= skipped;
}

/* Overlaps happen only in damaged or forged cores: what begins first keeps its addresses. */
static void sort_ranges(struct core *core)
{
    struct dump_range *all = core->dump->ranges.data;
    size_t kept = 0;
    uint64_t end = 0;

    vec_sort(&core->dump->ranges, compare_ranges);
    for (size_t i = 0; i < core->dump->ranges.count; i++) {
        struct dump_range range = all[i];
        if (range.start < end) {
            gaps_add(core->gaps, "memory range", range.start, 1, "it overlaps with the one before");
            if (range.end <= end) continue;
            range_advance(&range, end - range.start);
        }
        end = range.end;
        all[kept++] = range;
    }
    core->dump->ranges.count = kept;
}

static int compare_file_maps(const void *a, const void *b)
{
    const struct dump_file_map *x = a, *y = b;

    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->file_off < y->file_off ? -1 : x->file_off > y->file_off;
}

static bool is_zero(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct span bytes;

    while (size > 0) {
        uint64_t chunk = size < CHECK_CHUNK ? size : CHECK_CHUNK;
        if (!byte_file_ensure(file, off, chunk) || !span_slice(file->bytes, off, chunk, &bytes)) return false;
        if (bytes.data[0] || memcmp(bytes.data, bytes.data + 1, bytes.size - 1)) return false;
        byte_file_forget_zeros(file, off, chunk);
        off += chunk;
        size -= chunk;
    }
    return true;
}

static bool is_memfd(const struct dump_file_map *map)
{
    return !strncmp(map->path, "/memfd:", 7);
}

/* gcore's ranges without access: read-only, of no file, all zero. */
static void find_reserved(struct core *core)
{
    for (size_t i = 0; i < core->dump->ranges.count; i++) {
        struct dump_range *range = &core->dump->ranges.data[i];
        const struct dump_file_map *map = dump_file_map_at(core->dump, range->start);
        if (range->protection != PROTECTION_READ || (map && !is_memfd(map))) continue;
        if (!is_zero(core->dump->file, range->file_off, range->file_size)) continue;
        range->protection = 0;
        range->state = RANGE_RESERVE;
        range->file_size = 0;
    }
}

/* Of the bytes that files are mapped at, how many the core's headers cover. */
static bool has_most_of_files(const struct dump *dump)
{
    uint64_t mapped = 0, covered = 0;
    size_t k = 0;

    for (size_t i = 0; i < dump->file_maps.count; i++) {
        const struct dump_file_map *map = &dump->file_maps.data[i];
        mapped += map->end - map->start;
        while (k < dump->ranges.count && dump->ranges.data[k].end <= map->start)
            k++;
        for (size_t j = k; j < dump->ranges.count && dump->ranges.data[j].start < map->end; j++) {
            const struct dump_range *range = &dump->ranges.data[j];
            covered += (range->end < map->end ? range->end : map->end) - (range->start > map->start ? range->start : map->start);
            k = j;
        }
    }
    return mapped && covered >= mapped - mapped / 4;
}

/*
 * A mini dump holds a stack from the stack pointer on; a heap dump holds the whole mapping of it. (The runtime's other memory
 * cannot be told apart without knowing the runtime.)
 */
static bool has_whole_stacks(const struct dump *dump)
{
    enum { SLACK = 4 * PAGE };
    size_t whole = 0, seen = 0;

    for (size_t i = 0; i < dump->threads.count; i++) {
        uint64_t sp = dump->threads.data[i].sp;
        const struct dump_range *range = dump_range_at(dump, sp);
        if (!range) continue;
        seen++;
        if (sp - range->start > SLACK) whole++;
    }
    return seen && whole * 2 > seen;
}

static const char *createdump_kind(const struct dump *dump)
{
    if (has_most_of_files(dump)) return "full";
    if (has_whole_stacks(dump)) return "heap";
    return "mini"; /* or triage: nothing in the file tells them apart */
}

static const char *core_kind(const struct core *core)
{
    if (core->by_createdump) return createdump_kind(core->dump);
    if (core->traces.has_gdb_note) return "gcore";
    if (core->has_partial && !core->is_unaligned) return "kernel";
    if (core->traces.has_linux_note) return core->is_unaligned ? "gcore" : "kernel";
    /* createdump before .NET 5 has no page of its own, and writes no notes but the classic ones. */
    return core->dump->threads.count && core->dump->file_maps.count ? createdump_kind(core->dump) : "unknown";
}

/* Reads the headers after making them valid: they may lie in compressed frames. */
static struct error *open_headers(struct core *core)
{
    struct byte_file *file = core->dump->file;
    uint64_t sections_off;

    if (span_u64(file->bytes, ELF_SECTIONS_OFF, &sections_off) && span_holds(file->bytes, sections_off, ELF_SECTION_SIZE))
        byte_file_ensure(file, sections_off, ELF_SECTION_SIZE);
    TRY(elf_open(file->bytes, &core->elf));
    if (core->elf.segment_count > SEGMENTS_MAX) {
        gaps_add(core->gaps, "memory range", 0, core->elf.segment_count - SEGMENTS_MAX, "limit of %d program headers",
                 SEGMENTS_MAX);
        core->elf.segment_count = SEGMENTS_MAX;
    }
    if (!byte_file_ensure(file, core->elf.segments_off, core->elf.segment_count * ELF_SEGMENT_SIZE))
        gaps_add(core->gaps, "program headers of the core", 0, 1, "a part of them cannot be read");
    return NULL;
}

static struct error *core_open(struct dump *dump, struct gaps *gaps)
{
    struct core core = { .dump = dump, .gaps = gaps };

    TRY(open_headers(&core));
    dump->os = "linux";
    dump->arch = elf_machine_name(core.elf.machine);
    if (core.elf.machine != ELF_MACHINE_X64 && core.elf.machine != ELF_MACHINE_ARM64)
        return error_create(ERROR_UNSUPPORTED, "core of machine %u (%s), only x64 and arm64 are supported", core.elf.machine,
                            dump->arch ? dump->arch : "unknown");
    TRY(read_segments(&core));
    report_missing(&core);
    sort_ranges(&core);
    vec_sort(&dump->file_maps, compare_file_maps);
    dump->kind = dump->told_kind ? dump->told_kind : core_kind(&core);
    core_note_name_threads(dump, dump->own_note);
    if (!strcmp(dump->kind, "gcore")) find_reserved(&core);
    if (!dump->ranges.count) return error_create(ERROR_BAD_DATA, "the core holds no memory");
    return NULL;
}

const struct dump_format dump_format_elf_core = {
    .name = "elf-core",
    .probe = core_probe,
    .open = core_open,
};
