#include "clr/method_code.h"

#include "clr/precode.h"

enum { /* src/coreclr/vm/method.hpp, codeversion.h */
       FLAG3_ELIGIBLE_FOR_TIERING = 0x8000,
       NODE_IS_ACTIVE = 1,
       VERSIONS_MAX = 1 << 12,
};

static const char *tier_name(uint32_t tier)
{
    static const char *const names[] = { "tier0", "tier1", "tier1 osr", "optimized", "tier0 instrumented", "tier1 instrumented" };

    return tier < ARRAY_LENGTH(names) ? names[tier] : "unknown tier";
}

/* The code of `method` that begins at `addr`, or that the stubs there lead to. */
static bool follow(const struct clr *clr, const struct clr_method *method, uint64_t addr, struct code_block *ret)
{
    enum { STUBS_MAX = 4 };

    for (unsigned i = 0; addr && i < STUBS_MAX; i++) {
        struct stub stub;

        if (code_find(clr, addr, ret)) return ret->method_desc_addr == method->addr;
        if (!stub_at(clr, addr, &stub)) return false;
        addr = stub.target_addr;
    }
    return false;
}

/* The first version: its tier follows from what the method may become. */
static const char *first_tier(const struct clr *clr, const struct clr_method *method, const struct code_block *block)
{
    uint16_t flags3;

    if (block->kind == CODE_READY_TO_RUN) return "ready_to_run";
    if (!clr_try_u16(clr, method->addr, FIELD_MethodDesc_Flags3AndTokenRemainder, &flags3)) return NULL;
    return flags3 & FLAG3_ELIGIBLE_FOR_TIERING ? "tier0" : "optimized";
}

/* The active one of the versions that were compiled later. */
static bool find_version(const struct clr *clr, const struct clr_method *method, struct method_code *ret)
{
    uint64_t data, state, node, code;
    uint32_t flags, tier;
    bool found = false;

    if (!clr_try_u64(clr, method->addr, FIELD_MethodDesc_CodeData, &data) || !data ||
        !clr_try_u64(clr, data, FIELD_MethodDescCodeData_VersioningState, &state) || !state ||
        !clr_try_u64(clr, state, FIELD_MethodDescVersioningState_NativeCodeVersionNode, &node))
        return false;
    while (node && ret->version_count < VERSIONS_MAX) {
        struct code_block block;

        ret->version_count++;
        if (clr_try_u64(clr, node, FIELD_NativeCodeVersionNode_NativeCode, &code) &&
            clr_try_u32(clr, node, FIELD_NativeCodeVersionNode_Flags, &flags) && (flags & NODE_IS_ACTIVE) &&
            clr_try_u32(clr, node, FIELD_NativeCodeVersionNode_Tier, &tier) && follow(clr, method, code, &block)) {
            ret->block = block;
            ret->tier = tier_name(tier);
            found = true;
        }
        if (!clr_try_u64(clr, node, FIELD_NativeCodeVersionNode_Next, &node)) break;
    }
    return found;
}

static bool find_first(const struct clr *clr, const struct clr_method *method, struct code_block *ret)
{
    uint64_t data, entry;

    if (follow(clr, method, method->code_addr, ret)) return true;
    if (follow(clr, method, method->entry_addr, ret)) return true;
    return clr_try_u64(clr, method->addr, FIELD_MethodDesc_CodeData, &data) && data &&
           clr_try_u64(clr, data, FIELD_MethodDescCodeData_TemporaryEntryPoint, &entry) && follow(clr, method, entry, ret);
}

bool method_code(const struct clr *clr, const struct clr_method *method, struct method_code *ret)
{
    *ret = (struct method_code) { .version_count = 1 };
    if (find_version(clr, method, ret)) return true;
    if (!find_first(clr, method, &ret->block)) return false;
    ret->tier = first_tier(clr, method, &ret->block);
    return true;
}
