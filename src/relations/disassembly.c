#include <stdlib.h>

#ifdef HAVE_CAPSTONE
#include <capstone/capstone.h>
#endif

#include "clr/code_gc_info.h"
#include "clr/field_value.h"
#include "clr/object.h"
#include "clr/precode.h"
#include "relations/code_at.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/symbol_at.h"

/* The instructions of one method, with names for what they use. */
struct disassembly_cursor {
    struct clr *clr;
    struct code_block code;
    struct code_gc_info gc_info;
    bool has_gc_info;
    uint8_t *bytes; /* owned; of the method's code, or what of it is in the dump */
    size_t size, off;
    struct text instruction, note;
#ifdef HAVE_CAPSTONE
    csh capstone; /* 0: not open */
    cs_insn *decoded;
#endif
};

enum { ADDRESS, OFFSET, INSTRUCTION, NOTE, SAFE_POINT, LENGTH };

#ifndef HAVE_CAPSTONE

static struct error *disassembly_begin(struct session *session, const struct request *request, void *cursor_)
{
    (void)session, (void)request, (void)cursor_;
    return error_create(ERROR_UNSUPPORTED, "this clrtrail was made without capstone, which reads machine code");
}

static struct error *disassembly_next(void *cursor_, struct value *row, bool *more_ret)
{
    (void)cursor_, (void)row;
    *more_ret = false;
    return NULL;
}

static void disassembly_end(void *cursor_)
{
    (void)cursor_;
}

#else

enum { CODE_MAX = 16 << 20, PAGE = 4096 };

static struct error *read_code(struct disassembly_cursor *cursor, uint64_t addr)
{
    const struct memory *memory = cursor->code.kind == CODE_READY_TO_RUN ? &cursor->clr->target->constants : cursor->clr->memory;
    size_t wanted = cursor->code.size < CODE_MAX ? (size_t)cursor->code.size : CODE_MAX;

    cursor->bytes = malloc(wanted ? wanted : 1);
    if (!cursor->bytes) return &error_enomem;
    while (cursor->size < wanted) {
        size_t step = PAGE - (size_t)((cursor->code.start + cursor->size) % PAGE);

        if (step > wanted - cursor->size) step = wanted - cursor->size;
        if (!memory_try_read(memory, cursor->code.start + cursor->size, cursor->bytes + cursor->size, step)) break;
        cursor->size += step;
    }
    if (cursor->size) return NULL;
    return error_fault(addr, "the code of '%llx' is not in the dump, and no file with it was found", (unsigned long long)addr);
}

static struct error *disassembly_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct disassembly_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;

    text_init(&cursor->instruction);
    text_init(&cursor->note);
    TRY(session_clr(session, &cursor->clr));
    TRY(code_at(cursor->clr, addr, &cursor->code));
    TRY(read_code(cursor, addr));
    cursor->has_gc_info = code_gc_info_open(cursor->clr, &cursor->code, &cursor->gc_info);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &cursor->capstone) != CS_ERR_OK) {
        cursor->capstone = 0;
        return &error_enomem;
    }
    cs_option(cursor->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    cursor->decoded = cs_malloc(cursor->capstone);
    return cursor->decoded ? NULL : &error_enomem;
}

static bool note_method(struct disassembly_cursor *cursor, uint64_t method_desc_addr)
{
    struct clr_method method;

    return clr_method_at(cursor->clr, method_desc_addr, &method) && clr_method_name(cursor->clr, &method, &cursor->note);
}

/* What lies at an address that is jumped to. */
static bool note_code(struct disassembly_cursor *cursor, uint64_t addr)
{
    struct code_block block;
    struct stub stub;

    if (addr >= cursor->code.start && addr < cursor->code.start + cursor->code.size) return false;
    if (code_find(cursor->clr, addr, &block)) return note_method(cursor, block.method_desc_addr);
    if (stub_at(cursor->clr, addr, &stub)) {
        if (stub.method_desc_addr) return note_method(cursor, stub.method_desc_addr);
        if (code_find(cursor->clr, stub.target_addr, &block)) return note_method(cursor, block.method_desc_addr);
    }
    return target_describe_addr(cursor->clr->target, addr, &cursor->note);
}

/* What a constant may stand for: an object, a type, a method, code. */
static bool note_constant(struct disassembly_cursor *cursor, uint64_t value)
{
    enum { NO_ADDRESS = 1 << 16, SHOWN_MAX = 120 };
    struct clr_object object;

    if (value < NO_ADDRESS) return false;
    if (clr_object_try(cursor->clr, value, &object)) {
        if (clr_string_text(cursor->clr, &object, SHOWN_MAX, &cursor->note)) return true;
        text_puts(&cursor->note, clr_type_name(cursor->clr, object.type->mt_addr));
        return true;
    }
    if (clr_type_get(cursor->clr, value)) {
        text_printf(&cursor->note, "MethodTable of %s", clr_type_name(cursor->clr, value));
        return true;
    }
    return note_method(cursor, value) || note_code(cursor, value);
}

/* Through a cell of the image, or of the code's data. */
static void note_cell(struct disassembly_cursor *cursor, uint64_t cell, bool is_jump)
{
    uint64_t value;

    if (!memory_try_u64(cursor->clr->memory, cell, &value)) return;
    if (is_jump)
        note_code(cursor, value);
    else
        note_constant(cursor, value);
}

static void note_operands(struct disassembly_cursor *cursor)
{
    const cs_insn *insn = cursor->decoded;
    bool is_jump = cs_insn_group(cursor->capstone, insn, CS_GRP_CALL) || cs_insn_group(cursor->capstone, insn, CS_GRP_JUMP);

    for (uint8_t i = 0; i < insn->detail->x86.op_count && !cursor->note.length; i++) {
        const cs_x86_op *operand = &insn->detail->x86.operands[i];

        if (operand->type == X86_OP_IMM) {
            if (is_jump)
                note_code(cursor, (uint64_t)operand->imm);
            else
                note_constant(cursor, (uint64_t)operand->imm);
        } else if (operand->type == X86_OP_MEM && operand->mem.base == X86_REG_RIP) {
            note_cell(cursor, insn->address + insn->size + (uint64_t)operand->mem.disp, is_jump);
        }
    }
}

/* Is the place behind this instruction, which a call returns to, a safe point? */
static bool is_safe_point(const struct disassembly_cursor *cursor, uint32_t end)
{
    const struct gc_info *info = &cursor->gc_info.info;
    uint32_t offset = gc_info_lookup_offset(info, end, false);

    for (size_t i = 0; i < info->safe_points.count && info->safe_points.data[i] <= offset; i++)
        if (info->safe_points.data[i] == offset) return true;
    return false;
}

/* Where there is no instruction, its byte is shown, and the next one tried. */
static struct error *disassembly_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct disassembly_cursor *cursor = cursor_;
    const uint8_t *at = cursor->bytes + cursor->off;
    size_t left = cursor->size - cursor->off, length = 1;
    uint64_t addr = cursor->code.start + cursor->off;

    *more_ret = left > 0;
    if (!left) return NULL;
    text_clear(&cursor->instruction);
    text_clear(&cursor->note);
    value_u64(&row[ADDRESS], addr);
    value_u64(&row[OFFSET], cursor->off);
    if (cs_disasm_iter(cursor->capstone, &at, &left, &addr, cursor->decoded)) {
        length = cursor->decoded->size;
        text_printf(&cursor->instruction, "%s %s", cursor->decoded->mnemonic, cursor->decoded->op_str);
        note_operands(cursor);
    } else {
        text_printf(&cursor->instruction, ".byte 0x%02x", cursor->bytes[cursor->off]);
    }
    cursor->off += length;
    value_text(&row[INSTRUCTION], text_cstr(&cursor->instruction));
    if (cursor->note.length) value_text(&row[NOTE], text_cstr(&cursor->note));
    if (cursor->has_gc_info) value_u64(&row[SAFE_POINT], is_safe_point(cursor, (uint32_t)cursor->off));
    value_u64(&row[LENGTH], length);
    return NULL;
}

static void disassembly_end(void *cursor_)
{
    struct disassembly_cursor *cursor = cursor_;

    if (cursor->decoded) cs_free(cursor->decoded, 1);
    if (cursor->capstone) cs_close(&cursor->capstone);
    if (cursor->has_gc_info) code_gc_info_close(&cursor->gc_info);
    free(cursor->bytes);
    text_deinit(&cursor->instruction);
    text_deinit(&cursor->note);
}

#endif

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the instruction" },
    { "offset", COLUMN_NUMBER, "from the start of the method's code", COLUMN_VERBOSE },
    { "instruction", COLUMN_TEXT, "in Intel's notation; .byte: none that is known" },
    { "note", COLUMN_TEXT, "method that it calls; type, string, or object that it uses" },
    { "safe_point", COLUMN_BOOL, "behind it the GC may run, as when a call returns (see gcinfo)", COLUMN_VERBOSE },
    { "length", COLUMN_BYTES, "of the instruction", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, true, "of code, or of a MethodDesc" },
};

const struct relation relation_disassembly = {
    .name = "disassembly",
    .summary = "the machine code of a method, with names",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "disassembly" }, { "u", .help = "as SOS calls it" }, { "clru", .help = "as SOS calls it" } },
    .cursor_size = sizeof(struct disassembly_cursor),
    .begin = disassembly_begin,
    .next = disassembly_next,
    .end = disassembly_end,
};
