#include "base/text_map.h"

#include <string.h>

void text_map_init(struct text_map *map)
{
    *map = (struct text_map) { 0 };
    arena_init(&map->arena);
    map_init(&map->by_hash);
}

void text_map_deinit(struct text_map *map)
{
    arena_deinit(&map->arena);
    map_deinit(&map->by_hash);
    vec_deinit(&map->texts);
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_text(const char *s, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_text(const struct text_map *map, size_t number, const char *s, size_t length)
{
    const char *text = map->texts.data[number];

    return strlen(text) == length && !memcmp(text, s, length);
}

/* *hash_ret: the key under which it is, or would be. */
static bool find(const struct text_map *map, const char *s, size_t length, uint64_t *hash_ret, size_t *ret)
{
    uint64_t number;

    for (*hash_ret = hash_text(s, length); map_get(&map->by_hash, *hash_ret, &number); (*hash_ret)++) {
        if (!is_text(map, number, s, length)) continue;
        *ret = number;
        return true;
    }
    return false;
}

bool text_map_find(const struct text_map *map, const char *s, size_t length, size_t *ret)
{
    uint64_t hash;

    return find(map, s, strnlen(s, length), &hash, ret);
}

bool text_map_add(struct text_map *map, const char *s, size_t length, size_t *ret)
{
    const char *copy;
    uint64_t hash;

    /* What follows a NUL could not be told from its absence. */
    length = strnlen(s, length);
    if (find(map, s, length, &hash, ret)) return true;
    copy = arena_strndup(&map->arena, s, length);
    if (!copy || !vec_push(&map->texts, copy)) return false;
    if (!map_put(&map->by_hash, hash, map->texts.count - 1)) {
        map->texts.count--;
        return false;
    }
    *ret = map->texts.count - 1;
    return true;
}
