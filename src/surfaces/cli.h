/*
 * The command line as a whole: parse everything, open the dump once, run the commands, say what could not be read.
 */
#ifndef CLRTRAIL_SURFACES_CLI_H
#define CLRTRAIL_SURFACES_CLI_H

#include <stdio.h>

#include "relations/relation.h"

struct cli {
    const struct relation *const *relations;
    FILE *out, *err;
    bool utf8; /* the user's locale is */
};

/* `words` are the arguments without the program's name. The exit status, see enum exit_status. */
int cli_run(const struct cli *cli, const char *const *words, size_t count);

#endif
