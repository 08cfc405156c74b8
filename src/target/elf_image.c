#include "target/elf_image.h"

#include <elf.h>

#include "formats/elf.h"

enum { MAX_HEADERS = 128, MAX_DYNAMIC = 512, MAX_NOTES_SIZE = 4096, MAX_NAME = 512, PAGE = 4096 };
enum { MAX_CHAIN = 1 << 20, MAX_RELOCATIONS = 1 << 22 };

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

static uint64_t page_down(uint64_t addr)
{
    return addr & ~(uint64_t)(PAGE - 1);
}

static bool read_file(const struct elf_image *image, uint64_t vaddr, void *buffer, size_t size)
{
    for (uint32_t i = 0; i < image->load_count; i++) {
        const struct elf_load *load = &image->loads[i];
        uint64_t skipped = vaddr - load->vaddr, off;
        struct span part;
        if (vaddr < load->vaddr || skipped > load->file_size || size > load->file_size - skipped) continue;
        if (__builtin_add_overflow(load->file_off, skipped, &off) || !span_slice(image->file, off, size, &part)) return false;
        memcpy(buffer, part.data, size);
        return true;
    }
    return false;
}

static bool read_memory(const struct elf_image *image, uint64_t addr, void *buffer, size_t size)
{
    uint8_t *to = buffer;

    if (!image->dumped_only) return memory_try_read(image->memory, addr, buffer, size);
    while (size > 0) {
        uint64_t got;
        const uint8_t *bytes = memory_view_dumped(image->memory, addr, size, &got);
        if (!bytes) return false;
        memcpy(to, bytes, (size_t)got);
        to += got;
        addr += got;
        size -= (size_t)got;
    }
    return true;
}

bool elf_image_read(const struct elf_image *image, uint64_t vaddr, void *buffer, size_t size)
{
    return image->memory ? read_memory(image, image->bias + vaddr, buffer, size) : read_file(image, vaddr, buffer, size);
}

/* Before the loads are known: headers lie at file offsets, and the first pages are mapped from offset 0 on. */
static bool read_start(const struct elf_image *image, uint64_t off, void *buffer, size_t size)
{
    struct span part;

    if (image->memory) return read_memory(image, image->base + off, buffer, size);
    if (!span_slice(image->file, off, size, &part)) return false;
    memcpy(buffer, part.data, size);
    return true;
}

static void take_load(struct elf_image *image, const Elf64_Phdr *header)
{
    uint64_t end;

    if (image->load_count == ELF_IMAGE_MAX_LOADS || header->p_filesz > header->p_memsz) return;
    if (__builtin_add_overflow(header->p_vaddr, header->p_memsz, &end) || end > UINT64_MAX - PAGE) return;
    end = page_down(end + PAGE - 1);
    if (image->load_count == 0 || header->p_vaddr < image->low) image->low = page_down(header->p_vaddr);
    if (end > image->high) image->high = end;
    image->loads[image->load_count++] = (struct elf_load) {
        .vaddr = header->p_vaddr,
        .file_off = header->p_offset,
        .file_size = header->p_filesz,
        .mem_size = header->p_memsz,
        .writable = header->p_flags & PF_W,
        .executable = header->p_flags & PF_X,
    };
}

uint64_t elf_image_start(const struct elf_image *image)
{
    for (uint32_t i = 0; i < image->load_count; i++) {
        if (image->loads[i].file_off < PAGE) return image->loads[i].vaddr - image->loads[i].file_off;
    }
    return image->low;
}

static void find_build_id(struct elf_image *image, const Elf64_Phdr *header)
{
    uint8_t bytes[MAX_NOTES_SIZE];
    struct span span = { bytes, header->p_filesz < sizeof(bytes) ? (size_t)header->p_filesz : sizeof(bytes) };
    struct elf_notes notes;
    struct elf_note note;

    if (image->build_id_size || !elf_image_read(image, header->p_vaddr, bytes, span.size)) return;
    elf_notes_begin(&notes, span, header->p_align);
    while (elf_notes_next(&notes, &note)) {
        if (!elf_note_is(&note, "GNU", NT_GNU_BUILD_ID) || note.truncated || note.desc.size > ELF_IMAGE_MAX_BUILD_ID) continue;
        memcpy(image->build_id, note.desc.data, note.desc.size);
        image->build_id_size = (uint32_t)note.desc.size;
        return;
    }
}

static void take_header(struct elf_image *image, const Elf64_Phdr *header)
{
    uint64_t end;

    if (header->p_type == PT_DYNAMIC) {
        image->dynamic = header->p_vaddr;
        image->dynamic_size = header->p_memsz;
    } else if (header->p_type == PT_GNU_RELRO && !__builtin_add_overflow(header->p_vaddr, header->p_memsz, &end)) {
        image->relro = page_down(header->p_vaddr);
        image->relro_end = page_down(end); /* ld.so protects whole pages only */
    } else if (header->p_type == PT_NOTE) {
        find_build_id(image, header);
    }
}

static bool read_headers(struct elf_image *image)
{
    Elf64_Ehdr start;
    Elf64_Phdr headers[MAX_HEADERS];
    uint32_t count;

    if (!read_start(image, 0, &start, sizeof(start)) || memcmp(start.e_ident, ELFMAG, SELFMAG) != 0) return false;
    if (start.e_ident[EI_CLASS] != ELFCLASS64 || start.e_ident[EI_DATA] != ELFDATA2LSB) return false;
    count = start.e_phnum < MAX_HEADERS ? start.e_phnum : MAX_HEADERS;
    if (start.e_phentsize != sizeof(Elf64_Phdr) || !read_start(image, start.e_phoff, headers, count * sizeof(Elf64_Phdr)))
        return false;
    image->machine = start.e_machine;
    for (uint32_t i = 0; i < count; i++) {
        if (headers[i].p_type == PT_LOAD) take_load(image, &headers[i]);
    }
    if (image->load_count == 0) return false;
    if (image->memory) image->bias = image->base - elf_image_start(image);
    for (uint32_t i = 0; i < count; i++)
        take_header(image, &headers[i]);
    return true;
}

bool elf_image_from_memory(const struct memory *memory, uint64_t base, bool dumped_only, struct elf_image *ret)
{
    struct elf_image image = { .memory = memory, .base = base, .dumped_only = dumped_only };

    if (!read_headers(&image)) return false;
    *ret = image;
    return true;
}

bool elf_image_from_file(struct span file, struct elf_image *ret)
{
    struct elf_image image = { .file = file };

    if (!read_headers(&image)) return false;
    *ret = image;
    return true;
}

const struct elf_load *elf_image_load_at(const struct elf_image *image, uint64_t vaddr)
{
    for (uint32_t i = 0; i < image->load_count; i++) {
        const struct elf_load *load = &image->loads[i];
        uint64_t start = page_down(load->vaddr), end = page_down(load->vaddr + load->mem_size + PAGE - 1);
        if (vaddr >= start && vaddr < end) return load;
    }
    return NULL;
}

/* What is needed of the dynamic section. */
struct dynamic {
    uint64_t hash, gnu_hash, strings, symbols;
    uint64_t rela, rela_size, plt, plt_size, relr, relr_size;
};

/* glibc adds the bias to these addresses once an image is loaded, musl does not. */
static uint64_t as_vaddr(const struct elf_image *image, uint64_t value)
{
    bool is_vaddr = value >= image->low && value < image->high;
    bool is_absolute = value - image->bias >= image->low && value - image->bias < image->high;

    return is_absolute && !is_vaddr ? value - image->bias : value;
}

static void take_dynamic(const struct elf_image *image, const Elf64_Dyn *entry, struct dynamic *dynamic)
{
    const struct {
        int64_t tag;
        uint64_t *address, *size;
    } wanted[] = {
        { DT_HASH, &dynamic->hash, NULL },        { DT_GNU_HASH, &dynamic->gnu_hash, NULL },
        { DT_STRTAB, &dynamic->strings, NULL },   { DT_SYMTAB, &dynamic->symbols, NULL },
        { DT_RELA, &dynamic->rela, NULL },        { DT_RELR, &dynamic->relr, NULL },
        { DT_RELASZ, NULL, &dynamic->rela_size }, { DT_RELRSZ, NULL, &dynamic->relr_size },
        { DT_JMPREL, &dynamic->plt, NULL },       { DT_PLTRELSZ, NULL, &dynamic->plt_size },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        if (wanted[i].tag != entry->d_tag) continue;
        if (wanted[i].address) *wanted[i].address = as_vaddr(image, entry->d_un.d_ptr);
        if (wanted[i].size) *wanted[i].size = entry->d_un.d_val;
    }
}

static bool read_dynamic(const struct elf_image *image, struct dynamic *ret)
{
    uint64_t count = image->dynamic_size / sizeof(Elf64_Dyn);

    *ret = (struct dynamic) { 0 };
    for (uint64_t i = 0; i < count && i < MAX_DYNAMIC; i++) {
        Elf64_Dyn entry;
        if (!elf_image_read(image, image->dynamic + i * sizeof(entry), &entry, sizeof(entry))) return false;
        if (entry.d_tag == DT_NULL) break;
        take_dynamic(image, &entry, ret);
    }
    return ret->symbols && ret->strings;
}

static bool read_symbol(const struct elf_image *image, const struct dynamic *dynamic, uint64_t index, Elf64_Sym *ret)
{
    return elf_image_read(image, dynamic->symbols + index * sizeof(*ret), ret, sizeof(*ret));
}

/* Is the symbol defined here, with that name? Of its name no more than `name` is read. */
static bool symbol_is(const struct elf_image *image, const struct dynamic *dynamic, uint64_t index, const char *name, uint64_t *ret)
{
    size_t size = strlen(name) + 1;
    char found[MAX_NAME];
    Elf64_Sym symbol;

    if (size > sizeof(found) || !read_symbol(image, dynamic, index, &symbol) || symbol.st_shndx == SHN_UNDEF) return false;
    if (!elf_image_read(image, dynamic->strings + symbol.st_name, found, size) || memcmp(found, name, size) != 0) return false;
    *ret = symbol.st_value;
    return true;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;

    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

/*
 * Header {buckets, first symbol, bloom words, bloom shift}, the bloom filter's 64-bit words, buckets (index of a first symbol),
 * then one hash for each symbol; its bit 0 ends the chain.
 */
static bool gnu_lookup(const struct elf_image *image, const struct dynamic *dynamic, const char *name, uint64_t *ret)
{
    uint32_t header[4], index, wanted = gnu_hash(name);
    uint64_t buckets, hashes;

    if (!elf_image_read(image, dynamic->gnu_hash, header, sizeof(header)) || header[0] == 0) return false;
    buckets = dynamic->gnu_hash + sizeof(header) + 8 * (uint64_t)header[2];
    hashes = buckets + 4 * (uint64_t)header[0];
    if (!elf_image_read(image, buckets + 4 * (uint64_t)(wanted % header[0]), &index, 4) || index < header[1]) return false;
    for (uint32_t i = 0; i < MAX_CHAIN; i++, index++) {
        uint32_t hash;
        if (!elf_image_read(image, hashes + 4 * (uint64_t)(index - header[1]), &hash, 4)) return false;
        if ((hash | 1) == (wanted | 1) && symbol_is(image, dynamic, index, name, ret)) return true;
        if (hash & 1) return false;
    }
    return false;
}

/*
 * Without the hash table (absent from heap dumps of 3.1). DT_HASH says how many symbols there are; else the string table follows
 * them, as every linker lays it out.
 */
static bool linear_lookup(const struct elf_image *image, const struct dynamic *dynamic, const char *name, uint64_t *ret)
{
    uint64_t count = dynamic->strings > dynamic->symbols ? (dynamic->strings - dynamic->symbols) / sizeof(Elf64_Sym) : 0;
    uint32_t header[2];

    if (dynamic->hash && elf_image_read(image, dynamic->hash, header, sizeof(header))) count = header[1];
    for (uint64_t i = 1; i < count && i < MAX_CHAIN; i++) {
        if (symbol_is(image, dynamic, i, name, ret)) return true;
    }
    return false;
}

bool elf_image_symbol(const struct elf_image *image, const char *name, uint64_t *vaddr_ret)
{
    struct dynamic dynamic;
    uint32_t word;

    if (!read_dynamic(image, &dynamic)) return false;
    if (dynamic.gnu_hash && elf_image_read(image, dynamic.gnu_hash, &word, 4)) return gnu_lookup(image, &dynamic, name, vaddr_ret);
    return linear_lookup(image, &dynamic, name, vaddr_ret);
}

/* The relocations that are understood, by machine. */
static const struct relocation_types {
    uint16_t machine;
    uint32_t relative, absolute, got;
} relocation_types[] = {
    { ELF_MACHINE_X64, R_X86_64_RELATIVE, R_X86_64_64, R_X86_64_GLOB_DAT },
    { ELF_MACHINE_ARM64, R_AARCH64_RELATIVE, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT },
};

struct relocation {
    const struct elf_image *image;
    const struct relocation_types *types;
    struct dynamic dynamic;
    uint64_t bias;
    void (*set)(void *user, uint64_t vaddr, const uint64_t *value);
    void *user;
};

static bool rela_value(const struct relocation *relocation, const Elf64_Rela *rela, uint64_t *ret)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
    Elf64_Sym symbol = { 0 };

    if (type != relocation->types->relative) {
        if (type != relocation->types->absolute && type != relocation->types->got) return false;
        if (!read_symbol(relocation->image, &relocation->dynamic, ELF64_R_SYM(rela->r_info), &symbol)) return false;
        if (symbol.st_shndx == SHN_UNDEF) return false;
    }
    *ret = relocation->bias + symbol.st_value + (uint64_t)rela->r_addend;
    return true;
}

static void apply_table(const struct relocation *relocation, uint64_t table, uint64_t size)
{
    for (uint64_t i = 0; i < size / sizeof(Elf64_Rela) && i < MAX_RELOCATIONS; i++) {
        Elf64_Rela rela;
        uint64_t value;
        bool is_known;
        if (!elf_image_read(relocation->image, table + i * sizeof(rela), &rela, sizeof(rela))) return;
        is_known = rela_value(relocation, &rela, &value);
        relocation->set(relocation->user, rela.r_offset, is_known ? &value : NULL);
    }
}

static void apply_in_place(const struct relocation *relocation, uint64_t vaddr)
{
    uint64_t value;

    if (!elf_image_read(relocation->image, vaddr, &value, 8)) return;
    value += relocation->bias;
    relocation->set(relocation->user, vaddr, &value);
}

/* RELR: an even word is an address to relocate; an odd one is a bitmap of the 63 words that follow. The addend lies in place. */
static void apply_relr(const struct relocation *relocation)
{
    uint64_t next = 0, word;

    for (uint64_t i = 0; i < relocation->dynamic.relr_size / 8 && i < MAX_RELOCATIONS; i++) {
        if (!elf_image_read(relocation->image, relocation->dynamic.relr + 8 * i, &word, 8)) return;
        if (!(word & 1)) {
            apply_in_place(relocation, word);
            next = word + 8;
            continue;
        }
        for (uint32_t bit = 1; bit < 64; bit++) {
            if (word >> bit & 1) apply_in_place(relocation, next + 8 * (uint64_t)(bit - 1));
        }
        next += 8 * 63;
    }
}

static void relocate_with(struct relocation *relocation)
{
    if (!read_dynamic(relocation->image, &relocation->dynamic)) return;
    apply_table(relocation, relocation->dynamic.rela, relocation->dynamic.rela_size);
    apply_table(relocation, relocation->dynamic.plt, relocation->dynamic.plt_size);
    apply_relr(relocation);
}

void elf_image_relocate(const struct elf_image *image, uint64_t bias,
                        void (*set)(void *user, uint64_t vaddr, const uint64_t *value), void *user)
{
    for (size_t i = 0; i < sizeof(relocation_types) / sizeof(*relocation_types); i++) {
        struct relocation relocation = {
            .image = image,
            .types = &relocation_types[i],
            .bias = bias,
            .set = set,
            .user = user,
        };
        if (relocation_types[i].machine == image->machine) relocate_with(&relocation);
    }
}
