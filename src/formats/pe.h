/*
 * A PE image (PE32 and PE32+), as a file or as it lies in memory once loaded.
 *
 *     DOS header | PE signature | COFF header | optional header, data directories | section table | sections
 *
 * Nothing is copied: results point into the span. Addresses inside the image are RVAs; a flat file's are translated through the
 * section table, a mapped image's are offsets. Everything is bounds-checked, so a span may be any part of an image from its start,
 * e.g. the first page alone: what lies outside is "not there".
 * Source: Microsoft PE format specification; ECMA-335 II.25; dotnet/runtime docs/design/specs/PE-COFF.md for the debug directory.
 */
#ifndef CLRTRAIL_FORMATS_PE_H
#define CLRTRAIL_FORMATS_PE_H

#include "base/error.h"
#include "base/span.h"
#include "base/text.h"

enum pe_layout { PE_LAYOUT_FLAT, PE_LAYOUT_MAPPED };

enum pe_directory_index {
    PE_DIRECTORY_EXPORT = 0,
    PE_DIRECTORY_RESOURCE = 2,
    PE_DIRECTORY_EXCEPTION = 3,
    PE_DIRECTORY_RELOC = 5,
    PE_DIRECTORY_DEBUG = 6,
    PE_DIRECTORY_CLI = 14,
    PE_DIRECTORY_COUNT = 16,
};

enum { PE_MACHINE_X86 = 0x14c, PE_MACHINE_X64 = 0x8664, PE_MACHINE_ARM64 = 0xaa64 };
enum { PE_SECTION_EXECUTE = 0x20000000, PE_SECTION_WRITE = INT32_MIN }; /* bits of `characteristics` */
enum { PE_MAX_SECTIONS = 96 };                                          /* what the Windows loader takes */
enum { PE_RESOURCE_RCDATA = 10, PE_RESOURCE_VERSION = 16 };
enum { PE_RELOC_ABSOLUTE = 0, PE_RELOC_HIGHLOW = 3, PE_RELOC_DIR64 = 10 };

struct pe_directory {
    uint32_t rva, size;
};

struct pe_section {
    char name[9];
    uint32_t rva, virtual_size, raw_off, raw_size, characteristics;
};

struct pe {
    struct span bytes;
    enum pe_layout layout;
    bool is_64; /* PE32+ */
    uint16_t machine;
    uint16_t characteristics;
    uint32_t timestamp;
    uint64_t preferred_base;
    uint32_t image_size, headers_size, section_alignment, file_alignment;
    struct pe_directory directories[PE_DIRECTORY_COUNT];
    uint64_t section_table_off;
    uint32_t section_count;
};

/* True when the bytes begin like a PE image ("MZ" and a PE signature inside the span). */
bool pe_probe(struct span bytes);
/* Errors: ERROR_BAD_DATA saying which header. Sections that lie outside the span are no error. */
struct error *pe_open(struct span bytes, enum pe_layout layout, struct pe *ret);

bool pe_section(const struct pe *pe, uint32_t index, struct pe_section *ret);
/* The section whose address range holds `rva`. */
bool pe_section_at(const struct pe *pe, uint32_t rva, struct pe_section *ret);
/* Bytes from `rva` to the end of its section's data (or of the headers); false when there are none. */
bool pe_rva_rest(const struct pe *pe, uint32_t rva, struct span *ret);
/* Exactly `size` bytes at `rva`. */
bool pe_rva_span(const struct pe *pe, uint32_t rva, uint64_t size, struct span *ret);
bool pe_directory_span(const struct pe *pe, enum pe_directory_index index, struct span *ret);

/* IMAGE_COR20_HEADER. */
struct pe_cli {
    uint32_t flags; /* 1 IL only, 8 strong name signed */
    uint32_t entry_point;
    struct pe_directory metadata, resources, managed_native_header /* READYTORUN_HEADER */;
};

bool pe_cli(const struct pe *pe, struct pe_cli *ret);
/* The ECMA-335 metadata root. */
bool pe_metadata(const struct pe *pe, struct span *ret);

/* RVA of an export by name; a forwarder is "not found". */
bool pe_export(const struct pe *pe, const char *name, uint32_t *ret);

/* A resource's bytes, first language. The name is case-insensitive ASCII; NULL takes the first of that type. */
bool pe_resource(const struct pe *pe, uint32_t type, const char *name, struct span *ret);
/* "10.0.1426.52326", of the fixed file info; appended. */
bool pe_file_version(const struct pe *pe, struct text *ret);
/* A string of the version resource, e.g. "FileVersion", "ProductVersion"; appended as UTF-8. */
bool pe_version_string(const struct pe *pe, const char *key, struct text *ret);

/* Base relocations, in the order of the table; what is damaged ends the walk. */
struct pe_relocs {
    struct span table; /* what is left */
    struct span block;
    uint32_t block_rva;
};

struct pe_reloc {
    uint32_t rva;
    uint8_t type;
};

void pe_relocs_begin(const struct pe *pe, struct pe_relocs *relocs);
bool pe_relocs_next(struct pe_relocs *relocs, struct pe_reloc *ret);

enum pe_debug_type {
    PE_DEBUG_CODEVIEW = 2,
    PE_DEBUG_REPRODUCIBLE = 16,
    PE_DEBUG_EMBEDDED_PDB = 17,
    PE_DEBUG_PDB_CHECKSUM = 19,
};

struct pe_debug {
    uint32_t type, timestamp;
    uint16_t major, minor;
    struct span data; /* empty when not in the span */
};

struct pe_codeview {
    uint8_t guid[16];
    uint32_t age;
    uint32_t timestamp; /* of the entry: a portable PDB's id is guid + this */
    bool is_portable;
    const char *path; /* NUL-terminated, borrowed */
};

uint32_t pe_debug_count(const struct pe *pe);
bool pe_debug_entry(const struct pe *pe, uint32_t index, struct pe_debug *ret);
bool pe_codeview(const struct pe *pe, struct pe_codeview *ret);
/* The embedded portable PDB: raw deflate data, and how many bytes it becomes. */
bool pe_embedded_pdb(const struct pe *pe, struct span *deflated_ret, uint32_t *size_ret);
bool pe_is_reproducible(const struct pe *pe);

#endif
