/*
 * One run of the program: what was opened, where output goes, and what has been seen so far. Commands get it, and know nothing
 * else.
 */
#ifndef CLRTRAIL_SURFACES_RUN_H
#define CLRTRAIL_SURFACES_RUN_H

#include "base/gaps.h"
#include "relations/relation.h"
#include "session/session.h"
#include "surfaces/options.h"
#include "surfaces/output.h"
#include "surfaces/progress_line.h"

enum exit_status {
    EXIT_DONE = 0,
    EXIT_USAGE = 1,
    EXIT_UNREADABLE = 2, /* also: the output cannot be written */
    EXIT_GAPS = 3,
    EXIT_FINDINGS = 4,
    EXIT_CANCELLED = 128 + 2, /* as if SIGINT had killed us */
    EXIT_CLOSED = 128 + 13,   /* SIGPIPE */
};

struct run {
    const struct relation *const *relations;
    struct output output;
    FILE *err;
    struct progress_line line;
    const char *target; /* as the user wrote it; NULL: commands without a dump */
    struct session *session;
    struct session_info info;
    struct gaps *gaps; /* the session's; NULL without a dump */
    size_t gaps_shown; /* so many of them were printed */
    bool verbose, quiet;
    unsigned certainty;        /* highest of the findings seen, enum fail_on */
    unsigned certainty_column; /* of the relation `findings` */
};

/* "clrtrail: MESSAGE" on standard error, made safe for a terminal. Does not destroy `err`. */
void run_print_error(const struct run *run, const struct error *err);
void run_print_note(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The gaps that came since the last call, one line each on standard error. */
void run_print_gaps(struct run *run);
/* The exit status that an error means. */
int run_error_status(const struct error *err);
/* The head for JSON; NULL without a dump. */
const struct session_info *run_info(const struct run *run);

#endif
