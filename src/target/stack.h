/*
 * Where a thread's stacks lie.
 *
 *     Linux    struct pthread at fs_base holds {block, size, guard size}; found by search, since its place differs by glibc
 *              version. The main thread, and threads without one: the mapping that holds the stack pointer
 *     Windows  TEB: stack base +8, limit +16, DeallocationStack +0x1478 (start of the reservation)
 */
#ifndef CLRTRAIL_TARGET_STACK_H
#define CLRTRAIL_TARGET_STACK_H

#include "target/target.h"

/* [start, end) of the stack's memory without guard pages. False when it cannot be told. */
bool target_stack(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret);
/* Address space of a stack that ends at `end`, guard pages included; 0 when it cannot be told. */
uint64_t target_stack_reserved(const struct target *target, const struct dump_thread *thread, uint64_t end);
/*
 * Is [start, end) a stack by glibc's own words? It keeps the stacks of ended threads for new ones; the struct pthread of the last
 * user still lies at its end and says where the stack is.
 */
bool target_is_stack(const struct target *target, uint64_t start, uint64_t end);
/*
 * The alternate stack for signals of a thread of the .NET runtime: its PAL object, to which a word of struct pthread leads, holds
 * the address of the guard page below it. Source: dotnet/runtime src/coreclr/pal/src/thread/thread.cpp,
 * EnsureSignalAlternateStack.
 */
bool target_signal_stack(const struct target *target, const struct dump_thread *thread, uint64_t *start_ret, uint64_t *end_ret);
/* Bytes of [start, end) in pages that are not all zero, looked for downwards from `end` until a long run of zeros: at least that
 * much was touched. */
uint64_t target_stack_touched(const struct target *target, uint64_t start, uint64_t end);

#endif
