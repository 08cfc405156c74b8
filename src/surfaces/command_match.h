/*
 * Which relation a command asks for, and with what arguments.
 *
 * A relation answers to its name and to its commands (aliases such as "dumpheap -stat"). The alias whose words are all there and
 * that has most words wins; case does not matter, `-` and `_` are the same, and a `!` may stand in front. The words that remain are
 * the arguments.
 */
#ifndef CLRTRAIL_SURFACES_COMMAND_MATCH_H
#define CLRTRAIL_SURFACES_COMMAND_MATCH_H

#include "relations/relation.h"

struct command_match {
    const struct relation *relation;
    const struct command *command;
    struct argument arguments[RELATION_MAX_PARAMETERS]; /* texts are borrowed from the words */
};

/* `also`: other words that may have been meant, for the suggestion; NULL-terminated. Errors: ERROR_USAGE. */
struct error *command_match(const struct relation *const *relations, const char *const *also, const char *const *words,
                            size_t count, struct command_match *ret);
/* How a relation's command is written: "dumpmt METHOD_TABLE [-md]". */
void command_append_usage(struct text *text, const struct relation *relation, const struct command *command);
/* Is `word` its name, or the first word of one of its commands? */
bool relation_is_called(const struct relation *relation, const char *word);
/* The main command: the first, or one made of the relation's name. */
const struct command *relation_main_command(const struct relation *relation);
/* What the user has to type for the relation: its own name. */
const char *relation_main_name(const struct relation *relation);

#endif
