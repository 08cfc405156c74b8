/*
 * Names of types: metadata name of each enclosing level, with the generic arguments after the level that declares them.
 *
 *     Outer`1+Inner`1 over (Int32, String)        Outer<System.Int32>+Inner<System.String>
 *     open definitions                            Dictionary<T1, T2> when the last level is generic, else the raw name
 *     arrays                                      element name, then [] [,] or [*] for rank 1 that is not SZ
 */
#include <string.h>

#include "base/limits.h"
#include "clr/method_table.h"

enum {
    TYPE_DESC_PTR = 0x0f,
    TYPE_DESC_BYREF = 0x10,
    TYPE_DESC_VAR = 0x13,
    TYPE_DESC_ARRAY = 0x14, /* arrays: 3.1 only, later ones are MethodTables */
    TYPE_DESC_FNPTR = 0x1b,
    TYPE_DESC_SZARRAY = 0x1d,
    TYPE_DESC_MVAR = 0x1e,
};

/* The digits after the last backtick of a name ("List`1" -> 1); 0 and the whole length when there is none. */
static uint32_t name_arity(const char *name, size_t length, size_t *stem_ret)
{
    size_t tick = length;
    uint32_t arity = 0;

    *stem_ret = length;
    while (tick > 0 && name[tick - 1] >= '0' && name[tick - 1] <= '9')
        tick--;
    if (tick == length || tick == 0 || name[tick - 1] != '`' || length - tick > 4) return 0;
    for (size_t i = tick; i < length; i++)
        arity = arity * 10 + (uint32_t)(name[i] - '0');
    *stem_ret = tick - 1;
    return arity;
}

struct generic_args {
    const uint64_t *handles; /* TypeHandles, NULL: an open definition */
    uint32_t count, used;
};

/* Appends "<A, B>" for the next `count` arguments. */
static bool append_args(struct clr *clr, struct generic_args *args, uint32_t count, unsigned depth, struct text *ret)
{
    text_putc(ret, '<');
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_puts(ret, ", ");
        if (!args->handles)
            text_printf(ret, "T%u", i + 1);
        else if (args->used >= args->count || !clr_type_handle_name(clr, args->handles[args->used++], depth + 1, ret))
            return false;
    }
    text_putc(ret, '>');
    return ret->length <= LIMIT_TYPE_NAME;
}

/* Appends the levels of a type_def with its arguments. `args` NULL: not generic, names as they are. */
static bool append_levels(struct clr *clr, const struct metadata *md, uint32_t token, struct generic_args *args, unsigned depth,
                          struct text *ret)
{
    struct metadata_name_part parts[METADATA_NAME_PARTS];
    size_t count = metadata_type_name_parts(md, token, parts);

    if (count == 0) return false;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(parts[i].name), stem;
        uint32_t arity = args ? name_arity(parts[i].name, length, &stem) : 0;

        if (!args) stem = length;
        if (i) text_putc(ret, '+');
        if (*parts[i].name_space) text_printf(ret, "%s.", parts[i].name_space);
        text_append(ret, parts[i].name, stem);
        if (arity && !append_args(clr, args, arity, depth, ret)) return false;
        if (ret->length > LIMIT_TYPE_NAME) return false;
    }
    /* An instance whose names have no arity marks (F# closures, obfuscated code): what is left goes last. */
    if (args && args->handles && args->used < args->count) return append_args(clr, args, args->count - args->used, depth, ret);
    return true;
}

/* The instantiation of a generic type: the last dictionary's first words (GenericsDictInfo lies before PerInstInfo). */
static bool read_instantiation(const struct clr *clr, const struct clr_type *type, uint64_t *handles, uint32_t max,
                               uint32_t *count_ret)
{
    uint16_t dicts, count;
    uint64_t dict;
    uint64_t info = type->element_addr - 8;

    if (!clr_try_u16(clr, info, FIELD_GenericsDictInfo_NumDicts, &dicts) ||
        !clr_try_u16(clr, info, FIELD_GenericsDictInfo_NumTypeArgs, &count))
        return false;
    if (dicts == 0 || count == 0 || count > max) return false;
    if (!memory_try_u64(clr->memory, type->element_addr + 8ull * (dicts - 1u), &dict)) return false;
    *count_ret = count;
    return memory_try_read(clr->memory, dict, handles, count * sizeof(*handles));
}

static bool append_array(struct clr *clr, const struct clr_type *type, unsigned depth, struct text *ret)
{
    uint32_t rank = clr_array_rank(clr, type);

    if (!clr_type_handle_name(clr, type->element_addr, depth + 1, ret)) return false;
    if ((type->flags & MT_FLAG_CATEGORY_MASK) == MT_FLAG_CATEGORY_SZARRAY) {
        text_puts(ret, "[]");
    } else if (rank == 1) {
        text_puts(ret, "[*]");
    } else {
        text_putc(ret, '[');
        for (uint32_t i = 1; i < rank; i++)
            text_putc(ret, ',');
        text_putc(ret, ']');
    }
    return true;
}

static bool append_type(struct clr *clr, const struct clr_type *type, unsigned depth, struct text *ret)
{
    uint64_t handles[64];
    struct generic_args args = { .handles = handles };
    struct clr_module *module;
    const struct metadata *md;
    uint32_t generics;

    if (clr_type_is_array(type)) return append_array(clr, type, depth, ret);
    module = clr_module_get(clr, type->module_addr);
    md = module ? clr_module_metadata(clr, module) : NULL;
    if (!md) return false;
    generics = type->flags & MT_FLAG_HAS_COMPONENT_SIZE ? 0 : type->flags & MT_FLAG_GENERICS_MASK;
    if (!generics) return append_levels(clr, md, type->token, NULL, depth, ret);
    if (generics == MT_FLAG_GENERICS_TYPICAL) {
        struct metadata_name_part parts[METADATA_NAME_PARTS];
        size_t count = metadata_type_name_parts(md, type->token, parts), stem;

        args.handles = NULL;
        /* The last level is not generic itself ("Dictionary`2+Entry"): raw, as the field prints it. */
        if (count == 0 || !name_arity(parts[count - 1].name, strlen(parts[count - 1].name), &stem))
            return append_levels(clr, md, type->token, NULL, depth, ret);
        return append_levels(clr, md, type->token, &args, depth, ret);
    }
    if (!read_instantiation(clr, type, handles, ARRAY_LENGTH(handles), &args.count)) return false;
    return append_levels(clr, md, type->token, &args, depth, ret);
}

static bool append_type_variable(struct clr *clr, uint64_t desc, struct text *ret)
{
    uint64_t module_addr;
    uint32_t token;
    struct clr_module *module;
    const struct metadata *md;

    if (!clr_try_u64(clr, desc, FIELD_TypeVarTypeDesc_Module, &module_addr) ||
        !clr_try_u32(clr, desc, FIELD_TypeVarTypeDesc_Token, &token))
        return false;
    module = clr_module_get(clr, module_addr);
    md = module ? clr_module_metadata(clr, module) : NULL;
    if (!md || metadata_token_table(token) != METADATA_GENERIC_PARAM) return false;
    text_puts(ret, metadata_column_string(md, METADATA_GENERIC_PARAM_NAME, metadata_token_rid(token)));
    return true;
}

/* "System.Void(System.Int32)": as Type.ToString() writes a function pointer. */
static bool append_function_pointer(struct clr *clr, uint64_t desc, unsigned depth, struct text *ret)
{
    uint32_t count;
    uint64_t types = clr_field_addr(clr, desc, FIELD_FnPtrTypeDesc_RetAndArgTypes), handle;

    if (!layout_has(&clr->layout, FIELD_FnPtrTypeDesc_RetAndArgTypes) ||
        !clr_try_u32(clr, desc, FIELD_FnPtrTypeDesc_NumArgs, &count) || count > 256)
        return false;
    for (uint32_t i = 0; i <= count; i++) {
        if (!memory_try_u64(clr->memory, types + 8ull * i, &handle)) return false;
        if (i > 1) text_puts(ret, ", ");
        if (!clr_type_handle_name(clr, handle, depth + 1, ret)) return false;
        if (i == 0) text_putc(ret, '(');
    }
    text_putc(ret, ')');
    return ret->length <= LIMIT_TYPE_NAME;
}

static bool append_type_desc(struct clr *clr, uint64_t desc, unsigned depth, struct text *ret)
{
    uint32_t kind;
    uint64_t arg;

    if (!clr_try_u32(clr, desc, FIELD_TypeDesc_TypeAndFlags, &kind)) return false;
    switch (kind & 0xff) {
    case TYPE_DESC_PTR:
    case TYPE_DESC_BYREF:
        if (!clr_try_u64(clr, desc, FIELD_ParamTypeDesc_TypeArg, &arg) || !clr_type_handle_name(clr, arg, depth + 1, ret))
            return false;
        text_putc(ret, (kind & 0xff) == TYPE_DESC_PTR ? '*' : '&');
        return true;
    case TYPE_DESC_ARRAY:
    case TYPE_DESC_SZARRAY:
        return clr_try_u64(clr, desc, FIELD_ParamTypeDesc_TemplateMethodTable, &arg) && !(arg & 2) &&
               clr_type_handle_name(clr, arg, depth + 1, ret);
    case TYPE_DESC_VAR:
    case TYPE_DESC_MVAR:
        return append_type_variable(clr, desc, ret);
    case TYPE_DESC_FNPTR:
        return append_function_pointer(clr, desc, depth, ret);
    default:
        return false;
    }
}

bool clr_type_handle_name(struct clr *clr, uint64_t handle, unsigned depth, struct text *ret)
{
    struct clr_type *type;
    bool ok;

    if (depth > LIMIT_TYPE_DEPTH || ret->length > LIMIT_TYPE_NAME || ret->failed) return false;
    if (handle & 2) return append_type_desc(clr, handle & ~UINT64_C(3), depth, ret);
    type = clr_type_get(clr, handle);
    if (!type || type->naming) return false;
    if (type->name) {
        text_puts(ret, type->name);
        return true;
    }
    type->naming = 1;
    ok = append_type(clr, type, depth, ret);
    type->naming = 0;
    return ok;
}

/* What can be said of a type whose metadata is not at hand: never a blank. */
static const char *fallback_name(struct clr *clr, const struct clr_type *type, uint64_t mt_addr)
{
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const char *path = module ? module->path : "";
    const char *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
    const char *name = slash ? slash + 1 : backslash ? backslash + 1 : path;
    const char *ret;

    if (type && *name)
        ret = arena_printf(&clr->arena, "<%s!0x%08x>", name, type->token);
    else if (module)
        ret = arena_printf(&clr->arena, "<module 0x%llx!0x%08x>", (unsigned long long)module->addr, type->token);
    else
        ret = arena_printf(&clr->arena, "<unknown type 0x%llx>", (unsigned long long)mt_addr);
    return ret ? ret : "<unknown type>";
}

const char *clr_type_name(struct clr *clr, uint64_t mt_addr)
{
    struct clr_type *type = clr_type_get(clr, mt_addr);
    struct text text;
    uint64_t free_mt;
    const char *name = NULL;

    if (!type) return fallback_name(clr, NULL, mt_addr);
    if (type->name) return type->name;
    text_init(&text);
    if (clr_try_global(clr, GLOBAL_FreeObjectMethodTable, &free_mt) && free_mt == mt_addr)
        text_puts(&text, "Free");
    else if (!clr_type_handle_name(clr, mt_addr, 0, &text))
        text_clear(&text);
    if (text.length) name = arena_strndup(&clr->arena, text.data, text.length);
    text_deinit(&text);
    if (!name) {
        gaps_add(clr->gaps, "type names", mt_addr, 1, "metadata of the type's module cannot be read");
        name = fallback_name(clr, type, mt_addr);
    }
    type->name = name;
    return name;
}
