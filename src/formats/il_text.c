/* Operands of IL with their names. */
#include <inttypes.h>
#include <string.h>

#include "formats/il.h"
#include "formats/signature.h"

/* Text that is longer is cut: a listing is no place for a page of SQL. Targets of a switch likewise. */
enum { STRING_UNITS_SHOWN = 400, TARGETS_SHOWN = 64 };

/* The type that a token names, with type variables as `context` says. */
static bool type_text(const struct metadata *md, uint32_t token, const struct signature_context *context, struct text *out)
{
    if (metadata_token_table(token) != METADATA_TYPE_SPEC) return metadata_type_token_name(md, token, out);
    if (metadata_token_rid(token) - 1 >= metadata_row_count(md, METADATA_TYPE_SPEC)) return false;
    signature_type_spec_text(md, metadata_type_spec(md, metadata_token_rid(token)), context, out);
    return true;
}

/*
 * Name, owner and signature of a method or field token; a method_spec's `instantiation` is set. Type variables in the owner and the
 * instantiation are the caller's, those in the signature the member's own: known by name for a method_def only.
 */
struct member {
    uint32_t token; /* method_def, field, member_ref */
    const char *name;
    uint32_t type_token; /* 0: a global function of another module */
    struct span signature, instantiation;
};

static bool member_read(const struct metadata *md, uint32_t token, struct member *ret)
{
    struct metadata_method_spec spec;
    struct metadata_method_def method;
    struct metadata_member_ref ref;
    struct metadata_field field;

    *ret = (struct member) { 0 };
    if (metadata_token_table(token) == METADATA_METHOD_SPEC) {
        if (!metadata_method_spec(md, metadata_token_rid(token), &spec)) return false;
        ret->instantiation = spec.instantiation;
        token = spec.method_token;
    }
    ret->token = token;
    ret->type_token = metadata_member_type(md, token);
    switch (metadata_token_table(token)) {
    case METADATA_METHOD_DEF:
        if (!metadata_method_def(md, metadata_token_rid(token), &method)) return false;
        ret->name = method.name;
        ret->signature = method.signature;
        return true;
    case METADATA_FIELD:
        if (!metadata_field(md, metadata_token_rid(token), &field)) return false;
        ret->name = field.name;
        ret->signature = field.signature;
        return true;
    case METADATA_MEMBER_REF:
        if (!metadata_member_ref(md, metadata_token_rid(token), &ref)) return false;
        ret->name = ref.name;
        ret->signature = ref.signature;
        return true;
    default:
        return false;
    }
}

static bool member_is_field(const struct member *member)
{
    return member->signature.size && (member->signature.data[0] & SIGNATURE_KIND) == SIGNATURE_FIELD;
}

/* "Namespace.Type::Name<System.String>" */
static void append_name(const struct metadata *md, const struct member *member, const char *between,
                        const struct signature_context *context, struct text *out)
{
    size_t start = out->length;

    if (member->type_token) type_text(md, member->type_token, context, out);
    if (out->length > start) text_puts(out, between);
    text_puts(out, member->name);
    if (member->instantiation.size) signature_instantiation_text(md, member->instantiation, context, out);
}

/* The names of the member's own type variables. */
static void own_names(const struct metadata *md, const struct member *member, struct signature_names *names)
{
    *names = (struct signature_names) { 0 };
    if (metadata_token_table(member->token) == METADATA_METHOD_DEF)
        signature_names_init(names, md, metadata_token_rid(member->type_token), metadata_token_rid(member->token));
    names->context.short_primitives = true;
}

bool il_method_text(const struct metadata *md, uint32_t token, bool short_form, const struct signature_context *context,
                    struct text *out)
{
    struct signature_names names;
    struct member member;
    struct text name;

    if (!member_read(md, token, &member) || member_is_field(&member)) return false;
    text_init(&name);
    append_name(md, &member, short_form ? "." : "::", context, &name);
    own_names(md, &member, &names);
    signature_method_text(md, member.signature, text_cstr(&name), !short_form, &names.context, out);
    text_deinit(&name);
    return true;
}

static bool field_text(const struct metadata *md, uint32_t token, const struct signature_context *context, struct text *out)
{
    struct member member;

    if (!member_read(md, token, &member) || !member_is_field(&member)) return false;
    signature_field_text(md, member.signature, metadata_token_table(token) == METADATA_FIELD ? context : NULL, out);
    text_putc(out, ' ');
    append_name(md, &member, "::", context, out);
    return true;
}

static bool token_text(const struct metadata *md, uint32_t token, const struct signature_context *context, struct text *out)
{
    return il_method_text(md, token, false, context, out) || field_text(md, token, context, out) ||
           type_text(md, token, context, out);
}

static void string_text(const struct metadata *md, uint32_t token, struct text *out)
{
    static const char escapes[] = "\"\"\\\\\nn\rr\tt";
    struct span units = metadata_user_string(md, token);
    size_t count = units.size / 2;
    struct text utf8;

    text_init(&utf8);
    text_append_utf16(&utf8, units.data, count > STRING_UNITS_SHOWN ? STRING_UNITS_SHOWN : count);
    text_putc(out, '"');
    for (size_t i = 0, run = 0; i <= utf8.length; i++) {
        const char *escape = NULL;

        for (size_t k = 0; i < utf8.length && k + 1 < sizeof(escapes); k += 2)
            if (utf8.data[i] == escapes[k]) escape = &escapes[k + 1];
        if (i < utf8.length && !escape) continue;
        if (i > run) text_append_safe(out, utf8.data + run, i - run);
        if (escape) text_printf(out, "\\%c", *escape);
        run = i + 1;
    }
    text_puts(out, count > STRING_UNITS_SHOWN ? "\"..." : "\"");
    text_deinit(&utf8);
}

static void targets_text(const struct il_instruction *instruction, struct text *out)
{
    size_t count = instruction->targets.size / 4;

    text_putc(out, '(');
    for (size_t i = 0; i < count && i < TARGETS_SHOWN; i++) {
        int64_t target = (int64_t)instruction->offset + instruction->size + (int32_t)load_u32(instruction->targets.data + 4 * i);
        text_printf(out, "%sIL_%04" PRIx64, i ? ", " : "", (uint64_t)target & 0xffffffff);
    }
    text_puts(out, count > TARGETS_SHOWN ? ", ...)" : ")");
}

static void real_text(const struct il_instruction *instruction, struct text *out)
{
    double number;
    float single;
    uint32_t bits = (uint32_t)instruction->value;

    memcpy(&number, &instruction->value, sizeof(number));
    memcpy(&single, &bits, sizeof(single));
    if (instruction->operand == IL_OPERAND_R4)
        text_printf(out, "%.9g", (double)single);
    else
        text_printf(out, "%.17g", number);
}

/* What a calli calls: "Int32 (IntPtr, System.Guid*)". */
static bool signature_text(const struct metadata *md, uint32_t token, const struct signature_context *context, struct text *out)
{
    struct span signature = metadata_column_blob(md, METADATA_STAND_ALONE_SIG_SIGNATURE, metadata_token_rid(token));
    struct signature_context short_names = context ? *context : (struct signature_context) { 0 };

    if (metadata_token_table(token) != METADATA_STAND_ALONE_SIG || !signature.size) return false;
    short_names.short_primitives = true;
    return signature_method_text(md, signature, "", true, &short_names, out);
}

/* Appends a token's text, or the number when it names nothing. */
static void named_text(const struct metadata *md, const struct il_instruction *instruction, const struct signature_context *context,
                       struct text *out)
{
    uint32_t token = (uint32_t)instruction->value;
    bool found;

    switch (instruction->operand) {
    case IL_OPERAND_METHOD:
        found = il_method_text(md, token, false, context, out);
        break;
    case IL_OPERAND_FIELD:
        found = field_text(md, token, context, out);
        break;
    case IL_OPERAND_TYPE:
        found = type_text(md, token, context, out);
        break;
    case IL_OPERAND_TOKEN:
        found = token_text(md, token, context, out);
        break;
    default:
        found = signature_text(md, token, context, out);
    }
    if (!found) text_printf(out, "0x%08x", token);
}

void il_operand_text(const struct metadata *md, const struct il_instruction *instruction, const struct signature_context *context,
                     struct text *out)
{
    switch (instruction->operand) {
    case IL_OPERAND_NONE:
        break;
    case IL_OPERAND_U1:
    case IL_OPERAND_U2:
    case IL_OPERAND_I1:
    case IL_OPERAND_I4:
    case IL_OPERAND_I8:
        text_printf(out, "%" PRId64, (int64_t)instruction->value);
        break;
    case IL_OPERAND_R4:
    case IL_OPERAND_R8:
        real_text(instruction, out);
        break;
    case IL_OPERAND_BRANCH1:
    case IL_OPERAND_BRANCH4:
        text_printf(out, "IL_%04" PRIx64, instruction->value & 0xffffffff);
        break;
    case IL_OPERAND_SWITCH:
        targets_text(instruction, out);
        break;
    case IL_OPERAND_STRING:
        string_text(md, (uint32_t)instruction->value, out);
        break;
    default:
        named_text(md, instruction, context, out);
    }
}
