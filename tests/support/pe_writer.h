/*
 * Small PE images made in memory, for tests, always laid out like this (file alignment 0x200, sections at multiples of 0x1000):
 *
 *              RVA     file off
 *     headers  0x0     0x0
 *     .text    0x1000  0x400    exports at 0x1000, debug directory 0x1400, CLI header 0x1600, metadata 0x1700, code 0x1800
 *     .data    0x2000  0x1400   0x400 bytes in the file, 0x800 in memory; a relocated pointer to RVA 0x1800 at its start
 *     .rsrc    0x3000  0x1800
 *     .reloc   0x4000  0x2000   of that pointer and of one to RVA 0x2000 at 0x1f00
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_PE_WRITER_H
#define CLRTRAIL_TESTS_SUPPORT_PE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
    PE_WRITER_TEXT = 0x1000,
    PE_WRITER_CODE = 0x1800, /* export i is at PE_WRITER_CODE + 16 * i */
    PE_WRITER_CONSTANT_POINTER = 0x1f00,
    PE_WRITER_DATA = 0x2000,
    PE_WRITER_DATA_END = 0x2800,
    PE_WRITER_IMAGE_SIZE = 0x5000,
    PE_WRITER_FILE_SIZE = 0x2200,
};

#define PE_WRITER_BASE UINT64_C(0x180000000)

struct pe_writer {
    bool is_32;
    uint32_t timestamp;
    const char *const *exports; /* sorted; "*name" is a forwarder */
    size_t export_count;
    const char *resource_name; /* of type RCDATA, upper case; NULL: none */
    const void *resource;
    size_t resource_size;
    uint16_t version[4];
    const char *version_text; /* FileVersion; NULL: no version resource */
    const char *pdb_path;     /* NULL: no debug directory */
    const void *embedded_pdb; /* deflated */
    size_t embedded_pdb_size;
    bool is_managed;
};

/* The file; release with free. */
struct span pe_writer_file(const struct pe_writer *writer);
/* The image as the loader would lay it out at its preferred base; release with free. */
struct span pe_writer_mapped(const struct pe_writer *writer);

#endif
