#include "clr/eh_info.h"

#include <stdlib.h>

#include "clr/ready_to_run.h"
#include "formats/r2r.h"

enum { JITTED_SIZE = 32, JITTED_OFF = 8, R2R_SIZE = 24, R2R_ENTRY_SIZE = 8, FIXED_SIZE = 20, JITTED_CLASS_OFF = 24 };

static void read_fixed(const uint8_t *bytes, struct eh_clause *ret)
{
    *ret = (struct eh_clause) { load_u32(bytes),      load_u32(bytes + 4),  load_u32(bytes + 8),
                                load_u32(bytes + 12), load_u32(bytes + 16), 0 };
}

static bool read_jitted(const struct clr *clr, const struct code_block *code, struct eh_info *info)
{
    uint64_t addr, count;
    uint8_t bytes[JITTED_SIZE];

    if (!clr_try_u64(clr, code->header_addr, FIELD_RealCodeHeader_EHInfo, &addr)) return false;
    if (!addr) return true;
    if (!memory_try_u64(clr->memory, addr - 8, &count) || count > EH_CLAUSES_MAX) return false;
    for (uint64_t i = 0; i < count; i++) {
        struct eh_clause clause;

        if (!memory_try_read(clr->memory, addr + JITTED_OFF + JITTED_SIZE * i, bytes, sizeof(bytes))) return false;
        read_fixed(bytes, &clause);
        /* Only a resolved class fills all eight bytes. */
        clause.type = clause.flags & EH_TYPE_HANDLE ? load_u64(bytes + JITTED_CLASS_OFF) : load_u32(bytes + JITTED_CLASS_OFF);
        if (!vec_push(&info->clauses, clause)) return false;
    }
    return true;
}

/* The clauses' RVAs of the method at `rva`; both 0: it has none. */
static void find_r2r(struct span section, uint32_t rva, uint32_t *start_ret, uint32_t *end_ret)
{
    size_t low = 0, high = section.size / R2R_ENTRY_SIZE;
    uint32_t found;

    *start_ret = *end_ret = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (load_u32(section.data + R2R_ENTRY_SIZE * middle) < rva)
            low = middle + 1;
        else
            high = middle;
    }
    /* The last entry is no method's and only tells where the clauses end. */
    if (!span_u32(section, R2R_ENTRY_SIZE * (uint64_t)low, &found) || found != rva ||
        !span_u32(section, R2R_ENTRY_SIZE * (uint64_t)(low + 1) + 4, end_ret) ||
        !span_u32(section, R2R_ENTRY_SIZE * (uint64_t)low + 4, start_ret))
        *start_ret = *end_ret = 0;
}

static bool read_r2r(const struct clr *clr, const struct code_block *code, struct eh_info *info)
{
    struct span section;
    uint32_t start, end;
    uint8_t bytes[R2R_SIZE];

    /* An image whose methods have no handlers lacks the section. */
    if (!ready_to_run_section(clr, code, R2R_SECTION_EXCEPTION_INFO, &section)) return true;
    find_r2r(section, (uint32_t)(code->start - code->base), &start, &end);
    free((void *)(uintptr_t)section.data);
    if (end < start || (end - start) / R2R_SIZE > EH_CLAUSES_MAX) return false;
    for (uint32_t rva = start; end - rva >= R2R_SIZE; rva += R2R_SIZE) {
        struct eh_clause clause;

        if (!memory_try_read(&clr->target->constants, code->base + rva, bytes, sizeof(bytes))) return false;
        read_fixed(bytes, &clause);
        clause.type = load_u32(bytes + FIXED_SIZE);
        if (!vec_push(&info->clauses, clause)) return false;
    }
    return true;
}

bool eh_info_read(const struct clr *clr, const struct code_block *code, struct eh_info *ret)
{
    bool ok;

    *ret = (struct eh_info) { 0 };
    ok = code->kind == CODE_READY_TO_RUN ? read_r2r(clr, code, ret) : read_jitted(clr, code, ret);
    if (!ok) eh_info_deinit(ret);
    return ok;
}

void eh_info_deinit(struct eh_info *info)
{
    vec_deinit(&info->clauses);
}

bool eh_info_is_filter(const struct eh_info *info, uint32_t offset)
{
    for (size_t i = 0; i < info->clauses.count; i++)
        if (info->clauses.data[i].flags & EH_FILTER && info->clauses.data[i].type == offset) return true;
    return false;
}
