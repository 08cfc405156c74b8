/*
 * The line on a terminal that says how far long work is, and what Ctrl-C does about it.
 */
#ifndef CLRTRAIL_SURFACES_PROGRESS_LINE_H
#define CLRTRAIL_SURFACES_PROGRESS_LINE_H

#include <stdio.h>

#include "base/progress.h"

struct progress_line {
    struct progress progress; /* handed to those who work */
    FILE *file;               /* standard error */
    bool enabled;
    atomic_bool paused; /* output is being printed to the same screen */
    atomic_bool shown;
    atomic_uint_fast64_t started_ms; /* of the phase shown */
    const char *_Atomic phase;
};

/* Shows nothing unless `wanted` and `file` is a terminal. */
void progress_line_init(struct progress_line *line, FILE *file, bool wanted);
/* Takes the line away until progress_line_resume. */
void progress_line_pause(struct progress_line *line);
/* The same for callbacks: `line` is a struct progress_line. */
void progress_line_hide(void *line);
void progress_line_resume(struct progress_line *line);
/* From now on the first Ctrl-C cancels the work in hand, and a second one kills. NULL: the system's way again. */
void progress_line_catch_interrupt(struct progress_line *line);
/* One report as text: "reading the heap  42 %  1.2 GiB/s" (`total` 0: unknown). Units are bytes when `total` is large. */
int progress_line_format(char *ret, size_t size, const char *phase, uint64_t done, uint64_t total, uint64_t elapsed_ms);

#endif
