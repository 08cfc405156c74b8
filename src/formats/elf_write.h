/*
 * Writes the front of a Linux core, so that its memory can be streamed behind it:
 *
 *     ELF header | section header 0, only for 65,535 program headers and more | PT_NOTE, PT_LOAD ... | notes | padding to a page
 *     memory of each PT_LOAD in order, from a page boundary on
 *
 * Source: as formats/elf.h; linux fs/binfmt_elf.c for what a reader expects of notes.
 */
#ifndef CLRTRAIL_FORMATS_ELF_WRITE_H
#define CLRTRAIL_FORMATS_ELF_WRITE_H

#include "base/text.h"
#include "base/vec.h"
#include "formats/elf.h"

struct elf_write {
    uint16_t machine;
    VEC(struct elf_segment) loads; /* their `off` is known after elf_write_head */
    struct text notes;             /* bytes; elf_write_note appends */
};

void elf_write_init(struct elf_write *core, uint16_t machine);
void elf_write_deinit(struct elf_write *core);

/* [addr, addr + mem_size), of which the first `file_size` bytes will follow. `flags`: enum elf_segment_flags. False: no memory. */
bool elf_write_load(struct elf_write *core, uint64_t addr, uint64_t mem_size, uint64_t file_size, uint32_t flags);
void elf_write_note(struct elf_write *core, const char *owner, uint32_t type, struct span desc);
/* Appends everything up to the memory, and sets the loads' offsets. Errors: ERROR_NOMEM, ERROR_LIMIT. */
struct error *elf_write_head(struct elf_write *core, struct text *ret);

#endif
