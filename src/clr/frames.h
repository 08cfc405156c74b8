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

#endif
