/*
 * IL: the body of a method, instruction by instruction.
 *
 *     tiny   u8 (code size << 2 | 2)                                                   code
 *     fat    u16 (header dwords << 12 | flags | 3), u16 max stack, u32 code size, u32 signature of locals   code   sections
 *
 * Exception sections behind the code are not read. Nothing is copied: what is returned points into the span.
 * Source: ECMA-335 II.25.4, III.
 */
#ifndef CLRTRAIL_FORMATS_IL_H
#define CLRTRAIL_FORMATS_IL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"
#include "formats/metadata.h"

enum il_operand {
    IL_OPERAND_NONE,
    IL_OPERAND_U1, /* number of a local or argument */
    IL_OPERAND_U2,
    IL_OPERAND_I1,
    IL_OPERAND_I4,
    IL_OPERAND_I8,
    IL_OPERAND_R4,
    IL_OPERAND_R8,
    IL_OPERAND_BRANCH1,
    IL_OPERAND_BRANCH4,
    IL_OPERAND_SWITCH,
    IL_OPERAND_METHOD, /* tokens from here on */
    IL_OPERAND_FIELD,
    IL_OPERAND_TYPE,
    IL_OPERAND_TOKEN, /* method, field or type */
    IL_OPERAND_STRING,
    IL_OPERAND_SIGNATURE,
};

/* Instructions that someone asks for by name; those of two bytes have 0xfe in the high one. */
enum il_code {
    IL_JMP = 0x27,
    IL_CALL = 0x28,
    IL_CALLVIRT = 0x6f,
    IL_NEWOBJ = 0x73,
    IL_LDFLDA = 0x7c,
    IL_LDSFLDA = 0x7f,
    IL_LDFTN = 0xfe06,
    IL_LDVIRTFTN = 0xfe07,
};

struct il_body {
    uint32_t header_size, code_size;
    uint16_t max_stack;
    uint32_t locals_token; /* stand_alone_sig, 0: no locals */
    bool init_locals;
    struct span code; /* empty unless all of it is in the span */
};

enum { IL_HEADER_MAX = 12 };

/*
 * The header at the start of `bytes`, which need not hold the code. False when it is no header. A caller that reads piecewise asks
 * with IL_HEADER_MAX bytes (or as many as there are) first, then with header_size + code_size.
 */
bool il_body(struct span bytes, struct il_body *ret);

struct il_instruction {
    uint32_t offset, size;
    uint16_t code;           /* 0x28, 0xfe06 */
    const char *name;        /* "callvirt" */
    enum il_operand operand; /* which of the next are meant */
    uint64_t value;      /* number (sign extended), bits of R4 or R8, token; a branch's target is an offset from the code's start */
    struct span targets; /* SWITCH: i32 each, relative to the end of the instruction */
};

/* The instruction at `*offset`, which moves behind it. False at the end, and where the bytes are none (*offset is before the end).
 */
bool il_next(struct span code, uint32_t *offset, struct il_instruction *ret);

static inline bool il_operand_is_token(enum il_operand operand)
{
    return operand >= IL_OPERAND_METHOD;
}

/* ---- il_text.c: with names ---- */

struct signature_context;

/*
 * Appends the operand as people read it: "Void System.Console::WriteLine(System.String)", "System.Int32 Patient::age", "\"text\"",
 * "IL_0012", "3". Nothing for NONE. Text of ldstr is escaped and cut. `context` names type variables, NULL writes them as !0.
 */
void il_operand_text(const struct metadata *md, const struct il_instruction *instruction, const struct signature_context *context,
                     struct text *out);
/*
 * "Void Namespace.Type::Name(System.String)" of a method_def, member_ref or method_spec token; the same without the return type and
 * with "." for "::" when `short_form`. False, and nothing appended, when there is no such method.
 */
bool il_method_text(const struct metadata *md, uint32_t token, bool short_form, const struct signature_context *context,
                    struct text *out);

#endif
