/*
 * Where threads stand, in words of findings.
 */
#ifndef CLRTRAIL_RULES_THREAD_SITE_H
#define CLRTRAIL_RULES_THREAD_SITE_H

#include "managed/blocked.h"
#include "rules/rule.h"

/* "His.Orders.Load(Int32) (Orders.cs:24)", in the arena of the list; "" when not known. */
const char *thread_site_text(struct findings *findings, struct code_lines *lines, const struct blocked_thread *blocked);
/* Type and name without parameters of a MethodDesc: "His.Orders.Load"; NULL when not known. */
const char *thread_method_name(struct findings *findings, struct clr *clr, uint64_t method_desc_addr);
/* Adds the site to the finding's code: "His.Orders.Load calls Task.Wait". */
void thread_site_add(struct findings *findings, struct finding *finding, struct code_lines *lines,
                     const struct blocked_thread *blocked, const char *calls);

struct thread_site {
    const struct blocked_thread *first;
    uint64_t count;
};
typedef VEC(struct thread_site) thread_sites;
/* Groups the threads that are `wanted` by place and what they wait in, most first. Errors: out of memory. */
struct error *thread_sites_find(const struct blocked_threads *threads, bool (*wanted)(const struct blocked_thread *thread),
                                thread_sites *ret);

#endif
