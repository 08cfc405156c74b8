/*
 * Ranges that may overlap and repeat, made flat: for every address the range that was listed first. Built for the list of some
 * 100,000 overlapping ranges of 8 bytes that wine writes, and for lists that lie: n log n, whatever the order.
 */
#ifndef CLRTRAIL_DUMP_MINIDUMP_OVERLAY_H
#define CLRTRAIL_DUMP_MINIDUMP_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct overlay_range {
    uint64_t start, end; /* start < end */
    uint64_t value, tag; /* the caller's */
};

/* [start, end) of ranges[source]. */
struct overlay_part {
    uint64_t start, end;
    size_t source;
};

struct overlay_parts {
    struct overlay_part *data;
    size_t count, capacity;
};

/* Parts sorted by start, not overlapping, at most 2 * count of them; release with vec_deinit. Errors: ERROR_NOMEM. */
struct error *overlay_flatten(const struct overlay_range *ranges, size_t count, struct overlay_parts *ret);

#endif
