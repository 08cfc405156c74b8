/*
 * One stopped process: memory, native modules, threads. Frozen once opened; everything above reads it from many threads.
 */
#ifndef CLRTRAIL_TARGET_TARGET_H
#define CLRTRAIL_TARGET_TARGET_H

#include "base/arena.h"
#include "base/gaps.h"
#include "dump/dump.h"
#include "target/memory.h"

struct images;

/* A native image (ELF or PE) mapped in the process. */
struct target_module {
    uint64_t base, end;
    const char *path; /* as the dump says; arena */
    const char *name; /* last part of the path */
    bool is_pe;
    uint8_t build_id[32]; /* ELF note */
    uint32_t build_id_size;
    uint32_t timestamp, image_size; /* PE */
};

struct target_options {
    const char *const *image_dirs; /* --images, in order */
    size_t image_dir_count;
    const char *sysroot; /* --sysroot, NULL for none */
};

struct target {
    struct dump *dump; /* owned */
    struct memory memory;
    struct images *images;
    struct arena arena;
    struct gaps *gaps;
    VEC(struct target_module) modules; /* sorted by base */
    bool is_windows;
};

/* Takes ownership of `dump`, also on error. */
struct error *target_open(struct dump *dump, const struct target_options *options, struct gaps *gaps, struct target **ret);
void target_close(struct target *target);

/* The module that holds `addr`, NULL if none. */
const struct target_module *target_module_at(const struct target *target, uint64_t addr);
/* The address of an exported symbol of a module (ELF .dynsym by hash, or PE export table), from memory or the image file. */
bool target_export(const struct target *target, const struct target_module *module, const char *symbol, uint64_t *ret);
/* Committed bytes described by the dump: the sum that the ledger has to reach. */
uint64_t target_committed(const struct target *target);

#endif
