/*
 * A dump, as its format describes it: ranges of memory, mapped files, modules, threads. No knowledge of the CLR.
 * One file per format (elf_core.c, minidump.c, live_linux.c) fills it in; `dump_formats[]` lists them.
 */
#ifndef CLRTRAIL_DUMP_DUMP_H
#define CLRTRAIL_DUMP_DUMP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/gaps.h"
#include "base/progress.h"
#include "base/vec.h"
#include "dump/byte_file.h"

enum protection { PROTECTION_READ = 1, PROTECTION_WRITE = 2, PROTECTION_EXEC = 4, PROTECTION_GUARD = 8, PROTECTION_COPY = 16 };
enum range_state { RANGE_COMMIT, RANGE_RESERVE, RANGE_FREE };
enum range_type { RANGE_UNKNOWN, RANGE_PRIVATE, RANGE_MAPPED, RANGE_IMAGE };

/*
 * Memory [start, end) of the process. The first `file_size` bytes lie in the dump at `file_off`; the rest is not in it (the core's
 * p_filesz < p_memsz: pages never touched, or left out). file_size is 0 for ranges that are only described.
 * Ranges are sorted by start and do not overlap.
 */
struct dump_range {
    uint64_t start, end;
    uint64_t file_off, file_size;
    uint8_t protection;       /* enum protection */
    uint8_t state;            /* enum range_state; a core lists only what is committed, or reserved (no access) */
    uint8_t type;             /* enum range_type; minidumps with a MemoryInfoList only */
    uint64_t allocation_base; /* minidumps only, else 0 */
};

/* [start, end) was mapped from `path` at `file_off` (NT_FILE, /proc/N/maps). Sorted by start. */
struct dump_file_map {
    uint64_t start, end;
    uint64_t file_off;
    const char *path; /* arena */
};

/* A native module as a minidump lists it; for cores empty: derived from file maps in target/. */
struct dump_module {
    uint64_t base, size;
    uint32_t timestamp;
    uint32_t checksum;
    const char *path;        /* arena, UTF-8 */
    const char *version;     /* arena, "10.0.1426.52326", NULL when unknown */
    const uint8_t *build_id; /* PDB GUID + age, or ELF build-id; arena, NULL when unknown */
    uint32_t build_id_size;
};

enum { DUMP_REGISTER_COUNT = 17 }; /* x64: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rip; arm64 dumps leave them 0 but for ip, sp */

struct dump_thread {
    uint32_t os_id;
    uint64_t ip, sp;
    uint64_t tls_base; /* fs_base (Linux), TEB (Windows) */
    uint64_t registers[DUMP_REGISTER_COUNT];
    bool has_registers;
    struct span
        raw_registers; /* as the kernel lays them out (user_regs_struct, user_pt_regs); empty when unknown, and for minidumps */
    const char *name;  /* arena, NULL when unknown */
};

struct dump {
    struct byte_file *file; /* owned */
    struct arena arena;
    const char *format; /* "elf-core", "minidump", "live" */
    const char *kind;   /* "full", "heap", "mini", "triage", "gcore", "kernel", "live", "unknown" */
    const char *os;     /* "linux", "windows" */
    const char *arch;   /* "x64", "arm64", "x86", "arm" */
    uint32_t pid;
    uint64_t time;       /* seconds since 1970, 0 when unknown */
    const char *command; /* arena; command line or image name, NULL when unknown */
    VEC(struct dump_range) ranges;
    VEC(struct dump_file_map) file_maps;
    VEC(struct dump_module) modules;
    VEC(struct dump_thread) threads;
    struct span auxv;       /* NT_AUXV, empty when there is none */
    VEC(struct span) notes; /* of a core: the content of its note segments */
    struct span own_note;   /* text of the note that our own writer adds (dump/core_notes.h), empty for none */
    const char *told_kind;  /* what that note says of the kind, NULL for nothing */
    uint64_t left_out_size; /* and how many bytes it left out on purpose */
    const char *os_version;
    bool has_memory_info; /* ranges come from a MemoryInfoList: state and type are exact */
    bool truncated;       /* the file ends before what its headers promise */
};

struct dump_format {
    const char *name;
    /* True when the first bytes say that `open` should be tried. */
    bool (*probe)(struct span bytes);
    /* Fills `dump` (arena and file are set). What is damaged becomes a gap as long as anything can be told. */
    struct error *(*open)(struct dump *dump, struct gaps *gaps);
};

/* An empty one, for formats that are no file. Takes `file` unless it fails. Errors: ERROR_NOMEM. */
struct error *dump_create(struct byte_file *file, struct dump **ret);
/* Opens any supported file, or "pid:N" without holding it (dump/live_linux.h). Errors say what was found instead of a dump.
 * `progress` may be NULL. */
struct error *dump_open(const char *path, struct gaps *gaps, struct progress *progress, struct dump **ret);
/* The same of a file that is already open; takes ownership of `file`, also on error. */
struct error *dump_open_file(struct byte_file *file, struct gaps *gaps, struct dump **ret);
void dump_close(struct dump *dump);

/* The range that holds `addr`, NULL if none. */
const struct dump_range *dump_range_at(const struct dump *dump, uint64_t addr);
/* Index of the first range that ends behind `addr`; the number of ranges when none does. */
size_t dump_range_from(const struct dump *dump, uint64_t addr);
const struct dump_file_map *dump_file_map_at(const struct dump *dump, uint64_t addr);

extern const struct dump_format dump_format_elf_core;
extern const struct dump_format dump_format_minidump;

#endif
