/*
 * The options that every command knows. One table (options_table) is parsed, listed by help, and written into the manual and the
 * shell completion.
 */
#ifndef CLRTRAIL_SURFACES_OPTIONS_H
#define CLRTRAIL_SURFACES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "surfaces/words.h"

enum output_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JSONL, FORMAT_CSV };
enum fail_on { FAIL_ON_NONE, FAIL_ON_HINT, FAIL_ON_LIKELY, FAIL_ON_PROVEN };

/* All texts are borrowed from the arguments. */
struct options {
    unsigned format; /* enum output_format */
    const char *columns, *where, *sort, *group;
    uint64_t limit; /* 0: all */
    bool limit_given;
    unsigned fail_on; /* enum fail_on */
    bool strict;

    struct words commands; /* -c */
    struct words images;
    const char *sysroot;
    bool stop;    /* a live process stands still for the whole run */
    bool no_stop; /* and runs on while it is dumped */
    const char *index;
    uint64_t threads;
    uint64_t runtime; /* which one of the process, 0-based */
    bool runtime_given;

    unsigned color; /* enum color_choice */
    bool no_progress, verbose, quiet;
    bool help, version;
};

enum option_kind {
    OPTION_SWITCH, /* bool */
    OPTION_SET,    /* unsigned, set to `value` */
    OPTION_CHOICE, /* unsigned: place of the argument in `choices` */
    OPTION_TEXT,
    OPTION_NUMBER, /* uint64_t */
    OPTION_LIST,   /* words; repeatable */
};

struct option {
    const char *name; /* "--json" */
    enum option_kind kind;
    size_t offset; /* in struct options */
    unsigned value;
    const char *argument; /* what help calls it: "N"; NULL for switches */
    const char *const *choices;
    bool per_command; /* makes sense in a -c 'COMMAND...' or a line of the shell */
    const char *help;
};

extern const struct option options_table[]; /* ends with a NULL name */

/*
 * Takes the options out of `words`, wherever they stand; all else goes to `rest`, in order. Behind `--` nothing is an option. Words
 * that begin with one dash, or that the table does not know, are left to the command (`-stat`, `--type`). With `per_command` only
 * the options of a single command are taken. Errors: ERROR_USAGE.
 */
struct error *options_parse(struct options *options, const char *const *words, size_t count, bool per_command, struct words *rest);
void options_deinit(struct options *options);

#endif
