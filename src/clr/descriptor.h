/*
 * The runtime's own description of its structures, exported since .NET 9 as DotNetRuntimeContractDescriptor.
 *
 *     main descriptor {JSON, pointers}       types and globals of the runtime
 *       "subDescriptors": {"GC": [index]}    since .NET 11: pointers[index] -> variable -> descriptor of that part
 *
 * A part's types and globals are read as if they stood in the main one; its pointer indices are into its own pointers.
 * Source: docs/design/datacontracts/contract-descriptor.md, data_descriptor.md; ContractDescriptorParser.cs in dotnet/runtime.
 */
#ifndef CLRTRAIL_CLR_DESCRIPTOR_H
#define CLRTRAIL_CLR_DESCRIPTOR_H

#include "base/arena.h"
#include "target/target.h"

enum { DESCRIPTORS_MAX = 16 };

struct descriptor {
    uint64_t addr;
    struct span json; /* arena, as are the pointers */
    uint32_t pointer_count;
    uint64_t *pointers;
};

struct descriptors {
    size_t count; /* 0: there is none */
    struct descriptor items[DESCRIPTORS_MAX];
};

/*
 * The main one first. Errors: ERROR_NOT_FOUND no such export, ERROR_FAULT its bytes are not in the dump, ERROR_BAD_DATA.
 * Sub-descriptors that cannot be read are left out.
 */
struct error *descriptors_read(const struct target *target, const struct target_module *module, struct arena *arena,
                               struct descriptors *ret);
/* The same of a main descriptor whose address is known. */
struct error *descriptors_read_at(const struct target *target, uint64_t addr, struct arena *arena, struct descriptors *ret);

#endif
