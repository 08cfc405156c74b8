/*
 * Where a thread's stack lies.
 *
 *     Linux    struct pthread at fs_base holds {block, size, guard size}; found by search, since its place differs by glibc
 * version. The main thread, and threads without one: the mapping that holds the stack pointer. Windows  TEB: stack base +8, limit
 * +16, DeallocationStack +0x1478 (start of the reservation)
 */
#ifndef CLRTRAIL_TARGET_STACK_H
#define CLRTRAIL_TARGET_STACK_H

#include "target/target.h"

/* [start, end) of the stack's memory without guard pages. False when it cannot be told. */
bool target_stack(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret);

#endif
