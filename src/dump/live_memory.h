/*
 * The memory of a running process as a byte_file: the ranges of its dump one behind the other, read when first asked for.
 *
 *     bytes     | range 0 | range 1 | ...        anonymous memory, zero until filled, in chunks of 64 KiB
 *     chunks    a word each: which of its 16 pages were read, and whether it was tried
 *
 * Read through /proc/N/mem, which stays with the address space that it was opened for: after an exec, or when the pid is given to
 * another process, it reads nothing. A page that was never touched is not asked for, since asking would make the kernel map zeros.
 */
#ifndef CLRTRAIL_DUMP_LIVE_MEMORY_H
#define CLRTRAIL_DUMP_LIVE_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/vec.h"
#include "dump/byte_file.h"

struct live_piece {
    uint64_t off, addr, size;
    bool is_sparse; /* private and of no file: what is not in its page table is zero */
};

enum { LIVE_LOCKS = 16 };

struct live_memory {
    int mem_fd, pagemap_fd; /* owned; pagemap_fd -1 when the kernel gives none */
    VEC(struct live_piece) pieces;
    uint64_t size;
    uint8_t *content;
    atomic_uint *chunks;
    pthread_mutex_t locks[LIVE_LOCKS];
    atomic_bool is_gone;
    atomic_uint filled_count; /* chunks read so far */
    /* Called with every 64th of them, from any thread. May be NULL. */
    void (*on_filled)(void *user);
    void *user;
    struct gaps *gaps; /* borrowed */
};

/* Takes ownership of the descriptors. */
void live_memory_init(struct live_memory *memory, int mem_fd, int pagemap_fd, struct gaps *gaps);
void live_memory_deinit(struct live_memory *memory);
/* Appends `size` bytes at `addr`, both whole pages; `off_ret` is where they lie in the content. Errors: ERROR_NOMEM. */
struct error *live_memory_add(struct live_memory *memory, uint64_t addr, uint64_t size, bool is_sparse, uint64_t *off_ret);
/* Makes room for the content; nothing may be added afterwards. */
struct error *live_memory_reserve(struct live_memory *memory);
/* Reads [off, off + size) of the content if that was not done. False: a page of it cannot be read. Thread safe. */
bool live_memory_ensure(struct live_memory *memory, uint64_t off, uint64_t size);

/* Forgets the chunks that lie wholly inside [off, off + size) and gives their memory back; for those that read everything once. */
void live_memory_release(struct live_memory *memory, uint64_t off, uint64_t size);

#endif
