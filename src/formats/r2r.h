/*
 * Parts of a ReadyToRun image.
 *
 *     header         "RTR\0", u16 major, u16 minor, u32 flags, u32 number of sections, {u32 type, u32 rva, u32 size}[]
 *     NativeArray    varint (count << 2 | offset size), an offset for 16 elements each, then a binary tree of varints to the
 * elements varint         as many further bytes as the first byte has trailing ones, at most 4 GC info        bit stream: header
 * with the length of the method's code
 *
 * Everything is bounded by the span, which is the image as mapped (offsets are RVAs). Source:
 * docs/design/coreclr/botr/readytorun-format.md in dotnet/runtime; src/coreclr/vm/nativeformatreader.h; inc/gcinfodecoder.h.
 */
#ifndef CLRTRAIL_FORMATS_R2R_H
#define CLRTRAIL_FORMATS_R2R_H

#include "base/span.h"

enum { R2R_SECTION_METHOD_DEF_ENTRY_POINTS = 103, R2R_SECTION_EXCEPTION_INFO = 104, R2R_SECTION_DEBUG_INFO = 105 };
enum { R2R_HEADER_SIZE = 16, R2R_SECTION_SIZE = 12, R2R_MAX_SECTIONS = 256, R2R_MAX_GC_INFO_HEADER = 16 };

struct r2r_header {
    uint16_t major, minor;
    uint32_t flags, section_count;
};

/* False when it is not one. `bytes` begins at the header. */
bool r2r_header(struct span bytes, struct r2r_header *ret);
/* Section of a type, from the header's bytes with its sections. */
bool r2r_section(struct span bytes, uint32_t type, uint32_t *rva_ret, uint32_t *size_ret);
/* Version of the GC info in an image of this format. */
unsigned r2r_gc_info_version(const struct r2r_header *header);

/* Reads a varint at `off` and moves behind it. */
bool r2r_varint(struct span bytes, uint32_t *off, uint32_t *ret);
/* How many elements the array at `off` has. */
bool r2r_array_count(struct span bytes, uint32_t off, uint32_t *ret);
/* Offset of element `index` of the array at `off`; false when it has no such element. */
bool r2r_array_get(struct span bytes, uint32_t off, uint32_t index, uint32_t *ret);
/* Index of the RUNTIME_FUNCTION of an element of METHOD_DEF_ENTRY_POINTS. */
bool r2r_entry_function(struct span bytes, uint32_t element_off, uint32_t *ret);

/* Bytes of code of a method, funclets included, from the start of its GC info. */
bool gc_info_code_length(struct span gc_info, unsigned version, uint32_t *ret);

#endif
