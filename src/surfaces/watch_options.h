/*
 * The words behind `watch`.
 */
#ifndef CLRTRAIL_SURFACES_WATCH_OPTIONS_H
#define CLRTRAIL_SURFACES_WATCH_OPTIONS_H

#include "base/error.h"
#include "surfaces/words.h"

/* "total > 2GB": a metric, how to compare, a number. */
struct watch_condition {
    const char *text;  /* as it was written; NULL: none */
    char metric[64];   /* spaces around it cut off */
    char operation[3]; /* > >= < <= */
    uint64_t value;
};

/* Texts are borrowed from the words. */
struct watch_options {
    uint64_t every_ms;
    uint64_t count;       /* measurements; 0: until it is interrupted, or the process ends */
    const char *database; /* NULL: none is kept */
    unsigned types;
    bool full; /* the account of all memory each time, whatever that costs */
    struct watch_condition when;
    const char *output; /* of the snapshot */
};

/* Errors: ERROR_USAGE. */
struct error *watch_options_parse(struct watch_options *options, const struct words *words);
/* "60", "60s", "5m", "1h", "500ms" in milliseconds. */
bool watch_parse_interval(const char *word, uint64_t *ret);
struct error *watch_condition_parse(struct watch_condition *condition, const char *text);
bool watch_condition_holds(const struct watch_condition *condition, const char *metric, uint64_t value);

#endif
