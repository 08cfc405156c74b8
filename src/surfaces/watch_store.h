/*
 * The time series of `watch`, in an SQLite database: a file that any tool can read, or nothing but memory.
 *
 *     watched (id, pid, started, command, since)      a process, and when it was first measured (seconds since 1970)
 *     sample  (id, watched, time, cost)               a measurement; time in seconds since 1970, cost in seconds of processor time
 *     metric  (id, name, unit)                        what is measured: "bytes" or "count"
 *     value   (sample, metric, value)
 *
 * A measurement is there as a whole or not at all. The same file may be given again, and to other processes.
 */
#ifndef CLRTRAIL_SURFACES_WATCH_STORE_H
#define CLRTRAIL_SURFACES_WATCH_STORE_H

#include "base/error.h"
#include "surfaces/trend.h"

enum { WATCH_STORE_WINDOW = 480 }; /* newest measurements that a series is made of: eight hours, one a minute */

struct watch_store;

/* `path` NULL: in memory. A file that does not exist is made, of mode 0600; no symbolic link is followed. Errors: ERROR_IO (also:
 * it is no database of ours), ERROR_UNSUPPORTED (built without SQLite). */
struct error *watch_store_open(const char *path, struct watch_store **ret);
void watch_store_close(struct watch_store *store);

/* Whose measurements follow. One that is known already, by pid and start, is gone on with. `command` may be NULL. */
struct error *watch_store_begin(struct watch_store *store, uint64_t pid, uint64_t started, const char *command);
struct error *watch_store_begin_sample(struct watch_store *store, double time);
struct error *watch_store_put(struct watch_store *store, const char *metric, bool is_bytes, uint64_t value);
struct error *watch_store_end_sample(struct watch_store *store, double cost);
/* Forgets a sample that was begun. */
void watch_store_drop_sample(struct watch_store *store);

/* Of the newest WATCH_STORE_WINDOW measurements. `points` is borrowed for the call. */
typedef struct error *watch_store_see(void *user, const char *metric, bool is_bytes, const struct trend_series *series);
/* All metrics with a value, in the order in which they were first put. */
struct error *watch_store_each(struct watch_store *store, watch_store_see *see, void *user);

#endif
