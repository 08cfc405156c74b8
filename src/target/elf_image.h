/*
 * An ELF image, either as it lies in memory (loaded at base) or as the bytes of its file. Addresses are the image's own, as linked
 * ("vaddr"); in memory, address = bias + vaddr.
 * Only what a loaded image keeps is read: program headers, notes and the dynamic section, never the section table.
 * Source: System V ABI (gABI), chapters 4 and 5; the GNU hash table as binutils and lld write it.
 */
#ifndef CLRTRAIL_TARGET_ELF_IMAGE_H
#define CLRTRAIL_TARGET_ELF_IMAGE_H

#include "base/span.h"
#include "target/memory.h"

enum { ELF_IMAGE_MAX_LOADS = 16, ELF_IMAGE_MAX_BUILD_ID = 32 };

struct elf_load {
    uint64_t vaddr, file_off, file_size, mem_size;
    bool writable, executable;
};

struct elf_image {
    const struct memory *memory; /* NULL: `file` is read */
    bool dumped_only;            /* do not look into image files */
    struct span file;
    uint64_t base; /* where file offset 0 is in memory; 0 for a file */
    uint64_t bias;
    uint16_t machine; /* enum elf_machine */
    struct elf_load loads[ELF_IMAGE_MAX_LOADS];
    uint32_t load_count;
    uint64_t low, high;        /* vaddr range of all loads, whole pages */
    uint64_t relro, relro_end; /* vaddr range that is read-only once relocated */
    uint64_t dynamic, dynamic_size;
    uint8_t build_id[ELF_IMAGE_MAX_BUILD_ID];
    uint32_t build_id_size; /* 0: none found */
};

/* False when there is no ELF header of 64 bits, little endian, with at least one PT_LOAD. */
bool elf_image_from_memory(const struct memory *memory, uint64_t base, bool dumped_only, struct elf_image *ret);
bool elf_image_from_file(struct span file, struct elf_image *ret);

/* The vaddr of file offset 0. */
uint64_t elf_image_start(const struct elf_image *image);
bool elf_image_read(const struct elf_image *image, uint64_t vaddr, void *buffer, size_t size);
/* A defined symbol of .dynsym, by DT_GNU_HASH, else one by one. */
bool elf_image_symbol(const struct elf_image *image, const char *name, uint64_t *vaddr_ret);
/* The load whose pages hold `vaddr`. */
const struct elf_load *elf_image_load_at(const struct elf_image *image, uint64_t vaddr);

/*
 * Calls `set` for every word that the dynamic linker sets. `value` is for an image loaded with that bias; NULL where another image
 * decides it (imports), or code of this one. Known are relative relocations, and those against symbols that the image itself
 * defines.
 */
void elf_image_relocate(const struct elf_image *image, uint64_t bias,
                        void (*set)(void *user, uint64_t vaddr, const uint64_t *value), void *user);

#endif
