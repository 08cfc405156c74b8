/*
 * What tells the runtime's central structures from other memory: for the self-check of a layout, and to find their variables when a
 * build has moved them in its DAC table, or the table cannot be had.
 *
 *     AppDomain     its assembly list's first elements lead to Modules that point back
 *     ThreadStore   a chain of exactly as many threads as it counts
 *     SystemDomain  holds the LoaderAllocator that the core library belongs to
 *     GcDacVars     gc_heap.h
 */
#ifndef CLRTRAIL_CLR_GLOBAL_SHAPE_H
#define CLRTRAIL_CLR_GLOBAL_SHAPE_H

#include "clr/clr.h"

enum shape { SHAPE_WRONG, SHAPE_UNREADABLE /* its bytes are not in the dump */, SHAPE_RIGHT };

enum shape shape_of_app_domain(struct clr *clr, uint64_t addr);
enum shape shape_of_thread_store(struct clr *clr, uint64_t addr);
enum shape shape_of_system_domain(struct clr *clr, uint64_t addr);

#endif
