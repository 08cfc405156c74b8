#include "managed/equal_content.h"

#include <string.h>

#include "base/span.h"

void equal_groups_init(struct equal_groups *groups, const struct memory *memory)
{
    *groups = (struct equal_groups) { .memory = memory };
    map_init(&groups->index);
}

void equal_groups_deinit(struct equal_groups *groups)
{
    vec_deinit(&groups->list);
    map_deinit(&groups->index);
}

/* 8 bytes at a time, then the rest; type and length are part of it. */
static uint64_t hash_bytes(uint64_t mt_addr, const uint8_t *p, uint64_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ size ^ map_hash(mt_addr);

    for (; size >= 8; p += 8, size -= 8)
        hash = (hash ^ load_u64(p)) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
    for (; size; p++, size--)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 31;
}

static bool is_equal(const struct equal_groups *groups, const struct equal_group *group, uint64_t mt_addr, const uint8_t *bytes,
                     uint64_t size)
{
    const uint8_t *first;

    if (group->mt_addr != mt_addr || group->size != size) return false;
    first = size ? memory_try_span(groups->memory, group->data, size) : NULL;
    return !size || (first && memcmp(first, bytes, size) == 0);
}

bool equal_groups_add(struct equal_groups *groups, uint64_t mt_addr, uint64_t addr, uint64_t object_size, uint64_t data,
                      uint64_t size, bool *read_ret)
{
    struct equal_group group = { mt_addr, addr, data, size, 1, object_size };
    const uint8_t *bytes = size ? memory_try_span(groups->memory, data, size) : NULL;

    *read_ret = bytes || !size;
    if (!*read_ret) return true;
    /* Another content of the same hash takes the next one. */
    for (uint64_t hash = hash_bytes(mt_addr, bytes, size);; hash++) {
        uint64_t *slot = map_slot(&groups->index, hash, NULL);

        if (!slot) return false;
        if (!*slot) {
            if (!vec_push(&groups->list, group)) return false;
            *slot = groups->list.count;
            return true;
        }
        if (!is_equal(groups, &groups->list.data[*slot - 1], mt_addr, bytes, size)) continue;
        groups->list.data[*slot - 1].count++;
        groups->list.data[*slot - 1].bytes += object_size;
        return true;
    }
}
