/*
 * Any bytes as signatures of every kind. What can be skipped can be written, and ends at the same place.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "formats/signature.h"

static void require(bool what)
{
    if (!what) abort();
}

static void check_type(struct span sig, struct text *text)
{
    struct span skipped = sig, written = sig;
    struct signature_type type;
    bool skips = signature_skip_type(&skipped), writes;

    text_clear(text);
    writes = signature_type_text(NULL, &written, NULL, text);
    require(text->length <= LIMIT_TYPE_NAME + 8);
    if (skips && writes && text->length < LIMIT_TYPE_NAME / 2) require(skipped.size == written.size);
    if (skips) require(signature_type(sig, &type));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const args[] = { "A", "B" };
    const struct signature_context context = { .type_args = args, .type_arg_count = 2, .method_args = args, .method_arg_count = 1 };
    struct span sig = { data, size };
    struct signature_method method;
    struct signature_type type;
    struct text text;

    text_init(&text);
    check_type(sig, &text);
    signature_field_type(sig, &type);
    signature_field_text(NULL, sig, &context, &text);
    signature_instantiation_text(NULL, sig, &context, &text);
    signature_method_text(NULL, sig, "M", true, &context, &text);
    signature_method_text(NULL, sig, "M", false, &context, &text);
    if (signature_method(sig, &method)) {
        for (uint32_t i = 0; i <= method.param_count && signature_skip_type(&method.types); i++)
            require(method.types.size <= size);
    }
    text_deinit(&text);
    return 0;
}
