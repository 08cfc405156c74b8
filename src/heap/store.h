/*
 * The index: what the passes over a heap found, kept in a file for the next command on the same dump.
 *
 *     FOLDER/key                 16 random bytes of this user
 *     FOLDER/<identity>.index    header {magic, version, sections, identity, MAC of header and table}
 *                                table of sections {name, context, offset, size, MAC}, their bytes
 *
 * The passes trust what they found, so nothing is taken from a file that was not written by this user's clrtrail: every part has a
 * message authentication code under a key that is in the cache folder only. A file that is stale, cut off, damaged or somebody
 * else's is as none. `identity` stands for the dump and all options that decide what is read of it; `context` of a section for the
 * rest that it depends on, such as the list of roots that its numbers mean.
 *
 * Written beside the old file and renamed: readers and two writers at once do no harm.
 */
#ifndef CLRTRAIL_HEAP_STORE_H
#define CLRTRAIL_HEAP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

enum { STORE_SECTIONS_MAX = 16, STORE_NAME_SIZE = 24, STORE_FILES_MAX = 8 /* kept in a folder */ };

struct store_section {
    char name[STORE_NAME_SIZE]; /* zero-padded */
    uint64_t context, offset, size, mac;
};

struct store_header {
    char magic[16];
    uint32_t version, section_count;
    uint64_t identity;
    uint64_t mac; /* of the header with this as 0, and the table */
};

struct store_offer {
    const char *name;
    uint64_t context;
    const void *data; /* borrowed until the store is closed */
    size_t size;
};

struct store {
    int folder_fd; /* -1: no store */
    int fd;        /* -1: no file yet */
    struct siphash_key key;
    uint64_t identity;
    unsigned threads;
    uint32_t section_count;
    struct store_section sections[STORE_SECTIONS_MAX];
    uint32_t offer_count;
    struct store_offer offers[STORE_SECTIONS_MAX];
};

/*
 * `folder` is made when missing; NULL: that of the user's cache, where the key lies in any case. False, and a store that reads and
 * writes nothing: there is no such folder, or others could write into it.
 */
bool store_open(const char *folder, uint64_t identity, unsigned threads, struct store *ret);
/* Writes what was offered, with what the file had before; no word when that cannot be done. `store` may be NULL. */
void store_save(struct store *store);
void store_close(struct store *store);

/* Fills `data` with a section of exactly this size and context. False: there is none; `data` may be overwritten. `store` may be
 * NULL. */
bool store_read(const struct store *store, const char *name, uint64_t context, void *data, size_t size);
/* Size of a section with this context, 0: there is none. */
size_t store_size(const struct store *store, const char *name, uint64_t context);
/* `data` is to be kept; it stays the caller's, unchanged until the store is saved. */
void store_offer(struct store *store, const char *name, uint64_t context, const void *data, size_t size);

/* The table of a file of `file_size` bytes that begins with these; false unless it is whole, authentic and of `identity`. */
bool store_parse(const void *bytes, size_t size, uint64_t file_size, const struct siphash_key *key, uint64_t identity,
                 struct store_section *sections, uint32_t *count_ret);
/* The MAC that belongs into the header. `table` holds section_count sections. */
uint64_t store_mac(const struct store_header *header, const struct store_section *table, const struct siphash_key *key);

#endif
