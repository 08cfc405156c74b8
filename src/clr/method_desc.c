#include "clr/method_desc.h"

enum { /* src/coreclr/vm/method.hpp, MethodDescFlags */
       FLAG_CLASSIFICATION = 0x7,
       FLAG_HAS_NON_VTABLE_SLOT = 0x8,
       FLAG_METHOD_IMPL = 0x10,
       FLAG_HAS_NATIVE_CODE_SLOT = 0x20,
};

static const enum field classification_sizes[] = {
    [METHOD_IL] = FIELD_MethodDesc_SIZE,
    [METHOD_FCALL] = FIELD_FCallMethodDesc_SIZE,
    [METHOD_PINVOKE] = FIELD_PInvokeMethodDesc_SIZE,
    [METHOD_EE_IMPL] = FIELD_EEImplMethodDesc_SIZE,
    [METHOD_ARRAY] = FIELD_ArrayMethodDesc_SIZE,
    [METHOD_INSTANTIATED] = FIELD_InstantiatedMethodDesc_SIZE,
    [METHOD_COM_INTEROP] = FIELD_MethodDesc_SIZE,
    [METHOD_DYNAMIC] = FIELD_DynamicMethodDesc_SIZE,
};

const char *method_classification_name(enum method_classification classification)
{
    static const char *const names[] = { "il", "fcall", "pinvoke", "runtime", "array", "generic", "com", "dynamic" };
    return names[classification & FLAG_CLASSIFICATION];
}

static uint64_t structure_size(const struct clr *clr, enum field field)
{
    return layout_has(&clr->layout, field) ? (uint64_t)clr->layout.offset[field] : 0;
}

/* Enters the chunk at chunk_addr; false when it cannot be read. */
static bool enter_chunk(struct clr_method_iterator *it)
{
    enum { TOKEN_RANGE_MASK = 0x0fff };
    const struct clr *clr = it->clr;
    uint8_t count;
    uint16_t range;

    if (it->chunk_budget-- == 0 || !clr_try_u64(clr, it->chunk_addr, FIELD_MethodDescChunk_MethodTable, &it->chunk_mt) ||
        !clr_try_u8(clr, it->chunk_addr, FIELD_MethodDescChunk_Count, &count) ||
        !clr_try_u16(clr, it->chunk_addr, FIELD_MethodDescChunk_FlagsAndTokenRange, &range))
        return false;
    it->left = count + 1u;
    it->range = range & TOKEN_RANGE_MASK;
    it->next_addr = it->chunk_addr + structure_size(clr, FIELD_MethodDescChunk_SIZE);
    return true;
}

void clr_methods_begin(const struct clr *clr, const struct clr_type *type, struct clr_method_iterator *ret)
{
    enum { CHUNKS_MAX = 1 << 16 };

    *ret = (struct clr_method_iterator) { .clr = clr, .chunk_budget = CHUNKS_MAX };
    if (!layout_has(&clr->layout, FIELD_MethodDescChunk_SIZE) || !layout_has(&clr->layout, FIELD_MethodDesc_SIZE)) return;
    if (!type->class_addr || !clr_try_u64(clr, type->class_addr, FIELD_EEClass_MethodDescChunk, &ret->chunk_addr) ||
        !ret->chunk_addr)
        return;
    if (!enter_chunk(ret)) ret->chunk_addr = 0;
}

/* Optional slots lie behind the MethodDesc in this order: entry point, overridden methods, native code. */
static void read_code(const struct clr *clr, struct clr_method *method, uint64_t size)
{
    uint64_t slot = method->addr + size;

    if (method->flags & FLAG_HAS_NON_VTABLE_SLOT) {
        if (!memory_try_u64(clr->memory, slot, &method->entry_addr)) method->entry_addr = 0;
        slot += structure_size(clr, FIELD_NonVtableSlot_SIZE);
    }
    if (method->flags & FLAG_METHOD_IMPL) slot += structure_size(clr, FIELD_MethodImpl_SIZE);
    if (!(method->flags & FLAG_HAS_NATIVE_CODE_SLOT)) return;
    if (!memory_try_u64(clr->memory, slot, &method->code_addr)) method->code_addr = 0;
}

/* Reads ret->addr of a chunk whose type and token range are known; the whole size goes to *size_ret. */
static bool read_method(const struct clr *clr, uint32_t range, struct clr_method *ret, uint64_t *size_ret)
{
    unsigned bits = clr->layout.constant[CONSTANT_MethodDescTokenRemainderBitCount]
                        ? (unsigned)clr->layout.constant[CONSTANT_MethodDescTokenRemainderBitCount]
                        : 12;
    uint16_t remainder;
    uint64_t size;

    if (bits > 16 || !clr_try_u16(clr, ret->addr, FIELD_MethodDesc_Flags3AndTokenRemainder, &remainder) ||
        !clr_try_u16(clr, ret->addr, FIELD_MethodDesc_Slot, &ret->slot) ||
        !clr_try_u16(clr, ret->addr, FIELD_MethodDesc_Flags, &ret->flags))
        return false;
    ret->classification = (enum method_classification)(ret->flags & FLAG_CLASSIFICATION);
    ret->token = 0x06000000 | (range << bits & 0xffffff) | (remainder & ((1u << bits) - 1));
    size = structure_size(clr, classification_sizes[ret->classification]);
    *size_ret = size;
    if (size == 0) return true; /* known by itself, but not what follows it */
    read_code(clr, ret, size);
    if (ret->flags & FLAG_HAS_NON_VTABLE_SLOT) size += structure_size(clr, FIELD_NonVtableSlot_SIZE);
    if (ret->flags & FLAG_METHOD_IMPL) size += structure_size(clr, FIELD_MethodImpl_SIZE);
    if (ret->flags & FLAG_HAS_NATIVE_CODE_SLOT) size += structure_size(clr, FIELD_NativeCodeSlot_SIZE);
    *size_ret = size;
    return true;
}

/* The next one of the iterator's chunk. */
static bool read_next(struct clr_method_iterator *it, struct clr_method *ret)
{
    uint64_t size;

    *ret = (struct clr_method) { .addr = it->next_addr, .mt_addr = it->chunk_mt };
    if (!read_method(it->clr, it->range, ret, &size) || size == 0) return false;
    it->next_addr += size;
    it->left--;
    return true;
}

bool clr_methods_next(struct clr_method_iterator *it, struct clr_method *ret, bool *broken_ret)
{
    *broken_ret = false;
    while (it->chunk_addr) {
        if (it->left) {
            if (read_next(it, ret)) return true;
            *broken_ret = true;
            it->chunk_addr = 0;
            return false;
        }
        if (!clr_try_u64(it->clr, it->chunk_addr, FIELD_MethodDescChunk_Next, &it->chunk_addr) || !it->chunk_addr) break;
        if (!enter_chunk(it)) {
            *broken_ret = true;
            it->chunk_addr = 0;
        }
    }
    return false;
}

bool clr_method_at(const struct clr *clr, uint64_t addr, struct clr_method *ret)
{
    enum { ALIGNMENT = 8 };
    struct clr_method_iterator chunk = { .clr = clr, .chunk_budget = 1 };
    struct clr_method method = { .addr = addr };
    struct clr_type type;
    uint8_t index;
    uint64_t size;

    if (!addr || addr % ALIGNMENT || !clr_try_u8(clr, addr, FIELD_MethodDesc_ChunkIndex, &index) ||
        !layout_has(&clr->layout, FIELD_MethodDescChunk_SIZE))
        return false;
    chunk.chunk_addr = addr - ALIGNMENT * (uint64_t)index - structure_size(clr, FIELD_MethodDescChunk_SIZE);
    if (!enter_chunk(&chunk) || !clr_type_try_read(clr, chunk.chunk_mt, &type) || !clr_type_is_consistent(clr, &type)) return false;
    method.mt_addr = chunk.chunk_mt;
    if (!read_method(clr, chunk.range, &method, &size)) return false;
    *ret = method;
    return true;
}
