/*
 * Precise roots of a managed stack: what the GC itself would find there.
 *
 *     methods           registers and stack slots that their GC info calls live where they stand
 *                       a handler (funclet) reports for its method; what lies between it and the method's own frame is dead
 *     explicit Frames   objects that helpers of the runtime protect (before 10.0)
 *                       arguments of methods that are being prepared: words of any kind, so not certain
 *     GCFrames          Thread.GCFrame -> {next, thread, references, their number}: variables of the runtime's own code
 *     exceptions        that the thread is handling
 *
 * Source: docs/design/datacontracts/StackWalk.md and GCInfo.md; src/coreclr/vm/gcenv.ee.cpp, gcinfodecoder.cpp, frames.h.
 */
#ifndef CLRTRAIL_CLR_STACK_ROOTS_H
#define CLRTRAIL_CLR_STACK_ROOTS_H

#include "clr/stack_walk.h"

enum { STACK_ROOT_NO_FRAME = UINT32_MAX };

struct stack_root {
    uint64_t addr; /* of the slot; 0: a register, or the list of exceptions */
    uint64_t value;
    uint32_t frame; /* index in the stack, STACK_ROOT_NO_FRAME: of none */
    uint8_t reg;    /* UNWIND_X64_REGISTERS: in none */
    bool is_interior, is_pinned;
    bool is_certain; /* false: may be anything else than a reference */
};

struct stack_roots {
    VEC(struct stack_root) list;
    const char *broken; /* why it is not whole; static, NULL when it is */
    uint64_t broken_addr;
};

/* Errors: out of memory. Ask `broken` before you take them for all there are. */
struct error *stack_roots_find(const struct clr *clr, const struct clr_thread *thread, const struct stack *stack,
                               struct stack_roots *ret);
void stack_roots_deinit(struct stack_roots *roots);

#endif
