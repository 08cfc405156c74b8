/*
 * A small ELF shared library made in memory, for tests, always laid out like this:
 *
 *              vaddr   file off
 *     headers  0x0     0x0       read only, to 0x1000; build-id, .dynsym, .gnu.hash, relocations, and text at 0x800
 *     relro    0x2000  0x1000    words: relative to 0x800 | address of `answer` | of an import (a hole) | relative by RELR;
 *                                .dynamic at 0x2100
 *     data     0x3000  0x2000    writable: relative to 0x800, then 0x11 bytes; ends at 0x3800, in memory at 0x4000
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_ELF_LIBRARY_WRITER_H
#define CLRTRAIL_TESTS_SUPPORT_ELF_LIBRARY_WRITER_H

#include <stdbool.h>

#include "base/span.h"

enum {
    ELF_LIBRARY_FILE_SIZE = 0x2800,
    ELF_LIBRARY_END = 0x4000, /* in memory */
    ELF_LIBRARY_TEXT = 0x800,
    ELF_LIBRARY_RELRO = 0x2000,
    ELF_LIBRARY_DATA = 0x3000,
    ELF_LIBRARY_ANSWER = 0x3010, /* vaddr of the symbol `answer` */
};

struct elf_library_writer {
    uint8_t build_id_byte; /* all 20 bytes of the build-id; 0: the library has none */
    bool no_gnu_hash;
    uint64_t loaded_at; /* the pointers in .dynamic are absolute, as glibc leaves them; 0: as in the file */
};

/* The file; release with free. */
struct span elf_library_file(const struct elf_library_writer *writer);

#endif
