/*
 * UNWIND_INFO of x64 code: how to get from a function's registers to its caller's. The runtime's compiled code has it on Linux,
 * too.
 *
 *     u8 version:3 flags:5 | u8 prolog size | u8 number of codes | u8 frame register:4 frame offset:4
 *     u16 codes[], the last instruction of the prolog first {offset behind the instruction, operation:4, operand:4}, operands in
 * further words (padding to four bytes) RUNTIME_FUNCTION of the function that this is a part of, when the flag says so
 *
 * Source: Microsoft "x64 exception handling"; src/coreclr/inc/win64unwind.h in dotnet/runtime for UWOP_SET_FPREG_LARGE.
 */
#ifndef CLRTRAIL_FORMATS_UNWIND_X64_H
#define CLRTRAIL_FORMATS_UNWIND_X64_H

#include "base/span.h"

enum { UNWIND_X64_RSP = 4, UNWIND_X64_RBP = 5, UNWIND_X64_RIP = 16, UNWIND_X64_REGISTERS = 17 };
enum { UNWIND_X64_MAX_SIZE = 4 + 2 * 256 + 12 };

/* Registers by their encoding, rax rcx rdx rbx rsp rbp rsi rdi r8..r15, then rip; and the stack that they were saved on. */
struct unwind_x64_context {
    uint64_t registers[UNWIND_X64_REGISTERS];
    bool (*read)(void *user, uint64_t addr, uint64_t *ret);
    void *user;
};

struct unwind_x64 {
    uint8_t flags, prolog_size, frame_register; /* frame_register 0: none */
    uint32_t frame_off;                         /* frame register - stack pointer when it was set */
    struct span codes;
    bool is_chained; /* then the codes of `chained_unwind_rva` follow */
    uint32_t chained_begin_rva, chained_end_rva, chained_unwind_rva;
};

/* Bytes that the whole of it has, by its first four. */
size_t unwind_x64_size(const uint8_t head[4]);
/* False when it is of an unknown version or cut. */
bool unwind_x64_open(struct span bytes, struct unwind_x64 *ret);
/*
 * Undoes the prolog of one UNWIND_INFO as far as it ran when `offset` bytes of the function were behind the instruction pointer
 * (UINT32_MAX: all of it). False on unknown codes or a stack that cannot be read; the context is then partly changed.
 * `returned_ret` is set when the codes ended in a machine frame, which has the instruction pointer itself.
 */
bool unwind_x64_undo_prolog(const struct unwind_x64 *info, uint32_t offset, struct unwind_x64_context *context, bool *returned_ret);
/* Pops the return address. */
bool unwind_x64_return(struct unwind_x64_context *context);
/*
 * Runs what is left of an epilog when `code` (the bytes at the instruction pointer) is inside one: the registers are then the
 * caller's. False, and nothing is changed, when it is not. A jump counts when it leaves [begin, end), the function.
 */
bool unwind_x64_finish_epilog(struct span code, uint64_t begin, uint64_t end, struct unwind_x64_context *context);

#endif
