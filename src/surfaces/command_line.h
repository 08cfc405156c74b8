/*
 * One command with its options: checked before any dump is opened, run afterwards.
 */
#ifndef CLRTRAIL_SURFACES_COMMAND_LINE_H
#define CLRTRAIL_SURFACES_COMMAND_LINE_H

#include "surfaces/builtin.h"
#include "surfaces/command_match.h"
#include "surfaces/query.h"

struct command_line {
    const char *line;   /* as it was written, NULL when it came as words */
    struct arena arena; /* the words of `line` */
    struct words split;
    struct words words;            /* without options */
    struct options options;        /* the run's, changed by the command's own */
    const struct builtin *builtin; /* or: */
    struct command_match match;
    struct query *query;
    struct text more_help;
};

/* From words that have no options left in them (they are copied), under the run's options. Errors: ERROR_USAGE. */
struct error *command_line_from_words(struct command_line *command, struct run *run, const struct options *options,
                                      const char *const *words, size_t count);
/* From a line: -c, the shell. `line` is borrowed. */
struct error *command_line_from_text(struct command_line *command, struct run *run, const struct options *options,
                                     const char *line);
void command_line_deinit(struct command_line *command);

bool command_line_needs_dump(const struct command_line *command);
/* Appends the command as one line, safe to print. */
void command_line_append(const struct command_line *command, struct text *text);
/* Prints the answer; flushes nothing. */
struct error *command_line_run(struct command_line *command, struct run *run);

#endif
