/*
 * The threads of a running process: names, registers, and holding them still.
 *
 * PTRACE_SEIZE does not stop a thread; PTRACE_INTERRUPT does, without a signal that the program could see. A thread that is not to
 * be held is let go as soon as its registers are read (some 50 microseconds). Whatever becomes of us, the kernel lets go what a
 * tracer held when it ends.
 */
#ifndef CLRTRAIL_DUMP_LIVE_THREADS_H
#define CLRTRAIL_DUMP_LIVE_THREADS_H

#include <sys/types.h>

#include "base/vec.h"
#include "dump/dump.h"

enum live_hold { LIVE_HELD, LIVE_LATE /* asked to stop, not seen stopped yet */ };

struct live_thread {
    pid_t tid;
    enum live_hold state;
    int signal; /* that it was about to get when it stopped; handed on when it is let go */
};

struct live_threads {
    int proc; /* /proc/N; borrowed */
    struct gaps *gaps;
    VEC(struct live_thread) seized;
};

void live_threads_init(struct live_threads *threads, int proc, struct gaps *gaps);
/* Stops all threads, also those that start meanwhile. Errors: ERROR_IO, naming the right that is missing; nothing is held then. */
struct error *live_threads_hold(struct live_threads *threads);
/* Fills dump->threads. Where there is no right to stop them, what /proc tells of stack and code, if anything: that is a gap. */
struct error *live_threads_read(struct live_threads *threads, struct dump *dump);
/* Lets go all that is held. Must be called by the thread that called the others. */
void live_threads_release(struct live_threads *threads);

#endif
