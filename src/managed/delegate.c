#include "managed/delegate.h"

#include "clr/code_manager.h"
#include "clr/precode.h"

static uint64_t method_of_entry(const struct clr *clr, uint64_t addr)
{
    enum { STUBS_MAX = 8 };

    for (unsigned i = 0; addr && i < STUBS_MAX; i++) {
        struct code_block code;
        struct stub stub;

        if (code_find(clr, addr, &code)) return code.start == addr ? code.method_desc_addr : 0;
        if (!stub_at(clr, addr, &stub)) return 0;
        if (stub.method_desc_addr) return stub.method_desc_addr;
        addr = stub.target_addr;
    }
    return 0;
}

uint64_t delegate_method(struct clr *clr, uint64_t delegate_addr)
{
    int64_t aux, pointer;

    if (managed_follow_number(clr, delegate_addr, "_methodPtrAux", &aux) && aux) return method_of_entry(clr, (uint64_t)aux);
    if (!managed_follow_number(clr, delegate_addr, "_methodPtr", &pointer)) return 0;
    return method_of_entry(clr, (uint64_t)pointer);
}
