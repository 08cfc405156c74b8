/*
 * A target opened from a core or minidump made in memory, and a directory for the files that it may look for.
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_TARGET_OPENED_H
#define CLRTRAIL_TESTS_SUPPORT_TARGET_OPENED_H

#include "support/elf_writer.h"
#include "target/target.h"

struct target_opened {
    struct target *target;
    struct gaps gaps;
};

/* Asserts that it opens. The bytes must outlive it; `images` and `sysroot` may be NULL. */
void target_opened_init(struct target_opened *opened, struct span dump, const char *images, const char *sysroot);
void target_opened_deinit(struct target_opened *opened);
/* The reason of the first gap of image files that contains `part`, NULL if none. */
const char *target_opened_gap(const struct target_opened *opened, const char *part);

/* A new directory below $TMPDIR, and files below it; parents are made. */
struct scratch {
    char path[64];
};

void scratch_init(struct scratch *scratch);
void scratch_deinit(struct scratch *scratch);
void scratch_write(const struct scratch *scratch, const char *name, struct span content);

#endif
