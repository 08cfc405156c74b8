/*
 * From names in metadata to loaded types.
 *
 *     type_def token   Module.TypeDefToMethodTableMap[rid]
 *     type_ref token   Module.TypeRefToMethodTableMap[rid], filled when the reference was first resolved
 *     generic instance the loader's tables of constructed types, Module.AvailableTypeParams
 *
 * Source: src/coreclr/vm/ceeload.h; docs/design/datacontracts/Loader.md, RuntimeTypeSystem.md.
 */
#ifndef CLRTRAIL_CLR_TYPE_LOOKUP_H
#define CLRTRAIL_CLR_TYPE_LOOKUP_H

#include "clr/method_table.h"

enum { CLR_TYPE_ARGS_MAX = 64 };

/* Generic arguments of the type itself, as TypeHandles (bit 1: a TypeDesc). How many; 0 when it is not generic. */
size_t clr_type_args(const struct clr *clr, const struct clr_type *type, uint64_t ret[CLR_TYPE_ARGS_MAX]);
/* MethodTable of a type_def or type_ref token of `module`, 0 when it was not loaded through it. */
uint64_t clr_token_type(const struct clr *clr, const struct clr_module *module, uint32_t token);
/*
 * MethodTable of the value type that a signature of `type`'s module names, with the arguments of `type` for its variables;
 * 0 when it is no value type or cannot be found. Fills caches; the first generic instance makes an index of all.
 */
uint64_t clr_signature_value_type(struct clr *clr, const struct clr_type *type, struct span signature);
/* The loaded instance of a generic type_def with exactly these arguments, 0 when there is none. Fills caches. */
uint64_t clr_generic_instance(struct clr *clr, uint64_t module_addr, uint32_t token, const uint64_t *args, size_t arg_count);

#endif
