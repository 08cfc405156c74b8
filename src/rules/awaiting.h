/*
 * Which async methods wait for the tasks of a finding.
 */
#ifndef CLRTRAIL_RULES_AWAITING_H
#define CLRTRAIL_RULES_AWAITING_H

#include "rules/many.h"

/*
 * Adds the async method that waits for most of the found objects' tasks, with its line where that is known. `task`: path from an
 * object to its task; NULL: it is one itself. Errors: out of memory.
 */
struct error *awaiting_tell(struct many_found *found, struct finding *finding, const char *task);

#endif
