#include "support/elf_writer.h"

#include <assert.h>
#include <string.h>

enum { PAGE = 4096, NT_PRSTATUS = 1, NT_PRPSINFO = 3, NT_FILE = 0x46494c45, PRSTATUS_SIZE = 336, PRPSINFO_SIZE = 136 };

typedef VEC(uint8_t) bytes_t;

static void put(void *to, const void *data, size_t size)
{
    bytes_t *bytes = to;
    bool reserved = vec_reserve(bytes, bytes->count + size);

    assert(reserved);
    (void)reserved;
    if (!size) return;
    if (data)
        memcpy(bytes->data + bytes->count, data, size);
    else
        memset(bytes->data + bytes->count, 0, size);
    bytes->count += size;
}

static void put_u16(void *to, uint16_t value)
{
    put(to, &value, sizeof(value));
}

static void put_u32(void *to, uint32_t value)
{
    put(to, &value, sizeof(value));
}

static void put_u64(void *to, uint64_t value)
{
    put(to, &value, sizeof(value));
}

static void pad(void *to, size_t align)
{
    size_t over = ((bytes_t *)to)->count % align;

    put(to, NULL, over ? align - over : 0);
}

void elf_writer_init(struct elf_writer *w)
{
    *w = (struct elf_writer) { .machine = ELF_MACHINE_X64 };
}

void elf_writer_deinit(struct elf_writer *w)
{
    vec_deinit(&w->loads);
    vec_deinit(&w->notes);
    vec_deinit(&w->files);
    vec_deinit(&w->file_paths);
    vec_deinit(&w->image);
}

void elf_writer_load(struct elf_writer *w, uint64_t addr, uint64_t mem_size, uint32_t flags, const void *data, uint64_t file_size)
{
    struct elf_writer_load load = {
        .segment = { ELF_SEGMENT_LOAD, flags, 0, addr, file_size, mem_size, PAGE },
        .data = data,
    };
    bool pushed = vec_push(&w->loads, load);

    assert(pushed);
    (void)pushed;
}

void elf_writer_note(struct elf_writer *w, const char *owner, uint32_t type, const void *desc, size_t size)
{
    put_u32(&w->notes, (uint32_t)strlen(owner) + 1);
    put_u32(&w->notes, (uint32_t)size);
    put_u32(&w->notes, type);
    put(&w->notes, owner, strlen(owner) + 1);
    pad(&w->notes, 4);
    put(&w->notes, desc, size);
    pad(&w->notes, 4);
}

void elf_writer_thread(struct elf_writer *w, uint32_t tid, const uint64_t registers[27])
{
    uint8_t status[PRSTATUS_SIZE] = { 0 };

    memcpy(status + 32, &tid, 4);
    memcpy(status + 112, registers, 27 * 8);
    elf_writer_note(w, "CORE", NT_PRSTATUS, status, sizeof(status));
}

void elf_writer_process(struct elf_writer *w, uint32_t pid, const char *name, const char *args)
{
    uint8_t info[PRPSINFO_SIZE] = { 0 };

    memcpy(info + 24, &pid, 4);
    memcpy(info + 40, name, strnlen(name, 16));
    memcpy(info + 56, args, strnlen(args, 80));
    elf_writer_note(w, "CORE", NT_PRPSINFO, info, sizeof(info));
}

void elf_writer_file(struct elf_writer *w, uint64_t start, uint64_t end, uint64_t page_off, const char *path)
{
    put_u64(&w->files, start);
    put_u64(&w->files, end);
    put_u64(&w->files, page_off);
    put(&w->file_paths, path, strlen(path) + 1);
}

static void put_file_note(struct elf_writer *w)
{
    bytes_t desc = { 0 };

    if (!w->files.count) return;
    put_u64(&desc, w->files.count / 24);
    put_u64(&desc, PAGE);
    put(&desc, w->files.data, w->files.count);
    put(&desc, w->file_paths.data, w->file_paths.count);
    elf_writer_note(w, "CORE", NT_FILE, desc.data, desc.count);
    vec_deinit(&desc);
}

static void put_segment(struct elf_writer *w, const struct elf_segment *segment)
{
    put_u32(&w->image, segment->type);
    put_u32(&w->image, segment->flags);
    put_u64(&w->image, segment->off);
    put_u64(&w->image, segment->addr);
    put_u64(&w->image, 0);
    put_u64(&w->image, segment->file_size);
    put_u64(&w->image, segment->mem_size);
    put_u64(&w->image, segment->align);
}

static void put_header(struct elf_writer *w, uint64_t segment_count, uint64_t section_off)
{
    static const uint8_t ident[16] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    bool is_many = segment_count >= 0xffff;

    put(&w->image, ident, sizeof(ident));
    put_u16(&w->image, ELF_TYPE_CORE);
    put_u16(&w->image, w->machine);
    put_u32(&w->image, 1);
    put_u64(&w->image, 0);
    put_u64(&w->image, ELF_HEADER_SIZE);
    put_u64(&w->image, is_many ? section_off : 0);
    put_u32(&w->image, 0);
    put_u16(&w->image, ELF_HEADER_SIZE);
    put_u16(&w->image, ELF_SEGMENT_SIZE);
    put_u16(&w->image, is_many ? 0xffff : (uint16_t)segment_count);
    put_u16(&w->image, is_many ? ELF_SECTION_SIZE : 0);
    put_u16(&w->image, is_many ? 1 : 0);
    put_u16(&w->image, 0);
}

static uint64_t align_page(uint64_t off)
{
    return (off + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* Gives each segment its place; returns where section header 0 goes. */
static uint64_t lay_out(struct elf_writer *w, uint64_t off)
{
    for (size_t i = 0; i < w->loads.count; i++) {
        w->loads.data[i].segment.off = align_page(off);
        off = align_page(off) + w->loads.data[i].segment.file_size;
    }
    return off;
}

static void put_section_zero(struct elf_writer *w, uint64_t segment_count)
{
    uint8_t section[ELF_SECTION_SIZE] = { 0 };
    uint32_t count = (uint32_t)segment_count;

    memcpy(section + 44, &count, 4);
    put(&w->image, section, sizeof(section));
}

struct span elf_writer_build(struct elf_writer *w)
{
    uint64_t count = w->loads.count + 1, notes_off = ELF_HEADER_SIZE + count * ELF_SEGMENT_SIZE, section_off;
    struct elf_segment notes = { ELF_SEGMENT_NOTE, 0, notes_off, 0, 0, 0, 4 };

    put_file_note(w);
    notes.file_size = w->notes.count;
    section_off = lay_out(w, notes_off + w->notes.count);
    put_header(w, count, section_off);
    put_segment(w, &notes);
    for (size_t i = 0; i < w->loads.count; i++)
        put_segment(w, &w->loads.data[i].segment);
    put(&w->image, w->notes.data, w->notes.count);
    for (size_t i = 0; i < w->loads.count; i++) {
        const struct elf_writer_load *load = &w->loads.data[i];
        if (!load->segment.file_size) continue;
        put(&w->image, NULL, load->segment.off - w->image.count);
        put(&w->image, load->data, load->segment.file_size);
    }
    if (count >= 0xffff) {
        put(&w->image, NULL, section_off - w->image.count);
        put_section_zero(w, count);
    }
    return (struct span) { w->image.data, w->image.count };
}

void elf_writer_patch(struct elf_writer *w, uint64_t off, const void *bytes, size_t size)
{
    assert(off <= w->image.count && size <= w->image.count - off);
    memcpy(w->image.data + off, bytes, size);
}
