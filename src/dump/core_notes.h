/*
 * The notes of a core that we write: those of the core it was made from, or made from what is known of the process.
 *
 * Our own note (owner "clrtrail", type 1) is text, a line each, unknown words ignored by readers:
 *     kind heap                  what "kind" is of the core, as the reader shall say it
 *     time 1764000000            seconds since 1970
 *     thread 4711 .NET Finalizer name of a thread
 *     left-out 1234567           bytes of memory that the writer had and left out
 */
#ifndef CLRTRAIL_DUMP_CORE_NOTES_H
#define CLRTRAIL_DUMP_CORE_NOTES_H

#include "dump/dump.h"
#include "formats/elf_write.h"

#define CORE_NOTE_OWNER "clrtrail"
enum { CORE_NOTE_TYPE = 1 };

/* Appends them to `core`. */
struct error *core_notes_write(const struct dump *dump, const char *kind, uint64_t left_out_size, struct elf_write *core);
/* Takes from our own note what no other note says. */
void core_note_read(struct dump *dump, struct span text);
/* Gives threads the names that the note had; for when all threads are known. */
void core_note_name_threads(struct dump *dump, struct span text);

#endif
