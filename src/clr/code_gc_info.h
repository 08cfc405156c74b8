/*
 * GC info of a method's code, wherever it lies: jitted, RealCodeHeader leads to it; of R2R images it follows the unwind info of
 * the method's main body.
 */
#ifndef CLRTRAIL_CLR_CODE_GC_INFO_H
#define CLRTRAIL_CLR_CODE_GC_INFO_H

#include "clr/code_manager.h"
#include "formats/gc_info.h"

struct code_gc_info {
    struct gc_info info;
    uint64_t addr;
    unsigned version;
    uint8_t *bytes; /* owned, what `info` borrows where it is not in one piece in the dump */
};

/* False: it is not in the dump, makes no sense, or memory is exhausted. Else to be closed. */
bool code_gc_info_open(const struct clr *clr, const struct code_block *code, struct code_gc_info *ret);
/* gc_info_live; reads the rest of what did not lie in one piece. The slots stay the same. */
enum gc_info_status code_gc_info_live(const struct clr *clr, const struct code_block *code, struct code_gc_info *info,
                                      uint32_t offset, bool *live, bool *safe_ret);
void code_gc_info_close(struct code_gc_info *info);

#endif
