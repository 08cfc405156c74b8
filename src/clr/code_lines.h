/*
 * From a place in compiled code to its IL offset and its line of source.
 *
 *     jitted          RealCodeHeader.DebugInfo: u8 flags [patchpoints] [rich info] head bounds (formats/debug_info.h)
 *     ready_to_run    the image's section of debug info: NativeArray by the method's RUNTIME_FUNCTION -> varint, head bounds;
 *                     the varint says how far before itself another method's equal ones lie, 0: they follow
 *
 * PDBs and sections are kept for the life of the struct. Source: src/coreclr/vm/debuginfostore.cpp, readytoruninfo.cpp.
 */
#ifndef CLRTRAIL_CLR_CODE_LINES_H
#define CLRTRAIL_CLR_CODE_LINES_H

#include "clr/code_manager.h"
#include "clr/method_desc.h"
#include "clr/source_line.h"

struct code_lines_module {
    uint64_t module_addr;
    struct source_lines lines;
    struct span r2r_debug_info; /* owned */
    bool lines_done, r2r_done;
};

struct code_lines {
    struct clr *clr;
    VEC(struct code_lines_module) modules;
    struct text path;
};

void code_lines_init(struct code_lines *lines, struct clr *clr);
void code_lines_deinit(struct code_lines *lines);

/*
 * IL offset of `ip` in that code. `is_exact`: the instruction at ip is meant, not the call before it, as of a return address.
 * False when the debug info is not in the dump, or knows nothing of this place.
 */
bool code_lines_il_offset(struct code_lines *lines, const struct code_block *code, uint64_t ip, bool is_exact, uint32_t *ret);
/* The line; file NULL and false when it is not known. `*file_ret` is borrowed until the next call. Fills caches. */
bool code_lines_find(struct code_lines *lines, const struct clr_method *method, uint32_t il_offset, const char **file_ret,
                     uint32_t *line_ret);
/* Both at once, of a method's code. */
bool code_lines_of_ip(struct code_lines *lines, const struct clr_method *method, uint64_t ip, bool is_exact, const char **file_ret,
                      uint32_t *line_ret);

/* Where code stands, in words. */
struct code_place {
    struct text method; /* type, name and parameters; empty: not known */
    struct text source; /* "Orders.cs:24"; empty: not known */
    const char *file;   /* whole path, NULL: not known; borrowed until the next question to the lines */
    uint32_t line;
};
void code_place_init(struct code_place *place);
void code_place_deinit(struct code_place *place);
/* Fills `place` with what is known of the method and of `ip` in it (0: of none). */
void code_lines_describe(struct code_lines *lines, uint64_t method_desc_addr, uint64_t ip, bool is_exact, struct code_place *place);

/*
 * The async method or iterator that a state machine's type carries out, and the line at which it waits in `state` (a negative one
 * waits nowhere).
 */
void code_lines_describe_await(struct code_lines *lines, uint64_t machine_mt, int64_t state, struct code_place *place);

/* What follows the last separator of either kind: "Orders.cs". */
const char *code_lines_file_name(const char *path);

#endif
