/*
 * `pid:N watch`: measures a running process again and again, keeps the numbers, and says what grows.
 */
#ifndef CLRTRAIL_SURFACES_WATCH_H
#define CLRTRAIL_SURFACES_WATCH_H

#include "surfaces/run.h"

enum { WATCH_ARGUMENTS_MAX = 13 };

struct error *run_watch(struct run *run, const struct options *options, const struct words *words);

#endif
