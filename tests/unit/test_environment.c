#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/minidump_writer.h"
#include "support/target_opened.h"
#include "target/environment.h"

enum { PAGE = 4096, MEM_COMMIT = 0x1000, MEM_PRIVATE = 0x20000, READ_WRITE = 4 };

static void assert_value(const struct environment *environment, const char *name, const char *value)
{
    const char *found = environment_get(environment, name);

    if (!value)
        assert_null(found);
    else
        assert_string_equal(found, value);
}

/* ---- Linux: argc, pointers to arguments, NULL, to variables, NULL, auxiliary vector, ..., the strings ---- */

#define STACK UINT64_C(0x7ffd00000000)
enum { AT_RANDOM = 25, VECTOR_OFF = 0x200, RANDOM_OFF = 0x400, STRINGS_OFF = 0x500 };

struct stack {
    _Alignas(8) uint8_t bytes[PAGE];
    uint64_t vector[16];
    uint64_t pointer_off, string_off;
};

static void put(struct stack *stack, uint64_t off, uint64_t word)
{
    memcpy(stack->bytes + off, &word, 8);
}

static void stack_init(struct stack *stack)
{
    memset(stack, 0, sizeof(*stack));
    for (unsigned i = 0; i < 6; i++) {
        stack->vector[2 * i] = 3 + i;
        stack->vector[2 * i + 1] = 0x1000 * i;
    }
    stack->vector[12] = AT_RANDOM;
    stack->vector[13] = STACK + RANDOM_OFF;
    memcpy(stack->bytes + VECTOR_OFF, stack->vector, sizeof(stack->vector));
    stack->pointer_off = VECTOR_OFF - 8; /* the NULL behind the pointers */
    stack->string_off = STRINGS_OFF;
}

/* Pointers are put in front of those that are there: the last one first. */
static void stack_variable(struct stack *stack, const char *text)
{
    put(stack, stack->pointer_off -= 8, STACK + stack->string_off);
    memcpy(stack->bytes + stack->string_off, text, strlen(text) + 1);
    stack->string_off += strlen(text) + 1;
}

static void read_stack(struct stack *stack, bool with_vector, void (*check)(const struct environment *))
{
    struct elf_writer writer;
    struct target_opened opened;
    struct environment environment;

    elf_writer_init(&writer);
    elf_writer_load(&writer, STACK, PAGE, ELF_SEGMENT_READ | ELF_SEGMENT_WRITE, stack->bytes, PAGE);
    if (with_vector) elf_writer_note(&writer, "CORE", 6, stack->vector, sizeof(stack->vector));
    target_opened_init(&opened, elf_writer_build(&writer), NULL, NULL);
    assert_null(environment_init(opened.target, &environment));
    check(&environment);
    environment_deinit(&environment);
    target_opened_deinit(&opened);
    elf_writer_deinit(&writer);
}

static void check_three(const struct environment *environment)
{
    assert_true(environment->found);
    assert_int_equal(environment->list.count, 3);
    assert_string_equal(environment->list.data[0], "DOTNET_gcServer=1");
    assert_value(environment, "PATH", "/bin:/usr/bin");
    assert_value(environment, "DOTNET_gcServer", "1");
    assert_value(environment, "EMPTY", "");
    assert_value(environment, "PAT", NULL);
    assert_value(environment, "DOTNET_gcServer2", NULL);
}

static void check_not_found(const struct environment *environment)
{
    assert_false(environment->found);
    assert_int_equal(environment->list.count, 0);
    assert_value(environment, "PATH", NULL);
}

static void check_none(const struct environment *environment)
{
    assert_true(environment->found);
    assert_int_equal(environment->list.count, 0);
}

static void check_path_alone(const struct environment *environment)
{
    assert_true(environment->found);
    assert_int_equal(environment->list.count, 1);
    assert_value(environment, "PATH", "/bin");
}

static void reads_the_stack_of_the_main_thread(void **state)
{
    struct stack stack;

    (void)state;
    stack_init(&stack);
    stack_variable(&stack, "EMPTY=");
    stack_variable(&stack, "PATH=/bin:/usr/bin");
    stack_variable(&stack, "DOTNET_gcServer=1");
    read_stack(&stack, true, check_three);
}

static void knows_an_empty_environment(void **state)
{
    struct stack stack;

    (void)state;
    stack_init(&stack);
    read_stack(&stack, true, check_none);
}

static void finds_nothing_without_the_vector(void **state)
{
    struct stack stack;

    (void)state;
    stack_init(&stack);
    stack_variable(&stack, "PATH=/bin");
    read_stack(&stack, false, check_not_found);
    /* The process wrote over it. */
    put(&stack, VECTOR_OFF + 24, 0x5a5a);
    read_stack(&stack, true, check_not_found);
}

static void leaves_out_what_is_not_in_the_dump(void **state)
{
    struct stack stack;

    (void)state;
    stack_init(&stack);
    stack_variable(&stack, "PATH=/bin");
    put(&stack, stack.pointer_off -= 8, STACK + 16 * PAGE);
    read_stack(&stack, true, check_path_alone);
}

/* ---- Windows: TEB -> PEB -> parameters -> a block of UTF-16 strings ---- */

#define TEB UINT64_C(0x7ff000010000)
#define PEB UINT64_C(0x7ff000020000)
#define BLOCK UINT64_C(0x7ff000030000)

/* `text` has a NUL behind each string, and one more at the end. */
static void read_block(const char *text, size_t size, void (*check)(const struct environment *))
{
    static uint8_t teb[PAGE], peb[PAGE];
    uint16_t block[PAGE / 2] = { 0 };
    const struct writer_thread thread = { .id = 7, .teb = TEB, .sp = PEB, .ip = PEB };
    const struct writer_memory memory[] = { { TEB, PAGE, teb }, { PEB, PAGE, peb }, { BLOCK, 2 * size, block } };
    const struct writer_region regions[] = { { TEB, PAGE, TEB, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
                                             { PEB, PAGE, PEB, MEM_COMMIT, READ_WRITE, MEM_PRIVATE },
                                             { BLOCK, PAGE, BLOCK, MEM_COMMIT, READ_WRITE, MEM_PRIVATE } };
    const struct writer_process process = { 9, 7, 0, 0x61826, &thread, 1, NULL, 0, regions, 3, memory, 3, 0 };
    const uint64_t addresses[] = { PEB, PEB + 0x100, BLOCK };
    struct minidump_writer writer;
    struct target_opened opened;
    struct environment environment;

    memcpy(teb + 0x60, &addresses[0], 8);
    memcpy(peb + 0x20, &addresses[1], 8);
    memcpy(peb + 0x100 + 0x80, &addresses[2], 8);
    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)text[i];
    minidump_writer_dbgcore(&writer, &process);
    target_opened_init(&opened, minidump_writer_span(&writer), NULL, NULL);
    assert_null(environment_init(opened.target, &environment));
    check(&environment);
    environment_deinit(&environment);
    target_opened_deinit(&opened);
    minidump_writer_deinit(&writer);
}

static void reads_the_block_of_a_windows_process(void **state)
{
    static const char text[] = "DOTNET_gcServer=1\0PATH=/bin:/usr/bin\0EMPTY=\0"; /* and the NUL of C */

    (void)state;
    read_block(text, sizeof(text), check_three);
}

static void keeps_whole_strings_of_a_block_that_ends_early(void **state)
{
    static const char text[] = "PATH=/bin\0DOTNET_gcSer";

    (void)state;
    read_block(text, sizeof(text) - 1, check_path_alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_stack_of_the_main_thread),   cmocka_unit_test(knows_an_empty_environment),
        cmocka_unit_test(finds_nothing_without_the_vector),     cmocka_unit_test(leaves_out_what_is_not_in_the_dump),
        cmocka_unit_test(reads_the_block_of_a_windows_process), cmocka_unit_test(keeps_whole_strings_of_a_block_that_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
