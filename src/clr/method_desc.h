/*
 * MethodDesc: a method of a loaded type.
 *
 *     EEClass.MethodDescChunk -> MethodDescChunk {MethodTable, next, size, count, flags and token range}
 *       then `count` + 1 MethodDescs, each {token remainder, chunk index, entry point flags, slot, flags, ...} and of the size of
 * its classification plus its optional slots
 *
 * Source: src/coreclr/vm/method.hpp; docs/design/datacontracts/RuntimeTypeSystem.md, "MethodDesc".
 */
#ifndef CLRTRAIL_CLR_METHOD_DESC_H
#define CLRTRAIL_CLR_METHOD_DESC_H

#include "clr/method_table.h"

enum method_classification {
    METHOD_IL,
    METHOD_FCALL,
    METHOD_PINVOKE,
    METHOD_EE_IMPL,
    METHOD_ARRAY,
    METHOD_INSTANTIATED,
    METHOD_COM_INTEROP,
    METHOD_DYNAMIC,
};

struct clr_method {
    uint64_t addr;
    uint64_t mt_addr;
    uint32_t token; /* method_def of the type's module; rid 0 for methods without metadata */
    uint16_t slot, flags;
    enum method_classification classification;
    uint64_t code_addr;  /* native code slot: its first version's code, 0: none yet, or it has no such slot */
    uint64_t entry_addr; /* slot behind the MethodDesc: where calls go, 0 when there is none */
};

struct clr_method_iterator {
    const struct clr *clr;
    uint64_t chunk_addr, chunk_mt;
    uint32_t left, range; /* MethodDescs left in the chunk; its token range */
    uint64_t next_addr;
    uint64_t chunk_budget;
};

void clr_methods_begin(const struct clr *clr, const struct clr_type *type, struct clr_method_iterator *ret);
/* False at the end, or where a chunk cannot be read (*broken_ret). */
bool clr_methods_next(struct clr_method_iterator *iterator, struct clr_method *ret, bool *broken_ret);

/* The MethodDesc at `addr`; false when there is none: its chunk does not lead to a type that comes back to itself. */
bool clr_method_at(const struct clr *clr, uint64_t addr, struct clr_method *ret);

/*
 * "Namespace.Type<System.Int32>.Method<System.String>(System.String, Int32)" appended: the MethodDesc's own arguments in place of
 * type variables, so shared code has System.__Canon. "DynamicClass.Name(...)" and "ILStubClass.Name(...)" for methods without
 * metadata. False when what it needs cannot be read. Fills caches (method_name.c).
 */
bool clr_method_name(struct clr *clr, const struct clr_method *method, struct text *ret);
/* Generic arguments of the method itself, as TypeHandles. How many; 0 when it is not generic. */
size_t clr_method_args(const struct clr *clr, const struct clr_method *method, uint64_t *ret, size_t max);

const char *method_classification_name(enum method_classification classification);

#endif
