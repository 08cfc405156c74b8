/*
 * Help, manual page and shell completion. Everything is told from the relations, the builtins and the options: there is no second
 * list.
 */
#ifndef CLRTRAIL_SURFACES_HELP_H
#define CLRTRAIL_SURFACES_HELP_H

#include "surfaces/run.h"

struct error *help_overview(struct run *run);
/* One command, by any of its names. Errors: ERROR_USAGE when there is none. */
struct error *help_command(struct run *run, const char *word);
/* A manual page for man(1), section 1. */
struct error *help_manual(struct run *run);
struct error *help_completion(struct run *run, const char *shell);

/* Calls `visit` with every topic in order, "more" last. Shared by help and manual. */
struct help_topics {
    const char *names[32];
    unsigned count;
};
void help_topics(const struct relation *const *relations, struct help_topics *ret);
bool help_in_topic(const struct relation *relation, const char *topic);

struct help_example {
    const char *command, *what;
};
extern const struct help_example help_examples[]; /* ends with a NULL command */

#endif
