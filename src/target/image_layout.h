/*
 * An image file as the loader would lay it out: the parts that differ from the file's own bytes, in private memory.
 *
 *     ELF   the writable segments, relocations applied that need no other image (relative ones, and those against its own symbols);
 *           words that another image decides are holes
 *     PE    all sections at their RVAs, base relocations applied
 *
 * What a writable part holds is its content at load time. Only .data.rel.ro and the like (PT_GNU_RELRO) and sections without the
 * write flag are still the same later.
 */
#ifndef CLRTRAIL_TARGET_IMAGE_LAYOUT_H
#define CLRTRAIL_TARGET_IMAGE_LAYOUT_H

#include "formats/pe.h"
#include "target/elf_image.h"

struct image_layout {
    uint8_t *data;        /* owned, mapped; NULL when empty */
    uint64_t start, size; /* link-time address (ELF) or RVA (PE, 0) of `data` */
    VEC(uint64_t) holes;  /* addresses of 8 bytes that are not known; sorted */
};

/* False when out of memory, or when the image claims an absurd size. `bias`: where it was loaded, against its link-time addresses.
 */
bool image_layout_elf(const struct elf_image *file, uint64_t bias, struct image_layout *ret);
/* `base`: where it was loaded. */
bool image_layout_pe(const struct pe *pe, uint64_t base, struct image_layout *ret);
/* The bytes at link-time address `addr`, at most up to `end` and to the next hole; NULL: not there. */
const uint8_t *image_layout_view(const struct image_layout *layout, uint64_t addr, uint64_t end, uint64_t *size_ret);
void image_layout_deinit(struct image_layout *layout);

#endif
