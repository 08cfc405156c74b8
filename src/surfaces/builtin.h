/*
 * The commands that are no relation. One table, for the grammar, help, the manual and the completion.
 */
#ifndef CLRTRAIL_SURFACES_BUILTIN_H
#define CLRTRAIL_SURFACES_BUILTIN_H

#include "surfaces/run.h"

struct builtin {
    const char *name;
    const char *usage; /* arguments: "N"; "" for none */
    const char *summary;
    const char *description; /* for its help; NULL for none */
    bool needs_dump;         /* a TARGET stands before it */
    unsigned least, most;    /* arguments */
    struct error *(*run)(struct run *run, const struct options *options, const struct words *words);
    bool opens_itself; /* as often as it wants to */
};

extern const struct builtin builtins[]; /* ends with a NULL name */

const struct builtin *builtin_find(const char *word);

#endif
