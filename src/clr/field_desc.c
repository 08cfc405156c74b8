#include "clr/field_desc.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "clr/type_lookup.h"

enum {
    FIELD_DESC_SIZE = 16,
    FIELD_DESC_TOKEN = 8,
    FIELD_DESC_OFFSET = 12,
    FIELD_TOKEN_MASK = 0xffffff,
    FIELD_IS_STATIC = 1 << 24,
    FIELD_IS_THREAD_STATIC = 1 << 25,
    FIELD_IS_RVA = 1 << 26,
    FIELD_OFFSET_MASK = (1 << 27) - 1,
    FIELD_OFFSET_LAST = FIELD_OFFSET_MASK - 8, /* the numbers above are marks: unplaced, added by edit and continue */
    FIELD_TYPE_SHIFT = 27,
};

uint32_t element_type_size(uint8_t element_type)
{
    switch (element_type) {
    case ELEMENT_BOOLEAN:
    case ELEMENT_I1:
    case ELEMENT_U1:
        return 1;
    case ELEMENT_CHAR:
    case ELEMENT_I2:
    case ELEMENT_U2:
        return 2;
    case ELEMENT_I4:
    case ELEMENT_U4:
    case ELEMENT_R4:
        return 4;
    case ELEMENT_VALUETYPE:
    case ELEMENT_TYPEDBYREF:
        return 0;
    default:
        return 8;
    }
}

bool clr_field_metadata(struct clr *clr, const struct clr_field *field, struct metadata_field *ret)
{
    struct clr_type *type = clr_type_get(clr, field->declaring_mt);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;

    return md && metadata_field(md, metadata_token_rid(field->token), ret);
}

/*
 * Before 9.0 the counts lie behind the class as the runtime knows it, whose size differs between classes with and without a layout:
 *
 *     EEClass [m_cbFixedEEClassFields bytes] u32 instance fields, u32 methods, u32 static fields, ...
 *
 * or packed into bits, which a byte of the class says and only images of NGEN had.
 * Source: dotnet/coreclr release/3.1 and dotnet/runtime release/8.0, vm/class.h, EEClass::GetPackableField and enum EEClassFieldId.
 */
static bool field_counts_behind_class(const struct clr *clr, uint64_t class_addr, uint16_t *instance_ret, uint16_t *static_ret)
{
    enum { INSTANCE = 0, STATIC = 2, COUNTS = 3 };
    uint32_t counts[COUNTS];
    uint8_t size, packed;

    if (!clr_try_u8(clr, class_addr, FIELD_EEClass_FixedEEClassFields, &size) ||
        !clr_try_u8(clr, class_addr, FIELD_EEClass_FieldsArePacked, &packed) || packed ||
        !memory_try_read(clr->memory, class_addr + size, counts, sizeof(counts)) || counts[INSTANCE] > UINT16_MAX ||
        counts[STATIC] > UINT16_MAX)
        return false;
    *instance_ret = (uint16_t)counts[INSTANCE];
    *static_ret = (uint16_t)counts[STATIC];
    return true;
}

/* Numbers of instance fields, inherited ones included, and of static ones. */
static bool field_counts(const struct clr *clr, const struct clr_type *type, uint16_t *instance_ret, uint16_t *static_ret)
{
    if (!type->class_addr) return false;
    if (!layout_has(&clr->layout, FIELD_EEClass_NumInstanceFields))
        return field_counts_behind_class(clr, type->class_addr, instance_ret, static_ret);
    return clr_try_u16(clr, type->class_addr, FIELD_EEClass_NumInstanceFields, instance_ret) &&
           clr_try_u16(clr, type->class_addr, FIELD_EEClass_NumStaticFields, static_ret);
}

static bool read_field(struct clr *clr, uint64_t mt_addr, uint64_t desc, struct clr_field *ret)
{
    uint8_t raw[FIELD_DESC_SIZE];
    uint32_t flags, place;
    struct metadata_field row;

    if (!memory_try_read(clr->memory, desc, raw, sizeof(raw))) return false;
    flags = load_u32(raw + FIELD_DESC_TOKEN);
    place = load_u32(raw + FIELD_DESC_OFFSET);
    *ret = (struct clr_field) {
        .name = "",
        .declaring_mt = mt_addr,
        .token = metadata_token(METADATA_FIELD, flags & FIELD_TOKEN_MASK),
        .offset = place & FIELD_OFFSET_MASK,
        .element_type = (uint8_t)(place >> FIELD_TYPE_SHIFT),
        .is_static = flags & FIELD_IS_STATIC,
        .is_thread_static = flags & FIELD_IS_THREAD_STATIC,
        .is_rva = flags & FIELD_IS_RVA,
    };
    if (clr_field_metadata(clr, ret, &row)) ret->name = row.name;
    return true;
}

/* The type's own fields; false when they cannot be read. */
static bool read_own_fields(struct clr *clr, const struct clr_type *type, uint16_t introduced, uint16_t statics,
                            struct clr_fields *ret)
{
    size_t count = (size_t)introduced + statics, kept = 0;
    uint64_t list;
    struct clr_field *fields;

    if (count == 0) return true;
    if (!clr_try_u64(clr, type->class_addr, FIELD_EEClass_FieldDescList, &list) || !list) return false;
    fields = arena_array(&clr->arena, count, sizeof(*fields));
    if (!fields) return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_field(clr, type->mt_addr, list + i * FIELD_DESC_SIZE, &fields[kept])) continue;
        /* Fields of constants have no place; a mark instead of an offset is no place either. */
        if (fields[kept].offset <= FIELD_OFFSET_LAST || fields[kept].is_rva) kept++;
    }
    ret->own = fields;
    ret->own_count = kept;
    return true;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct clr_field *left = a, *right = b;

    if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
    return left->token < right->token ? -1 : left->token > right->token;
}

static bool collect_instance_fields(struct clr *clr, const struct clr_fields *parent, struct clr_fields *ret)
{
    size_t inherited = parent ? parent->instance_count : 0, count = inherited;
    struct clr_field *fields;

    for (size_t i = 0; i < ret->own_count; i++)
        count += !ret->own[i].is_static;
    if (count == inherited && parent) {
        ret->instance = parent->instance;
        ret->instance_count = count;
        return true;
    }
    fields = arena_array(&clr->arena, count, sizeof(*fields));
    if (!fields) return false;
    if (inherited) memcpy(fields, parent->instance, inherited * sizeof(*fields));
    count = inherited;
    for (size_t i = 0; i < ret->own_count; i++)
        if (!ret->own[i].is_static) fields[count++] = ret->own[i];
    if (count > 1) qsort(fields, count, sizeof(*fields), compare_offsets);
    ret->instance = fields;
    ret->instance_count = count;
    return true;
}

/* Fields kept for many types of few descriptors would cost more memory than the dump has bytes. */
static bool field_budget_take(struct clr *clr, size_t count)
{
    uint64_t limit = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, FIELD_DESC_SIZE);

    if (count > limit || clr->field_count > limit - count) return false;
    clr->field_count += count;
    return true;
}

/* Reads the fields of one type whose parent's are known (NULL: it has none). */
static const struct clr_fields *read_fields(struct clr *clr, uint64_t mt_addr, const struct clr_fields *parent)
{
    struct clr_type *type = clr_type_get(clr, mt_addr), *parent_type;
    struct clr_fields fields = { 0 }, *ret;
    uint16_t instance, statics, inherited = 0, ignored;

    if (!type || !field_counts(clr, type, &instance, &statics)) return NULL;
    parent_type = type->parent_addr ? clr_type_get(clr, type->parent_addr) : NULL;
    if (type->parent_addr && (!parent_type || !field_counts(clr, parent_type, &inherited, &ignored))) return NULL;
    if (inherited > instance || !field_budget_take(clr, (size_t)instance + statics)) return NULL;
    if (!read_own_fields(clr, type, instance - inherited, statics, &fields)) return NULL;
    if (!collect_instance_fields(clr, parent, &fields)) return NULL;
    ret = arena_alloc(&clr->arena, sizeof(*ret));
    if (ret) *ret = fields;
    return ret;
}

static const struct clr_fields *cached_fields(const struct clr *clr, uint64_t mt_addr, bool *found_ret)
{
    uint64_t cached = 0;

    *found_ret = map_get(&clr->fields, mt_addr, &cached);
    return (const struct clr_fields *)(uintptr_t)cached;
}

const struct clr_fields *clr_type_fields(struct clr *clr, uint64_t mt_addr)
{
    uint64_t chain[LIMIT_TYPE_DEPTH];
    size_t depth = 0;
    const struct clr_fields *fields = NULL;
    bool found;

    /* From the type up to the first base whose fields are known, then down again. */
    for (uint64_t at = mt_addr; at && depth < ARRAY_LENGTH(chain);) {
        struct clr_type *type;

        fields = cached_fields(clr, at, &found);
        if (found) break;
        chain[depth++] = at;
        type = clr_type_get(clr, at);
        at = type ? type->parent_addr : 0;
    }
    while (depth) {
        fields = read_fields(clr, chain[--depth], fields);
        if (!fields) gaps_add(clr->gaps, "fields of types", chain[depth], 1, "class or field descriptors not in the dump");
        if (!map_put(&clr->fields, chain[depth], (uint64_t)(uintptr_t)fields)) return NULL;
    }
    return fields;
}

bool clr_field_find(struct clr *clr, uint64_t mt_addr, const char *name, struct clr_field *ret)
{
    const struct clr_fields *fields = clr_type_fields(clr, mt_addr);

    /* A derived type's fields lie behind those of its base. */
    for (size_t i = fields ? fields->instance_count : 0; i > 0; i--)
        if (!strcmp(fields->instance[i - 1].name, name)) {
            *ret = fields->instance[i - 1];
            return true;
        }
    return false;
}

bool clr_field_find_any(struct clr *clr, uint64_t mt_addr, const char *const *names, struct clr_field *ret)
{
    for (; *names; names++)
        if (clr_field_find(clr, mt_addr, *names, ret)) return true;
    return false;
}

bool clr_static_find(struct clr *clr, uint64_t mt_addr, const char *name, struct clr_field *ret)
{
    const struct clr_fields *fields = clr_type_fields(clr, mt_addr);

    for (size_t i = 0; fields && i < fields->own_count; i++)
        if (fields->own[i].is_static && !strcmp(fields->own[i].name, name)) {
            *ret = fields->own[i];
            return true;
        }
    return false;
}

const struct clr_field *clr_field_at(const struct clr_fields *fields, uint32_t offset)
{
    size_t low = 0, high = fields->instance_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (fields->instance[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &fields->instance[low - 1] : NULL;
}

bool clr_field_type_name(struct clr *clr, const struct clr_field *field, struct text *ret)
{
    struct clr_type *type = clr_type_get(clr, field->declaring_mt);
    struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;
    struct signature_context context = { 0 };
    const char *names[CLR_TYPE_ARGS_MAX];
    struct metadata_field row;
    uint64_t handles[CLR_TYPE_ARGS_MAX];

    if (!md || !metadata_field(md, metadata_token_rid(field->token), &row)) return false;
    context.type_arg_count = clr_type_args(clr, type, handles);
    for (size_t i = 0; i < context.type_arg_count; i++)
        names[i] = handles[i] & 2 ? NULL : clr_type_name(clr, handles[i]);
    context.type_args = names;
    return signature_field_text(md, row.signature, &context, ret);
}

uint64_t clr_field_value_type(struct clr *clr, const struct clr_field *field)
{
    struct clr_type *type = clr_type_get(clr, field->declaring_mt);
    struct metadata_field row;
    struct span signature;

    if (!type || !clr_field_metadata(clr, field, &row) || row.signature.size < 2) return 0;
    signature = span_from(row.signature, 1);
    return clr_signature_value_type(clr, type, signature);
}
