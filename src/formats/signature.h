/*
 * Reader of signature blobs (ECMA-335 II.23.2): to text, or piece by piece.
 *
 *     field     06 type                    method  convention [generic count] count return-type parameter...
 *     local var 07 count type...           property 08|20 count type parameter...     method spec  0a count type...
 *
 * Text is bounded by LIMIT_TYPE_NAME bytes and nesting by LIMIT_TYPE_DEPTH; what lies beyond is written as "...", and what makes
 * no sense as "?". `md` resolves the tokens and may be NULL, which writes them as numbers.
 */
#ifndef CLRTRAIL_FORMATS_SIGNATURE_H
#define CLRTRAIL_FORMATS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/text.h"
#include "formats/metadata.h"

/* corhdr.h CorElementType; II.23.1.16 */
enum element_type {
    ELEMENT_END = 0x00,
    ELEMENT_VOID = 0x01,
    ELEMENT_BOOLEAN = 0x02,
    ELEMENT_CHAR = 0x03,
    ELEMENT_I1 = 0x04,
    ELEMENT_U1 = 0x05,
    ELEMENT_I2 = 0x06,
    ELEMENT_U2 = 0x07,
    ELEMENT_I4 = 0x08,
    ELEMENT_U4 = 0x09,
    ELEMENT_I8 = 0x0a,
    ELEMENT_U8 = 0x0b,
    ELEMENT_R4 = 0x0c,
    ELEMENT_R8 = 0x0d,
    ELEMENT_STRING = 0x0e,
    ELEMENT_PTR = 0x0f,
    ELEMENT_BYREF = 0x10,
    ELEMENT_VALUETYPE = 0x11,
    ELEMENT_CLASS = 0x12,
    ELEMENT_VAR = 0x13,
    ELEMENT_ARRAY = 0x14,
    ELEMENT_GENERICINST = 0x15,
    ELEMENT_TYPEDBYREF = 0x16,
    ELEMENT_I = 0x18,
    ELEMENT_U = 0x19,
    ELEMENT_FNPTR = 0x1b,
    ELEMENT_OBJECT = 0x1c,
    ELEMENT_SZARRAY = 0x1d,
    ELEMENT_MVAR = 0x1e,
    ELEMENT_CMOD_REQD = 0x1f,
    ELEMENT_CMOD_OPT = 0x20,
    ELEMENT_INTERNAL = 0x21,      /* an 8-byte TypeHandle; only in signatures that the runtime made */
    ELEMENT_CMOD_INTERNAL = 0x22, /* "required" byte and a TypeHandle; the same */
    ELEMENT_SENTINEL = 0x41,
    ELEMENT_PINNED = 0x45,
};

enum signature_convention {
    SIGNATURE_VARARG = 0x05,
    SIGNATURE_FIELD = 0x06,
    SIGNATURE_LOCALS = 0x07,
    SIGNATURE_PROPERTY = 0x08,
    SIGNATURE_UNMANAGED = 0x09,
    SIGNATURE_METHOD_SPEC = 0x0a,
    SIGNATURE_KIND = 0x0f, /* mask */
    SIGNATURE_GENERIC = 0x10,
    SIGNATURE_HAS_THIS = 0x20,
    SIGNATURE_EXPLICIT_THIS = 0x40,
};

/* What stands for type variables and for the runtime's own handles. All of it borrowed; a NULL context writes !0, !!0. */
struct signature_context {
    const char *const *type_args; /* by number; a NULL entry is written as !n */
    size_t type_arg_count;
    const char *const *method_args;
    size_t method_arg_count;
    bool short_primitives; /* "Int32" for "System.Int32", as SOS writes signatures of methods */
    bool (*type_handle_name)(void *user, uint64_t type_handle_addr, struct text *out); /* may be NULL */
    void *user;
};

/*
 * Appends the type at the start of `*sig` and advances behind it:
 *     System.Collections.Generic.Dictionary<System.String, System.Int32[]>   Outer<T>+Inner   System.Int32[,]   System.Byte*   T&
 * False when the bytes are malformed; what could be read was appended, with "?" at that place.
 */
bool signature_type_text(const struct metadata *md, struct span *sig, const struct signature_context *context, struct text *out);
/* The type of a type_spec's blob; of a field's (0x06) or property's. */
bool signature_type_spec_text(const struct metadata *md, struct span sig, const struct signature_context *context,
                              struct text *out);
bool signature_field_text(const struct metadata *md, struct span sig, const struct signature_context *context, struct text *out);
/* "Int32 Name(System.String, T)" of a method_def's or member_ref's blob; without the return type: "Name(System.String, T)". */
bool signature_method_text(const struct metadata *md, struct span sig, const char *name, bool with_return_type,
                           const struct signature_context *context, struct text *out);
/* "<A, B>" of a method_spec's instantiation. */
bool signature_instantiation_text(const struct metadata *md, struct span sig, const struct signature_context *context,
                                  struct text *out);

/* Names of the generic parameters of a type_def and a method_def (rid 0: none) as context; `names` is their storage. */
enum { SIGNATURE_NAMES = 64 };
struct signature_names {
    struct signature_context context;
    const char *type_args[SIGNATURE_NAMES], *method_args[SIGNATURE_NAMES];
};
void signature_names_init(struct signature_names *names, const struct metadata *md, uint32_t type_rid, uint32_t method_rid);

/*
 * Appends the name of a type that is generic, with its arguments at the places of its arity marks:
 * parts { "Outer`1", "Inner`1" } and { "A", "B" } give "Outer<A>+Inner<B>". Arguments beyond the marks go last.
 */
void signature_append_generic_name(struct text *out, const struct metadata_name_part *parts, size_t part_count,
                                   const char *const *args, size_t arg_count);
/* The same from the whole name "Namespace.Outer`1+Inner`1". */
void signature_append_generic(struct text *out, const char *name, const char *const *args, size_t arg_count);

/* ---- piece by piece ---- */

struct signature_method {
    uint8_t convention; /* enum signature_convention with its flags */
    uint32_t generic_count;
    uint32_t param_count;
    struct span types; /* return type, then parameters; walk with signature_skip_type */
};
bool signature_method(struct span sig, struct signature_method *ret);
/* Advances behind one type with its custom modifiers, a sentinel before it included. False when malformed. */
bool signature_skip_type(struct span *sig);

/* Outermost element of a type, behind custom modifiers, PINNED and a sentinel. */
struct signature_type {
    enum element_type element_type; /* a GENERICINST stays one; see `token` */
    bool is_value_type;             /* primitives, VALUETYPE, GENERICINST of VALUETYPE (INTERNAL: not known, false) */
    bool is_pinned;                 /* of a local variable */
    uint32_t token;                 /* CLASS, VALUETYPE, GENERICINST: the type's; else 0 */
    uint32_t number;                /* VAR, MVAR: which; ARRAY: rank; GENERICINST: how many arguments; FNPTR: how many parameters */
    uint64_t type_handle_addr;      /* INTERNAL, or GENERICINST of one */
    struct span inner; /* PTR, BYREF, SZARRAY, ARRAY: element type; GENERICINST: arguments; FNPTR: return type, parameters */
};
/* Reads it without advancing. */
bool signature_type(struct span sig, struct signature_type *ret);
/* The type of a field's signature (behind 0x06). */
bool signature_field_type(struct span sig, struct signature_type *ret);
/*
 * One step of a walk through all of a type: reads an element and advances to the types that are nested in it, which follow one
 * after the other. The shape of an ARRAY follows its element type and is read with signature_array_shape, so `number` is not set.
 */
bool signature_element(struct span *sig, struct signature_type *ret);
uint64_t signature_nested_count(const struct signature_type *type);
bool signature_array_shape(struct span *sig, uint32_t *rank_ret);

#endif
