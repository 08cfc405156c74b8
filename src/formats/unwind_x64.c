#include "formats/unwind_x64.h"

enum { VERSION_1 = 1, VERSION_2 = 2, FLAG_CHAINED = 4, HEAD_SIZE = 4, CODE_SIZE = 2, FUNCTION_SIZE = 12 };

enum operation {
    PUSH_NONVOL,
    ALLOC_LARGE,
    ALLOC_SMALL,
    SET_FPREG,
    SAVE_NONVOL,
    SAVE_NONVOL_FAR,
    EPILOG,
    SPARE,
    SAVE_XMM128,
    SAVE_XMM128_FAR,
    PUSH_MACHFRAME,
    SET_FPREG_LARGE, /* Unix only */
};

struct code {
    uint8_t offset, operation, operand;
    uint32_t number;
    unsigned words; /* that it takes */
};

/* Further words of an operation, by its operand for ALLOC_LARGE. */
static unsigned further_words(uint8_t operation, uint8_t operand)
{
    switch (operation) {
    case ALLOC_LARGE:
        return operand ? 2 : 1;
    case SAVE_NONVOL:
    case SAVE_XMM128:
        return 1;
    case SAVE_NONVOL_FAR:
    case SAVE_XMM128_FAR:
    case SPARE:
    case SET_FPREG_LARGE:
        return 2;
    default:
        return 0;
    }
}

static bool read_code(struct span codes, size_t off, struct code *ret)
{
    uint16_t word, low = 0, high = 0;

    if (!span_u16(codes, off, &word)) return false;
    *ret = (struct code) { .offset = (uint8_t)word, .operation = word >> 8 & 0xf, .operand = (uint8_t)(word >> 12) };
    ret->words = 1 + further_words(ret->operation, ret->operand);
    if (ret->words > 1 && !span_u16(codes, off + CODE_SIZE, &low)) return false;
    if (ret->words > 2 && !span_u16(codes, off + 2 * CODE_SIZE, &high)) return false;
    ret->number = low | (uint32_t)high << 16;
    return true;
}

size_t unwind_x64_size(const uint8_t head[4])
{
    size_t size = HEAD_SIZE + CODE_SIZE * ((head[2] + 1u) & ~1u);

    return head[0] >> 3 & FLAG_CHAINED ? size + FUNCTION_SIZE : size;
}

/* On Unix an offset nibble of 15 means that a code has the whole offset. */
static bool read_frame_off(struct unwind_x64 *info, uint8_t nibble)
{
    struct code code;

    info->frame_off = nibble * 16u;
    for (size_t off = 0; off < info->codes.size; off += CODE_SIZE * code.words) {
        if (!read_code(info->codes, off, &code)) return false;
        if (code.operation == SET_FPREG_LARGE) info->frame_off = code.number * 16;
    }
    return true;
}

bool unwind_x64_open(struct span bytes, struct unwind_x64 *ret)
{
    struct unwind_x64 info = { 0 };
    size_t size;

    if (bytes.size < HEAD_SIZE) return false;
    size = unwind_x64_size(bytes.data);
    if (size > bytes.size || ((bytes.data[0] & 7) != VERSION_1 && (bytes.data[0] & 7) != VERSION_2)) return false;
    info.flags = bytes.data[0] >> 3;
    info.prolog_size = bytes.data[1];
    info.frame_register = bytes.data[3] & 0xf;
    info.codes = (struct span) { bytes.data + HEAD_SIZE, CODE_SIZE * (size_t)bytes.data[2] };
    if (!read_frame_off(&info, bytes.data[3] >> 4)) return false;
    info.is_chained = info.flags & FLAG_CHAINED;
    if (info.is_chained) {
        const uint8_t *function = bytes.data + size - FUNCTION_SIZE;

        info.chained_begin_rva = load_u32(function);
        info.chained_end_rva = load_u32(function + 4);
        info.chained_unwind_rva = load_u32(function + 8);
    }
    *ret = info;
    return true;
}

/* Has the instruction run that sets the frame register? Offsets of codes are those behind the instruction. */
static bool frame_register_is_set(const struct unwind_x64 *info, uint32_t offset)
{
    struct code code;

    if (!info->frame_register) return false;
    if (offset >= info->prolog_size || info->is_chained) return true;
    for (size_t off = 0; off < info->codes.size; off += CODE_SIZE * code.words) {
        if (!read_code(info->codes, off, &code)) return false;
        if (code.operation == SET_FPREG || code.operation == SET_FPREG_LARGE) return offset >= code.offset;
    }
    return false;
}

static bool pop(struct unwind_x64_context *context, unsigned reg)
{
    uint64_t *rsp = &context->registers[UNWIND_X64_RSP], value;

    if (!context->read(context->user, *rsp, &value)) return false;
    *rsp += 8;
    context->registers[reg] = value;
    return true;
}

/* Instruction pointer, segment, flags, stack pointer, segment; an error code before them. */
static bool pop_machine_frame(struct unwind_x64_context *context, bool has_error_code)
{
    uint64_t frame = context->registers[UNWIND_X64_RSP] + (has_error_code ? 8 : 0), ip, sp;

    if (!context->read(context->user, frame, &ip) || !context->read(context->user, frame + 24, &sp)) return false;
    context->registers[UNWIND_X64_RIP] = ip;
    context->registers[UNWIND_X64_RSP] = sp;
    return true;
}

static bool undo(const struct unwind_x64 *info, const struct code *code, uint64_t frame, struct unwind_x64_context *context,
                 bool *returned_ret)
{
    uint64_t *registers = context->registers;

    switch (code->operation) {
    case PUSH_NONVOL:
        return pop(context, code->operand);
    case ALLOC_LARGE:
        registers[UNWIND_X64_RSP] += code->operand ? code->number : code->number * UINT64_C(8);
        return true;
    case ALLOC_SMALL:
        registers[UNWIND_X64_RSP] += code->operand * 8u + 8;
        return true;
    case SET_FPREG:
    case SET_FPREG_LARGE:
        registers[UNWIND_X64_RSP] = registers[info->frame_register] - info->frame_off;
        return true;
    case SAVE_NONVOL:
        return context->read(context->user, frame + code->number * UINT64_C(8), &registers[code->operand]);
    case SAVE_NONVOL_FAR:
        return context->read(context->user, frame + code->number, &registers[code->operand]);
    case PUSH_MACHFRAME:
        *returned_ret = true;
        return pop_machine_frame(context, code->operand != 0);
    case EPILOG:
    case SPARE:
    case SAVE_XMM128:
    case SAVE_XMM128_FAR:
        return true;
    default:
        return false;
    }
}

bool unwind_x64_undo_prolog(const struct unwind_x64 *info, uint32_t offset, struct unwind_x64_context *context, bool *returned_ret)
{
    uint64_t frame = context->registers[UNWIND_X64_RSP];
    struct code code;

    *returned_ret = false;
    if (frame_register_is_set(info, offset)) frame = context->registers[info->frame_register] - info->frame_off;
    for (size_t off = 0; off < info->codes.size; off += CODE_SIZE * code.words) {
        if (!read_code(info->codes, off, &code)) return false;
        /* Inside the prolog: what has not run yet is not undone. */
        if (offset < info->prolog_size && code.offset > offset) continue;
        if (!undo(info, &code, frame, context, returned_ret)) return false;
    }
    return true;
}

bool unwind_x64_return(struct unwind_x64_context *context)
{
    return pop(context, UNWIND_X64_RIP);
}

/* ---- epilogs: add rsp or lea rsp, pops, then ret or a jump out of the function ---- */

enum { REX = 0x40, REX_B = 1, REX_W = 8 };

static bool bytes_are(struct span code, size_t off, const char *bytes, size_t size)
{
    return span_holds(code, off, size) && memcmp(code.data + off, bytes, size) == 0;
}

/* add rsp, n or lea rsp, [register + n]; how many bytes it has, 0 when it is neither. */
static size_t release_frame(struct span code, struct unwind_x64_context *context)
{
    uint64_t *registers = context->registers;
    unsigned base;

    if (bytes_are(code, 0, "\x48\x83\xc4", 3) && code.size >= 4) {
        registers[UNWIND_X64_RSP] += (uint64_t)(int64_t)(int8_t)code.data[3];
        return 4;
    }
    if (bytes_are(code, 0, "\x48\x81\xc4", 3) && code.size >= 7) {
        registers[UNWIND_X64_RSP] += (uint64_t)(int64_t)(int32_t)load_u32(code.data + 3);
        return 7;
    }
    /* lea: REX.W, REX.B for r8..r15; ModRM 01 or 10 with rsp as the register. A base of 4 would have a SIB byte. */
    if (code.size < 3 || (code.data[0] & ~REX_B) != (REX | REX_W) || code.data[1] != 0x8d || (code.data[2] & 7) == 4) return 0;
    base = (code.data[2] & 7u) | (code.data[0] & REX_B ? 8u : 0);
    if ((code.data[2] & 0xf8) == 0x60 && code.size >= 4) {
        registers[UNWIND_X64_RSP] = registers[base] + (uint64_t)(int64_t)(int8_t)code.data[3];
        return 4;
    }
    if ((code.data[2] & 0xf8) == 0xa0 && code.size >= 7) {
        registers[UNWIND_X64_RSP] = registers[base] + (uint64_t)(int64_t)(int32_t)load_u32(code.data + 3);
        return 7;
    }
    return 0;
}

/* Does a jump at `off` leave the function? `ip` is the address of off 0. */
static bool jump_leaves(struct span code, size_t off, uint64_t ip, uint64_t begin, uint64_t end)
{
    uint64_t target;

    if (bytes_are(code, off, "\xff\x25", 2)) return true; /* jmp [rip + n] */
    if (span_holds(code, off, 3) && (code.data[off] & 0xf8) == (REX | REX_W) && code.data[off + 1] == 0xff &&
        (code.data[off + 2] >> 3 & 7) == 4)
        return true; /* jmp through a register, as tail calls have it */
    if (bytes_are(code, off, "\xeb", 1) && span_holds(code, off, 2))
        target = ip + off + 2 + (uint64_t)(int64_t)(int8_t)code.data[off + 1];
    else if (bytes_are(code, off, "\xe9", 1) && span_holds(code, off, 5))
        target = ip + off + 5 + (uint64_t)(int64_t)(int32_t)load_u32(code.data + off + 1);
    else
        return false;
    return target < begin || target >= end;
}

bool unwind_x64_finish_epilog(struct span code, uint64_t begin, uint64_t end, struct unwind_x64_context *context)
{
    struct unwind_x64_context after = *context;
    size_t off = release_frame(code, &after);

    for (;;) {
        uint8_t first, second = 0;

        if (!span_u8(code, off, &first)) return false;
        span_u8(code, off + 1, &second);
        if ((first & 0xf8) == 0x58) {
            if (!pop(&after, first & 7u)) return false;
            off++;
        } else if ((first & 0xf0) == REX && (second & 0xf8) == 0x58) {
            if (!pop(&after, (second & 7u) | (first & REX_B ? 8u : 0))) return false;
            off += 2;
        } else if (first == 0xc3 || first == 0xc2 || (first == 0xf3 && second == 0xc3) ||
                   jump_leaves(code, off, context->registers[UNWIND_X64_RIP], begin, end)) {
            break;
        } else {
            return false;
        }
    }
    if (!unwind_x64_return(&after)) return false;
    *context = after;
    return true;
}
