/*
 * The chain of explicit Frames of a thread: what the runtime leaves on the stack where managed code was left, so that a walk can
 * find back into it.
 *
 *     Thread.Frame -> Frame {identifier or vtable, next, ...} -> ... -> all ones
 *
 * Source: src/coreclr/vm/frames.h, amd64/cgenamd64.h; docs/design/datacontracts/StackWalk.md.
 */
#ifndef CLRTRAIL_CLR_FRAMES_H
#define CLRTRAIL_CLR_FRAMES_H

#include "clr/thread.h"
#include "formats/unwind_x64.h"

struct clr_frame_kind;

struct clr_frame {
    uint64_t addr;
    uint64_t next_addr;                /* 0: the last */
    const struct clr_frame_kind *kind; /* NULL: new to us */
};

/* The first Frame of a thread's chain, 0 when there is none. */
uint64_t clr_frame_first(const struct clr *clr, const struct clr_thread *thread);
/* False when the Frame is not in the dump. */
bool clr_frame_read(const struct clr *clr, uint64_t addr, struct clr_frame *ret);
/* "InlinedCallFrame", ...; "Frame" of a kind new to us. */
const char *clr_frame_name(const struct clr_frame *frame);
/* The method that it stands for (a P/Invoke, a method being prepared), 0 when it names none. */
uint64_t clr_frame_method(const struct clr *clr, const struct clr_frame *frame);
/* Sets the registers to those of the managed code that it was left from; false when the Frame gives none. */
bool clr_frame_apply(const struct clr *clr, const struct clr_frame *frame, uint64_t registers[UNWIND_X64_REGISTERS]);
/* Did it stop managed code at any instruction, not at a call? Then all registers that it gives are those of the code. */
bool clr_frame_is_interruption(const struct clr_frame *frame);
/*
 * Are the registers that the caller keeps, but for rbp, only those of the runtime's own code? So before 10.0, where a helper of the
 * runtime notes where it was called from only when somebody asks.
 */
bool clr_frame_is_unsure(const struct clr *clr, const struct clr_frame *frame);

/* Words that a Frame keeps alive for the method that it stands for. */
struct clr_frame_slots {
    uint64_t start;
    uint32_t count;
    bool is_certain; /* references, all of them; else arguments and results of any kind */
};
enum { CLR_FRAME_SLOTS_MAX = 3 };
/* False: what this kind keeps is not known to us, or cannot be read. */
bool clr_frame_slots(const struct clr *clr, const struct clr_frame *frame, struct clr_frame_slots ret[CLR_FRAME_SLOTS_MAX],
                     size_t *count_ret);
/* Has it arguments of its callee on the stack, too, at the end of its caller's frame? */
bool clr_frame_has_stack_arguments(const struct clr_frame *frame);

#endif
