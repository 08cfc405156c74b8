/*
 * Linux cores made in memory, for tests, laid out as the kernel writes them:
 *
 *     ELF header | program headers (PT_NOTE first) | notes | memory of each PT_LOAD, from a page boundary on | section header 0
 *
 * The last part exists for 65,535 program headers and more (PN_XNUM).
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_ELF_WRITER_H
#define CLRTRAIL_TESTS_SUPPORT_ELF_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/vec.h"
#include "formats/elf.h"

struct elf_writer_load {
    struct elf_segment segment;
    const void *data; /* borrowed; NULL: zeros */
};

struct elf_writer {
    uint16_t machine;
    VEC(struct elf_writer_load) loads;
    VEC(uint8_t) notes;
    VEC(uint8_t) files, file_paths; /* of NT_FILE */
    VEC(uint8_t) image;
};

void elf_writer_init(struct elf_writer *w);
void elf_writer_deinit(struct elf_writer *w);

/* [addr, addr + mem_size), of which the first `file_size` bytes are written: `data`, or zeros. `flags`: enum elf_segment_flags. */
void elf_writer_load(struct elf_writer *w, uint64_t addr, uint64_t mem_size, uint32_t flags, const void *data, uint64_t file_size);
void elf_writer_note(struct elf_writer *w, const char *owner, uint32_t type, const void *desc, size_t size);
/* NT_PRSTATUS of x64 with the words of struct user_regs_struct. */
void elf_writer_thread(struct elf_writer *w, uint32_t tid, const uint64_t registers[27]);
/* NT_PRPSINFO. */
void elf_writer_process(struct elf_writer *w, uint32_t pid, const char *name, const char *args);
/* A mapping of NT_FILE, whose note is written by elf_writer_build. */
void elf_writer_file(struct elf_writer *w, uint64_t start, uint64_t end, uint64_t page_off, const char *path);

/* The core; borrowed from the writer, built once. */
struct span elf_writer_build(struct elf_writer *w);
/* Overwrites a part of the built core. */
void elf_writer_patch(struct elf_writer *w, uint64_t off, const void *bytes, size_t size);

#endif
