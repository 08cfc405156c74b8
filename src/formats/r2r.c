#include "formats/r2r.h"

#include <limits.h>

/* ---- header ---- */

bool r2r_header(struct span bytes, struct r2r_header *ret)
{
    enum { SIGNATURE = 0x00525452 };
    uint32_t signature;

    if (bytes.size < R2R_HEADER_SIZE || !span_u32(bytes, 0, &signature) || signature != SIGNATURE) return false;
    *ret = (struct r2r_header) {
        .major = load_u16(bytes.data + 4),
        .minor = load_u16(bytes.data + 6),
        .flags = load_u32(bytes.data + 8),
        .section_count = load_u32(bytes.data + 12),
    };
    return ret->section_count <= R2R_MAX_SECTIONS;
}

bool r2r_section(struct span bytes, uint32_t type, uint32_t *rva_ret, uint32_t *size_ret)
{
    struct r2r_header header;

    if (!r2r_header(bytes, &header)) return false;
    for (uint32_t i = 0; i < header.section_count; i++) {
        struct span section;

        if (!span_slice(bytes, R2R_HEADER_SIZE + R2R_SECTION_SIZE * (uint64_t)i, R2R_SECTION_SIZE, &section)) return false;
        if (load_u32(section.data) != type) continue;
        *rva_ret = load_u32(section.data + 4);
        *size_ret = load_u32(section.data + 8);
        return true;
    }
    return false;
}

/* src/coreclr/inc/gcinfotypes.h: 9.2 brought version 3 (.NET 9), 11 version 4 (.NET 10). */
unsigned r2r_gc_info_version(const struct r2r_header *header)
{
    if (header->major >= 11) return 4;
    return header->major == 10 || (header->major == 9 && header->minor >= 2) ? 3 : 2;
}

/* ---- native format ---- */

bool r2r_varint(struct span bytes, uint32_t *off, uint32_t *ret)
{
    uint8_t first;
    uint64_t value = 0;
    unsigned more;

    if (!span_u8(bytes, *off, &first)) return false;
    more = first == 0xff ? 8 : (unsigned)__builtin_ctz(~(unsigned)first);
    if (more > 4 || !span_holds(bytes, *off, more + 1)) return false;
    if (more == 4) {
        value = load_u32(bytes.data + *off + 1);
    } else {
        for (unsigned i = 0; i <= more; i++)
            value |= (uint64_t)bytes.data[*off + i] << 8 * i;
        value >>= more + 1;
    }
    *off += more + 1;
    *ret = (uint32_t)value;
    return true;
}

bool r2r_array_count(struct span bytes, uint32_t off, uint32_t *ret)
{
    uint32_t head;

    if (!r2r_varint(bytes, &off, &head)) return false;
    *ret = head >> 2;
    return true;
}

/*
 * Down the tree of one block: at each level a varint says whether a left part follows and where the right one is. A part with one
 * element only is a varint with its index, and the element.
 */
static bool descend(struct span bytes, uint32_t off, uint32_t in_block, unsigned block_size, uint32_t *ret)
{
    enum { LEFT = 1, RIGHT = 2 };

    for (uint32_t bit = block_size >> 1; bit > 0; bit >>= 1) {
        uint32_t start = off, value;

        if (!r2r_varint(bytes, &off, &value)) return false;
        if (!(value & (LEFT | RIGHT))) {
            *ret = off;
            return value >> 2 == in_block;
        }
        if (!(value & (in_block & bit ? RIGHT : LEFT))) return false;
        if (!(in_block & bit)) continue;
        if (value >> 2 == 0 || value >> 2 > UINT32_MAX - start) return false;
        off = start + (value >> 2);
    }
    *ret = off;
    return true;
}

bool r2r_array_get(struct span bytes, uint32_t off, uint32_t index, uint32_t *ret)
{
    enum { BLOCK_SIZE = 16 };
    uint32_t head, base, block_off = 0;
    uint64_t entry;
    unsigned entry_size;

    if (!r2r_varint(bytes, &off, &head) || index >= head >> 2) return false;
    base = off;
    entry_size = 1u << (head & 3);
    entry = base + (uint64_t)(index / BLOCK_SIZE) * entry_size;
    if (entry_size > 4 || !span_holds(bytes, entry, entry_size)) return false;
    memcpy(&block_off, bytes.data + entry, entry_size);
    if (block_off > UINT32_MAX - base) return false;
    return descend(bytes, base + block_off, index % BLOCK_SIZE, BLOCK_SIZE, ret);
}

/* The low bit says that fixups precede the code; bit 1 then that their list lies elsewhere. */
bool r2r_entry_function(struct span bytes, uint32_t element_off, uint32_t *ret)
{
    uint32_t value;

    if (!r2r_varint(bytes, &element_off, &value)) return false;
    *ret = value & 1 ? value >> 2 : value >> 1;
    return true;
}

/* ---- GC info ---- */

struct bits {
    struct span bytes;
    uint64_t at;
};

static bool read_bits(struct bits *bits, unsigned count, uint32_t *ret)
{
    uint32_t value = 0;

    if (bits->at + count > (uint64_t)bits->bytes.size * CHAR_BIT) return false;
    for (unsigned i = 0; i < count; i++, bits->at++)
        value |= (uint32_t)(bits->bytes.data[bits->at / CHAR_BIT] >> bits->at % CHAR_BIT & 1) << i;
    *ret = value;
    return true;
}

/* Chunks of `width` bits, each followed by one that says whether another comes; the low chunk first. */
static bool read_number(struct bits *bits, unsigned width, uint32_t *ret)
{
    uint64_t value = 0;
    uint32_t chunk, more = 1;

    for (unsigned shift = 0; more; shift += width) {
        if (shift >= 32 || !read_bits(bits, width, &chunk) || !read_bits(bits, 1, &more)) return false;
        value |= (uint64_t)chunk << shift;
    }
    *ret = (uint32_t)value;
    return value <= UINT32_MAX;
}

bool gc_info_code_length(struct span gc_info, unsigned version, uint32_t *ret)
{
    enum { FAT_FLAGS = 10, FAT_RETURN_KIND = 4, SLIM_FLAGS = 1, SLIM_RETURN_KIND = 2, LENGTH = 8, NO_RETURN_KIND_SINCE = 4 };
    struct bits bits = { .bytes = gc_info };
    uint32_t fat, ignored;
    unsigned skip;

    if (!read_bits(&bits, 1, &fat)) return false;
    skip = fat ? FAT_FLAGS : SLIM_FLAGS;
    if (version < NO_RETURN_KIND_SINCE) skip += fat ? FAT_RETURN_KIND : SLIM_RETURN_KIND;
    return read_bits(&bits, skip, &ignored) && read_number(&bits, LENGTH, ret);
}
