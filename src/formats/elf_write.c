#include "formats/elf_write.h"

enum { PAGE = 4096, COUNT_IN_SECTION = 0xffff /* PN_XNUM */, NOTE_ALIGN = 4 };

void elf_write_init(struct elf_write *core, uint16_t machine)
{
    *core = (struct elf_write) { .machine = machine };
    text_init(&core->notes);
}

void elf_write_deinit(struct elf_write *core)
{
    vec_deinit(&core->loads);
    text_deinit(&core->notes);
}

bool elf_write_load(struct elf_write *core, uint64_t addr, uint64_t mem_size, uint64_t file_size, uint32_t flags)
{
    struct elf_segment load = {
        .type = ELF_SEGMENT_LOAD, .flags = flags, .addr = addr, .mem_size = mem_size, .file_size = file_size, .align = PAGE
    };

    return vec_push(&core->loads, load);
}

static void put_u16(struct text *out, uint16_t value)
{
    text_append(out, (const char *)&value, 2);
}

static void put_u32(struct text *out, uint32_t value)
{
    text_append(out, (const char *)&value, 4);
}

static void put_u64(struct text *out, uint64_t value)
{
    text_append(out, (const char *)&value, 8);
}

static void put_zeros(struct text *out, size_t count)
{
    static const char zeros[256];

    for (; count > 0; count -= count < sizeof(zeros) ? count : sizeof(zeros))
        text_append(out, zeros, count < sizeof(zeros) ? count : sizeof(zeros));
}

static void pad(struct text *out, size_t align)
{
    put_zeros(out, (align - out->length % align) % align);
}

void elf_write_note(struct elf_write *core, const char *owner, uint32_t type, struct span desc)
{
    size_t owner_size = strlen(owner) + 1;

    put_u32(&core->notes, (uint32_t)owner_size);
    put_u32(&core->notes, (uint32_t)desc.size);
    put_u32(&core->notes, type);
    text_append(&core->notes, owner, owner_size);
    pad(&core->notes, NOTE_ALIGN);
    if (desc.size) text_append(&core->notes, (const char *)desc.data, desc.size);
    pad(&core->notes, NOTE_ALIGN);
}

static void put_header(const struct elf_write *core, uint64_t segment_count, uint64_t sections_off, uint64_t segments_off,
                       struct text *out)
{
    bool is_many = sections_off != 0;

    text_append(out, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16); /* 64-bit, little endian, version 1, System V */
    put_u16(out, ELF_TYPE_CORE);
    put_u16(out, core->machine);
    put_u32(out, 1);
    put_u64(out, 0);
    put_u64(out, segments_off);
    put_u64(out, sections_off);
    put_u32(out, 0);
    put_u16(out, ELF_HEADER_SIZE);
    put_u16(out, ELF_SEGMENT_SIZE);
    put_u16(out, is_many ? COUNT_IN_SECTION : (uint16_t)segment_count);
    put_u16(out, is_many ? ELF_SECTION_SIZE : 0);
    put_u16(out, is_many ? 1 : 0);
    put_u16(out, 0);
}

/* Section header 0: sh_info is the number of program headers. */
static void put_section(uint64_t segment_count, struct text *out)
{
    put_zeros(out, 32);
    put_u64(out, 1); /* sh_size: as many section headers as there are */
    put_u32(out, 0);
    put_u32(out, (uint32_t)segment_count);
    put_zeros(out, 16);
}

static void put_segment(const struct elf_segment *segment, struct text *out)
{
    put_u32(out, segment->type);
    put_u32(out, segment->flags);
    put_u64(out, segment->off);
    put_u64(out, segment->addr);
    put_u64(out, 0);
    put_u64(out, segment->file_size);
    put_u64(out, segment->mem_size);
    put_u64(out, segment->align);
}

struct error *elf_write_head(struct elf_write *core, struct text *ret)
{
    uint64_t count = core->loads.count + 1, sections_off = count >= COUNT_IN_SECTION ? ELF_HEADER_SIZE : 0;
    uint64_t segments_off = ELF_HEADER_SIZE + (sections_off ? ELF_SECTION_SIZE : 0);
    struct elf_segment notes = { .type = ELF_SEGMENT_NOTE,
                                 .off = segments_off + count * ELF_SEGMENT_SIZE,
                                 .file_size = core->notes.length,
                                 .align = NOTE_ALIGN };
    uint64_t off = (notes.off + notes.file_size + PAGE - 1) / PAGE * PAGE;

    if (count > UINT32_MAX) return error_create(ERROR_LIMIT, "more than 2^32 memory ranges");
    put_header(core, count, sections_off, segments_off, ret);
    if (sections_off) put_section(count, ret);
    put_segment(&notes, ret);
    for (size_t i = 0; i < core->loads.count; i++) {
        core->loads.data[i].off = off;
        put_segment(&core->loads.data[i], ret);
        if (__builtin_add_overflow(off, (core->loads.data[i].file_size + PAGE - 1) / PAGE * PAGE, &off))
            return error_create(ERROR_LIMIT, "more memory than a file can hold");
    }
    text_append(ret, core->notes.data ? core->notes.data : "", core->notes.length);
    pad(ret, PAGE);
    return ret->failed || core->notes.failed ? &error_enomem : NULL;
}
