#include "dump/proc_maps.h"

#include "dump/dump.h"

void proc_maps_begin(struct proc_maps *iter, struct span text)
{
    *iter = (struct proc_maps) { .rest = text };
}

/* Takes digits of `base` from the front; false when there are none or they are more than 64 bits. */
static bool take_number(struct span *line, unsigned base, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < line->size; i++) {
        uint8_t c = line->data[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)c - '0' : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10 : 16;
        if (digit >= base) break;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) || __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *line = span_from(*line, i);
    *ret = value;
    return i > 0;
}

static bool take_byte(struct span *line, uint8_t wanted)
{
    if (line->size == 0 || line->data[0] != wanted) return false;
    *line = span_from(*line, 1);
    return true;
}

static bool take_protection(struct span *line, struct proc_map *map)
{
    const uint8_t *p = line->data;

    if (line->size < 5 || p[4] != ' ') return false;
    map->protection = (uint8_t)((p[0] == 'r' ? PROTECTION_READ : 0) | (p[1] == 'w' ? PROTECTION_WRITE : 0) |
                                (p[2] == 'x' ? PROTECTION_EXEC : 0));
    map->is_shared = p[3] == 's';
    *line = span_from(*line, 5);
    return true;
}

static bool decode(struct span line, struct proc_map *ret)
{
    struct proc_map map = { 0 };
    uint64_t ignored;

    if (!take_number(&line, 16, &map.start) || !take_byte(&line, '-') || !take_number(&line, 16, &map.end)) return false;
    if (!take_byte(&line, ' ') || !take_protection(&line, &map) || !take_number(&line, 16, &map.file_off)) return false;
    if (!take_byte(&line, ' ') || !take_number(&line, 16, &ignored) || !take_byte(&line, ':')) return false;
    if (!take_number(&line, 16, &ignored) || !take_byte(&line, ' ') || !take_number(&line, 10, &map.inode)) return false;
    while (take_byte(&line, ' '))
        ;
    map.path = line;
    *ret = map;
    return map.start < map.end;
}

bool proc_maps_next(struct proc_maps *iter, struct proc_map *ret)
{
    while (iter->rest.size > 0) {
        const uint8_t *end = memchr(iter->rest.data, '\n', iter->rest.size);
        struct span line = { iter->rest.data, end ? (size_t)(end - iter->rest.data) : iter->rest.size };
        iter->rest = span_from(iter->rest, line.size + (end != NULL));
        if (end && decode(line, ret)) return true;
        iter->bad_count++;
    }
    return false;
}

static bool path_is(const struct proc_map *map, const char *text)
{
    return map->path.size == strlen(text) && !memcmp(map->path.data, text, map->path.size);
}

bool proc_map_is_file(const struct proc_map *map)
{
    return map->path.size > 0 && map->path.data[0] == '/';
}

bool proc_map_is_special(const struct proc_map *map)
{
    return path_is(map, "[vvar]") || path_is(map, "[vvar_vclock]") || path_is(map, "[vsyscall]") || path_is(map, "[uprobes]");
}
