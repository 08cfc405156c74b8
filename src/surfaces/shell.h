/*
 * The grammar of the command line, line by line from standard input, on one opening of the dump.
 */
#ifndef CLRTRAIL_SURFACES_SHELL_H
#define CLRTRAIL_SURFACES_SHELL_H

#include "surfaces/run.h"

struct error *run_shell(struct run *run, const struct options *options, const struct words *words);
/* The same from any file; `prompt` NULL: none. */
struct error *shell_read(struct run *run, const struct options *options, FILE *file, const char *prompt);

#endif
