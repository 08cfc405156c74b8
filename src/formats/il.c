#include "formats/il.h"

struct opcode {
    const char *name; /* NULL: no instruction */
    uint8_t operand;  /* enum il_operand */
};

static const struct opcode opcodes[256] = {
#define OPCODE(byte, name, operand) [byte] = { name, IL_OPERAND_##operand },
#include "formats/il_opcodes.def"
};

static const struct opcode opcodes_fe[256] = {
#define OPCODE_FE(byte, name, operand) [byte] = { name, IL_OPERAND_##operand },
#include "formats/il_opcodes.def"
};

static const uint8_t operand_sizes[] = {
    [IL_OPERAND_NONE] = 0,   [IL_OPERAND_U1] = 1,        [IL_OPERAND_U2] = 2,    [IL_OPERAND_I1] = 1,      [IL_OPERAND_I4] = 4,
    [IL_OPERAND_I8] = 8,     [IL_OPERAND_R4] = 4,        [IL_OPERAND_R8] = 8,    [IL_OPERAND_BRANCH1] = 1, [IL_OPERAND_BRANCH4] = 4,
    [IL_OPERAND_SWITCH] = 4, [IL_OPERAND_METHOD] = 4,    [IL_OPERAND_FIELD] = 4, [IL_OPERAND_TYPE] = 4,    [IL_OPERAND_TOKEN] = 4,
    [IL_OPERAND_STRING] = 4, [IL_OPERAND_SIGNATURE] = 4,
};

bool il_body(struct span bytes, struct il_body *ret)
{
    enum { KIND_MASK = 3, TINY = 2, FAT = 3, INIT_LOCALS = 0x10, FAT_DWORDS_SHIFT = 12, TINY_MAX_STACK = 8 };
    struct il_body body = { 0 };
    uint8_t first;
    uint16_t flags;

    if (!span_u8(bytes, 0, &first)) return false;
    if ((first & KIND_MASK) == TINY) {
        body.header_size = 1;
        body.code_size = first >> 2;
        body.max_stack = TINY_MAX_STACK;
    } else {
        if ((first & KIND_MASK) != FAT || bytes.size < IL_HEADER_MAX) return false;
        flags = load_u16(bytes.data);
        body.header_size = 4u * (flags >> FAT_DWORDS_SHIFT);
        if (body.header_size < IL_HEADER_MAX) return false;
        body.init_locals = flags & INIT_LOCALS;
        body.max_stack = load_u16(bytes.data + 2);
        body.code_size = load_u32(bytes.data + 4);
        body.locals_token = load_u32(bytes.data + 8);
    }
    if (!span_slice(bytes, body.header_size, body.code_size, &body.code)) body.code = (struct span) { bytes.data, 0 };
    *ret = body;
    return true;
}

/* The operand's bytes are there. */
static uint64_t read_value(enum il_operand operand, const uint8_t *bytes)
{
    switch (operand) {
    case IL_OPERAND_NONE:
        return 0;
    case IL_OPERAND_U1:
        return bytes[0];
    case IL_OPERAND_U2:
        return load_u16(bytes);
    case IL_OPERAND_I1:
    case IL_OPERAND_BRANCH1:
        return (uint64_t)(int64_t)(int8_t)bytes[0];
    case IL_OPERAND_I4:
    case IL_OPERAND_BRANCH4:
        return (uint64_t)(int64_t)(int32_t)load_u32(bytes);
    case IL_OPERAND_I8:
    case IL_OPERAND_R8:
        return load_u64(bytes);
    default:
        return load_u32(bytes);
    }
}

bool il_next(struct span code, uint32_t *offset, struct il_instruction *ret)
{
    enum { PREFIX = 0xfe };
    uint32_t at = *offset, size = 1;
    const struct opcode *opcode;
    uint8_t byte;
    uint64_t targets_size = 0;

    if (!span_u8(code, at, &byte)) return false;
    opcode = &opcodes[byte];
    ret->code = byte;
    if (byte == PREFIX) {
        if (!span_u8(code, at + 1ull, &byte)) return false;
        opcode = &opcodes_fe[byte];
        ret->code = (uint16_t)(PREFIX << 8 | byte);
        size = 2;
    }
    if (!opcode->name || !span_holds(code, (uint64_t)at + size, operand_sizes[opcode->operand])) return false;
    ret->offset = at;
    ret->name = opcode->name;
    ret->operand = (enum il_operand)opcode->operand;
    ret->value = read_value(ret->operand, code.data + at + size);
    size += operand_sizes[ret->operand];
    ret->targets = (struct span) { 0 };
    if (ret->operand == IL_OPERAND_SWITCH) {
        targets_size = 4 * ret->value;
        if (!span_slice(code, (uint64_t)at + size, targets_size, &ret->targets)) return false;
    }
    ret->size = size + (uint32_t)targets_size;
    if (ret->operand == IL_OPERAND_BRANCH1 || ret->operand == IL_OPERAND_BRANCH4) ret->value += (uint64_t)at + ret->size;
    *offset = at + ret->size;
    return true;
}
