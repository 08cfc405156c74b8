#include "formats/signature.h"

#include "base/limits.h"

/* ---- piece by piece ---- */

static bool skip_bytes(struct span *sig, size_t count)
{
    if (sig->size < count) return false;
    *sig = (struct span) { sig->data + count, sig->size - count };
    return true;
}

static bool read_byte(struct span *sig, uint8_t *ret)
{
    return span_u8(*sig, 0, ret) && skip_bytes(sig, 1);
}

/* II.23.2.8 TypeDefOrRefOrSpecEncoded: the coded index, compressed. */
static bool read_token(struct span *sig, uint32_t *ret)
{
    uint32_t coded;

    if (!metadata_compressed(sig, &coded)) return false;
    *ret = metadata_decode(METADATA_CODED_TYPE_DEF_OR_REF, coded);
    return true;
}

/* The rank; sizes and lower bounds, which say nothing about the type's identity in .NET languages, are passed over. */
bool signature_array_shape(struct span *sig, uint32_t *rank_ret)
{
    enum { RANK_MAX = 32 };
    uint32_t rank, count, ignored;

    if (!metadata_compressed(sig, &rank) || !rank || rank > RANK_MAX) return false;
    for (unsigned list = 0; list < 2; list++) {
        if (!metadata_compressed(sig, &count) || count > rank) return false;
        while (count--)
            if (!metadata_compressed(sig, &ignored)) return false;
    }
    *rank_ret = rank;
    return true;
}

/* Custom modifiers, PINNED and SENTINEL: what may stand before a type and is not part of it. */
static bool skip_prefixes(struct span *sig, bool *pinned_ret)
{
    enum { HANDLE_SIZE = 8 };
    uint8_t element;
    uint32_t token;

    while (span_u8(*sig, 0, &element)) {
        switch (element) {
        case ELEMENT_CMOD_REQD:
        case ELEMENT_CMOD_OPT:
            if (!skip_bytes(sig, 1) || !read_token(sig, &token)) return false;
            break;
        case ELEMENT_CMOD_INTERNAL:
            if (!skip_bytes(sig, 2 + HANDLE_SIZE)) return false;
            break;
        case ELEMENT_PINNED:
            *pinned_ret = true;
            skip_bytes(sig, 1);
            break;
        case ELEMENT_SENTINEL:
            skip_bytes(sig, 1);
            break;
        default:
            return true;
        }
    }
    return false;
}

bool signature_method(struct span sig, struct signature_method *ret)
{
    struct signature_method method = { 0 };

    if (!read_byte(&sig, &method.convention)) return false;
    switch (method.convention & SIGNATURE_KIND) {
    case SIGNATURE_FIELD:
    case SIGNATURE_LOCALS:
    case SIGNATURE_PROPERTY:
    case SIGNATURE_METHOD_SPEC:
        return false;
    }
    if (method.convention & SIGNATURE_GENERIC && !metadata_compressed(&sig, &method.generic_count)) return false;
    if (!metadata_compressed(&sig, &method.param_count)) return false;
    method.types = sig;
    *ret = method;
    return true;
}

bool signature_element(struct span *sig, struct signature_type *ret)
{
    struct signature_method method;
    uint8_t element;

    *ret = (struct signature_type) { 0 };
    if (!skip_prefixes(sig, &ret->is_pinned) || !read_byte(sig, &element)) return false;
    ret->element_type = element;
    switch (element) {
    case ELEMENT_VOID ... ELEMENT_R8:
    case ELEMENT_TYPEDBYREF:
    case ELEMENT_I:
    case ELEMENT_U:
        ret->is_value_type = element != ELEMENT_VOID;
        return true;
    case ELEMENT_STRING:
    case ELEMENT_OBJECT:
    case ELEMENT_PTR:
    case ELEMENT_BYREF:
    case ELEMENT_SZARRAY:
    case ELEMENT_ARRAY:
        return true;
    case ELEMENT_VALUETYPE:
    case ELEMENT_CLASS:
        ret->is_value_type = element == ELEMENT_VALUETYPE;
        return read_token(sig, &ret->token);
    case ELEMENT_VAR:
    case ELEMENT_MVAR:
        return metadata_compressed(sig, &ret->number);
    case ELEMENT_GENERICINST:
        if (!read_byte(sig, &element)) return false;
        ret->is_value_type = element == ELEMENT_VALUETYPE;
        if (element == ELEMENT_INTERNAL) {
            if (!span_u64(*sig, 0, &ret->type_handle_addr) || !skip_bytes(sig, 8)) return false;
        } else if ((element != ELEMENT_VALUETYPE && element != ELEMENT_CLASS) || !read_token(sig, &ret->token)) {
            return false;
        }
        return metadata_compressed(sig, &ret->number) && ret->number;
    case ELEMENT_FNPTR:
        if (!signature_method(*sig, &method)) return false;
        *sig = method.types;
        ret->number = method.param_count;
        return true;
    case ELEMENT_INTERNAL:
        return span_u64(*sig, 0, &ret->type_handle_addr) && skip_bytes(sig, 8);
    default:
        return false;
    }
}

uint64_t signature_nested_count(const struct signature_type *type)
{
    switch (type->element_type) {
    case ELEMENT_PTR:
    case ELEMENT_BYREF:
    case ELEMENT_SZARRAY:
    case ELEMENT_ARRAY:
        return 1;
    case ELEMENT_GENERICINST:
        return type->number;
    case ELEMENT_FNPTR:
        return (uint64_t)type->number + 1;
    default:
        return 0;
    }
}

bool signature_skip_type(struct span *sig)
{
    struct {
        uint64_t left; /* types still to come */
        bool array;    /* its shape comes behind them */
    } stack[LIMIT_TYPE_DEPTH] = { { 1, false } };
    unsigned depth = 1;
    struct span at = *sig;
    struct signature_type type;
    uint32_t rank;

    while (depth) {
        if (!stack[depth - 1].left) {
            if (stack[--depth].array && !signature_array_shape(&at, &rank)) return false;
            continue;
        }
        stack[depth - 1].left--;
        if (!signature_element(&at, &type)) return false;
        if (!signature_nested_count(&type)) continue;
        if (depth == LIMIT_TYPE_DEPTH) return false;
        stack[depth].left = signature_nested_count(&type);
        stack[depth++].array = type.element_type == ELEMENT_ARRAY;
    }
    *sig = at;
    return true;
}

bool signature_type(struct span sig, struct signature_type *ret)
{
    struct signature_type type;
    struct span rest;

    if (!signature_element(&sig, &type)) return false;
    if (signature_nested_count(&type)) type.inner = rest = sig;
    if (type.element_type == ELEMENT_ARRAY)
        if (!signature_skip_type(&rest) || !signature_array_shape(&rest, &type.number)) return false;
    *ret = type;
    return true;
}

bool signature_field_type(struct span sig, struct signature_type *ret)
{
    uint8_t convention;

    if (!read_byte(&sig, &convention) || (convention & SIGNATURE_KIND) != SIGNATURE_FIELD) return false;
    return signature_type(sig, ret);
}
