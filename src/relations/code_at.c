#include "relations/code_at.h"

#include "clr/method_code.h"
#include "clr/precode.h"

struct error *code_at(const struct clr *clr, uint64_t addr, struct code_block *ret)
{
    struct clr_method method;
    struct method_code code;
    struct stub stub;

    if (code_find(clr, addr, ret)) return NULL;
    if (!clr_method_at(clr, addr, &method)) {
        if (stub_at(clr, addr, &stub) && code_find(clr, stub.target_addr, ret)) return NULL;
        return error_fault(addr, "neither code nor a method at '%llx'", (unsigned long long)addr);
    }
    if (!method_code(clr, &method, &code)) return error_fault(addr, "method '%llx' has no code yet", (unsigned long long)addr);
    *ret = code.block;
    return NULL;
}
