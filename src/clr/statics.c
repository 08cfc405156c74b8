#include "clr/statics.h"

#include "clr/object.h"

enum {
    MT_FLAG2_DYNAMIC_STATICS = 2, /* MethodTable::enum_flag_DynamicStatics */
    MT_FLAG_GENERICS_SHARED = 0x20,
    STATICS_NOT_INITIALIZED = 1,
    TLS_KIND_SHIFT = 24,
    TLS_OFFSET_MASK = 0xffffff,
    TLS_COUNT_MAX = 1 << 24,
};

enum tls_kind { TLS_NOT_COLLECTIBLE, TLS_COLLECTIBLE };

static uint64_t pointer_in_front(const struct clr *clr, uint64_t aux, enum constant size, enum field field)
{
    uint64_t value;

    return clr_try_u64(clr, aux - clr->layout.constant[size], field, &value) ? value : 0;
}

static uint32_t index_in_front(const struct clr *clr, uint64_t aux, enum field field)
{
    uint32_t value;

    return clr_try_u32(clr, aux - clr->layout.constant[CONSTANT_ThreadStaticsInfoSize], field, &value) ? value : TLS_INDEX_NONE;
}

static bool has_thread_statics(const struct clr *clr, const struct clr_type *type)
{
    uint16_t count;

    return clr->layout.constant[CONSTANT_ThreadStaticsInfoSize] && type->class_addr &&
           clr_try_u16(clr, type->class_addr, FIELD_EEClass_NumThreadStaticFields, &count) && count;
}

bool clr_type_statics(const struct clr *clr, const struct clr_type *type, struct clr_statics *ret)
{
    uint64_t aux, gc, other;

    if (!clr->layout.constant[CONSTANT_DynamicStaticsInfoSize] || !(type->flags2 & MT_FLAG2_DYNAMIC_STATICS)) return false;
    if (!clr_try_u64(clr, type->mt_addr, FIELD_MethodTable_AuxiliaryData, &aux) || !aux) return false;
    gc = pointer_in_front(clr, aux, CONSTANT_DynamicStaticsInfoSize, FIELD_DynamicStaticsInfo_GCStatics);
    other = pointer_in_front(clr, aux, CONSTANT_DynamicStaticsInfoSize, FIELD_DynamicStaticsInfo_NonGCStatics);
    *ret = (struct clr_statics) {
        .gc_base = gc & ~UINT64_C(1),
        .other_base = other & ~UINT64_C(1),
        .is_initialized = !((gc | other) & STATICS_NOT_INITIALIZED),
        .gc_tls = TLS_INDEX_NONE,
        .other_tls = TLS_INDEX_NONE,
    };
    if (!has_thread_statics(clr, type)) return true;
    ret->gc_tls = index_in_front(clr, aux, FIELD_ThreadStaticsInfo_GCTlsIndex);
    ret->other_tls = index_in_front(clr, aux, FIELD_ThreadStaticsInfo_NonGCTlsIndex);
    return true;
}

/* Structs are boxed: their slot, too, holds a reference. */
static bool is_gc_slot(const struct clr_field *field)
{
    return field->element_type == ELEMENT_CLASS || field->element_type == ELEMENT_VALUETYPE;
}

uint64_t clr_static_addr(struct clr *clr, const struct clr_statics *statics, const struct clr_field *field)
{
    uint64_t base = is_gc_slot(field) ? statics->gc_base : statics->other_base;

    if (field->is_thread_static) return 0;
    if (field->is_rva) {
        struct clr_type *type = clr_type_get(clr, field->declaring_mt);
        struct clr_module *module = type ? clr_module_get(clr, type->module_addr) : NULL;

        return module && module->base && !module->is_flat ? module->base + field->offset : 0;
    }
    return base ? base + field->offset : 0;
}

bool clr_thread_locals_read(const struct clr *clr, const struct clr_thread *thread, struct clr_thread_locals *ret)
{
    struct clr_thread_locals locals = { 0 };

    if (!clr_try_u64(clr, thread->addr, FIELD_Thread_ThreadLocalDataPtr, &locals.data_addr) || !locals.data_addr) return false;
    if (!clr_try_u64(clr, locals.data_addr, FIELD_ThreadLocalData_NonCollectibleTlsArrayData, &locals.array_addr))
        locals.array_addr = 0;
    if (!clr_try_u64(clr, locals.data_addr, FIELD_ThreadLocalData_CollectibleTlsArrayData, &locals.handles_addr))
        locals.handles_addr = 0;
    if (!clr_try_u32(clr, locals.data_addr, FIELD_ThreadLocalData_NonCollectibleTlsDataCount, &locals.count)) locals.count = 0;
    if (!clr_try_u32(clr, locals.data_addr, FIELD_ThreadLocalData_CollectibleTlsDataCount, &locals.handle_count))
        locals.handle_count = 0;
    if (locals.count > TLS_COUNT_MAX) locals.count = 0;
    if (locals.handle_count > TLS_COUNT_MAX) locals.handle_count = 0;
    *ret = locals;
    return true;
}

uint64_t clr_thread_static_holder(const struct clr *clr, const struct clr_thread_locals *locals, uint32_t tls_index)
{
    uint64_t unused = clr->layout.constant[CONSTANT_NumberOfTlsOffsetsNotUsedInNoncollectibleArray];
    uint32_t n = tls_index & TLS_OFFSET_MASK;
    uint64_t word;

    if (tls_index == TLS_INDEX_NONE) return 0;
    switch (tls_index >> TLS_KIND_SHIFT) {
    case TLS_NOT_COLLECTIBLE:
        if (!locals->array_addr || n >= locals->count || n < unused) return 0;
        return memory_try_u64(clr->memory, locals->array_addr + ARRAY_DATA_OFF + 8 * (n - unused), &word) ? word : 0;
    case TLS_COLLECTIBLE:
        if (!locals->handles_addr || n >= locals->handle_count) return 0;
        if (!memory_try_u64(clr->memory, locals->handles_addr + 8ull * n, &word) || !word) return 0;
        return memory_try_u64(clr->memory, word, &word) ? word : 0;
    default:
        return 0;
    }
}

uint64_t clr_thread_static_addr(const struct clr *clr, const struct clr_thread_locals *locals, const struct clr_statics *statics,
                                const struct clr_field *field)
{
    uint32_t index = is_gc_slot(field) ? statics->gc_tls : statics->other_tls;
    uint64_t holder;

    if (!field->is_thread_static || index == TLS_INDEX_NONE) return 0;
    holder = clr_thread_static_holder(clr, locals, index);
    /* The offset counts the header of the object that holds them. */
    return holder ? holder + field->offset : 0;
}

struct error *clr_statics_begin(struct clr *clr, struct clr_static_iterator *ret)
{
    *ret = (struct clr_static_iterator) { .clr = clr };
    return clr_modules(clr, &ret->modules, &ret->module_count);
}

static bool next_of_module(struct clr_static_iterator *it, uint64_t *mt_ret)
{
    uint32_t rid;

    return it->stage == STATICS_OF_TYPE_DEFS ? clr_type_map_next(&it->type_defs, mt_ret, &rid)
                                             : clr_instantiations_next(&it->instances, mt_ret);
}

/* The next MethodTable; false at the end. */
static bool next_type(struct clr_static_iterator *it, uint64_t *mt_ret)
{
    for (;;) {
        if (it->inside && next_of_module(it, mt_ret)) return true;
        it->inside = false;
        if (it->module == it->module_count) {
            if (it->stage == STATICS_OF_INSTANCES) return false;
            it->stage = STATICS_OF_INSTANCES;
            it->module = 0;
            continue;
        }
        if (it->stage == STATICS_OF_TYPE_DEFS)
            clr_type_map_begin(it->clr, it->modules[it->module++], &it->type_defs);
        else
            clr_instantiations_begin(it->clr, it->modules[it->module++], &it->instances);
        it->inside = true;
    }
}

/* Enters the next type with statics. */
static bool enter_type(struct clr_static_iterator *it)
{
    uint64_t mt;

    while (next_type(it, &mt)) {
        struct clr_type read;
        bool is_generic;

        if (!clr_type_try_read(it->clr, mt, &read)) continue;
        is_generic = !(read.flags & MT_FLAG_HAS_COMPONENT_SIZE) && (read.flags & MT_FLAG_GENERICS_MASK);
        if (is_generic && (read.flags & MT_FLAG_GENERICS_SHARED)) continue;
        if (!clr_type_statics(it->clr, &read, &it->statics)) continue;
        it->type = clr_type_get(it->clr, mt);
        it->fields = it->type ? clr_type_fields(it->clr, mt) : NULL;
        it->field = 0;
        if (it->fields) return true;
    }
    return false;
}

bool clr_statics_next(struct clr_static_iterator *it, const struct clr_field **ret)
{
    for (;;) {
        while (it->fields && it->field < it->fields->own_count) {
            const struct clr_field *field = &it->fields->own[it->field++];

            if (!field->is_static) continue;
            *ret = field;
            return true;
        }
        if (!enter_type(it)) return false;
    }
}
