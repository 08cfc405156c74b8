/* Signatures to text. */
#include "formats/signature.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

struct writer {
    const struct metadata *md;
    const struct signature_context *context;
    struct text *out;
    size_t end; /* length of `out` that is not to be exceeded */
    unsigned depth;
    bool stopped; /* malformed or full: nothing more is read or written */
    bool malformed;
};

static void write_type(struct writer *w, struct span *sig);

static struct writer writer_begin(const struct metadata *md, const struct signature_context *context, struct text *out)
{
    static const struct signature_context no_context;

    return (struct writer) {
        .md = md,
        .context = context ? context : &no_context,
        .out = out,
        .end = out->length + LIMIT_TYPE_NAME,
    };
}

static void put(struct writer *w, const char *s, size_t length)
{
    if (w->stopped) return;
    if (length > w->end - w->out->length) {
        text_puts(w->out, "...");
        w->stopped = true;
        return;
    }
    text_append(w->out, s, length);
    if (w->out->failed) w->stopped = true;
}

static void puts_to(struct writer *w, const char *s)
{
    put(w, s, strlen(s));
}

static void put_number(struct writer *w, const char *prefix, uint64_t number)
{
    char digits[32];

    puts_to(w, prefix);
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    puts_to(w, digits);
}

static void fail(struct writer *w)
{
    if (w->stopped) return;
    text_puts(w->out, "?");
    w->stopped = w->malformed = true;
}

/* ---- generic names ---- */

/* Where the arguments of a generic name come from: texts, or the signature itself. */
struct arguments {
    const char *const *texts; /* NULL: from `sig` */
    struct span *sig;
    uint64_t left;
};

static void put_argument(struct writer *w, struct arguments *args)
{
    args->left--;
    if (!args->texts)
        write_type(w, args->sig);
    else
        puts_to(w, *args->texts++);
}

static void put_arguments(struct writer *w, struct arguments *args, uint64_t count)
{
    put(w, "<", 1);
    for (uint64_t i = 0; i < count && !w->stopped; i++) {
        if (i) put(w, ", ", 2);
        put_argument(w, args);
    }
    put(w, ">", 1);
}

/* The arity mark of "List`1": its place and number. False when the name has none; a mark is at the end and all digits. */
static bool arity_mark(const char *name, size_t length, size_t *place_ret, uint64_t *arity_ret)
{
    size_t digits = 0;
    uint64_t arity = 0, unit = 1;

    while (digits < length && digits < 5 && name[length - 1 - digits] >= '0' && name[length - 1 - digits] <= '9') {
        arity += unit * (uint64_t)(name[length - 1 - digits] - '0');
        unit *= 10;
        digits++;
    }
    if (!digits || !arity || digits + 1 >= length || name[length - 1 - digits] != '`') return false;
    *place_ret = length - 1 - digits;
    *arity_ret = arity;
    return true;
}

/* A nested type repeats the parameters of those around it, and each name counts only its own. */
static void put_segment(struct writer *w, const char *name, size_t length, struct arguments *args)
{
    size_t place;
    uint64_t arity;

    if (!args->left || !arity_mark(name, length, &place, &arity)) {
        put(w, name, length);
        return;
    }
    put(w, name, place);
    put_arguments(w, args, arity < args->left ? arity : args->left);
}

static void put_parts(struct writer *w, const struct metadata_name_part *parts, size_t count, struct arguments *args)
{
    for (size_t i = 0; i < count && !w->stopped; i++) {
        if (i) put(w, "+", 1);
        if (*parts[i].name_space) {
            puts_to(w, parts[i].name_space);
            put(w, ".", 1);
        }
        put_segment(w, parts[i].name, strlen(parts[i].name), args);
    }
    if (args->left && !w->stopped) put_arguments(w, args, args->left);
}

void signature_append_generic_name(struct text *out, const struct metadata_name_part *parts, size_t part_count,
                                   const char *const *args, size_t arg_count)
{
    struct writer w = writer_begin(NULL, NULL, out);
    struct arguments arguments = { .texts = args, .left = args ? arg_count : 0 };

    put_parts(&w, parts, part_count, &arguments);
}

void signature_append_generic(struct text *out, const char *name, const char *const *args, size_t arg_count)
{
    struct writer w = writer_begin(NULL, NULL, out);
    struct arguments arguments = { .texts = args, .left = args ? arg_count : 0 };

    while (*name && !w.stopped) {
        size_t length = strcspn(name, "+");
        put_segment(&w, name, length, &arguments);
        name += length;
        if (*name) put(&w, name++, 1);
    }
    if (arguments.left && !w.stopped) put_arguments(&w, &arguments, arguments.left);
}

/* ---- types ---- */

static const char *primitive_name(enum element_type element)
{
    static const char *const names[] = {
        [ELEMENT_VOID] = "System.Void", [ELEMENT_BOOLEAN] = "System.Boolean", [ELEMENT_CHAR] = "System.Char",
        [ELEMENT_I1] = "System.SByte",  [ELEMENT_U1] = "System.Byte",         [ELEMENT_I2] = "System.Int16",
        [ELEMENT_U2] = "System.UInt16", [ELEMENT_I4] = "System.Int32",        [ELEMENT_U4] = "System.UInt32",
        [ELEMENT_I8] = "System.Int64",  [ELEMENT_U8] = "System.UInt64",       [ELEMENT_R4] = "System.Single",
        [ELEMENT_R8] = "System.Double", [ELEMENT_STRING] = "System.String",   [ELEMENT_TYPEDBYREF] = "System.TypedReference",
        [ELEMENT_I] = "System.IntPtr",  [ELEMENT_U] = "System.UIntPtr",       [ELEMENT_OBJECT] = "System.Object",
    };

    return (size_t)element < sizeof(names) / sizeof(names[0]) ? names[element] : NULL;
}

static void put_primitive(struct writer *w, enum element_type element)
{
    const char *name = primitive_name(element);
    bool keeps_namespace = element == ELEMENT_STRING || element == ELEMENT_OBJECT || element == ELEMENT_TYPEDBYREF;

    puts_to(w, w->context->short_primitives && !keeps_namespace ? name + strlen("System.") : name);
}

static void put_type_handle(struct writer *w, uint64_t addr)
{
    char digits[32];

    if (w->stopped) return;
    if (w->context->type_handle_name && w->context->type_handle_name(w->context->user, addr, w->out)) {
        if (w->out->length > w->end || w->out->failed) w->stopped = true;
        return;
    }
    snprintf(digits, sizeof(digits), "{%llx}", (unsigned long long)addr);
    puts_to(w, digits);
}

/*
 * A type_spec cannot stand here (II.23.2.12), so it is not followed: a chain of them would be a loop through the tables.
 */
static void put_token(struct writer *w, uint32_t token, struct arguments *args)
{
    struct metadata_name_part parts[METADATA_NAME_PARTS];
    size_t count = w->md ? metadata_type_name_parts(w->md, token, parts) : 0;
    char number[16];

    if (!count) {
        snprintf(number, sizeof(number), "{%08x}", (unsigned)token);
        parts[count++] = (struct metadata_name_part) { number, "" };
    }
    put_parts(w, parts, count, args);
}

static void put_variable(struct writer *w, uint32_t number, const char *const *names, size_t count, const char *mark)
{
    if (number < count && names[number])
        puts_to(w, names[number]);
    else
        put_number(w, mark, number);
}

/* "delegate*<parameters..., return type>", as C# writes it; the signature has the return type first. */
static void put_function_pointer(struct writer *w, struct span *sig, uint32_t param_count)
{
    struct span return_type = *sig;

    puts_to(w, "delegate*<");
    if (!signature_skip_type(sig)) return fail(w);
    for (uint32_t i = 0; i < param_count && !w->stopped; i++) {
        write_type(w, sig);
        put(w, ", ", 2);
    }
    write_type(w, &return_type);
    put(w, ">", 1);
}

static void put_array(struct writer *w, struct span *sig)
{
    uint32_t rank;

    write_type(w, sig);
    if (w->stopped) return;
    if (!signature_array_shape(sig, &rank)) return fail(w);
    put(w, "[", 1);
    if (rank == 1) put(w, "*", 1); /* not a vector */
    while (--rank)
        put(w, ",", 1);
    put(w, "]", 1);
}

static void put_generic_instance(struct writer *w, struct span *sig, const struct signature_type *type)
{
    struct arguments args = { .sig = sig, .left = type->number };

    if (type->type_handle_addr) {
        put_type_handle(w, type->type_handle_addr);
        put_arguments(w, &args, args.left);
    } else {
        put_token(w, type->token, &args);
    }
}

static void write_element(struct writer *w, struct span *sig, const struct signature_type *type)
{
    const struct signature_context *context = w->context;
    struct arguments none = { 0 };

    switch (type->element_type) {
    case ELEMENT_PTR:
    case ELEMENT_BYREF:
    case ELEMENT_SZARRAY:
        write_type(w, sig);
        return puts_to(w, type->element_type == ELEMENT_PTR ? "*" : type->element_type == ELEMENT_BYREF ? "&" : "[]");
    case ELEMENT_ARRAY:
        return put_array(w, sig);
    case ELEMENT_CLASS:
    case ELEMENT_VALUETYPE:
        return put_token(w, type->token, &none);
    case ELEMENT_GENERICINST:
        return put_generic_instance(w, sig, type);
    case ELEMENT_VAR:
        return put_variable(w, type->number, context->type_args, context->type_arg_count, "!");
    case ELEMENT_MVAR:
        return put_variable(w, type->number, context->method_args, context->method_arg_count, "!!");
    case ELEMENT_FNPTR:
        return put_function_pointer(w, sig, type->number);
    case ELEMENT_INTERNAL:
        return put_type_handle(w, type->type_handle_addr);
    default:
        return put_primitive(w, type->element_type);
    }
}

/* Calls itself for what is nested, at most LIMIT_TYPE_DEPTH deep. */
static void write_type(struct writer *w, struct span *sig)
{
    struct signature_type type;

    if (w->stopped) return;
    if (w->depth == LIMIT_TYPE_DEPTH) {
        puts_to(w, "...");
        w->stopped = w->malformed = true;
        return;
    }
    if (!signature_element(sig, &type)) return fail(w);
    w->depth++;
    write_element(w, sig, &type);
    w->depth--;
}

bool signature_type_text(const struct metadata *md, struct span *sig, const struct signature_context *context, struct text *out)
{
    struct writer w = writer_begin(md, context, out);

    write_type(&w, sig);
    return !w.malformed;
}

bool signature_type_spec_text(const struct metadata *md, struct span sig, const struct signature_context *context, struct text *out)
{
    return signature_type_text(md, &sig, context, out);
}

/* A property's signature is that of its getter; parameters of an indexer are left out. */
bool signature_field_text(const struct metadata *md, struct span sig, const struct signature_context *context, struct text *out)
{
    struct writer w = writer_begin(md, context, out);
    uint8_t convention = 0;
    uint32_t param_count;

    span_u8(sig, 0, &convention);
    sig = span_from(sig, 1);
    if ((convention & SIGNATURE_KIND) == SIGNATURE_PROPERTY) {
        if (!metadata_compressed(&sig, &param_count)) fail(&w);
    } else if ((convention & SIGNATURE_KIND) != SIGNATURE_FIELD) {
        fail(&w);
    }
    write_type(&w, &sig);
    return !w.malformed;
}

/* ---- methods ---- */

static void put_params(struct writer *w, struct span *sig, uint32_t count)
{
    uint8_t element;

    put(w, "(", 1);
    for (uint32_t i = 0; i < count && !w->stopped; i++) {
        if (i) put(w, ", ", 2);
        if (span_u8(*sig, 0, &element) && element == ELEMENT_SENTINEL) puts_to(w, "..., ");
        write_type(w, sig);
    }
    put(w, ")", 1);
}

bool signature_method_text(const struct metadata *md, struct span sig, const char *name, bool with_return_type,
                           const struct signature_context *context, struct text *out)
{
    struct writer w = writer_begin(md, context, out);
    struct signature_method method = { 0 };
    bool readable = signature_method(sig, &method);

    if (with_return_type && readable) {
        write_type(&w, &method.types);
        put(&w, " ", 1);
    } else if (readable) {
        readable = signature_skip_type(&method.types);
    }
    puts_to(&w, name);
    if (!readable) {
        puts_to(&w, "(");
        fail(&w);
    } else {
        put_params(&w, &method.types, method.param_count);
    }
    return !w.malformed;
}

bool signature_instantiation_text(const struct metadata *md, struct span sig, const struct signature_context *context,
                                  struct text *out)
{
    struct writer w = writer_begin(md, context, out);
    struct arguments args = { .sig = &sig };
    uint8_t convention = 0;
    uint32_t count = 0;

    span_u8(sig, 0, &convention);
    sig = span_from(sig, 1);
    if ((convention & SIGNATURE_KIND) != SIGNATURE_METHOD_SPEC || !metadata_compressed(&sig, &count)) fail(&w);
    args.left = count;
    put_arguments(&w, &args, count);
    return !w.malformed;
}

/* ---- names of the type variables ---- */

static size_t read_names(const struct metadata *md, uint32_t owner_token, const char *names[SIGNATURE_NAMES])
{
    struct metadata_rows rows = metadata_rows_of(md, METADATA_GENERIC_PARAM_OWNER, owner_token);
    size_t count = 0;

    for (unsigned seen = 0; seen < SIGNATURE_NAMES && metadata_rows_next(md, &rows); seen++) {
        uint32_t number = metadata_column(md, METADATA_GENERIC_PARAM_NUMBER, rows.rid);
        const char *name = metadata_column_string(md, METADATA_GENERIC_PARAM_NAME, rows.rid);
        if (number >= SIGNATURE_NAMES || !*name) continue;
        names[number] = name;
        if (number >= count) count = number + 1;
    }
    return count;
}

void signature_names_init(struct signature_names *names, const struct metadata *md, uint32_t type_rid, uint32_t method_rid)
{
    *names = (struct signature_names) { 0 };
    names->context.type_args = names->type_args;
    names->context.method_args = names->method_args;
    names->context.type_arg_count = read_names(md, metadata_token(METADATA_TYPE_DEF, type_rid), names->type_args);
    names->context.method_arg_count = read_names(md, metadata_token(METADATA_METHOD_DEF, method_rid), names->method_args);
}
