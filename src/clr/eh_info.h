/*
 * Exception handling clauses of compiled code.
 *
 *     jitted          RealCodeHeader.EHInfo -> u32 kind and size (filler), clauses of 32 bytes from +8; their number at -8
 *                       {u32 flags, try start, try end, handler start, handler end, padding, u64 class}
 *     ready_to_run    section of exception info: {u32 RVA of the method, u32 RVA of its clauses}[], sorted; clauses of 24 bytes
 *                       {u32 flags, try start, try end, handler start, handler end, class}; they end where the next method's begin
 *
 * class: a token, or of a filter its offset; jitted code may have a type handle there. Offsets count from the method's main body.
 * Source: src/coreclr/inc/corhlpr.h, vm/codeman.h (EE_ILEXCEPTION_CLAUSE), readytorun.h.
 */
#ifndef CLRTRAIL_CLR_EH_INFO_H
#define CLRTRAIL_CLR_EH_INFO_H

#include "clr/code_manager.h"

enum eh_clause_flags { EH_FILTER = 1, EH_FINALLY = 2, EH_FAULT = 4, EH_DUPLICATE = 8, EH_TYPE_HANDLE = 0x10000000 };

struct eh_clause {
    uint32_t flags; /* none of the first three: a typed catch */
    uint32_t try_start, try_end, handler_start, handler_end;
    uint64_t type; /* token, or type handle; of filters their offset */
};

enum { EH_CLAUSES_MAX = 1 << 14 };

struct eh_info {
    VEC(struct eh_clause) clauses; /* the innermost first */
};

/* False: they cannot be read. A method without handlers has none. */
bool eh_info_read(const struct clr *clr, const struct code_block *code, struct eh_info *ret);
void eh_info_deinit(struct eh_info *info);
/* Does a filter begin at that offset? */
bool eh_info_is_filter(const struct eh_info *info, uint32_t offset);

#endif
