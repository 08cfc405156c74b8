/*
 * Names of methods: type, name, generic arguments and parameters.
 *
 *     metadata    type of the MethodDesc, method_def; the variables !0, !!0 stand for the arguments of type and method
 *     dynamic     a C string and a signature that the MethodDesc holds; types in it are TypeHandles
 */
#include "base/limits.h"
#include "clr/method_desc.h"
#include "clr/type_lookup.h"
#include "formats/signature.h"

/* Names of type arguments, one after the other. */
struct argument_names {
    struct text text;
    const char *names[CLR_TYPE_ARGS_MAX];
    size_t count;
};

/* What DynamicMethodDesc's flags say in their low bits: which kind of IL stub, 0 none (src/coreclr/vm/method.hpp). */
enum { IL_STUB_KIND_MASK = 0x7ff };

size_t clr_method_args(const struct clr *clr, const struct clr_method *method, uint64_t *ret, size_t max)
{
    uint16_t count;
    uint64_t args;

    if (method->classification != METHOD_INSTANTIATED ||
        !clr_try_u16(clr, method->addr, FIELD_InstantiatedMethodDesc_NumGenericArgs, &count) || count == 0 || count > max ||
        !clr_try_u64(clr, method->addr, FIELD_InstantiatedMethodDesc_PerInstInfo, &args) || !args ||
        !memory_try_read(clr->memory, args, ret, count * sizeof(*ret)))
        return 0;
    return count;
}

static bool argument_names_init(struct clr *clr, const uint64_t *handles, size_t count, struct argument_names *ret)
{
    size_t starts[CLR_TYPE_ARGS_MAX];

    text_init(&ret->text);
    ret->count = 0;
    for (size_t i = 0; i < count; i++) {
        starts[i] = ret->text.length;
        if (!clr_type_handle_name(clr, handles[i], 1, &ret->text)) return false;
        text_putc(&ret->text, 0);
    }
    if (ret->text.failed) return false;
    for (size_t i = 0; i < count; i++)
        ret->names[i] = text_cstr(&ret->text) + starts[i];
    ret->count = count;
    return true;
}

static bool append_handle(void *user, uint64_t handle, struct text *out)
{
    return clr_type_handle_name(user, handle, 1, out);
}

/* "Name<A, B>" of a generic method. */
static void append_generic_name(const char *name, const struct argument_names *args, struct text *ret)
{
    text_puts(ret, name);
    for (size_t i = 0; i < args->count; i++)
        text_printf(ret, "%s%s", i ? ", " : "<", args->names[i]);
    if (args->count) text_putc(ret, '>');
}

/* A method without metadata: a dynamic one, or a stub that the runtime made of IL. */
static bool append_dynamic(struct clr *clr, const struct clr_method *method, struct text *ret)
{
    const struct signature_context context = { .short_primitives = true, .type_handle_name = append_handle, .user = clr };
    uint64_t name_addr, sig_addr;
    uint32_t sig_size, flags;
    struct span sig = { NULL, 0 };
    struct text name;
    bool ok;

    text_init(&name);
    ok = clr_try_u64(clr, method->addr, FIELD_DynamicMethodDesc_MethodName, &name_addr) &&
         clr_try_u32(clr, method->addr, FIELD_StoredSigMethodDesc_ExtendedFlags, &flags) &&
         memory_try_cstr(clr->memory, name_addr, LIMIT_NAME_LENGTH, &name);
    if (ok) {
        text_puts(ret, flags & IL_STUB_KIND_MASK ? "ILStubClass." : "DynamicClass.");
        if (clr_try_u64(clr, method->addr, FIELD_StoredSigMethodDesc_Sig, &sig_addr) &&
            clr_try_u32(clr, method->addr, FIELD_StoredSigMethodDesc_cSig, &sig_size) && sig_size <= LIMIT_TYPE_NAME)
            sig.data = memory_try_span(clr->memory, sig_addr, sig_size);
        if (sig.data) {
            sig.size = sig_size;
            signature_method_text(NULL, sig, text_cstr(&name), false, &context, ret);
        } else {
            text_puts(ret, text_cstr(&name));
        }
    }
    text_deinit(&name);
    return ok;
}

/* Type variables of the signature are the arguments of type and method; where these cannot be read, the variables' names. */
static void append_signature(struct clr *clr, const struct metadata *md, const struct clr_type *type,
                             const struct clr_method *method, const struct metadata_method_def *def, struct text *ret)
{
    uint64_t type_handles[CLR_TYPE_ARGS_MAX], method_handles[CLR_TYPE_ARGS_MAX];
    size_t type_count = clr_type_args(clr, type, type_handles);
    size_t method_count = clr_method_args(clr, method, method_handles, CLR_TYPE_ARGS_MAX);
    struct argument_names type_args, method_args;
    struct signature_names names;
    struct text name;

    signature_names_init(&names, md, metadata_token_rid(type->token), metadata_token_rid(method->token));
    names.context.short_primitives = true;
    names.context.type_handle_name = append_handle;
    names.context.user = clr;
    if (argument_names_init(clr, type_handles, type_count, &type_args) && type_count) {
        names.context.type_args = type_args.names;
        names.context.type_arg_count = type_count;
    }
    if (argument_names_init(clr, method_handles, method_count, &method_args) && method_count) {
        names.context.method_args = method_args.names;
        names.context.method_arg_count = method_count;
    }
    text_init(&name);
    append_generic_name(def->name, &method_args, &name);
    signature_method_text(md, def->signature, text_cstr(&name), false, &names.context, ret);
    text_deinit(&name);
    text_deinit(&type_args.text);
    text_deinit(&method_args.text);
}

bool clr_method_name(struct clr *clr, const struct clr_method *method, struct text *ret)
{
    struct clr_type *type = clr_type_get(clr, method->mt_addr);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md;
    struct metadata_method_def def;

    if (method->classification == METHOD_DYNAMIC) return append_dynamic(clr, method, ret);
    md = module ? clr_module_metadata(clr, module) : NULL;
    if (!md || !metadata_method_def(md, metadata_token_rid(method->token), &def)) return false;
    text_printf(ret, "%s.", clr_type_name(clr, method->mt_addr));
    append_signature(clr, md, type, method, &def, ret);
    return true;
}
