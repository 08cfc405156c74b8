#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/unwind_x64.h"

enum { RBX = 3, RSP = UNWIND_X64_RSP, RBP = UNWIND_X64_RBP, RSI = 6, R14 = 14, RIP = UNWIND_X64_RIP };
enum { STACK = 0x1000, WORDS = 64, CALLER = 0xca11e4 };

/* A stack whose words hold their own addresses, unless set. */
struct machine {
    uint64_t words[WORDS];
    struct unwind_x64_context context;
};

static bool read_word(void *user, uint64_t addr, uint64_t *ret)
{
    struct machine *machine = user;

    if (addr < STACK || addr % 8 || addr >= STACK + 8 * WORDS) return false;
    *ret = machine->words[(addr - STACK) / 8];
    return true;
}

static void machine_init(struct machine *machine)
{
    *machine = (struct machine) { .context = { .read = read_word, .user = machine } };
    for (unsigned i = 0; i < WORDS; i++)
        machine->words[i] = STACK + 8 * i;
    machine->context.registers[RSP] = STACK;
}

static void put(struct machine *machine, uint64_t addr, uint64_t value)
{
    machine->words[(addr - STACK) / 8] = value;
}

static struct span bytes_of(const uint8_t *bytes, size_t size)
{
    return (struct span) { bytes, size };
}
#define BYTES(...) bytes_of((const uint8_t[]) { __VA_ARGS__ }, sizeof((const uint8_t[]) { __VA_ARGS__ }))

static bool undo(struct machine *machine, struct span bytes, uint32_t offset)
{
    struct unwind_x64 info;
    bool returned;

    return unwind_x64_open(bytes, &info) && unwind_x64_undo_prolog(&info, offset, &machine->context, &returned);
}

/* push rbp; push rbx; sub rsp, 0x20 */
#define PUSH_PUSH_SUB BYTES(0x01, 6, 3, 0, 6, 0x32, 2, 0x30, 1, 0x50, 0, 0)

static void pushes_and_an_allocation_are_undone(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    put(&machine, STACK + 0x20, 0xb0b);
    put(&machine, STACK + 0x28, 0xbeef);
    put(&machine, STACK + 0x30, CALLER);
    assert_true(undo(&machine, PUSH_PUSH_SUB, 100));
    assert_true(unwind_x64_return(&machine.context));
    assert_int_equal(machine.context.registers[RBX], 0xb0b);
    assert_int_equal(machine.context.registers[RBP], 0xbeef);
    assert_int_equal(machine.context.registers[RIP], CALLER);
    assert_int_equal(machine.context.registers[RSP], STACK + 0x38);
}

static void inside_the_prolog_only_what_ran_is_undone(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    put(&machine, STACK, 0xbeef);
    assert_true(undo(&machine, PUSH_PUSH_SUB, 1));
    assert_int_equal(machine.context.registers[RBP], 0xbeef);
    assert_int_equal(machine.context.registers[RBX], 0);
    assert_int_equal(machine.context.registers[RSP], STACK + 8);
}

/* push rbp; sub rsp, 0x20; lea rbp, [rsp + 0x10] */
static void a_frame_register_gives_the_stack_pointer_back(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    machine.context.registers[RSP] = 0xdead; /* alloca: not to be used */
    machine.context.registers[RBP] = STACK + 0x10;
    put(&machine, STACK + 0x20, 0xbeef);
    assert_true(undo(&machine, BYTES(0x01, 10, 3, 0x15, 10, 0x03, 5, 0x32, 1, 0x50, 0, 0), 100));
    assert_int_equal(machine.context.registers[RBP], 0xbeef);
    assert_int_equal(machine.context.registers[RSP], STACK + 0x28);
}

/* Unix: offset nibble 15, the offset itself in the code. */
static void a_large_frame_offset_is_read_from_the_codes(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    machine.context.registers[RBP] = STACK + 0x100;
    assert_true(undo(&machine, BYTES(0x01, 10, 3, 0xf5, 10, 0x0b, 0x10, 0, 0, 0, 0, 0), 100));
    assert_int_equal(machine.context.registers[RSP], STACK);
}

static void saved_registers_and_large_allocations_are_read(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    put(&machine, STACK + 0x18, 0x51);
    put(&machine, STACK + 0x40, 0x14);
    /* save rsi at 3 * 8; save far r14 at 0x40; sub rsp, 0x20 * 8; sub rsp, 0x10 by the far form */
    assert_true(undo(
        &machine, BYTES(0x01, 20, 10, 0, 20, 0x64, 3, 0, 15, 0xe5, 0x40, 0, 0, 0, 8, 0x01, 0x20, 0, 4, 0x11, 0x10, 0, 0, 0), 100));
    assert_int_equal(machine.context.registers[RSI], 0x51);
    assert_int_equal(machine.context.registers[R14], 0x14);
    assert_int_equal(machine.context.registers[RSP], STACK + 0x110);
}

static void a_chained_info_names_its_function(void **state)
{
    struct unwind_x64 info;

    (void)state;
    assert_true(unwind_x64_open(BYTES(0x21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0), &info));
    assert_true(info.is_chained);
    assert_int_equal(info.chained_begin_rva, 1);
    assert_int_equal(info.chained_unwind_rva, 3);
}

static void damage_is_refused(void **state)
{
    struct machine machine;
    struct unwind_x64 info;

    (void)state;
    machine_init(&machine);
    assert_false(unwind_x64_open(BYTES(0x01, 0, 0), &info));
    assert_false(unwind_x64_open(BYTES(0x07, 0, 0, 0), &info));
    assert_false(unwind_x64_open(BYTES(0x01, 0, 2, 0, 1, 0x50), &info));
    assert_false(unwind_x64_open(BYTES(0x01, 0, 1, 0, 1, 0x11, 0, 0), &info)); /* its operand is missing */
    assert_false(undo(&machine, BYTES(0x01, 0, 1, 0, 1, 0x0f, 0, 0), 100));    /* unknown operation */
    machine.context.registers[RSP] = 8;
    assert_false(undo(&machine, PUSH_PUSH_SUB, 100)); /* no such stack */
}

static bool epilog(struct machine *machine, struct span code)
{
    machine->context.registers[RIP] = 0x5000;
    return unwind_x64_finish_epilog(code, 0x4f00, 0x5100, &machine->context);
}

static void an_epilog_is_run_to_its_end(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    put(&machine, STACK + 0x20, 0xb0b);
    put(&machine, STACK + 0x30, CALLER);
    assert_true(epilog(&machine, BYTES(0x48, 0x83, 0xc4, 0x20, 0x5b, 0x41, 0x5e, 0xc3))); /* add rsp, 0x20; pop rbx; pop r14; ret */
    assert_int_equal(machine.context.registers[RBX], 0xb0b);
    assert_int_equal(machine.context.registers[R14], STACK + 0x28);
    assert_int_equal(machine.context.registers[RIP], CALLER);
    assert_int_equal(machine.context.registers[RSP], STACK + 0x38);
}

static void an_epilog_may_end_in_a_tail_call(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    machine.context.registers[RBP] = STACK + 0x20;
    put(&machine, STACK + 0x18, CALLER);
    assert_true(epilog(&machine, BYTES(0x48, 0x8d, 0x65, 0xf8, 0x48, 0xff, 0xe0))); /* lea rsp, [rbp - 8]; jmp rax */
    assert_int_equal(machine.context.registers[RIP], CALLER);
}

static void other_code_is_no_epilog(void **state)
{
    struct machine machine;

    (void)state;
    machine_init(&machine);
    assert_false(epilog(&machine, BYTES(0x48, 0x83, 0xc4, 0x20, 0x90, 0xc3)));
    assert_false(epilog(&machine, BYTES(0x5b, 0xeb, 0x10))); /* a jump inside the function */
    assert_false(epilog(&machine, BYTES(0x5b)));
    assert_int_equal(machine.context.registers[RSP], STACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_and_an_allocation_are_undone),
        cmocka_unit_test(inside_the_prolog_only_what_ran_is_undone),
        cmocka_unit_test(a_frame_register_gives_the_stack_pointer_back),
        cmocka_unit_test(a_large_frame_offset_is_read_from_the_codes),
        cmocka_unit_test(saved_registers_and_large_allocations_are_read),
        cmocka_unit_test(a_chained_info_names_its_function),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(an_epilog_is_run_to_its_end),
        cmocka_unit_test(an_epilog_may_end_in_a_tail_call),
        cmocka_unit_test(other_code_is_no_epilog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
