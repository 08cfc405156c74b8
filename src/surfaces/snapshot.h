/*
 * The commands that write a dump: `snapshot N -o FILE` of a live process, `TARGET slim -o FILE` of another dump.
 */
#ifndef CLRTRAIL_SURFACES_SNAPSHOT_H
#define CLRTRAIL_SURFACES_SNAPSHOT_H

#include "surfaces/run.h"

enum { SNAPSHOT_ARGUMENTS_MAX = 8 };

struct error *run_snapshot(struct run *run, const struct options *options, const struct words *words);
struct error *run_slim(struct run *run, const struct options *options, const struct words *words);

#endif
