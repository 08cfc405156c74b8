/*
 * /proc/N/maps, line by line.
 *
 *     7f5606a60000-7f5606a63000 rw-s 00001000 00:01 21287      /memfd:doublemapper (deleted)
 *     start        end          prot offset   device inode     path, [name] or nothing; a newline in it is written \012
 *
 * Source: linux fs/proc/task_mmu.c, show_map_vma.
 */
#ifndef CLRTRAIL_DUMP_PROC_MAPS_H
#define CLRTRAIL_DUMP_PROC_MAPS_H

#include "base/span.h"

struct proc_map {
    uint64_t start, end;
    uint64_t file_off;
    uint64_t inode;
    uint8_t protection; /* enum protection of dump.h */
    bool is_shared;
    struct span path; /* borrowed; empty for none */
};

struct proc_maps {
    struct span rest;
    uint64_t bad_count; /* lines that make no sense */
};

void proc_maps_begin(struct proc_maps *iter, struct span text);
/* False at the end. Lines that make no sense, or are cut off, are counted and left out. */
bool proc_maps_next(struct proc_maps *iter, struct proc_map *ret);

/* Of a file, or a memfd; not [stack], [vdso] or nothing. */
bool proc_map_is_file(const struct proc_map *map);
/* Memory of the kernel's or a device's own, which nobody else can read ([vvar], [vsyscall]). */
bool proc_map_is_special(const struct proc_map *map);

#endif
