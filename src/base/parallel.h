/*
 * Runs `body(user, i)` for every i in [0, count) on up to `threads` threads (the caller's is one of them). Items are taken
 * in order from a shared counter, so results must not depend on which thread did what: give every item its own place.
 */
#ifndef CLRTRAIL_BASE_PARALLEL_H
#define CLRTRAIL_BASE_PARALLEL_H

#include <stddef.h>

void parallel_for(unsigned threads, size_t count, void (*body)(void *user, size_t i), void *user);
/* Processors this process may run on, at least 1. */
unsigned parallel_default_threads(void);

#endif
