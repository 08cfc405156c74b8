/*
 * Any bytes as a method's body: what il_next returns lies inside of the code, one after the other, and can be written. Behind the
 * first two bytes (how much of the input is the body) the rest is metadata for the names.
 */
#include <stdlib.h>

#include "formats/il.h"

static void require(bool what)
{
    if (!what) abort();
}

static void walk(const struct metadata *md, struct span code, struct text *text)
{
    struct il_instruction instruction;
    uint32_t offset = 0, before = 0;

    while (il_next(code, &offset, &instruction)) {
        require(instruction.offset == before && offset == before + instruction.size && offset <= code.size);
        require(instruction.name && instruction.targets.size <= instruction.size);
        before = offset;
        text_clear(text);
        il_operand_text(md, &instruction, NULL, text);
        if (il_operand_is_token(instruction.operand)) il_method_text(md, (uint32_t)instruction.value, true, NULL, text);
    }
    require(offset == before && offset <= code.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata md = { 0 };
    struct il_body body;
    struct text text;
    size_t body_size;

    if (size < 2) return 0;
    body_size = load_u16(data);
    if (body_size > size - 2) body_size = size - 2;
    metadata_try_open((struct span) { data + 2 + body_size, size - 2 - body_size }, &md);
    text_init(&text);
    if (il_body((struct span) { data + 2, body_size }, &body)) {
        require(!body.code.size || body.code.size == body.code_size);
        walk(&md, body.code, &text);
    }
    walk(&md, (struct span) { data + 2, body_size }, &text);
    text_deinit(&text);
    return 0;
}
