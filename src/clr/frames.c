#include "clr/frames.h"

#include <string.h>

#include "clr/code_manager.h"
#include "clr/method_desc.h"

enum register_number { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, RIP };

/* What a kind keeps alive. */
enum frame_roots {
    ROOTS_UNKNOWN,
    ROOTS_NONE,
    ROOTS_ARGUMENTS, /* of a method that is being prepared: in registers, which the transition block holds, and on the stack */
    ROOTS_HIJACK,    /* what the method that was to return gave back, among all its registers */
    ROOTS_1_OBJECT,
    ROOTS_2_OBJECTS,
    ROOTS_3_OBJECTS,
    ROOTS_ARRAY,
};

struct clr_frame_kind {
    const char *name;
    enum frame_roots roots;
    enum constant identifier; /* 10.0 on */
    enum global vtable;       /* before; 0: that of none that we know (the first global is another) */
    bool (*apply)(const struct clr *clr, uint64_t addr, uint64_t *registers); /* NULL: gives no registers */
    enum field method; /* where it holds its MethodDesc; 0: nowhere (the first field is another's) */
};

/* CalleeSavedRegisters of a structure that holds them. */
static bool apply_callee_saved(const struct clr *clr, uint64_t saved, uint64_t *registers)
{
    static const struct {
        enum field field;
        enum register_number number;
    } places[] = { { FIELD_CalleeSavedRegisters_Rbx, RBX }, { FIELD_CalleeSavedRegisters_Rbp, RBP },
                   { FIELD_CalleeSavedRegisters_R12, R12 }, { FIELD_CalleeSavedRegisters_R13, R13 },
                   { FIELD_CalleeSavedRegisters_R14, R14 }, { FIELD_CalleeSavedRegisters_R15, R15 } };

    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (!clr_try_u64(clr, saved, places[i].field, &registers[places[i].number])) return false;
    return true;
}

/* Compiled code keeps nothing in the other registers across the call. No return address: no call is under way. */
static bool apply_inlined_call(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    uint64_t ip, sp, fp;

    if (!clr_try_u64(clr, addr, FIELD_InlinedCallFrame_CallerReturnAddress, &ip) || !ip ||
        !clr_try_u64(clr, addr, FIELD_InlinedCallFrame_CallSiteSP, &sp) ||
        !clr_try_u64(clr, addr, FIELD_InlinedCallFrame_CalleeSavedFP, &fp))
        return false;
    registers[RIP] = ip;
    registers[RSP] = sp;
    registers[RBP] = fp;
    return true;
}

static bool apply_transition(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    uint64_t block;

    if (!clr_try_u64(clr, addr, FIELD_FramedMethodFrame_TransitionBlockPtr, &block) ||
        !layout_has(&clr->layout, FIELD_TransitionBlock_CalleeSavedRegisters) ||
        !layout_has(&clr->layout, FIELD_TransitionBlock_SIZE) ||
        !apply_callee_saved(clr, clr_field_addr(clr, block, FIELD_TransitionBlock_CalleeSavedRegisters), registers) ||
        !clr_try_u64(clr, block, FIELD_TransitionBlock_ReturnAddress, &registers[RIP]))
        return false;
    registers[RSP] = clr_field_addr(clr, block, FIELD_TransitionBlock_SIZE);
    return true;
}

/* CONTEXT of the PAL and of Windows: the registers from rax to rip lie together, by their encoding. */
static bool apply_context(const struct clr *clr, uint64_t context, bool all, uint64_t *registers)
{
    enum { CONTEXT_RAX = 0x78 };
    static const uint8_t callee_saved[] = { RBX, RSP, RBP, R12, R13, R14, R15, RIP };
    uint64_t read[UNWIND_X64_REGISTERS];

    if (!memory_try_read(clr->memory, context + CONTEXT_RAX, read, sizeof(read))) return false;
    if (all) memcpy(registers, read, sizeof(read));
    for (size_t i = 0; !all && i < ARRAY_LENGTH(callee_saved); i++)
        registers[callee_saved[i]] = read[callee_saved[i]];
    return true;
}

static bool apply_software_exception(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    uint64_t ip;

    if (!layout_has(&clr->layout, FIELD_SoftwareExceptionFrame_TargetContext) ||
        !apply_context(clr, clr_field_addr(clr, addr, FIELD_SoftwareExceptionFrame_TargetContext), false, registers))
        return false;
    if (clr_try_u64(clr, addr, FIELD_SoftwareExceptionFrame_ReturnAddress, &ip) && ip) registers[RIP] = ip;
    return true;
}

static bool apply_faulting_exception(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    return layout_has(&clr->layout, FIELD_FaultingExceptionFrame_TargetContext) &&
           apply_context(clr, clr_field_addr(clr, addr, FIELD_FaultingExceptionFrame_TargetContext), true, registers);
}

static bool apply_resumable(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    uint64_t context;

    return clr_try_u64(clr, addr, FIELD_ResumableFrame_TargetContextPtr, &context) && context &&
           apply_context(clr, context, true, registers);
}

static bool apply_hijack(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    uint64_t args;

    if (!clr_try_u64(clr, addr, FIELD_HijackFrame_HijackArgsPtr, &args) ||
        !layout_has(&clr->layout, FIELD_HijackArgs_CalleeSavedRegisters) || !layout_has(&clr->layout, FIELD_HijackArgs_SIZE) ||
        !apply_callee_saved(clr, clr_field_addr(clr, args, FIELD_HijackArgs_CalleeSavedRegisters), registers) ||
        !clr_try_u64(clr, addr, FIELD_HijackFrame_ReturnAddress, &registers[RIP]))
        return false;
    registers[RSP] = clr_field_addr(clr, args, FIELD_HijackArgs_SIZE);
    return true;
}

/*
 * A helper of the runtime that leaves no transition block: the state of its caller, unwound when somebody needed it. Else only
 * where it was captured inside the runtime's own code, from which the frame pointers lead to managed code (the runtime is compiled
 * to keep them).
 */
static bool apply_helper_method(const struct clr *clr, uint64_t addr, uint64_t *registers)
{
    enum { SAVED = 6, NATIVE_FRAMES_MAX = 256 };
    static const enum register_number saved_order[SAVED] = { R12, R13, R14, R15, RBX, RBP };
    uint64_t saved = clr_field_addr(clr, addr, FIELD_HelperMethodFrame_CalleeSavedRegisters), pointers[SAVED], unwound, fp, next;

    if (!layout_has(&clr->layout, FIELD_HelperMethodFrame_CalleeSavedRegisters) || !apply_callee_saved(clr, saved, registers) ||
        !clr_try_u64(clr, addr, FIELD_HelperMethodFrame_IsUnwound, &unwound))
        return false;
    if (unwound) {
        if (layout_has(&clr->layout, FIELD_HelperMethodFrame_CalleeSavedPointers) &&
            memory_try_read(clr->memory, clr_field_addr(clr, addr, FIELD_HelperMethodFrame_CalleeSavedPointers), pointers,
                            sizeof(pointers)))
            for (unsigned i = 0; i < SAVED; i++)
                if (pointers[i]) memory_try_u64(clr->memory, pointers[i], &registers[saved_order[i]]);
        return clr_try_u64(clr, addr, FIELD_HelperMethodFrame_ReturnAddress, &registers[RIP]) &&
               clr_try_u64(clr, addr, FIELD_HelperMethodFrame_CallerSP, &registers[RSP]);
    }
    fp = registers[RBP];
    for (unsigned i = 0; i < NATIVE_FRAMES_MAX; i++, fp = next) {
        struct code_block code;

        if (!memory_try_u64(clr->memory, fp, &next) || !memory_try_u64(clr->memory, fp + 8, &registers[RIP])) return false;
        registers[RBP] = next;
        registers[RSP] = fp + 16;
        if (code_find(clr, registers[RIP], &code)) return true;
        if (next <= fp) return false;
    }
    return false;
}

static const struct clr_frame_kind kinds[] = {
#define BY_IDENTIFIER(kind) .name = #kind "Frame", .identifier = CONSTANT_##kind##FrameIdentifier
#define BY_BOTH(kind) BY_IDENTIFIER(kind), .vtable = GLOBAL_##kind##FrameVtable
#define HELPER(kind, kept) \
    { \
        .name = #kind, .roots = ROOTS_##kept, .vtable = GLOBAL_##kind##Vtable, .apply = apply_helper_method, \
        .method = FIELD_HelperMethodFrame_MethodDesc \
    }
    { BY_BOTH(InlinedCall), .roots = ROOTS_NONE, .apply = apply_inlined_call, .method = FIELD_InlinedCallFrame_Datum },
    { BY_BOTH(Resumable), .roots = ROOTS_NONE, .apply = apply_resumable },
    { BY_BOTH(RedirectedThread), .roots = ROOTS_NONE, .apply = apply_resumable },
    { BY_BOTH(FaultingException), .roots = ROOTS_NONE, .apply = apply_faulting_exception },
    { BY_IDENTIFIER(SoftwareException), .roots = ROOTS_NONE, .apply = apply_software_exception },
    { BY_BOTH(FuncEval) },
    { BY_BOTH(PInvokeCalli), .roots = ROOTS_ARGUMENTS, .apply = apply_transition },
    { BY_BOTH(Hijack), .roots = ROOTS_HIJACK, .apply = apply_hijack },
    { BY_BOTH(PrestubMethod), .roots = ROOTS_ARGUMENTS, .apply = apply_transition, .method = FIELD_FramedMethodFrame_MethodDesc },
    { BY_BOTH(CallCountingHelper), .roots = ROOTS_ARGUMENTS, .apply = apply_transition,
      .method = FIELD_FramedMethodFrame_MethodDesc },
    { BY_BOTH(StubDispatch), .roots = ROOTS_ARGUMENTS, .apply = apply_transition, .method = FIELD_FramedMethodFrame_MethodDesc },
    { BY_BOTH(ExternalMethod), .roots = ROOTS_ARGUMENTS, .apply = apply_transition, .method = FIELD_FramedMethodFrame_MethodDesc },
    { BY_BOTH(DynamicHelper), .roots = ROOTS_ARGUMENTS, .apply = apply_transition, .method = FIELD_FramedMethodFrame_MethodDesc },
    { BY_BOTH(ProtectValueClass) },
    { BY_BOTH(DebuggerClassInitMark), .roots = ROOTS_NONE },
    { BY_BOTH(DebuggerExit), .roots = ROOTS_NONE },
    { BY_BOTH(DebuggerU2MCatchHandler), .roots = ROOTS_NONE },
    { BY_BOTH(ExceptionFilter), .roots = ROOTS_NONE },
    HELPER(HelperMethodFrame, NONE),
    HELPER(HelperMethodFrame_1OBJ, 1_OBJECT),
    HELPER(HelperMethodFrame_2OBJ, 2_OBJECTS),
    HELPER(HelperMethodFrame_3OBJ, 3_OBJECTS),
    HELPER(HelperMethodFrame_PROTECTOBJ, ARRAY),
#undef HELPER
#undef BY_BOTH
#undef BY_IDENTIFIER
};

/* The chain ends with all ones. */
static uint64_t frame_pointer(uint64_t addr)
{
    return addr == UINT64_MAX ? 0 : addr;
}

uint64_t clr_frame_first(const struct clr *clr, const struct clr_thread *thread)
{
    uint64_t addr;

    return clr_try_u64(clr, thread->addr, FIELD_Thread_Frame, &addr) ? frame_pointer(addr) : 0;
}

bool clr_frame_read(const struct clr *clr, uint64_t addr, struct clr_frame *ret)
{
    uint64_t identifier, next;

    /* Its first word: an identifier, before 10.0 a C++ vtable. */
    if (!memory_try_u64(clr->memory, addr, &identifier) || !clr_try_u64(clr, addr, FIELD_Frame_Next, &next)) return false;
    *ret = (struct clr_frame) { .addr = addr, .next_addr = frame_pointer(next) };
    for (size_t i = 0; identifier && i < ARRAY_LENGTH(kinds); i++)
        if ((kinds[i].identifier && clr->layout.constant[kinds[i].identifier] == identifier) ||
            (kinds[i].vtable && clr->global[kinds[i].vtable] == identifier))
            ret->kind = &kinds[i];
    return true;
}

const char *clr_frame_name(const struct clr_frame *frame)
{
    return frame->kind ? frame->kind->name : "Frame";
}

uint64_t clr_frame_method(const struct clr *clr, const struct clr_frame *frame)
{
    struct clr_method method;
    uint64_t addr = 0;

    /* An inlined call's may also be the size of a calli's arguments. */
    if (frame->kind && frame->kind->method) clr_try_u64(clr, frame->addr, frame->kind->method, &addr);
    return clr_method_at(clr, addr, &method) ? addr : 0;
}

bool clr_frame_apply(const struct clr *clr, const struct clr_frame *frame, uint64_t registers[UNWIND_X64_REGISTERS])
{
    return frame->kind && frame->kind->apply && frame->kind->apply(clr, frame->addr, registers);
}

bool clr_frame_is_interruption(const struct clr_frame *frame)
{
    return frame->kind && frame->kind->apply == apply_resumable;
}

bool clr_frame_is_unsure(const struct clr *clr, const struct clr_frame *frame)
{
    uint64_t unwound;

    return frame->kind && frame->kind->apply == apply_helper_method &&
           (!clr_try_u64(clr, frame->addr, FIELD_HelperMethodFrame_IsUnwound, &unwound) || !unwound);
}

/* The registers that arguments come in, in the order that the runtime keeps them: the first thing in the block. */
static bool argument_slots(const struct clr *clr, uint64_t addr, struct clr_frame_slots *ret)
{
    uint64_t block;

    if (!clr_try_u64(clr, addr, FIELD_FramedMethodFrame_TransitionBlockPtr, &block) ||
        !layout_has(&clr->layout, FIELD_TransitionBlock_CalleeSavedRegisters))
        return false;
    *ret = (struct clr_frame_slots) { block, (uint32_t)clr->layout.offset[FIELD_TransitionBlock_CalleeSavedRegisters] / 8, false };
    return true;
}

static bool hijack_slots(const struct clr *clr, uint64_t addr, struct clr_frame_slots *ret)
{
    uint64_t args;

    if (!clr_try_u64(clr, addr, FIELD_HijackFrame_HijackArgsPtr, &args) || !layout_has(&clr->layout, FIELD_HijackArgs_SIZE))
        return false;
    *ret = (struct clr_frame_slots) { args, (uint32_t)clr->layout.offset[FIELD_HijackArgs_SIZE] / 8, false };
    return true;
}

/* Pointers to the variables of the runtime's own code that hold the references. */
static bool object_slots(const struct clr *clr, uint64_t addr, size_t count, struct clr_frame_slots *ret)
{
    uint64_t pointers = clr_field_addr(clr, addr, FIELD_HelperMethodFrame_Objects);

    if (!layout_has(&clr->layout, FIELD_HelperMethodFrame_Objects)) return false;
    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct clr_frame_slots) { 0, 1, true };
        if (!memory_try_u64(clr->memory, pointers + 8 * i, &ret[i].start)) return false;
    }
    return true;
}

static bool array_slots(const struct clr *clr, uint64_t addr, struct clr_frame_slots *ret)
{
    enum { OBJECTS_MAX = 1 << 16 };

    *ret = (struct clr_frame_slots) { .is_certain = true };
    return clr_try_u64(clr, addr, FIELD_HelperMethodFrame_Objects, &ret->start) &&
           clr_try_u32(clr, addr, FIELD_HelperMethodFrame_ObjectCount, &ret->count) && ret->count <= OBJECTS_MAX;
}

bool clr_frame_slots(const struct clr *clr, const struct clr_frame *frame, struct clr_frame_slots ret[CLR_FRAME_SLOTS_MAX],
                     size_t *count_ret)
{
    enum frame_roots roots = frame->kind ? frame->kind->roots : ROOTS_UNKNOWN;

    *count_ret = 1;
    switch (roots) {
    case ROOTS_ARGUMENTS:
        return argument_slots(clr, frame->addr, ret);
    case ROOTS_HIJACK:
        return hijack_slots(clr, frame->addr, ret);
    case ROOTS_1_OBJECT:
    case ROOTS_2_OBJECTS:
    case ROOTS_3_OBJECTS:
        *count_ret = roots - ROOTS_1_OBJECT + 1;
        return object_slots(clr, frame->addr, *count_ret, ret);
    case ROOTS_ARRAY:
        return array_slots(clr, frame->addr, ret);
    default:
        *count_ret = 0;
        return roots == ROOTS_NONE;
    }
}

bool clr_frame_has_stack_arguments(const struct clr_frame *frame)
{
    return frame->kind && frame->kind->roots == ROOTS_ARGUMENTS;
}
