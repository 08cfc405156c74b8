/*
 * Which pages of a running process are in memory, and which of them are its own: what smaps calls Rss and Private_Dirty, for any
 * part of its address space. Source: linux Documentation/admin-guide/mm/pagemap.rst, fs/proc/task_mmu.c.
 */
#ifndef CLRTRAIL_DUMP_LIVE_PAGES_H
#define CLRTRAIL_DUMP_LIVE_PAGES_H

#include "dump/dump.h"

/* Two bits a page of one mapping. */
struct live_range {
    uint64_t start, end;
    uint64_t first; /* number of its first page among all */
    bool is_memfd;
};

struct live_pages {
    VEC(struct live_range) ranges; /* sorted */
    uint8_t *states;               /* four pages a byte */
};

struct live_pages_sum {
    uint64_t resident;      /* bytes in memory */
    uint64_t private_dirty; /* of these: that nobody else maps, and that no file holds */
};

/*
 * Takes down the state of all pages: to read the process's memory brings more of it in. Nothing for a dump that is no running
 * process, or when the kernel gives no pagemap. False: out of memory. Always followed by live_pages_deinit.
 */
bool live_pages_init(const struct dump *dump, struct live_pages *ret);
void live_pages_deinit(struct live_pages *pages);
/* Adds the pages of [start, end). */
void live_pages_add(const struct live_pages *pages, uint64_t start, uint64_t end, struct live_pages_sum *sum);

#endif
