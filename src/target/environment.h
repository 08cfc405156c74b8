/*
 * The environment that the process was started with.
 *
 *     Linux     the main thread's stack: argv[], NULL, envp[], NULL, auxiliary vector ..., strings    (System V ABI, process stack)
 *     Windows   TEB -> PEB -> process parameters -> a block of UTF-16 strings, an empty one at its end
 *
 * What the process changed later is not in it on Linux; the runtime reads its settings when it starts.
 */
#ifndef CLRTRAIL_TARGET_ENVIRONMENT_H
#define CLRTRAIL_TARGET_ENVIRONMENT_H

#include "base/vec.h"
#include "target/target.h"

struct environment {
    struct arena arena;
    VEC(const char *) list; /* "NAME=VALUE", as many as the dump holds */
    bool found;             /* false: the dump does not hold it */
};

/* Errors: ERROR_NOMEM. The caller's: environment_deinit. */
struct error *environment_init(const struct target *target, struct environment *ret);
void environment_deinit(struct environment *environment);
/* The value of the variable, NULL when it is not set. */
const char *environment_get(const struct environment *environment, const char *name);

#endif
