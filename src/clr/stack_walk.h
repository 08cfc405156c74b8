/*
 * The managed stack of a thread.
 *
 *     registers of the thread, or of the topmost explicit Frame when the thread is in native code
 *       in managed code: UNWIND_INFO gives the caller's registers; Frames that lie below these belong to this method (inlined
 * P/Invokes) else:            the next explicit Frame gives the registers of the managed code below it; none left: the end
 *
 * Native frames are stepped over, since every way from managed to native code leaves a Frame. Source:
 * docs/design/datacontracts/StackWalk.md; src/coreclr/vm/stackwalk.cpp.
 */
#ifndef CLRTRAIL_CLR_STACK_WALK_H
#define CLRTRAIL_CLR_STACK_WALK_H

#include "clr/code_manager.h"
#include "clr/frames.h"

enum stack_frame_kind { STACK_MANAGED, STACK_EXPLICIT };

struct stack_frame {
    enum stack_frame_kind kind;
    uint64_t ip; /* explicit: that of the code that it leads to, 0 when it gives none */
    uint64_t sp; /* explicit: address of the Frame */
    uint64_t method_desc_addr;
    struct code_block code;                   /* managed */
    const char *name;                         /* explicit: "InlinedCallFrame"; static */
    bool is_leaf;                             /* ip is where the thread stands, not a return address */
    bool is_interrupted;                      /* as the leaf: the runtime stopped the thread here, at any instruction */
    bool is_guess;                            /* found by the frame pointer, for want of unwind data */
    bool is_unsure;                           /* what the registers held that a caller keeps is not known, but for rbp */
    uint64_t caller_sp;                       /* managed; 0: not known */
    uint64_t registers[UNWIND_X64_REGISTERS]; /* managed: when this frame runs on */
};

enum { STACK_MAX_FRAMES = 100000 };

struct stack {
    VEC(struct stack_frame) frames; /* the leaf first */
    const char *broken;             /* why the walk ended before the end; static, NULL when it did not */
    uint64_t broken_addr;
    uint64_t hole_addr; /* code of a method that could not be found, so that its frame and others may be missing; 0: none */
};

/* `native` NULL: registers are not known. Errors: out of memory; a stack that breaks off is a gap. */
struct error *stack_walk(const struct clr *clr, const struct clr_thread *thread, const struct dump_thread *native,
                         struct stack *ret);
void stack_deinit(struct stack *stack);

/* The thread of the dump with that system id, NULL when there is none. */
const struct dump_thread *stack_native_thread(const struct clr *clr, uint32_t os_id);

#endif
