/*
 * The native code of a method: where it is now, how large, how it was compiled.
 *
 *     MethodDesc.CodeData -> versioning state -> NativeCodeVersionNodes {code, tier, active?}     compiled again: tier 1, OSR
 *     native code slot                                                                         the first version
 *     entry points (slot behind the MethodDesc, temporary entry point) -> precode -> code      code without a slot of its own
 *
 * Source: src/coreclr/vm/codeversion.h, method.hpp; docs/design/datacontracts/CodeVersions.md.
 */
#ifndef CLRTRAIL_CLR_METHOD_CODE_H
#define CLRTRAIL_CLR_METHOD_CODE_H

#include "clr/code_manager.h"
#include "clr/method_desc.h"

struct method_code {
    struct code_block block;
    const char *tier;       /* "tier0", "tier1", "ready_to_run", "optimized" (never to be compiled again), ...; static */
    uint32_t version_count; /* native versions: 1 and one for each time that it was compiled again */
};

/* False when the method has no code yet, or it cannot be found. */
bool method_code(const struct clr *clr, const struct clr_method *method, struct method_code *ret);

#endif
