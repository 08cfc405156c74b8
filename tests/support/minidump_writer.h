/*
 * Minidumps made in memory, for tests: piece by piece, or whole ones in the manner of the two writers that exist.
 *
 *     Microsoft's dbgcore   17 directory entries of which 6 are unused, MemoryInfoList, PDB records, thread names, misc info of
 *                           1364 bytes, handles, unloaded modules, exception
 *     wine's dbghelp        8 entries, one of its own type, 2 unused; none of the above, misc info of 24 bytes
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_MINIDUMP_WRITER_H
#define CLRTRAIL_TESTS_SUPPORT_MINIDUMP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/vec.h"

struct minidump_writer {
    VEC(uint8_t) bytes;
    uint32_t entry_count, entries_used;
};

/* Header and a directory of `entry_count` unused entries. */
void minidump_writer_init(struct minidump_writer *w, uint32_t version, uint64_t flags, uint32_t entry_count);
void minidump_writer_deinit(struct minidump_writer *w);
/* Borrowed until the next change. */
struct span minidump_writer_span(const struct minidump_writer *w);

/* All return the offset of what they appended. `data` NULL appends zeros. */
uint32_t minidump_writer_put(struct minidump_writer *w, const void *data, size_t size);
uint32_t minidump_writer_u16(struct minidump_writer *w, uint16_t value);
uint32_t minidump_writer_u32(struct minidump_writer *w, uint32_t value);
uint32_t minidump_writer_u64(struct minidump_writer *w, uint64_t value);
/* A string record; `text` is ASCII. */
uint32_t minidump_writer_string(struct minidump_writer *w, const char *text);
void minidump_writer_patch_u32(struct minidump_writer *w, uint32_t off, uint32_t value);
void minidump_writer_patch_u64(struct minidump_writer *w, uint32_t off, uint64_t value);

/* Fills the next directory entry. */
void minidump_writer_entry(struct minidump_writer *w, uint32_t type, uint32_t off, uint32_t size);
/* The same for the bytes from `off` to the end. */
void minidump_writer_stream(struct minidump_writer *w, uint32_t type, uint32_t off);
/* Offset of the first stream of that type, 0 if none. */
uint32_t minidump_writer_find(const struct minidump_writer *w, uint32_t type);

struct writer_thread {
    uint32_t id;
    uint64_t teb, ip, sp;
    const char *name;    /* dbgcore only */
    uint32_t dump_flags; /* dbgcore only */
    bool no_context;
};

struct writer_module {
    uint64_t base;
    uint32_t size, timestamp;
    const char *path;
    uint16_t version[4];
    const char *pdb; /* dbgcore only; NULL: no CodeView record */
};

struct writer_region {
    uint64_t start, size, allocation_base;
    uint32_t state, protect, type;
};

struct writer_memory {
    uint64_t start, size;
    const void *data; /* NULL: zeros */
};

struct writer_process {
    uint16_t architecture;
    uint32_t pid, timestamp;
    uint64_t flags;
    const struct writer_thread *threads;
    size_t thread_count;
    const struct writer_module *modules;
    size_t module_count;
    const struct writer_region *regions; /* dbgcore only */
    size_t region_count;
    const struct writer_memory *memory;
    size_t memory_count;
    uint32_t exception_thread; /* dbgcore only; 0: no Exception stream */
};

/* Single streams, for dumps of another make. */
void minidump_writer_system_info(struct minidump_writer *w, uint16_t architecture, const char *service_pack);
void minidump_writer_misc_info(struct minidump_writer *w, uint32_t size, uint32_t pid);
void minidump_writer_threads(struct minidump_writer *w, const struct writer_process *process);
void minidump_writer_modules(struct minidump_writer *w, const struct writer_process *process, bool code_view);
void minidump_writer_regions(struct minidump_writer *w, const struct writer_process *process);
void minidump_writer_memory_list(struct minidump_writer *w, const struct writer_process *process);
/* Must be the last: the bytes of the process follow it. */
void minidump_writer_memory64_list(struct minidump_writer *w, const struct writer_process *process);

/* Whole dumps; they initialise `w`. The header's flags decide between Memory64List (0x2) and MemoryList. */
void minidump_writer_dbgcore(struct minidump_writer *w, const struct writer_process *process);
void minidump_writer_wine(struct minidump_writer *w, const struct writer_process *process);

#endif
