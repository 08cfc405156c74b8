/*
 * Objects of equal content, told by their bytes: strings, arrays of numbers.
 *
 * A group is found by a hash of type and bytes, and confirmed by comparing the bytes with those of its first object, which stay in
 * the dump. 56 bytes a group.
 */
#ifndef CLRTRAIL_MANAGED_EQUAL_CONTENT_H
#define CLRTRAIL_MANAGED_EQUAL_CONTENT_H

#include "base/map.h"
#include "base/vec.h"
#include "target/memory.h"

struct equal_group {
    uint64_t mt_addr;
    uint64_t addr;       /* of the first object */
    uint64_t data, size; /* its content */
    uint64_t count;      /* objects */
    uint64_t bytes;      /* of all of them, headers included */
};

struct equal_groups {
    const struct memory *memory; /* borrowed */
    VEC(struct equal_group) list;
    struct map index; /* hash -> index + 1 in list */
};

void equal_groups_init(struct equal_groups *groups, const struct memory *memory);
void equal_groups_deinit(struct equal_groups *groups);
/*
 * Counts an object of `object_size` bytes whose content lies at `data`. *read_ret false: not in the dump in one piece, and not
 * counted. False: out of memory.
 */
bool equal_groups_add(struct equal_groups *groups, uint64_t mt_addr, uint64_t addr, uint64_t object_size, uint64_t data,
                      uint64_t size, bool *read_ret);

#endif
