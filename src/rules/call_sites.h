/*
 * Which code does it: the calls that make what leaks, in the application's own assemblies. The list of calls stands in the rule.
 */
#ifndef CLRTRAIL_RULES_CALL_SITES_H
#define CLRTRAIL_RULES_CALL_SITES_H

#include "clr/call_search.h"
#include "rules/rule.h"

struct session;

/*
 * Adds the call sites to the finding. Those that run once (static constructors, factories of a static Lazy) are told apart, in a
 * sentence; so are assemblies that name what is called but whose IL cannot be had. Calls inside of the assembly that defines what
 * is called are left out: a library's own constructor is nobody's mistake. Errors: out of memory, cancelled; all else is a gap.
 */
struct error *call_sites_find(struct session *session, struct findings *findings, struct finding *finding,
                              const struct call_pattern *patterns, size_t pattern_count);
/* The same in another scope: with calls inside of the assembly, for what the application itself defines. */
struct error *call_sites_find_in(struct session *session, struct findings *findings, struct finding *finding,
                                 const struct call_pattern *patterns, size_t pattern_count, enum call_scope scope);

#endif
