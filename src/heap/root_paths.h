/*
 * Several paths from roots to one object: the shortest first, then one through each other object or root that refers to it, the
 * shortest of these first.
 *
 *     struct root_paths paths;
 *     TRY(root_paths_begin(graph, target, max, progress, &paths));
 *     while (paths.path.objects.count) {
 *         ... paths.number, paths.path
 *         TRY(root_paths_next(&paths, &more));
 *         if (!more) break;
 *     }
 *     root_paths_end(&paths);
 *
 * The other referrers cost one pass over the heap, when more than one path is wanted and the graph did not watch for them.
 */
#ifndef CLRTRAIL_HEAP_ROOT_PATHS_H
#define CLRTRAIL_HEAP_ROOT_PATHS_H

#include "heap/paths.h"

struct root_paths {
    const struct graph *graph; /* borrowed */
    uint64_t target;
    struct path path; /* the present one; without objects: no root leads to the target */
    size_t number;    /* of the present path, from 1 */
    size_t max;
    struct referrer {
        uint64_t addr; /* 0: a root holds the target itself, `root` says which */
        size_t root, length;
    } * referrers; /* those that further paths go through, the shortest first */
    size_t referrer_count, referrers_tried;
};

/* Errors: ERROR_FAULT (no object at `target`), out of memory, cancelled. Call root_paths_end after an error, too. */
struct error *root_paths_begin(const struct graph *graph, uint64_t target, size_t max, struct progress *progress,
                               struct root_paths *ret);
/* Turns `path` into the next one; *more_ret false: there is none, or `max` were shown. */
struct error *root_paths_next(struct root_paths *paths, bool *more_ret);
void root_paths_end(struct root_paths *paths);

#endif
