/*
 * Code that a command's argument names: by an address in it, or by its MethodDesc (then its newest version).
 */
#ifndef CLRTRAIL_RELATIONS_CODE_AT_H
#define CLRTRAIL_RELATIONS_CODE_AT_H

#include "clr/code_manager.h"

/* Errors: ERROR_NOT_FOUND-like, with a message that says what `addr` is none of. */
struct error *code_at(const struct clr *clr, uint64_t addr, struct code_block *ret);

#endif
