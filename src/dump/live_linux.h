/*
 * A running Linux process, read like a dump: format "live".
 *
 *     /proc/N/maps -> ranges, file maps     /proc/N/task -> threads     /proc/N/mem -> bytes, when they are asked for
 *
 * Nothing is written into the process, nothing is loaded, no garbage collection is caused. Unless it is held, it runs on while it
 * is read: what it changes meanwhile is read as it is at that moment.
 */
#ifndef CLRTRAIL_DUMP_LIVE_LINUX_H
#define CLRTRAIL_DUMP_LIVE_LINUX_H

#include "dump/dump.h"

/* Is it "pid:" and something? */
bool live_is_target(const char *path);

/*
 * Opens "pid:N". With `hold` all its threads stand still until dump_close, which the same thread has to call.
 * Errors: ERROR_USAGE (no number), ERROR_NOT_FOUND (no such process), ERROR_IO naming the right that is missing and how to grant
 * it.
 */
struct error *live_open(const char *path, bool hold, struct gaps *gaps, struct dump **ret);
/* Its root directory as a path of this machine, for files that it names; `size` of at least 32. */
void live_root(const struct dump *dump, char *ret, size_t size);

#endif
