#include "target/image_layout.h"

#include <sys/mman.h>

#define LAYOUT_MAX (UINT64_C(1) << 31) /* no image is larger: RVAs and x64's small code model end there */

static bool layout_create(uint64_t start, uint64_t size, struct image_layout *ret)
{
    void *data = size == 0 || size > LAYOUT_MAX
                     ? MAP_FAILED
                     : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (data == MAP_FAILED) return false;
    *ret = (struct image_layout) { .data = data, .start = start, .size = size };
    return true;
}

void image_layout_deinit(struct image_layout *layout)
{
    if (layout->data) munmap(layout->data, layout->size);
    vec_deinit(&layout->holes);
    *layout = (struct image_layout) { 0 };
}

static void layout_write(struct image_layout *layout, uint64_t addr, const void *bytes, uint64_t size)
{
    if (addr < layout->start || size > layout->size || addr - layout->start > layout->size - size) return;
    memcpy(layout->data + (addr - layout->start), bytes, size);
}

static bool layout_read_u64(const struct image_layout *layout, uint64_t addr, uint64_t *ret)
{
    return addr >= layout->start && span_u64((struct span) { layout->data, layout->size }, addr - layout->start, ret);
}

/* Range of the writable loads' file content. */
static bool writable_range(const struct elf_image *image, uint64_t *start_ret, uint64_t *end_ret)
{
    uint64_t start = UINT64_MAX, end = 0;

    for (uint32_t i = 0; i < image->load_count; i++) {
        const struct elf_load *load = &image->loads[i];
        if (!load->writable) continue;
        if (load->vaddr < start) start = load->vaddr;
        if (load->vaddr + load->file_size > end) end = load->vaddr + load->file_size;
    }
    if (start >= end) return false;
    *start_ret = start;
    *end_ret = end;
    return true;
}

static void copy_loads(const struct elf_image *image, struct image_layout *layout)
{
    for (uint32_t i = 0; i < image->load_count; i++) {
        const struct elf_load *load = &image->loads[i];
        struct span content;
        if (!load->writable || !span_slice(image->file, load->file_off, load->file_size, &content)) continue;
        layout_write(layout, load->vaddr, content.data, content.size);
    }
}

struct relocating {
    struct image_layout *layout;
    bool failed;
};

static void set_word(void *user, uint64_t vaddr, const uint64_t *value)
{
    struct relocating *relocating = user;
    struct image_layout *layout = relocating->layout;

    if (value) {
        layout_write(layout, vaddr, value, sizeof(*value));
    } else if (!vec_push(&layout->holes, vaddr)) {
        relocating->failed = true;
    }
}

static int compare_holes(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

bool image_layout_elf(const struct elf_image *file, uint64_t bias, struct image_layout *ret)
{
    struct image_layout layout;
    struct relocating relocating = { .layout = &layout };
    uint64_t start, end;

    if (!writable_range(file, &start, &end) || !layout_create(start, end - start, &layout)) return false;
    copy_loads(file, &layout);
    elf_image_relocate(file, bias, set_word, &relocating);
    if (relocating.failed) {
        image_layout_deinit(&layout);
        return false;
    }
    vec_sort(&layout.holes, compare_holes);
    mprotect(layout.data, layout.size, PROT_READ);
    *ret = layout;
    return true;
}

/* The first hole that ends after `addr`; UINT64_MAX: none. */
static uint64_t hole_after(const struct image_layout *layout, uint64_t addr)
{
    size_t low = 0, high = layout->holes.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layout->holes.data[middle] <= addr && addr - layout->holes.data[middle] >= 8) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < layout->holes.count ? layout->holes.data[low] : UINT64_MAX;
}

const uint8_t *image_layout_view(const struct image_layout *layout, uint64_t addr, uint64_t end, uint64_t *size_ret)
{
    uint64_t hole = hole_after(layout, addr);

    if (!layout->data || addr < layout->start) return NULL;
    if (end > layout->start + layout->size) end = layout->start + layout->size;
    if (end > hole) end = hole;
    if (end <= addr) return NULL;
    if (*size_ret > end - addr) *size_ret = end - addr;
    return layout->data + (addr - layout->start);
}

static void copy_sections(const struct pe *pe, struct image_layout *layout)
{
    uint64_t headers = pe->headers_size < pe->bytes.size ? pe->headers_size : pe->bytes.size;
    struct pe_section section;
    struct span content;

    layout_write(layout, 0, pe->bytes.data, headers < layout->size ? headers : layout->size);
    for (uint32_t i = 0; pe_section(pe, i, &section); i++) {
        uint32_t size = section.virtual_size && section.virtual_size < section.raw_size ? section.virtual_size : section.raw_size;
        if (span_slice(pe->bytes, section.raw_off, size, &content)) layout_write(layout, section.rva, content.data, content.size);
    }
}

static void relocate_in_place(struct image_layout *layout, uint64_t addr, uint64_t delta)
{
    uint64_t value;

    if (!layout_read_u64(layout, addr, &value)) return;
    value += delta;
    layout_write(layout, addr, &value, 8);
}

static void apply_base_relocations(const struct pe *pe, uint64_t base, struct image_layout *layout)
{
    uint64_t delta = base - pe->preferred_base;
    struct pe_relocs relocs;
    struct pe_reloc reloc;

    if (delta == 0) return;
    pe_relocs_begin(pe, &relocs);
    while (pe_relocs_next(&relocs, &reloc)) {
        uint32_t word;
        if (reloc.type == PE_RELOC_DIR64) {
            relocate_in_place(layout, reloc.rva, delta);
        } else if (reloc.type == PE_RELOC_HIGHLOW && span_u32((struct span) { layout->data, layout->size }, reloc.rva, &word)) {
            word += (uint32_t)delta;
            layout_write(layout, reloc.rva, &word, 4);
        }
    }
}

bool image_layout_pe(const struct pe *pe, uint64_t base, struct image_layout *ret)
{
    struct image_layout layout;

    if (!layout_create(0, pe->image_size, &layout)) return false;
    copy_sections(pe, &layout);
    apply_base_relocations(pe, base, &layout);
    mprotect(layout.data, layout.size, PROT_READ);
    *ret = layout;
    return true;
}
