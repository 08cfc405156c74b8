/*
 * Finds the file on this machine that a path inside a dump names. A dump's paths are names only, they may say anything:
 *
 *     --images DIR    below DIR: the longest tail of the path first, then shorter ones, down to the base name; no symbolic link
 * leads out of DIR. Paths of Windows are compared without regard to case.
 *     --sysroot DIR   DIR as the root directory, symbolic links included
 *     its own path    without --sysroot, when it is absolute and a regular file; for dumps of this machine
 *
 * Only regular files are opened, read-only, and the caller decides from their content whether one is the right one.
 */
#ifndef CLRTRAIL_TARGET_IMAGE_SEARCH_H
#define CLRTRAIL_TARGET_IMAGE_SEARCH_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/gaps.h"
#include "base/span.h"
#include "base/vec.h"

struct image_search {
    VEC(int) dirs; /* descriptors of the --images, in order */
    int sysroot;   /* -1: none */
    bool is_windows;
    atomic_uint_fast64_t lost_pages; /* of mapped files that shrank, or whose disk failed */
};

/* A directory that cannot be opened is a gap. Errors: ERROR_NOMEM. */
struct error *image_search_init(struct image_search *search, const char *const *dirs, size_t dir_count, const char *sysroot,
                                bool is_windows, struct gaps *gaps);
void image_search_deinit(struct image_search *search);

/*
 * Tries the places in order until `accept` says yes to the content of one; that file stays mapped and is `ret` (release it with
 * image_file_unmap). `accept` is called with the bytes of each candidate.
 */
bool image_search_find(struct image_search *search, const char *path, bool (*accept)(void *user, struct span bytes), void *user,
                       struct span *ret);
void image_file_unmap(struct span file);

#endif
