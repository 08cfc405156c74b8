#include "clr/precode.h"

#include <string.h>

/* A RIP-relative operand of the instruction that ends at `end`, its 32-bit displacement being the last four bytes. */
static uint64_t operand_addr(const uint8_t *code, size_t end, uint64_t addr)
{
    return addr + end + (uint64_t)(int64_t)(int32_t)load_u32(code + end - 4);
}

static bool is_method(const struct clr *clr, uint64_t addr)
{
    struct clr_method method;

    return clr_method_at(clr, addr, &method);
}

/* jmp [target]: the MethodDesc is the next word of the data. */
static bool fixup_precode(const struct clr *clr, const uint8_t *code, uint64_t addr, struct stub *ret)
{
    uint64_t data[2];

    if (memcmp(code, "\xff\x25", 2) != 0 || !memory_try_read(clr->memory, operand_addr(code, 6, addr), data, sizeof(data)) ||
        !is_method(clr, data[1]))
        return false;
    *ret = (struct stub) { STUB_FIXUP_PRECODE, data[1], data[0] };
    return true;
}

/* mov r10, [secret]; jmp [target]: also the second half of a fixup precode. */
static bool stub_precode(const struct clr *clr, const uint8_t *code, uint64_t addr, struct stub *ret)
{
    uint64_t secret, target;

    if (memcmp(code, "\x4c\x8b\x15", 3) != 0 || memcmp(code + 7, "\xff\x25", 2) != 0 ||
        !memory_try_u64(clr->memory, operand_addr(code, 7, addr), &secret) ||
        !memory_try_u64(clr->memory, operand_addr(code, 13, addr), &target))
        return false;
    *ret = (struct stub) { STUB_PRECODE, is_method(clr, secret) ? secret : 0, target };
    return true;
}

static bool call_counting(const struct clr *clr, const uint8_t *code, uint64_t addr, struct stub *ret)
{
    static const uint8_t count_down[] = { 0x66, 0xff, 0x08, 0x74, 0x06, 0xff, 0x25 };
    uint64_t target;

    if (memcmp(code, "\x48\x8b\x05", 3) != 0 || memcmp(code + 7, count_down, sizeof(count_down)) != 0 ||
        !memory_try_u64(clr->memory, operand_addr(code, 18, addr), &target))
        return false;
    *ret = (struct stub) { STUB_CALL_COUNTING, 0, target };
    return true;
}

bool stub_at(const struct clr *clr, uint64_t addr, struct stub *ret)
{
    enum { CODE_SIZE = 18 };
    uint8_t code[CODE_SIZE];

    if (!memory_try_read(clr->memory, addr, code, sizeof(code))) return false;
    return fixup_precode(clr, code, addr, ret) || stub_precode(clr, code, addr, ret) || call_counting(clr, code, addr, ret);
}

const char *stub_kind_name(enum stub_kind kind)
{
    static const char *const names[] = { "stub", "fixup precode", "precode", "call counting" };

    return names[kind];
}
