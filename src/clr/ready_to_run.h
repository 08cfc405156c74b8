/*
 * Code that came compiled in an image (ReadyToRun).
 *
 *     Module -> ReadyToRunInfo {composite info, RUNTIME_FUNCTIONs sorted by begin, hot/cold pairs, hash map entry point ->
 * MethodDesc}
 *
 * The map holds the methods that were prepared, which those on a stack all are. The tables lie in the image's file: heap dumps
 * leave them out, and they are read through the target's `constants`. Source: src/coreclr/vm/readytoruninfo.h, hash.cpp;
 * docs/design/datacontracts/ExecutionManager.md.
 */
#ifndef CLRTRAIL_CLR_READY_TO_RUN_H
#define CLRTRAIL_CLR_READY_TO_RUN_H

#include "clr/code_manager.h"

/* False when no function of the image holds `addr`, or its tables cannot be read. */
bool ready_to_run_find(const struct clr *clr, const struct code_section *section, uint64_t addr, struct code_block *ret);
/*
 * method_def token of a block whose method was never prepared, by the image's own table of entry points; 0 when it has none: an
 * instance of generic code, or tables that cannot be read. Looks at all methods of the image.
 */
uint32_t ready_to_run_method_token(const struct clr *clr, const struct code_block *block);
/* A section (formats/r2r.h) of the image that a block lies in, copied; the caller frees it. False when it cannot be had. */
bool ready_to_run_section(const struct clr *clr, const struct code_block *block, uint32_t type, struct span *ret);
/* MethodDesc of the method whose code begins at `entry`, 0 when it was not prepared. */
uint64_t ready_to_run_entry_point(const struct clr *clr, uint64_t module_addr, uint64_t entry);
/* Where the GC info of a block's method lies, and of which version it is; 0 when it cannot be read. */
uint64_t ready_to_run_gc_info(const struct clr *clr, const struct code_block *block, unsigned *version_ret);

#endif
