#include "clr/stack_roots.h"

#include <stdlib.h>
#include <string.h>

#include "clr/code_gc_info.h"
#include "clr/eh_info.h"
#include "clr/exception.h"

enum {
    RBX = 3,
    RSP = UNWIND_X64_RSP,
    RBP = UNWIND_X64_RBP,
    RSI = 6,
    RDI = 7,
    R12 = 12,
    R15 = 15,
    NO_REGISTER = UNWIND_X64_REGISTERS
};

struct finder {
    const struct clr *clr;
    const struct stack *stack;
    struct stack_roots *roots;
    bool is_windows;
    /* Handlers between whose frames and their method's own one everything is dead. */
    bool in_dead;
    uint64_t dead_start, dead_frame_pointer; /* the method's code, and what its frame register held */
    bool has_arguments;                      /* the Frame before has arguments at the end of the next method's frame */
};

static void give_up(struct finder *finder, const char *why, uint64_t addr)
{
    if (finder->roots->broken) return;
    finder->roots->broken = why;
    finder->roots->broken_addr = addr;
}

static struct error *add(struct finder *finder, struct stack_root root)
{
    if (!root.value) return NULL;
    return vec_push(&finder->roots->list, root) ? NULL : &error_enomem;
}

/* `count` words from `start`. */
static struct error *add_words(struct finder *finder, struct stack_root root, uint64_t start, uint64_t count)
{
    root.reg = NO_REGISTER;
    for (uint64_t i = 0; i < count; i++) {
        root.addr = start + 8 * i;
        if (!memory_try_u64(finder->clr->memory, root.addr, &root.value)) {
            give_up(finder, "a word of the stack is not in the dump", root.addr);
            return NULL;
        }
        TRY(add(finder, root));
    }
    return NULL;
}

/* ---- methods ---- */

/* Does a call leave the register alone? Others hold nothing but in the frame that runs. */
static bool is_kept(const struct finder *finder, unsigned reg)
{
    if (reg == RBX || reg == RBP || (reg >= R12 && reg <= R15)) return true;
    return finder->is_windows && (reg == RSI || reg == RDI);
}

static struct error *add_slot(struct finder *finder, uint32_t index, const struct gc_info *info, const struct gc_slot *slot,
                              bool is_tracked)
{
    const struct stack_frame *frame = &finder->stack->frames.data[index];
    struct stack_root root = { .frame = index,
                               .reg = NO_REGISTER,
                               .is_interior = slot->flags & GC_SLOT_INTERIOR,
                               .is_pinned = slot->flags & GC_SLOT_PINNED,
                               .is_certain = true };
    bool runs = frame->is_leaf || frame->is_interrupted;

    switch (slot->base) {
    case GC_SLOT_REGISTER:
        if (!runs && !is_kept(finder, slot->reg)) return NULL;
        if (frame->is_unsure && slot->reg != RBP) give_up(finder, "what a register held is not known", frame->ip);
        root.reg = slot->reg;
        root.value = frame->registers[slot->reg];
        return add(finder, root);
    case GC_SLOT_CALLER_SP:
        root.addr = frame->caller_sp;
        break;
    case GC_SLOT_SP:
        root.addr = frame->sp;
        break;
    default:
        root.addr = frame->registers[info->frame_register];
        break;
    }
    root.addr += (uint64_t)(int64_t)slot->off;
    /* There lie the arguments of calls under way, which those that are called report. */
    if (is_tracked && !runs && root.addr >= frame->sp && root.addr - frame->sp < info->outgoing_size) return NULL;
    return add_words(finder, root, root.addr, 1);
}

struct report {
    bool tracked, untracked;
};

static struct error *add_live(struct finder *finder, uint32_t index, struct code_gc_info *code_info, struct report report,
                              bool *live)
{
    const struct gc_info *info = &code_info->info;
    const struct stack_frame *frame = &finder->stack->frames.data[index];
    uint32_t offset = (uint32_t)(frame->ip - frame->code.start);
    enum gc_info_status status;
    bool safe;

    offset = gc_info_lookup_offset(info, offset, frame->is_leaf || frame->is_interrupted);
    status = code_gc_info_live(finder->clr, &frame->code, code_info, offset, live, &safe);
    if (status != GC_INFO_OK) {
        give_up(finder,
                status == GC_INFO_CUT ? "the GC info of a method is not in the dump" : "the GC info of a method makes no sense",
                frame->ip);
        return NULL;
    }
    if (!safe && (info->ranges.count || frame->is_leaf || frame->is_interrupted))
        give_up(finder, "a method stands where it cannot be stopped", frame->ip);
    for (uint32_t i = 0; report.tracked && i < info->tracked_count; i++)
        if (live[i]) TRY(add_slot(finder, index, info, &info->slots.data[i], true));
    for (size_t i = info->tracked_count; report.untracked && i < info->slots.count; i++)
        TRY(add_slot(finder, index, info, &info->slots.data[i], false));
    return NULL;
}

/* `is_parent`: a handler of this method has reported already. */
static struct error *add_method(struct finder *finder, uint32_t index, bool is_filter, bool is_parent)
{
    const struct stack_frame *frame = &finder->stack->frames.data[index];
    struct report report = { .tracked = true, .untracked = !is_filter && !is_parent };
    struct code_gc_info info;
    struct error *err = NULL;
    bool *live;

    if (!code_gc_info_open(finder->clr, &frame->code, &info)) {
        give_up(finder, "the GC info of a method is not in the dump", frame->ip);
        return NULL;
    }
    if (finder->has_arguments)
        err = add_words(finder, (struct stack_root) { .frame = index }, frame->sp, info.info.outgoing_size / 8);
    live = calloc(info.info.tracked_count ? info.info.tracked_count : 1, sizeof(*live));
    if (!live) err = &error_enomem;
    if (!err && !(is_parent && info.info.leaf_funclet_only)) err = add_live(finder, index, &info, report, live);
    free(live);
    code_gc_info_close(&info);
    return err;
}

/* Is this frame a handler, or a filter? */
static bool is_funclet(const struct finder *finder, const struct stack_frame *frame, bool *filter_ret)
{
    struct eh_info info;

    *filter_ret = false;
    if (frame->code.function_index == 0 || frame->code.is_cold) return false;
    if (!eh_info_read(finder->clr, &frame->code, &info)) return true;
    *filter_ret = eh_info_is_filter(&info, (uint32_t)(frame->code.base + frame->code.function.begin_rva - frame->code.start));
    eh_info_deinit(&info);
    return true;
}

/* All of a method's frames and handlers have the frame register of its main body. */
static struct error *step_method(struct finder *finder, uint32_t index)
{
    const struct stack_frame *frame = &finder->stack->frames.data[index];
    bool is_parent = finder->in_dead && frame->code.start == finder->dead_start &&
                     frame->registers[RBP] == finder->dead_frame_pointer;
    bool is_filter, funclet;

    if (finder->in_dead && !is_parent) return NULL;
    if (frame->is_guess || frame->code.is_cold || frame->ip < frame->code.start) {
        give_up(finder, "the unwind data of a method are missing", frame->ip);
        return NULL;
    }
    finder->in_dead = false;
    funclet = is_funclet(finder, frame, &is_filter);
    TRY(add_method(finder, index, is_filter, is_parent));
    if (funclet && !is_filter) {
        finder->in_dead = true;
        finder->dead_start = frame->code.start;
        finder->dead_frame_pointer = frame->registers[RBP];
    }
    return NULL;
}

/* ---- the runtime's own code ---- */

static struct error *step_explicit(struct finder *finder, uint32_t index)
{
    const struct stack_frame *stack_frame = &finder->stack->frames.data[index];
    struct clr_frame_slots slots[CLR_FRAME_SLOTS_MAX];
    struct clr_frame frame;
    size_t count;

    if (finder->in_dead) return NULL;
    if (!clr_frame_read(finder->clr, stack_frame->sp, &frame) || !clr_frame_slots(finder->clr, &frame, slots, &count)) {
        give_up(finder, "what an explicit frame keeps is not known", stack_frame->sp);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        TRY(add_words(finder, (struct stack_root) { .frame = index, .is_certain = slots[i].is_certain }, slots[i].start,
                      slots[i].count));
    finder->has_arguments = clr_frame_has_stack_arguments(&frame);
    return NULL;
}

/* The chain climbs the stack; it ends with all ones, before 10.0 with null. */
static struct error *add_gc_frames(struct finder *finder, const struct clr_thread *thread)
{
    enum { FRAMES_MAX = 1 << 16, REFERENCES_MAX = 1 << 16 };
    const struct clr *clr = finder->clr;
    uint64_t addr, next, references;
    uint32_t count, interior;

    if (!clr_try_u64(clr, thread->addr, FIELD_Thread_GCFrame, &addr)) {
        give_up(finder, "where the runtime's own code keeps references is not known", thread->addr);
        return NULL;
    }
    for (unsigned i = 0; addr && addr != UINT64_MAX; i++, addr = next) {
        struct stack_root root = { .frame = STACK_ROOT_NO_FRAME, .is_certain = true };

        if (i == FRAMES_MAX || !clr_try_u64(clr, addr, FIELD_GCFrame_Next, &next) ||
            !clr_try_u64(clr, addr, FIELD_GCFrame_ObjRefs, &references) ||
            !clr_try_u32(clr, addr, FIELD_GCFrame_NumObjRefs, &count) || count > REFERENCES_MAX ||
            !clr_try_u32(clr, addr, FIELD_GCFrame_MaybeInterior, &interior) || (next && next <= addr)) {
            give_up(finder, "the list of what the runtime's own code keeps is damaged", addr);
            return NULL;
        }
        root.is_interior = interior;
        TRY(add_words(finder, root, references, count));
    }
    return NULL;
}

static struct error *add_exceptions(struct finder *finder, const struct clr_thread *thread)
{
    uint64_t exceptions[THREAD_EXCEPTIONS_MAX];
    size_t count = clr_thread_exceptions(finder->clr, thread, exceptions);

    for (size_t i = 0; i < count; i++)
        TRY(add(finder, (struct stack_root) {
                            .frame = STACK_ROOT_NO_FRAME, .reg = NO_REGISTER, .value = exceptions[i], .is_certain = true }));
    return NULL;
}

static struct error *find_all(struct finder *finder, const struct clr_thread *thread)
{
    const struct stack *stack = finder->stack;

    for (size_t i = 0; i < stack->frames.count && !finder->roots->broken; i++) {
        if (stack->frames.data[i].kind == STACK_EXPLICIT) {
            TRY(step_explicit(finder, (uint32_t)i));
        } else {
            TRY(step_method(finder, (uint32_t)i));
            finder->has_arguments = false;
        }
    }
    if (finder->in_dead) give_up(finder, "the frame that a handler belongs to was not found", finder->dead_start);
    if (!finder->roots->broken) TRY(add_gc_frames(finder, thread));
    return finder->roots->broken ? NULL : add_exceptions(finder, thread);
}

struct error *stack_roots_find(const struct clr *clr, const struct clr_thread *thread, const struct stack *stack,
                               struct stack_roots *ret)
{
    struct finder finder = {
        .clr = clr, .stack = stack, .roots = ret, .is_windows = strcmp(clr->target->dump->os, "windows") == 0
    };
    struct error *err;

    *ret = (struct stack_roots) { .broken = stack->broken, .broken_addr = stack->broken_addr };
    if (!ret->broken && stack->hole_addr) give_up(&finder, "the tables of a method are not in the dump", stack->hole_addr);
    if (ret->broken) return NULL;
    err = find_all(&finder, thread);
    if (err) stack_roots_deinit(ret);
    return err;
}

void stack_roots_deinit(struct stack_roots *roots)
{
    vec_deinit(&roots->list);
}
