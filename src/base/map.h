/*
 * Hash map from 64-bit keys (addresses, tokens) to 64-bit values (pointers, indices). Open addressing, linear probing, at most
 * 5/8 full; 16 bytes a slot. Key 0 is a legal key. Built for a few hundred thousand entries that are looked up far more often than
 * added; entries are never removed. Lookups may run in many threads while nobody adds.
 */
#ifndef CLRTRAIL_BASE_MAP_H
#define CLRTRAIL_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    uint64_t value;
};

struct map {
    struct map_slot *slots; /* key EMPTY marks a free slot */
    size_t mask;            /* number of slots - 1 */
    size_t count;
    bool has_empty_key; /* the key that marks free slots is itself stored, in `empty_value` */
    uint64_t empty_value;
};

void map_init(struct map *map);
void map_deinit(struct map *map);
/* Adds or replaces. False when memory is exhausted; the map is then unchanged. */
bool map_put(struct map *map, uint64_t key, uint64_t value);
bool map_get(const struct map *map, uint64_t key, uint64_t *ret);
/* Adds `key` with value 0 unless it is there; the address of its value is valid until the next addition. NULL: no memory. */
uint64_t *map_slot(struct map *map, uint64_t key, bool *added_ret);

#define MAP_EMPTY UINT64_C(0xfeedfacecafef00d)

static inline uint64_t map_hash(uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return key ^ (key >> 32);
}

#endif
