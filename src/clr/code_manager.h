/*
 * From an address of code to its method.
 *
 *     RangeSectionMap     five levels of 256 pointers by bits of the address -> fragments {next, begin, end, RangeSection}
 *       RangeSection      {begin, end, flags, HeapList | R2R module}
 *         code heap       nibble map: where methods start; the word before a method leads to its RealCodeHeader
 *                           {debug info, EH info, GC info, MethodDesc, count, RUNTIME_FUNCTION[count]}
 *         R2R module      RUNTIME_FUNCTIONs of the image (clr/ready_to_run.h)
 *         range list      stubs and precode, no methods of their own (clr/precode.h)
 *
 * A RUNTIME_FUNCTION {begin, end, unwind info} is relative to the section's begin. A method's first one is its main body, the
 * others are funclets (handlers) or cold parts. Source: docs/design/datacontracts/ExecutionManager.md; src/coreclr/vm/codeman.h.
 */
#ifndef CLRTRAIL_CLR_CODE_MANAGER_H
#define CLRTRAIL_CLR_CODE_MANAGER_H

#include "clr/clr.h"

enum code_section_kind { CODE_SECTION_HEAP, CODE_SECTION_READY_TO_RUN, CODE_SECTION_STUBS };

struct code_section {
    enum code_section_kind kind;
    uint64_t addr, start, end;
    uint64_t heap_addr;   /* code heap's list node */
    uint64_t module_addr; /* R2R */
};

enum code_kind { CODE_JITTED, CODE_READY_TO_RUN };

/* RUNTIME_FUNCTION: 12 bytes, the same on all x64 systems. */
struct code_function {
    uint32_t begin_rva, end_rva, unwind_rva;
};

/* A method's code, and the part of it that an address lies in. */
struct code_block {
    enum code_kind kind;
    uint64_t method_desc_addr; /* 0: method not known (R2R code that was never prepared) */
    uint64_t base;             /* RVAs are relative to it */
    uint64_t start;            /* of the main body */
    uint64_t size;             /* with the funclets, which follow; of R2R code that was never prepared the main body */
    struct code_function function;
    uint32_t function_index; /* in the method: 0 main body */
    uint32_t function_count; /* of the method, jitted code only */
    bool is_cold;            /* `function` is a part that was laid elsewhere */
    uint64_t header_addr;    /* RealCodeHeader, jitted code only */
    uint64_t module_addr;    /* R2R only, as the next one */
    uint32_t table_index;    /* of `function`, or the hot one that it belongs to, in the image's RUNTIME_FUNCTIONs */
};

/* The section of code that holds `addr`; false when the runtime knows none. */
bool code_section_find(const struct clr *clr, uint64_t addr, struct code_section *ret);
/* The method whose code holds `addr`; false for stubs, padding and native code. */
bool code_find(const struct clr *clr, uint64_t addr, struct code_block *ret);
/* Reads the RUNTIME_FUNCTION at `addr`, of code or of an R2R image. */
bool code_function_read(const struct clr *clr, uint64_t addr, struct code_function *ret);

enum { CODE_FUNCTION_SIZE = 12 };

#endif
