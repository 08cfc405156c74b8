/*
 * Dense numbers for texts: the same text has the same number, the first one is 0. Built for names of types and paths, a few hundred
 * thousand of them; texts are copied and never removed.
 */
#ifndef CLRTRAIL_BASE_TEXT_MAP_H
#define CLRTRAIL_BASE_TEXT_MAP_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"

struct text_map {
    struct arena arena;
    struct map by_hash;      /* hash -> number; of equal hashes the later one takes the next free key */
    VEC(const char *) texts; /* by number */
};

void text_map_init(struct text_map *map);
void text_map_deinit(struct text_map *map);
/* The number of the text; false: it is not there. */
bool text_map_find(const struct text_map *map, const char *s, size_t length, size_t *ret);
/* The number of the text, which is added unless it is there. False: no memory. */
bool text_map_add(struct text_map *map, const char *s, size_t length, size_t *ret);

#endif
