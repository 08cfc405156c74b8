/*
 * Stubs that lead to methods: what a method's slot or a delegate holds while its code is not final.
 *
 *     fixup precode    jmp [target]; mov r10, [MethodDesc]; jmp [fixup thunk]    data {target, MethodDesc, thunk}
 *     stub precode     mov r10, [secret]; jmp [target]                           data {secret, target, type}
 *     call counting    mov rax, [cell]; dec word [rax]; je +6; jmp [target]      until a method is called often
 *
 * Their data lie a page behind the code, reached relative to the instruction pointer, since .NET 7.
 * Source: src/coreclr/vm/amd64/thunktemplates.S, precode.h.
 */
#ifndef CLRTRAIL_CLR_PRECODE_H
#define CLRTRAIL_CLR_PRECODE_H

#include "clr/method_desc.h"

enum stub_kind { STUB_UNKNOWN, STUB_FIXUP_PRECODE, STUB_PRECODE, STUB_CALL_COUNTING };

struct stub {
    enum stub_kind kind;
    uint64_t method_desc_addr; /* 0: the stub does not name one */
    uint64_t target_addr;      /* where it jumps to as of now */
};

/* The stub that begins at `addr`; false when the code there is none of these. x64 only. */
bool stub_at(const struct clr *clr, uint64_t addr, struct stub *ret);
const char *stub_kind_name(enum stub_kind kind);

#endif
