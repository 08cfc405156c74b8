#include "base/map.h"

#include <stdlib.h>

enum { MAP_FIRST_CAPACITY = 64 };

void map_init(struct map *map)
{
    *map = (struct map) { 0 };
}

void map_deinit(struct map *map)
{
    free(map->slots);
    *map = (struct map) { 0 };
}

static struct map_slot *slots_create(size_t capacity)
{
    struct map_slot *slots = calloc(capacity, sizeof(*slots));

    for (size_t i = 0; slots && i < capacity; i++)
        slots[i].key = MAP_EMPTY;
    return slots;
}

/* The slot of `key`, or the free one where it belongs. */
static struct map_slot *slot_find(struct map_slot *slots, size_t mask, uint64_t key)
{
    size_t i = (size_t)map_hash(key) & mask;

    while (slots[i].key != key && slots[i].key != MAP_EMPTY)
        i = (i + 1) & mask;
    return &slots[i];
}

static bool map_grow(struct map *map)
{
    size_t capacity = map->slots ? (map->mask + 1) * 2 : MAP_FIRST_CAPACITY;
    struct map_slot *slots = slots_create(capacity);

    if (!slots) return false;
    for (size_t i = 0; map->slots && i <= map->mask; i++)
        if (map->slots[i].key != MAP_EMPTY) *slot_find(slots, capacity - 1, map->slots[i].key) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->mask = capacity - 1;
    return true;
}

uint64_t *map_slot(struct map *map, uint64_t key, bool *added_ret)
{
    struct map_slot *slot;
    bool added = false;

    if (key == MAP_EMPTY) {
        added = !map->has_empty_key;
        if (added) map->empty_value = 0;
        map->has_empty_key = true;
        if (added_ret) *added_ret = added;
        return &map->empty_value;
    }
    if ((!map->slots || (map->count + 1) * 8 > (map->mask + 1) * 5) && !map_grow(map)) return NULL;
    slot = slot_find(map->slots, map->mask, key);
    if (slot->key == MAP_EMPTY) {
        *slot = (struct map_slot) { key, 0 };
        map->count++;
        added = true;
    }
    if (added_ret) *added_ret = added;
    return &slot->value;
}

bool map_put(struct map *map, uint64_t key, uint64_t value)
{
    uint64_t *slot = map_slot(map, key, NULL);

    if (!slot) return false;
    *slot = value;
    return true;
}

bool map_get(const struct map *map, uint64_t key, uint64_t *ret)
{
    const struct map_slot *slot;

    if (key == MAP_EMPTY) {
        if (map->has_empty_key) *ret = map->empty_value;
        return map->has_empty_key;
    }
    if (!map->slots) return false;
    slot = slot_find(map->slots, map->mask, key);
    if (slot->key == MAP_EMPTY) return false;
    *ret = slot->value;
    return true;
}
