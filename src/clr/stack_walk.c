#include "clr/stack_walk.h"

#include <string.h>

enum { RSP = UNWIND_X64_RSP, RIP = UNWIND_X64_RIP };

struct walk {
    const struct clr *clr;
    struct unwind_x64_context context; /* of the current place; its stack is read from clr */
    bool is_leaf, is_interrupted, is_unsure;
    struct clr_frame frame; /* next explicit Frame */
    bool has_frame;
    struct stack *stack;
};

static bool read_stack(void *user, uint64_t addr, uint64_t *ret)
{
    const struct clr *clr = user;

    return memory_try_u64(clr->memory, addr, ret);
}

static struct error *push(struct walk *walk, const struct stack_frame *frame)
{
    return vec_push(&walk->stack->frames, *frame) ? NULL : &error_enomem;
}

static void break_off(struct walk *walk, const char *why, uint64_t addr)
{
    walk->stack->broken = why;
    walk->stack->broken_addr = addr;
    gaps_add(walk->clr->gaps, "stacks", addr, 1, "%s", why);
}

/* ---- managed code ---- */

/* Undoes one UNWIND_INFO; where it belongs to another one's function, *info_ret is the place of that, else 0. */
static bool undo_prolog(const struct clr *clr, uint64_t base, uint32_t unwind_rva, uint32_t offset,
                        struct unwind_x64_context *context, struct unwind_x64 *info_ret, bool *returned_ret)
{
    const struct memory *memory = &clr->target->constants;
    uint8_t bytes[UNWIND_X64_MAX_SIZE];
    size_t size;

    if (!memory_try_read(memory, base + unwind_rva, bytes, 4)) return false;
    size = unwind_x64_size(bytes);
    if (!memory_try_read(memory, base + unwind_rva, bytes, size)) return false;
    if (!unwind_x64_open((struct span) { bytes, size }, info_ret)) return false;
    return unwind_x64_undo_prolog(info_ret, offset, context, returned_ret);
}

static bool finish_epilog(const struct clr *clr, const struct code_block *code, struct unwind_x64_context *context)
{
    enum { EPILOG_MAX = 64 };
    uint64_t size;
    const uint8_t *bytes = memory_view(clr->memory, context->registers[RIP], EPILOG_MAX, &size);

    if (!bytes) return false;
    return unwind_x64_finish_epilog((struct span) { bytes, size < EPILOG_MAX ? size : EPILOG_MAX },
                                    code->base + code->function.begin_rva, code->base + code->function.end_rva, context);
}

/* The caller's registers. False when the unwind data cannot be read or make no sense. */
static bool unwind(const struct clr *clr, const struct code_block *code, bool is_leaf, struct unwind_x64_context *context)
{
    enum { CHAIN_MAX = 32 };
    uint32_t offset = (uint32_t)(context->registers[RIP] - code->base - code->function.begin_rva);
    uint32_t unwind_rva = code->function.unwind_rva;
    bool returned = false;

    if (is_leaf && finish_epilog(clr, code, context)) return true;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        struct unwind_x64 info;
        struct code_function function;

        /* Bit 0: the RUNTIME_FUNCTION whose data this one shares. */
        if (unwind_rva & 1) {
            if (!code_function_read(clr, code->base + (unwind_rva & ~1u), &function)) return false;
            unwind_rva = function.unwind_rva;
            continue;
        }
        if (!undo_prolog(clr, code->base, unwind_rva, offset, context, &info, &returned)) return false;
        if (returned) return true;
        if (!info.is_chained) return unwind_x64_return(context);
        unwind_rva = info.chained_unwind_rva;
        offset = UINT32_MAX;
    }
    return false;
}

/* ---- explicit Frames ---- */

/* Goes on to the next Frame; the chain climbs the stack, so one that does not is broken. */
static void next_frame(struct walk *walk)
{
    uint64_t addr = walk->frame.next_addr, from = walk->frame.addr;

    walk->has_frame = false;
    if (!addr) return;
    if (addr <= from || !clr_frame_read(walk->clr, addr, &walk->frame))
        break_off(walk, "the chain of explicit frames is damaged", addr);
    else
        walk->has_frame = true;
}

static struct error *push_frame(struct walk *walk, uint64_t ip)
{
    struct stack_frame frame = { .kind = STACK_EXPLICIT, .ip = ip, .sp = walk->frame.addr, .name = clr_frame_name(&walk->frame) };

    frame.method_desc_addr = clr_frame_method(walk->clr, &walk->frame);
    return push(walk, &frame);
}

/* Takes the next Frame; the registers become those that it gives, if it does. */
static struct error *step_over_native(struct walk *walk)
{
    struct unwind_x64_context context = walk->context;
    bool applied = clr_frame_apply(walk->clr, &walk->frame, context.registers);

    TRY(push_frame(walk, applied ? context.registers[RIP] : 0));
    if (applied && context.registers[RSP] < walk->context.registers[RSP] && walk->stack->frames.count > 1)
        applied = false; /* it would go down the stack, and round in circles */
    if (applied) walk->context = context;
    if (!applied) walk->context.registers[RIP] = 0;
    walk->is_leaf = false;
    walk->is_interrupted = applied && clr_frame_is_interruption(&walk->frame);
    walk->is_unsure = applied && clr_frame_is_unsure(walk->clr, &walk->frame);
    next_frame(walk);
    return NULL;
}

/* ---- the walk ---- */

/* One method: the Frames that lie in it, then itself; *more_ret false when the stack cannot be followed further. */
static struct error *step_managed(struct walk *walk, const struct code_block *code, bool *more_ret)
{
    struct stack_frame frame = {
        .kind = STACK_MANAGED,
        .ip = walk->context.registers[RIP],
        .sp = walk->context.registers[RSP],
        .method_desc_addr = code->method_desc_addr,
        .code = *code,
        .is_leaf = walk->is_leaf,
        .is_interrupted = walk->is_interrupted,
        .is_unsure = walk->is_unsure,
    };
    struct unwind_x64_context caller = walk->context;
    bool unwound = unwind(walk->clr, code, walk->is_leaf, &caller) && caller.registers[RSP] > frame.sp;

    while (unwound && walk->has_frame && walk->frame.addr < caller.registers[RSP]) {
        TRY(push_frame(walk, 0));
        next_frame(walk);
    }
    memcpy(frame.registers, walk->context.registers, sizeof(frame.registers));
    if (unwound) frame.caller_sp = caller.registers[RSP];
    TRY(push(walk, &frame));
    *more_ret = unwound;
    if (!unwound) break_off(walk, "the unwind data of a method cannot be read, or lead down the stack", frame.ip);
    walk->context = caller;
    walk->is_leaf = walk->is_interrupted = false;
    return NULL;
}

/* Is this code of a method whose tables cannot be read, rather than native code? */
static bool is_hole(const struct clr *clr, uint64_t ip)
{
    struct code_section section;

    return ip && code_section_find(clr, ip, &section) && section.kind != CODE_SECTION_STUBS;
}

static struct error *run(struct walk *walk)
{
    bool more = true;

    while (more) {
        struct code_block code;
        uint64_t ip = walk->context.registers[RIP];

        if (walk->stack->frames.count >= STACK_MAX_FRAMES) {
            break_off(walk, "limit of 100,000 frames of a thread", ip);
            return NULL;
        }
        if (ip && code_find(walk->clr, ip, &code))
            TRY(step_managed(walk, &code, &more));
        else if (is_hole(walk->clr, ip) && !walk->stack->hole_addr)
            walk->stack->hole_addr = ip;
        else if (walk->has_frame)
            TRY(step_over_native(walk));
        else
            return NULL;
    }
    return NULL;
}

/* Unknown is not empty: a gap says so once for all threads. */
static bool stacks_are_known(const struct clr *clr)
{
    const char *unknown = NULL;

    if (strcmp(clr->target->dump->arch, "x64") != 0)
        unknown = "stacks of this architecture are not walked";
    else if (!layout_has(&clr->layout, FIELD_Frame_Next) || !layout_has(&clr->layout, FIELD_RangeSectionFragment_RangeSection))
        unknown = "the tables do not say where this runtime keeps its code and frames";
    if (unknown) gaps_add(clr->gaps, "managed stacks", 0, 1, unknown);
    return !unknown;
}

struct error *stack_walk(const struct clr *clr, const struct clr_thread *thread, const struct dump_thread *native,
                         struct stack *ret)
{
    struct walk walk = { .clr = clr, .context = { .read = read_stack, .user = (void *)(uintptr_t)clr }, .stack = ret };
    uint64_t frame;

    _Static_assert((int)DUMP_REGISTER_COUNT == (int)UNWIND_X64_REGISTERS, "a dump's registers are in the order of their encoding");
    *ret = (struct stack) { 0 };
    if (!stacks_are_known(clr)) return NULL;
    if (native && native->has_registers) {
        memcpy(walk.context.registers, native->registers, sizeof(native->registers));
        walk.is_leaf = true;
    }
    frame = clr_frame_first(clr, thread);
    walk.has_frame = frame && clr_frame_read(clr, frame, &walk.frame);
    if (frame && !walk.has_frame) break_off(&walk, "the topmost explicit frame is not in the dump", frame);
    return run(&walk);
}

void stack_deinit(struct stack *stack)
{
    vec_deinit(&stack->frames);
}

const struct dump_thread *stack_native_thread(const struct clr *clr, uint32_t os_id)
{
    const struct dump *dump = clr->target->dump;

    for (size_t i = 0; os_id && i < dump->threads.count; i++)
        if (dump->threads.data[i].os_id == os_id) return &dump->threads.data[i];
    return NULL;
}
