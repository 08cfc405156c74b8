/*
 * Threads that stand still: in what, where in the application's code, and for whom.
 *
 *     leaf  System.Threading.Monitor.Wait                    the framework's methods that the thread is in say what it waits for
 *           System.Threading.Tasks.Task.InternalWaitCore
 *           Orders.Load                                      the site: the first method that is not the framework's
 *           ...
 *           Orders.Handle                                    the outermost method that is not the framework's
 *
 * A lock that a thread waits to enter is one of the sync blocks that somebody waits for, found among the words of its stack below
 * the site; it is sure when there is only one.
 */
#ifndef CLRTRAIL_MANAGED_BLOCKED_H
#define CLRTRAIL_MANAGED_BLOCKED_H

#include "clr/code_lines.h"
#include "clr/stack_walk.h"
#include "clr/sync_block.h"

enum blocked_in { BLOCKED_NOT, BLOCKED_SLEEP, BLOCKED_HANDLE, BLOCKED_MONITOR_WAIT, BLOCKED_SEMAPHORE, BLOCKED_LOCK, BLOCKED_TASK };

struct blocked_thread {
    const struct clr_thread *thread;
    enum blocked_in in;
    uint64_t site_method, site_ip; /* MethodDesc, 0: nothing but the framework's code on the stack */
    bool site_is_leaf;
    uint64_t outer_method; /* the outermost one that is not the framework's */
    uint64_t lock_object;  /* that it waits to enter, 0: none, or not known */
    uint32_t owner_id;     /* managed id of who holds it, 0: not known */
    bool lock_is_sure;
};

struct blocked_threads {
    struct clr_thread *threads; /* all, in the runtime's order; borrowed from the arena */
    size_t count;
    struct blocked_thread *list; /* one for each; arena */
};

/* Errors: out of memory, or no threads in the dump. Fills caches. */
struct error *blocked_threads_find(struct clr *clr, struct arena *arena, struct blocked_threads *ret);
const char *blocked_in_text(enum blocked_in in);
/* NULL: no thread has that managed id. */
const struct blocked_thread *blocked_thread_by_id(const struct blocked_threads *threads, uint32_t managed_id);

/*
 * Threads of one cycle of locks: each waits for one that the next holds, the last for one of the first. `*next` is 0 for the first
 * question. Returns how many, at most `max`; 0: no more cycles.
 */
size_t blocked_threads_cycle(const struct blocked_threads *threads, size_t *next, const struct blocked_thread **ret, size_t max);

#endif
