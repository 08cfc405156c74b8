#include "clr/type_lookup.h"

#include <string.h>

#include "base/limits.h"
#include "clr/instantiations.h"
#include "formats/signature.h"

enum { GENERIC_INDEX_PROBES = 64 };

size_t clr_type_args(const struct clr *clr, const struct clr_type *type, uint64_t ret[CLR_TYPE_ARGS_MAX])
{
    uint16_t dicts, count;
    uint64_t dict, info = type->element_addr - 8;

    if ((type->flags & MT_FLAG_HAS_COMPONENT_SIZE) || !(type->flags & MT_FLAG_GENERICS_MASK)) return 0;
    /* GenericsDictInfo lies in front of the table of dictionaries; the last of them is the type's own. */
    if (!clr_try_u16(clr, info, FIELD_GenericsDictInfo_NumDicts, &dicts) ||
        !clr_try_u16(clr, info, FIELD_GenericsDictInfo_NumTypeArgs, &count) || dicts == 0 || count > CLR_TYPE_ARGS_MAX)
        return 0;
    if (!memory_try_u64(clr->memory, type->element_addr + 8ull * (dicts - 1u), &dict)) return 0;
    return memory_try_read(clr->memory, dict, ret, count * sizeof(*ret)) ? count : 0;
}

/* Element `index` of a chained look-up map. */
static bool lookup_map_get(const struct clr *clr, uint64_t map, uint32_t index, uint64_t *ret)
{
    uint64_t table, mask;
    uint32_t count;

    if (!clr_try_u64(clr, map, FIELD_ModuleLookupMap_SupportedFlagsMask, &mask)) mask = 3;
    for (unsigned blocks = 0; map && blocks < LIMIT_PARENT_DEPTH; blocks++) {
        if (!clr_try_u32(clr, map, FIELD_ModuleLookupMap_Count, &count)) return false;
        if (index < count) {
            if (!clr_try_u64(clr, map, FIELD_ModuleLookupMap_TableData, &table) ||
                !memory_try_u64(clr->memory, table + 8ull * index, ret))
                return false;
            *ret &= ~mask;
            return *ret != 0;
        }
        index -= count;
        if (!clr_try_u64(clr, map, FIELD_ModuleLookupMap_Next, &map)) return false;
    }
    return false;
}

uint64_t clr_token_type(const struct clr *clr, const struct clr_module *module, uint32_t token)
{
    enum field field;
    uint64_t mt;

    switch (metadata_token_table(token)) {
    case METADATA_TYPE_DEF:
        field = FIELD_Module_TypeDefToMethodTableMap;
        break;
    case METADATA_TYPE_REF:
        field = FIELD_Module_TypeRefToMethodTableMap;
        break;
    default:
        return 0;
    }
    if (!layout_has(&clr->layout, field)) return 0;
    if (!lookup_map_get(clr, clr_field_addr(clr, module->addr, field), metadata_token_rid(token), &mt)) return 0;
    return mt & 2 ? 0 : mt & ~UINT64_C(3);
}

static uint64_t generic_key(uint64_t module_addr, uint32_t token, const uint64_t *args, size_t count)
{
    uint64_t key = map_hash(module_addr + token);

    for (size_t i = 0; i < count; i++)
        key = map_hash(key ^ args[i]) + 0x9e37;
    return key;
}

static bool generic_is(const struct clr *clr, uint64_t mt_addr, uint64_t module_addr, uint32_t token, const uint64_t *args,
                       size_t count)
{
    struct clr_type type;
    uint64_t own[CLR_TYPE_ARGS_MAX];

    return clr_type_try_read(clr, mt_addr, &type) && type.module_addr == module_addr && type.token == token &&
           clr_type_args(clr, &type, own) == count && !memcmp(own, args, count * sizeof(*own));
}

/* Keys that collide go on to the next number. */
static bool generic_index_add(struct clr *clr, uint64_t mt_addr)
{
    struct clr_type type;
    uint64_t args[CLR_TYPE_ARGS_MAX], key;
    size_t count;

    if (!clr_type_try_read(clr, mt_addr, &type)) return true;
    count = clr_type_args(clr, &type, args);
    if (!count) return true;
    key = generic_key(type.module_addr, type.token, args, count);
    for (unsigned i = 0; i < GENERIC_INDEX_PROBES; i++, key++) {
        bool added;
        uint64_t *slot = map_slot(&clr->generics, key, &added);

        if (!slot) return false;
        if (added) *slot = mt_addr;
        if (added || *slot == mt_addr) return true;
    }
    return true;
}

static void generic_index_build(struct clr *clr)
{
    struct clr_module *const *modules;
    size_t count;
    struct error *err = clr_modules(clr, &modules, &count);
    bool ok = true;

    clr->generics_done = true;
    for (size_t i = 0; !err && ok && i < count; i++) {
        struct clr_instantiation_iterator it;
        uint64_t mt;

        clr_instantiations_begin(clr, modules[i], &it);
        while (ok && clr_instantiations_next(&it, &mt))
            ok = generic_index_add(clr, mt);
    }
    if (!ok) err = &error_enomem;
    gaps_add_error(clr->gaps, "generic instances", err);
}

uint64_t clr_generic_instance(struct clr *clr, uint64_t module_addr, uint32_t token, const uint64_t *args, size_t arg_count)
{
    uint64_t key = generic_key(module_addr, token, args, arg_count), mt;

    if (!clr->generics_done) generic_index_build(clr);
    for (unsigned i = 0; i < GENERIC_INDEX_PROBES && map_get(&clr->generics, key + i, &mt); i++)
        if (generic_is(clr, mt, module_addr, token, args, arg_count)) return mt;
    return 0;
}

/* What signatures need to be read: whose they are, and the arguments for their variables. */
struct signature_scope {
    struct clr *clr;
    struct clr_module *module;
    uint64_t args[CLR_TYPE_ARGS_MAX];
    size_t arg_count;
};

static uint64_t core_type(struct clr *clr, const char *name)
{
    struct clr_module *const *modules;
    size_t count;
    struct error *err = clr_modules(clr, &modules, &count);
    const struct metadata *md;
    uint32_t rid;

    if (err || !count) {
        error_destroy(err);
        return 0;
    }
    md = clr_module_metadata(clr, modules[0]);
    rid = md ? metadata_find_type_def(md, 0, "System", name) : 0;
    return rid ? clr_token_type(clr, modules[0], metadata_token(METADATA_TYPE_DEF, rid)) : 0;
}

static const char *primitive_name(enum element_type type)
{
    static const char *const names[] = {
        [ELEMENT_BOOLEAN] = "Boolean", [ELEMENT_CHAR] = "Char", [ELEMENT_I1] = "SByte",      [ELEMENT_U1] = "Byte",
        [ELEMENT_I2] = "Int16",        [ELEMENT_U2] = "UInt16", [ELEMENT_I4] = "Int32",      [ELEMENT_U4] = "UInt32",
        [ELEMENT_I8] = "Int64",        [ELEMENT_U8] = "UInt64", [ELEMENT_R4] = "Single",     [ELEMENT_R8] = "Double",
        [ELEMENT_STRING] = "String",   [ELEMENT_I] = "IntPtr",  [ELEMENT_OBJECT] = "Object", [ELEMENT_U] = "UIntPtr",
    };
    return (size_t)type < ARRAY_LENGTH(names) ? names[type] : NULL;
}

static uint64_t scope_type(struct signature_scope *scope, struct span signature, unsigned depth);

static uint64_t scope_instance(struct signature_scope *scope, const struct signature_type *of, unsigned depth)
{
    uint64_t args[CLR_TYPE_ARGS_MAX], open = clr_token_type(scope->clr, scope->module, of->token);
    struct span rest = of->inner;
    struct clr_type type;

    if (!open || of->number == 0 || of->number > CLR_TYPE_ARGS_MAX || !clr_type_try_read(scope->clr, open, &type)) return 0;
    for (uint32_t i = 0; i < of->number; i++) {
        args[i] = scope_type(scope, rest, depth + 1);
        if (!args[i] || !signature_skip_type(&rest)) return 0;
    }
    return clr_generic_instance(scope->clr, type.module_addr, type.token, args, of->number);
}

/* TypeHandle of the type at the start of `signature`. Depth is bounded: arguments nest. */
static uint64_t scope_type(struct signature_scope *scope, struct span signature, unsigned depth)
{
    struct signature_type type;

    if (depth > 8 || !signature_type(signature, &type)) return 0;
    switch (type.element_type) {
    case ELEMENT_VALUETYPE:
    case ELEMENT_CLASS:
        return clr_token_type(scope->clr, scope->module, type.token);
    case ELEMENT_VAR:
        return type.number < scope->arg_count ? scope->args[type.number] : 0;
    case ELEMENT_GENERICINST:
        return scope_instance(scope, &type, depth);
    default:
        return primitive_name(type.element_type) ? core_type(scope->clr, primitive_name(type.element_type)) : 0;
    }
}

uint64_t clr_signature_value_type(struct clr *clr, const struct clr_type *type, struct span signature)
{
    struct signature_scope scope = { .clr = clr, .module = clr_module_get(clr, type->module_addr) };
    uint64_t handle;

    if (!scope.module) return 0;
    scope.arg_count = clr_type_args(clr, type, scope.args);
    handle = scope_type(&scope, signature, 0);
    return handle & 2 ? 0 : handle;
}
