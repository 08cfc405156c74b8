/*
 * The frame of an ELF file, 64-bit little endian: header, program headers, notes. (Symbols of mapped images: target/elf_image.h.)
 *
 *   ELF header | program headers | notes, segments ... | section headers (only the first is looked at, for PN_XNUM)
 *
 * Results are borrowed from the span. A file that is cut anywhere still gives what lies before the cut.
 * Source: System V ABI (gABI), chapters 4 and 5; linux fs/binfmt_elf.c for cores.
 */
#ifndef CLRTRAIL_FORMATS_ELF_H
#define CLRTRAIL_FORMATS_ELF_H

#include "base/error.h"
#include "base/span.h"

enum elf_type { ELF_TYPE_RELOCATABLE = 1, ELF_TYPE_EXECUTABLE = 2, ELF_TYPE_SHARED = 3, ELF_TYPE_CORE = 4 };
enum elf_machine { ELF_MACHINE_X86 = 3, ELF_MACHINE_ARM = 40, ELF_MACHINE_X64 = 62, ELF_MACHINE_ARM64 = 183 };
enum elf_segment_type { ELF_SEGMENT_LOAD = 1, ELF_SEGMENT_DYNAMIC = 2, ELF_SEGMENT_NOTE = 4 };
enum elf_segment_flags { ELF_SEGMENT_EXEC = 1, ELF_SEGMENT_WRITE = 2, ELF_SEGMENT_READ = 4 };

enum { ELF_HEADER_SIZE = 64, ELF_SEGMENT_SIZE = 56, ELF_SECTION_SIZE = 64, ELF_SECTIONS_OFF = 40 /* of e_shoff */ };

struct elf {
    struct span bytes;
    uint16_t type;             /* enum elf_type */
    uint16_t machine;          /* enum elf_machine */
    uint64_t segments_off;     /* file offset of the program headers */
    uint64_t segment_count;    /* of those, how many lie wholly inside the span */
    uint64_t segment_promised; /* what the header says; more when the file is cut, or ELF_SEGMENTS_UNKNOWN */
};

/* PN_XNUM says that the count is in section header 0, and that lies outside the span. */
#define ELF_SEGMENTS_UNKNOWN UINT64_MAX

struct elf_segment {
    uint32_t type;  /* enum elf_segment_type */
    uint32_t flags; /* enum elf_segment_flags */
    uint64_t off, addr, file_size, mem_size, align;
};

/* True for any ELF file, also of a class or byte order that elf_open refuses. */
bool elf_probe(struct span bytes);
/*
 * Reads the header. A cut file is no error as long as its 64 bytes are there: see segment_promised.
 * Errors: ERROR_BAD_DATA (not ELF, or cut), ERROR_UNSUPPORTED (32-bit, big endian).
 */
struct error *elf_open(struct span bytes, struct elf *ret);
/* `i` below segment_count. */
struct elf_segment elf_segment(const struct elf *elf, uint64_t i);
/* "x64", "arm64", "x86", "arm" or NULL. */
const char *elf_machine_name(uint16_t machine);

/* ---- notes ---- */

struct elf_note {
    uint32_t type;
    struct span name; /* without its NUL */
    struct span desc;
    bool truncated; /* desc is shorter than the note says: the span ends */
};

struct elf_notes {
    struct span rest;
    uint64_t align; /* 4, or 8 where the segment says so */
};

/* `notes`: content of a PT_NOTE segment with alignment `align` (0 and 1 mean 4). */
void elf_notes_begin(struct elf_notes *iter, struct span notes, uint64_t align);
/* False at the end. */
bool elf_notes_next(struct elf_notes *iter, struct elf_note *ret);
bool elf_note_is(const struct elf_note *note, const char *name, uint32_t type);

#endif
