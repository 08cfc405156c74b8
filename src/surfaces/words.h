/*
 * Words of a command line: how a line is split, and which known word somebody may have meant.
 */
#ifndef CLRTRAIL_SURFACES_WORDS_H
#define CLRTRAIL_SURFACES_WORDS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"

struct words {
    VEC(const char *) list;
};

void words_deinit(struct words *words);
/*
 * Splits at blanks. '...' and "..." keep blanks; inside "..." a backslash keeps the character behind it, elsewhere it is itself,
 * for paths. The words live in `arena`. Errors: ERROR_USAGE for a quote without its end.
 */
struct error *words_split(struct words *words, struct arena *arena, const char *line);

/* The nearest of the words added so far; keeps no copy. */
struct suggestion {
    const char *wanted;
    const char *best; /* NULL when none is near enough to be worth a question */
    size_t distance;
};

void suggestion_init(struct suggestion *suggestion, const char *wanted);
void suggestion_add(struct suggestion *suggestion, const char *candidate);
/* Edits (insert, delete, replace, swap of neighbours) from a to b; case does not count, nor `-` against `_`. */
size_t edit_distance(const char *a, const char *b);
/* "unknown WHAT 'x'", and "; did you mean 'y'?" when there is a suggestion. */
struct error *suggestion_error(const struct suggestion *suggestion, const char *what);

#endif
