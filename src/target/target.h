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
    const char *name; /* last part of the path, without the kernel's " (deleted)" */
    bool is_pe;
    uint8_t build_id[32]; /* ELF note */
    uint32_t build_id_size;
    uint32_t timestamp, image_size; /* PE; 0 when its header is not in the dump */
};

struct target_options {
    const char *const *image_dirs; /* --images, in order */
    size_t image_dir_count;
    const char *sysroot; /* --sysroot, NULL for none */
};

struct target {
    struct dump *dump; /* owned */
    /* What the dump holds; below it, what cannot have changed since the image files were mapped: code, read-only data, metadata. */
    struct memory memory;
    /*
     * The same; below it also what writable sections of image files held when they were loaded. Only for data that nobody writes
     * although it could be: the contract descriptor and its pointers (.data of libcoreclr), ReadyToRun tables (.data of dlls).
     */
    struct memory constants;
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
/* A PE module's resource of type RCDATA: where it is and its size. */
bool target_resource(const struct target *target, const struct target_module *module, const char *name, uint64_t *addr_ret,
                     uint64_t *size_ret);
/* The whole file of a module, from this machine, if it is the same file (target/images.h); borrowed as long as the target. */
bool target_image_file(const struct target *target, const struct target_module *module, struct span *ret);

/*
 * Committed bytes described by the dump: the sum that the ledger has to reach. Of a Linux core: what can be written, and what can
 * be executed or read and is no file; read-only file pages count apart. Of a minidump: what Windows calls committed.
 */
uint64_t target_committed(const struct target *target);
/* The bytes of one range that count as committed: 0, or its size, or less where a part of it is a read-only file. */
uint64_t target_range_committed(const struct target *target, const struct dump_range *range);

#endif
