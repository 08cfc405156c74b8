#include "dump/live_pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, ENTRIES = 1024, STATES = 4 /* in a byte */, STATE_BITS = 2, RESIDENT = 1, PRIVATE_DIRTY = 2 };

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_FILE (UINT64_C(1) << 61) /* or memory that can be shared */
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56)

/* Pages of memory without a name in a file system (memfd) are dirty like those of no file. */
static unsigned page_state(uint64_t entry, bool is_memfd)
{
    if (!(entry & PAGEMAP_PRESENT)) return 0;
    return RESIDENT | (entry & PAGEMAP_EXCLUSIVE && (is_memfd || !(entry & PAGEMAP_FILE)) ? PRIVATE_DIRTY : 0);
}

static void read_range(struct live_pages *pages, const struct live_range *range, int fd)
{
    uint64_t entries[ENTRIES], count = (range->end - range->start) / PAGE;

    for (uint64_t done = 0; done < count;) {
        uint64_t wanted = count - done < ENTRIES ? count - done : ENTRIES;
        ssize_t got = pread(fd, entries, wanted * sizeof(entries[0]), (off_t)((range->start / PAGE + done) * sizeof(entries[0])));

        if (got < (ssize_t)sizeof(entries[0])) return;
        for (uint64_t i = 0; i < (uint64_t)got / sizeof(entries[0]); i++) {
            uint64_t page = range->first + done + i;
            pages->states[page / STATES] |= (uint8_t)(page_state(entries[i], range->is_memfd) << page % STATES * STATE_BITS);
        }
        done += (uint64_t)got / sizeof(entries[0]);
    }
}

bool live_pages_init(const struct dump *dump, struct live_pages *ret)
{
    uint64_t count = 0;
    char path[48];
    int fd;

    *ret = (struct live_pages) { 0 };
    if (strcmp(dump->kind, "live") != 0) return true;
    snprintf(path, sizeof(path), "/proc/%u/pagemap", dump->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true;
    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        const struct dump_file_map *map = dump_file_map_at(dump, range->start);
        struct live_range pages = { range->start, range->end, count, map && strstr(map->path, "memfd:") };

        if (range->state != RANGE_COMMIT) continue;
        if (!vec_push(&ret->ranges, pages)) break;
        count += (range->end - range->start) / PAGE;
    }
    ret->states = calloc(count / STATES + 1, 1);
    for (size_t i = 0; ret->states && i < ret->ranges.count; i++)
        read_range(ret, &ret->ranges.data[i], fd);
    close(fd);
    return ret->states;
}

void live_pages_deinit(struct live_pages *pages)
{
    vec_deinit(&pages->ranges);
    free(pages->states);
    *pages = (struct live_pages) { 0 };
}

/* Index of the first range that ends behind `addr`. */
static size_t range_from(const struct live_pages *pages, uint64_t addr)
{
    size_t low = 0, high = pages->ranges.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pages->ranges.data[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void live_pages_add(const struct live_pages *pages, uint64_t start, uint64_t end, struct live_pages_sum *sum)
{
    for (size_t i = range_from(pages, start); i < pages->ranges.count && pages->ranges.data[i].start < end; i++) {
        const struct live_range *range = &pages->ranges.data[i];
        uint64_t from = range->start > start ? range->start : start, to = range->end < end ? range->end : end;

        /* A page belongs to whom its first byte belongs to. */
        for (uint64_t addr = (from + PAGE - 1) / PAGE * PAGE; addr < to; addr += PAGE) {
            uint64_t page = range->first + (addr - range->start) / PAGE;
            unsigned state = pages->states[page / STATES] >> page % STATES * STATE_BITS;

            if (state & RESIDENT) sum->resident += PAGE;
            if (state & PRIVATE_DIRTY) sum->private_dirty += PAGE;
        }
    }
}
