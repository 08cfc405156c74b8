/*
 * Finds the native modules of a process: a minidump lists them, for a core they are derived from the file mappings.
 */
#ifndef CLRTRAIL_TARGET_TARGET_MODULES_H
#define CLRTRAIL_TARGET_TARGET_MODULES_H

#include "target/target.h"

/* Fills target->modules, sorted; the memory must be there, image files need not. Errors: ERROR_NOMEM. */
struct error *target_find_modules(struct target *target);

/* Mapped from a file that could be an image: not a memfd, a device, shared memory. */
bool target_is_file_path(const char *path);

#endif
