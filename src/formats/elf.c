#include "formats/elf.h"

/* Offsets in the file header and in program headers: gABI figures 4-3 and 5-1, 64-bit forms. */
enum {
    EI_CLASS = 4,
    EI_DATA = 5,
    E_TYPE = 16,
    E_MACHINE = 18,
    E_PHOFF = 32,
    E_PHENTSIZE = 54,
    E_PHNUM = 56,
    SH_INFO = 44,
    PN_XNUM = 0xffff,
};

enum { CLASS_32 = 1, CLASS_64 = 2, DATA_LITTLE = 1, DATA_BIG = 2 };
enum { NOTE_HEADER_SIZE = 12 };

bool elf_probe(struct span bytes)
{
    return bytes.size >= 4 && !memcmp(bytes.data, "\177ELF", 4);
}

const char *elf_machine_name(uint16_t machine)
{
    switch (machine) {
    case ELF_MACHINE_X64:
        return "x64";
    case ELF_MACHINE_ARM64:
        return "arm64";
    case ELF_MACHINE_X86:
        return "x86";
    case ELF_MACHINE_ARM:
        return "arm";
    default:
        return NULL;
    }
}

static struct error *check_ident(struct span bytes)
{
    if (!elf_probe(bytes)) return error_create(ERROR_BAD_DATA, "no ELF header");
    if (bytes.size <= EI_DATA) return error_create(ERROR_BAD_DATA, "ELF header cut off after %zu bytes", bytes.size);
    if (bytes.data[EI_CLASS] == CLASS_32) return error_create(ERROR_UNSUPPORTED, "32-bit ELF is not supported");
    if (bytes.data[EI_DATA] == DATA_BIG) return error_create(ERROR_UNSUPPORTED, "big endian ELF is not supported");
    if (bytes.data[EI_CLASS] != CLASS_64 || bytes.data[EI_DATA] != DATA_LITTLE)
        return error_create(ERROR_BAD_DATA, "unknown ELF class %u, byte order %u", bytes.data[EI_CLASS], bytes.data[EI_DATA]);
    if (bytes.size < ELF_HEADER_SIZE) return error_create(ERROR_BAD_DATA, "ELF header cut off after %zu bytes", bytes.size);
    return NULL;
}

/* How many program headers there are: 65,535 and more stand in section header 0 (linux fs/binfmt_elf.c, fill_extnum_info). */
static uint64_t segments_promised(struct span bytes)
{
    uint16_t count = load_u16(bytes.data + E_PHNUM);
    uint64_t section_off = load_u64(bytes.data + ELF_SECTIONS_OFF);

    if (count != PN_XNUM) return count;
    if (section_off == 0) return count; /* exactly 65,535, written by something that does not know of PN_XNUM */
    if (!span_holds(bytes, section_off, ELF_SECTION_SIZE)) return ELF_SEGMENTS_UNKNOWN;
    return load_u32(bytes.data + section_off + SH_INFO);
}

static struct elf_segment segment_decode(const uint8_t *p)
{
    return (struct elf_segment) {
        .type = load_u32(p),
        .flags = load_u32(p + 4),
        .off = load_u64(p + 8),
        .addr = load_u64(p + 16),
        .file_size = load_u64(p + 32),
        .mem_size = load_u64(p + 40),
        .align = load_u64(p + 48),
    };
}

struct elf_segment elf_segment(const struct elf *elf, uint64_t i)
{
    return segment_decode(elf->bytes.data + elf->segments_off + i * ELF_SEGMENT_SIZE);
}

/*
 * The kernel writes section header 0 at the very end, so a cut core of many segments has lost its count. The table ends where the
 * first content begins.
 */
static uint64_t count_before_content(const struct elf *elf, uint64_t room)
{
    for (uint64_t i = 0; i < room; i++) {
        uint64_t off = elf_segment(elf, i).off;
        if (off <= elf->segments_off) continue;
        if ((off - elf->segments_off) / ELF_SEGMENT_SIZE < room) room = (off - elf->segments_off) / ELF_SEGMENT_SIZE;
    }
    return room;
}

struct error *elf_open(struct span bytes, struct elf *ret)
{
    struct elf elf = { .bytes = bytes };
    uint16_t entry_size;
    uint64_t room;

    TRY(check_ident(bytes));
    elf.type = load_u16(bytes.data + E_TYPE);
    elf.machine = load_u16(bytes.data + E_MACHINE);
    elf.segments_off = load_u64(bytes.data + E_PHOFF);
    elf.segment_promised = segments_promised(bytes);
    entry_size = load_u16(bytes.data + E_PHENTSIZE);
    if (elf.segment_promised && entry_size != ELF_SEGMENT_SIZE)
        return error_create(ERROR_BAD_DATA, "program headers of %u bytes instead of %d", entry_size, ELF_SEGMENT_SIZE);
    room = span_from(bytes, elf.segments_off).size / ELF_SEGMENT_SIZE;
    elf.segment_count = elf.segment_promised < room ? elf.segment_promised : room;
    if (elf.segment_promised == ELF_SEGMENTS_UNKNOWN) elf.segment_count = count_before_content(&elf, room);
    *ret = elf;
    return NULL;
}

void elf_notes_begin(struct elf_notes *iter, struct span notes, uint64_t align)
{
    *iter = (struct elf_notes) { .rest = notes, .align = align == 8 ? 8 : 4 };
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

bool elf_notes_next(struct elf_notes *iter, struct elf_note *ret)
{
    uint64_t name_size, desc_size, desc_off;

    if (iter->rest.size < NOTE_HEADER_SIZE) return false;
    name_size = load_u32(iter->rest.data);
    desc_size = load_u32(iter->rest.data + 4);
    *ret = (struct elf_note) { .type = load_u32(iter->rest.data + 8) };
    if (!span_slice(iter->rest, NOTE_HEADER_SIZE, name_size, &ret->name)) return false;
    while (ret->name.size && !ret->name.data[ret->name.size - 1])
        ret->name.size--;
    /* Both sizes have 32 bits, so none of these sums overflows. */
    desc_off = align_up(NOTE_HEADER_SIZE + name_size, iter->align);
    ret->desc = span_from(iter->rest, desc_off);
    ret->truncated = ret->desc.size < desc_size;
    if (!ret->truncated) ret->desc.size = (size_t)desc_size;
    iter->rest = span_from(iter->rest, align_up(desc_off + desc_size, iter->align));
    return true;
}

bool elf_note_is(const struct elf_note *note, const char *name, uint32_t type)
{
    return note->type == type && note->name.size == strlen(name) && !memcmp(note->name.data, name, note->name.size);
}
