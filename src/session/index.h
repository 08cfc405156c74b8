/*
 * Which index belongs to a dump, and whether to keep one at all.
 */
#ifndef CLRTRAIL_SESSION_INDEX_H
#define CLRTRAIL_SESSION_INDEX_H

#include "heap/store.h"

struct dump;
struct gaps;
struct gc_heaps;
struct session_options;

/*
 * False: none is kept of live processes, of pipes, of heaps that are walked in no time (unless a folder was named), nor where no
 * folder can be had; a named one that cannot be used is a gap.
 */
bool index_open(const struct session_options *options, const struct dump *dump, const struct gc_heaps *heaps, unsigned threads,
                struct gaps *gaps, struct store *ret);

#endif
