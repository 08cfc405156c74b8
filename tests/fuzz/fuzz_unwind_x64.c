/* UNWIND_INFO and code of epilogs: first byte, offset; then a stack of 8 words; then the bytes. */
#include "formats/unwind_x64.h"

enum { STACK_SIZE = 64 };

static bool read_word(void *user, uint64_t addr, uint64_t *ret)
{
    const uint8_t *stack = user;

    *ret = load_u64(stack + addr % (STACK_SIZE - 8));
    return addr % 16 != 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unwind_x64_context context = { .read = read_word };
    struct unwind_x64 info;
    struct span bytes;
    bool returned;

    if (size < STACK_SIZE + 5) return 0;
    context.user = (void *)(uintptr_t)(data + 1);
    bytes = (struct span) { data + 1 + STACK_SIZE, size - 1 - STACK_SIZE };
    if (unwind_x64_open(bytes, &info) && unwind_x64_undo_prolog(&info, data[0], &context, &returned)) unwind_x64_return(&context);
    context.registers[UNWIND_X64_RIP] = 0x1000;
    unwind_x64_finish_epilog(bytes, 0x1000, 0x1000 + size, &context);
    return 0;
}
