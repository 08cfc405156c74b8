/*
 * A minidump in memory, opened as the program would open a file.
 */
#ifndef CLRTRAIL_TESTS_SUPPORT_MINIDUMP_OPENED_H
#define CLRTRAIL_TESTS_SUPPORT_MINIDUMP_OPENED_H

#include "dump/dump.h"
#include "minidump_writer.h"

struct minidump_opened {
    struct byte_file file;
    struct dump dump;
    struct gaps gaps;
    struct error *err; /* what opening answered */
};

/* `bytes` are borrowed; `opened` must not move. */
void minidump_opened_init(struct minidump_opened *opened, struct span bytes);
void minidump_opened_deinit(struct minidump_opened *opened);
bool minidump_opened_has_gap(const struct minidump_opened *opened, const char *what);
/* What every dump owes its users: ranges sorted, apart from each other, with content that lies in the file; no NULL paths. */
bool minidump_opened_is_sound(const struct minidump_opened *opened);

#endif
