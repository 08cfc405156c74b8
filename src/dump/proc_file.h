/*
 * Files of /proc/N: whole small ones, links, and words of them.
 */
#ifndef CLRTRAIL_DUMP_PROC_FILE_H
#define CLRTRAIL_DUMP_PROC_FILE_H

#include "base/error.h"
#include "base/text.h"

#include <sys/types.h>

/* Opens /proc/PID as a directory, through which a process that ends is not mistaken for the next one of its number. -1 and errno.
 */
int proc_open(pid_t pid);
/* Appends the file `name` below `dir` to `ret`, at most `limit` bytes. False and errno when it cannot be opened or read. */
bool proc_read(int dir, const char *name, size_t limit, struct text *ret);
/* The number behind "KEY:" in a file like status; for several the last. False when there is none. */
bool proc_status_number(const struct text *status, const char *key, uint64_t *ret);
/* A pid or tid in decimal digits, nothing else. */
bool proc_parse_pid(const char *word, pid_t *ret);

#endif
