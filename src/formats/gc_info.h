/*
 * GC info of a method's x64 code: which registers and stack slots hold references where.
 *
 *     header         slim (one bit of it) or fat: flags, length of the code, places of special slots
 *     safe points    offsets of return addresses, of code that can be stopped there only
 *     ranges         of code that can be stopped at each instruction
 *     slots          registers; stack slots; stack slots that hold references all the time (untracked)
 *     live states    a set of slots for each safe point; for ranges, by 64 offsets: a set and when it changes
 *
 * A stream of bits, the lowest of a byte first; numbers in chunks of n bits, each with one more that says whether another follows.
 * Everything is bounded by the span. Source: src/coreclr/vm/gcinfodecoder.cpp, inc/gcinfotypes.h of dotnet/runtime; versions 2
 * (.NET Core 2.0), 3 (9.0: the same), 4 (10.0: neither kind of return value nor PSPSym; safe points as return addresses, not the
 * byte before).
 */
#ifndef CLRTRAIL_FORMATS_GC_INFO_H
#define CLRTRAIL_FORMATS_GC_INFO_H

#include "base/span.h"
#include "base/vec.h"

enum gc_info_status { GC_INFO_OK, GC_INFO_CUT /* ends before its time */, GC_INFO_BAD, GC_INFO_NO_MEMORY };

enum gc_slot_base { GC_SLOT_CALLER_SP, GC_SLOT_SP, GC_SLOT_FRAME_REGISTER, GC_SLOT_REGISTER };
enum { GC_SLOT_INTERIOR = 1, GC_SLOT_PINNED = 2 };
enum gc_generic_context { GC_CONTEXT_NONE, GC_CONTEXT_METHOD_TABLE, GC_CONTEXT_METHOD_DESC, GC_CONTEXT_THIS };

struct gc_slot {
    int32_t off; /* from the base */
    uint8_t base;
    uint8_t reg; /* GC_SLOT_REGISTER: its encoding, rax 0 ... r15 15 */
    uint8_t flags;
};

struct gc_range {
    uint32_t start, end; /* offsets in the code */
};

struct gc_bits {
    struct span bytes;
    uint64_t at;
};

struct gc_info {
    unsigned version;
    uint32_t code_length; /* with funclets */
    uint32_t prolog_size, epilog_size;
    bool is_slim;
    bool has_frame_register, has_cookie, has_generic_context, has_reverse_pinvoke;
    bool leaf_funclet_only; /* a funclet reports for its method */
    uint8_t frame_register;
    uint8_t generic_context; /* enum gc_generic_context */
    int32_t cookie_off, generic_context_off, reverse_pinvoke_off;
    uint32_t outgoing_size; /* bytes above the stack pointer that belong to calls under way */
    VEC(uint32_t) safe_points;
    VEC(struct gc_range) ranges;
    VEC(struct gc_slot) slots; /* registers, stack slots, untracked ones */
    uint32_t register_count, tracked_count;
    struct gc_bits states; /* where the live states begin; borrows the bytes */
};

/* Borrows `bytes`, which may go on behind its end. Not GC_INFO_OK: nothing is to be freed. */
enum gc_info_status gc_info_open(struct span bytes, unsigned version, struct gc_info *ret);
void gc_info_close(struct gc_info *info);

/*
 * Which of the tracked slots are live when the thread stands at `offset` (see gc_info_lookup_offset): live[0..tracked_count).
 * *safe_ret: the code can be stopped there; else nothing is told to be live. In code without ranges that is right for a call, for
 * none is noted when no tracked slot is live; elsewhere what untracked slots hold may not be valid either.
 */
enum gc_info_status gc_info_live(const struct gc_info *info, uint32_t offset, bool *live, bool *safe_ret);
/* The offset to ask for: of the leaf its own, of a caller the return address, before version 4 the byte before it. */
uint32_t gc_info_lookup_offset(const struct gc_info *info, uint32_t offset, bool is_leaf);

#endif
