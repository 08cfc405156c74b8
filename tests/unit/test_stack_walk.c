/* A runtime with two methods in one code heap, and stacks that the tests lay out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clr/code_manager.h"
#include "clr/method_desc.h"
#include "clr/stack_roots.h"
#include "clr/stack_walk.h"
#include "support/mock_clr.h"

enum { CODE_SIZE = 0x1000, FIRST = 0x100, SECOND = 0x148, METHOD_SIZE = 0x40, STACK_SIZE = 0x1000, INLINED_CALL = 1 };

struct fixture {
    struct mock_clr mock;
    uint64_t code, stack, first_method, second_method;
    struct clr_thread thread;
    struct dump_thread native;
};

/* The way from the top of the map to the fragment of `code`'s 128 KiB. */
static void map_section(struct fixture *f, uint64_t section)
{
    enum { LEVELS = 5 };
    struct mock_clr *mock = &f->mock;
    uint64_t table = mock_alloc(mock, 2048), fragment = mock_alloc(mock, 32);

    mock->clr.global[GLOBAL_ExecutionManagerCodeRangeMapAddress] = table;
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        uint64_t next = mock_alloc(mock, 2048);

        mock_u64(mock, table + 8 * (f->code >> (17 + 8 * level) & 0xff), next | 1);
        table = next;
    }
    mock_u64(mock, table + 8 * (f->code >> 17 & 0xff), fragment);
    mock_u64(mock, fragment + 8, f->code);
    mock_u64(mock, fragment + 16, f->code + CODE_SIZE);
    mock_u64(mock, fragment + 24, section);
}

static void add_section(struct fixture *f)
{
    struct mock_clr *mock = &f->mock;
    uint64_t section = mock_alloc(mock, 72), node = mock_alloc(mock, 48), map = mock_alloc(mock, CODE_SIZE / 64);

    map_section(f, section);
    mock_u64(mock, section, f->code);
    mock_u64(mock, section + 8, f->code + CODE_SIZE);
    mock_u32(mock, section + 16, 2);
    mock_u64(mock, section + 40, node);
    mock_u64(mock, node + 16, f->code);
    mock_u64(mock, node + 24, f->code + CODE_SIZE);
    mock_u64(mock, node + 32, f->code);
    mock_u64(mock, node + 40, map);
    /* FIRST is the start of bucket 8, SECOND 8 bytes into bucket 10: nibbles 1 and 3 of the second word, the first one highest. */
    mock_u32(mock, map + 4, 0x10300000);
}

/* push rbp; sub rsp, 0x20 */
static uint64_t add_method(struct fixture *f, uint32_t off, uint64_t mt)
{
    static const uint8_t unwind_info[] = { 0x01, 5, 2, 0, 5, 0x32, 1, 0x50 };
    struct mock_clr *mock = &f->mock;
    uint64_t chunk = mock_alloc(mock, 64), header = mock_alloc(mock, 48), info = mock_alloc(mock, 8);

    mock_u64(mock, chunk, mt);
    mock_u64(mock, f->code + off - 8, header);
    mock_u64(mock, header + 24, chunk + 24);
    mock_u32(mock, header + 32, 1);
    mock_u32(mock, header + 36, off);
    mock_u32(mock, header + 40, off + METHOD_SIZE);
    mock_u32(mock, header + 44, (uint32_t)(info - f->code));
    memcpy(mock->bytes + (info - MOCK_BASE), unwind_info, sizeof(unwind_info));
    return chunk + 24;
}

static void fixture_init(struct fixture *f)
{
    uint64_t mt;

    mock_clr_init(&f->mock);
    f->mock.dump.arch = "x64";
    f->mock.dump.os = "linux";
    memory_share(&f->mock.target.constants, &f->mock.target.memory);
    mt = mock_method_table(&f->mock, 24, 0);
    f->code = mock_alloc(&f->mock, CODE_SIZE);
    f->stack = mock_alloc(&f->mock, STACK_SIZE);
    add_section(f);
    f->first_method = add_method(f, FIRST, mt);
    f->second_method = add_method(f, SECOND, mt);
    f->thread = (struct clr_thread) { .addr = mock_alloc(&f->mock, 800), .managed_id = 1 };
    mock_u64(&f->mock, f->thread.addr + 8, UINT64_MAX); /* no explicit frames */
    f->native = (struct dump_thread) { .has_registers = true };
}

static void fixture_deinit(struct fixture *f)
{
    memory_deinit(&f->mock.target.constants);
    mock_clr_deinit(&f->mock);
}

/* A frame of one of the methods: 0x20 bytes, rbp, return address. */
static void lay_frame(struct fixture *f, uint32_t off, uint64_t return_addr)
{
    mock_u64(&f->mock, f->stack + off + 0x28, return_addr);
}

static void stand_at(struct fixture *f, uint64_t ip, uint64_t sp)
{
    f->native.registers[UNWIND_X64_RIP] = ip;
    f->native.registers[UNWIND_X64_RSP] = sp;
}

static void a_method_is_found_from_its_first_to_its_last_byte(void **state)
{
    static const struct {
        uint32_t off, start;
    } cases[] = { { FIRST, FIRST }, { FIRST + METHOD_SIZE - 1, FIRST }, { SECOND, SECOND }, { SECOND + METHOD_SIZE - 1, SECOND } };
    struct fixture f;
    struct code_block block;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(code_find(&f.mock.clr, f.code + cases[i].off, &block));
        assert_int_equal(block.start, f.code + cases[i].start);
        assert_int_equal(block.size, METHOD_SIZE);
    }
    assert_int_equal(block.method_desc_addr, f.second_method);
    assert_false(code_find(&f.mock.clr, f.code + FIRST - 1, &block));
    assert_false(code_find(&f.mock.clr, f.code + FIRST + METHOD_SIZE, &block));
    assert_false(code_find(&f.mock.clr, f.code + CODE_SIZE, &block));
    assert_false(code_find(&f.mock.clr, UINT64_MAX, &block));
    fixture_deinit(&f);
}

static void a_method_desc_is_known_by_its_type(void **state)
{
    struct fixture f;
    struct clr_method method;

    (void)state;
    fixture_init(&f);
    assert_true(clr_method_at(&f.mock.clr, f.first_method, &method));
    assert_false(clr_method_at(&f.mock.clr, f.first_method + 8, &method));
    assert_false(clr_method_at(&f.mock.clr, f.first_method + 1, &method));
    assert_false(clr_method_at(&f.mock.clr, 0, &method));
    fixture_deinit(&f);
}

static void a_stack_is_unwound_to_native_code(void **state)
{
    struct fixture f;
    struct stack stack;

    (void)state;
    fixture_init(&f);
    lay_frame(&f, 0, f.code + SECOND + 20);
    lay_frame(&f, 0x30, 0x7fff0000);
    stand_at(&f, f.code + FIRST + 10, f.stack);
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_int_equal(stack.frames.count, 2);
    assert_null(stack.broken);
    assert_int_equal(stack.frames.data[0].method_desc_addr, f.first_method);
    assert_true(stack.frames.data[0].is_leaf);
    assert_int_equal(stack.frames.data[1].method_desc_addr, f.second_method);
    assert_int_equal(stack.frames.data[1].sp, f.stack + 0x30);
    assert_false(stack.frames.data[1].is_leaf);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

/* What a method that called native code left: where it goes on. */
static void lay_inlined_call(struct fixture *f, uint64_t frame, uint64_t next, uint64_t sp, uint64_t ip)
{
    mock_u64(&f->mock, frame, INLINED_CALL);
    mock_u64(&f->mock, frame + 8, next);
    mock_u64(&f->mock, frame + 24, sp);
    mock_u64(&f->mock, frame + 32, ip);
}

static void an_explicit_frame_leads_back_into_managed_code(void **state)
{
    struct fixture f;
    struct stack stack;
    uint64_t frame;

    (void)state;
    fixture_init(&f);
    frame = f.stack + 0x100;
    mock_u64(&f.mock, f.thread.addr + 8, frame);
    lay_inlined_call(&f, frame, UINT64_MAX, f.stack + 0x200, f.code + FIRST + 30);
    lay_frame(&f, 0x200, 0x7fff0000);
    stand_at(&f, 0x7fff1234, f.stack); /* in native code */
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_int_equal(stack.frames.count, 2);
    assert_int_equal(stack.frames.data[0].kind, STACK_EXPLICIT);
    assert_string_equal(stack.frames.data[0].name, "InlinedCallFrame");
    assert_int_equal(stack.frames.data[0].sp, frame);
    assert_int_equal(stack.frames.data[1].ip, f.code + FIRST + 30);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

static void a_chain_that_runs_in_circles_is_left(void **state)
{
    struct fixture f;
    struct stack stack;
    uint64_t frame;

    (void)state;
    fixture_init(&f);
    frame = f.stack + 0x208;
    mock_u64(&f.mock, f.thread.addr + 8, frame);
    lay_inlined_call(&f, frame, frame, 0, 0);
    assert_null(stack_walk(&f.mock.clr, &f.thread, NULL, &stack));
    assert_int_equal(stack.frames.count, 1);
    assert_non_null(stack.broken);
    assert_int_equal(f.mock.gaps.list.count, 1);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

static void a_stack_that_is_not_in_the_dump_ends_with_a_gap(void **state)
{
    struct fixture f;
    struct stack stack;

    (void)state;
    fixture_init(&f);
    stand_at(&f, f.code + FIRST + 10, 0x42420000);
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_int_equal(stack.frames.count, 1);
    assert_non_null(stack.broken);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

/* GC info of the method at `off`: version 4, slim, two untracked slots, rsp + 8 and rsp + 16. */
static void add_gc_info(struct fixture *f, uint32_t off)
{
    /*
     * 0 0, length 0x40 and no more, no safe points; no registers, slots: 0 tracked, 2 untracked (in two chunks of one bit);
     * base rsp, 1 word, no flags; base rsp, 1 word on.
     */
    static const uint8_t bits[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1,
                                    1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0 };
    uint64_t header, info = mock_alloc(&f->mock, 16);
    uint8_t *bytes = f->mock.bytes + (info - MOCK_BASE);

    memcpy(&header, f->mock.bytes + (f->code + off - 8 - MOCK_BASE), sizeof(header));
    mock_u64(&f->mock, header + 16, info);
    for (size_t i = 0; i < sizeof(bits); i++)
        bytes[i / 8] |= (uint8_t)(bits[i] << i % 8);
}

static void a_stack_keeps_what_its_gc_info_says(void **state)
{
    struct fixture f;
    struct stack stack;
    struct stack_roots roots;
    uint64_t frame;

    (void)state;
    fixture_init(&f);
    frame = f.stack + 0x100;
    mock_u64(&f.mock, f.thread.addr + 8, frame);
    lay_inlined_call(&f, frame, UINT64_MAX, f.stack + 0x200, f.code + FIRST + 30);
    lay_frame(&f, 0x200, 0x7fff0000);
    mock_u64(&f.mock, f.stack + 0x208, 0x1111); /* live */
    mock_u64(&f.mock, f.stack + 0x210, 0);      /* null */
    mock_u64(&f.mock, f.stack + 0x218, 0x3333); /* not told */
    stand_at(&f, 0x7fff1234, f.stack);
    mock_u64(&f.mock, f.thread.addr + 688, f.stack + 0x300); /* GCFrame: one reference at its end */
    mock_u64(&f.mock, f.stack + 0x300, UINT64_MAX);
    mock_u64(&f.mock, f.stack + 0x310, f.stack + 0x320);
    mock_u32(&f.mock, f.stack + 0x318, 1);
    mock_u64(&f.mock, f.stack + 0x320, 0x2222);
    add_gc_info(&f, FIRST);
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_null(stack_roots_find(&f.mock.clr, &f.thread, &stack, &roots));
    assert_null(roots.broken);
    assert_int_equal(roots.list.count, 2);
    assert_int_equal(roots.list.data[0].value, 0x1111);
    assert_int_equal(roots.list.data[0].addr, f.stack + 0x208);
    assert_int_equal(roots.list.data[0].frame, 1);
    assert_int_equal(roots.list.data[1].value, 0x2222);
    assert_int_equal(roots.list.data[1].frame, STACK_ROOT_NO_FRAME);
    stack_roots_deinit(&roots);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

static void a_stack_without_gc_info_is_not_whole(void **state)
{
    struct fixture f;
    struct stack stack;
    struct stack_roots roots;

    (void)state;
    fixture_init(&f);
    lay_frame(&f, 0, 0x7fff0000);
    stand_at(&f, f.code + FIRST + 10, f.stack);
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_null(stack_roots_find(&f.mock.clr, &f.thread, &stack, &roots));
    assert_non_null(roots.broken);
    stack_roots_deinit(&roots);
    stack_deinit(&stack);
    /* With it, but where the method cannot be stopped: untracked slots may hold anything. */
    add_gc_info(&f, FIRST);
    assert_null(stack_walk(&f.mock.clr, &f.thread, &f.native, &stack));
    assert_null(stack_roots_find(&f.mock.clr, &f.thread, &stack, &roots));
    assert_non_null(roots.broken);
    stack_roots_deinit(&roots);
    stack_deinit(&stack);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_method_is_found_from_its_first_to_its_last_byte),
        cmocka_unit_test(a_method_desc_is_known_by_its_type),
        cmocka_unit_test(a_stack_is_unwound_to_native_code),
        cmocka_unit_test(an_explicit_frame_leads_back_into_managed_code),
        cmocka_unit_test(a_chain_that_runs_in_circles_is_left),
        cmocka_unit_test(a_stack_that_is_not_in_the_dump_ends_with_a_gap),
        cmocka_unit_test(a_stack_keeps_what_its_gc_info_says),
        cmocka_unit_test(a_stack_without_gc_info_is_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
