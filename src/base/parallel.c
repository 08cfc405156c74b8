#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { PARALLEL_MAX_THREADS = 64 };

struct job {
    atomic_size_t next;
    size_t count;
    void (*body)(void *user, size_t i);
    void *user;
};

static void *job_run(void *arg)
{
    struct job *job = arg;

    for (;;) {
        size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->count) return NULL;
        job->body(job->user, i);
    }
}

void parallel_for(unsigned threads, size_t count, void (*body)(void *user, size_t i), void *user)
{
    struct job job = { .count = count, .body = body, .user = user };
    pthread_t started[PARALLEL_MAX_THREADS];
    unsigned n = 0;

    if (threads > PARALLEL_MAX_THREADS) threads = PARALLEL_MAX_THREADS;
    while (n + 1 < threads && n + 1 < count && pthread_create(&started[n], NULL, job_run, &job) == 0)
        n++;
    job_run(&job);
    while (n > 0)
        pthread_join(started[--n], NULL);
}

unsigned parallel_default_threads(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : (unsigned)n;
}
