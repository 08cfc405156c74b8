#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rules/rule.h"

struct finding *findings_add(struct findings *findings, const struct finding *proto)
{
    return vec_push(&findings->list, *proto) ? &findings->list.data[findings->list.count - 1] : NULL;
}

static void finding_deinit(struct finding *finding)
{
    vec_deinit(&finding->costs);
    vec_deinit(&finding->types);
    vec_deinit(&finding->keys);
    vec_deinit(&finding->code);
    vec_deinit(&finding->evidence);
    vec_deinit(&finding->look);
    vec_deinit(&finding->path);
    vec_deinit(&finding->claims);
}

void findings_deinit(struct findings *findings)
{
    for (size_t i = 0; i < findings->list.count; i++)
        finding_deinit(&findings->list.data[i]);
    vec_deinit(&findings->list);
}

void findings_drop_last(struct findings *findings)
{
    if (findings->list.count) finding_deinit(&findings->list.data[--findings->list.count]);
}

const char *finding_text(struct findings *findings, const char *format, ...)
{
    va_list args, again;
    char *text = NULL;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0) text = arena_alloc(findings->arena, (size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text ? text : "";
}

const char *finding_number(struct findings *findings, uint64_t number)
{
    struct text text;
    const char *ret;

    text_init(&text);
    text_number(&text, number);
    ret = finding_text(findings, "%s", text_cstr(&text));
    text_deinit(&text);
    return ret;
}

void finding_evidence(struct finding *finding, const char *text)
{
    if (!vec_push(&finding->evidence, text)) finding->incomplete = true;
}

void finding_look(struct finding *finding, const char *command)
{
    if (!vec_push(&finding->look, command)) finding->incomplete = true;
}

void finding_claim(struct finding *finding, uint64_t object_addr)
{
    if (!vec_push(&finding->claims, object_addr)) finding->incomplete = true;
}

void finding_cost(struct finding *finding, const char *use, uint64_t bytes)
{
    struct finding_cost cost = { use, bytes };

    if (bytes && !vec_push(&finding->costs, cost)) finding->incomplete = true;
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

void finding_code(struct finding *finding, const char *method, const char *calls, const char *file, uint32_t line)
{
    struct finding_code code = { method, calls, file, line };

    for (size_t i = 0; i < finding->code.count; i++) {
        const struct finding_code *known = &finding->code.data[i];
        if (known->line == line && text_equal(known->method, method) && text_equal(known->calls, calls) &&
            text_equal(known->file, file))
            return;
    }
    if (!vec_push(&finding->code, code)) finding->incomplete = true;
}

void finding_type(struct finding *finding, const char *name, uint64_t count, uint64_t bytes, bool bytes_known)
{
    struct finding_type type = { name, count, bytes, bytes_known };

    if (!vec_push(&finding->types, type)) finding->incomplete = true;
}

void finding_key(struct finding *finding, const char *field, uint64_t distinct, uint64_t of)
{
    struct finding_key key = { field, distinct, of, distinct > 1 };

    if (!vec_push(&finding->keys, key)) finding->incomplete = true;
}
