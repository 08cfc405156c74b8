/*
 * What the notes of a Linux core tell: threads with registers, mapped files, process, auxiliary vector, and who wrote the core.
 */
#ifndef CLRTRAIL_DUMP_ELF_CORE_NOTES_H
#define CLRTRAIL_DUMP_ELF_CORE_NOTES_H

#include "dump/dump.h"
#include "formats/elf.h"

/* Evidence of the writer. */
struct elf_core_traces {
    bool has_gdb_note;   /* a note of "GDB", e.g. the target description: gcore */
    bool has_linux_note; /* a note of "LINUX", e.g. NT_X86_XSTATE: the kernel or gcore, never createdump */
};

/*
 * Reads the content of one PT_NOTE segment into dump->threads, file_maps, pid, command and auxv. What is damaged is a gap.
 * Errors: ERROR_NOMEM.
 */
struct error *elf_core_read_notes(struct dump *dump, struct span notes, uint64_t align, uint16_t machine,
                                  struct elf_core_traces *traces, struct gaps *gaps);
/* Registers as the kernel lays them out: `raw` must live as long as the dump. False when they are too few. */
bool dump_thread_set_registers(struct dump_thread *thread, struct span raw, uint16_t machine);

#endif
