/* Names of methods, as patterns. */
#include <string.h>

#include "clr/call_search.h"
#include "clr/method_origin.h"
#include "formats/signature.h"

/* `*` is anything. In time of the product of the lengths at most. */
static bool glob(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = text;

    for (;;) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*text && *pattern == *text) {
            pattern++;
            text++;
        } else if (!*text && !*pattern) {
            return true;
        } else if (star && *resume) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
}

/* "Outer`1+Inner" as "Outer.Inner"; the marks stay when `with_arity`. */
static void normalize(const char *name, bool with_arity, struct text *out)
{
    for (; *name; name++) {
        if (*name == '`' && !with_arity)
            name += strspn(name + 1, "0123456789");
        else
            text_putc(out, *name == '+' ? '.' : *name);
    }
}

bool call_type_name(const struct metadata *md, uint32_t token, struct text *out)
{
    struct signature_type type;

    if (metadata_token_table(token) == METADATA_TYPE_SPEC) {
        if (!signature_type(metadata_type_spec(md, metadata_token_rid(token)), &type)) return false;
        token = type.token;
    }
    return metadata_token_table(token) != METADATA_TYPE_SPEC && metadata_type_token_name(md, token, out);
}

/* Whole, or behind one of its dots. */
static bool name_matches(const char *pattern, const char *name)
{
    bool matches = glob(pattern, name);

    while (!matches && (name = strchr(name, '.')) != NULL)
        matches = glob(pattern, ++name);
    return matches;
}

static bool type_matches(const char *pattern, const struct metadata *md, uint32_t token, struct text *scratch)
{
    bool with_arity = strchr(pattern, '`') != NULL, matches;
    struct text wanted, name;

    text_clear(scratch);
    if (!call_type_name(md, token, scratch)) return false;
    text_init(&wanted);
    text_init(&name);
    normalize(pattern, with_arity, &wanted);
    normalize(text_cstr(scratch), with_arity, &name);
    matches = !wanted.failed && !name.failed && name_matches(text_cstr(&wanted), text_cstr(&name));
    text_deinit(&wanted);
    text_deinit(&name);
    return matches;
}

/* Is `params` one of those that stand in `excepts` one after the other? */
static bool is_excepted(const char *excepts, const char *params)
{
    size_t length = strlen(params);

    for (const char *s = excepts; (s = strstr(s, params)) != NULL; s++)
        if (s[length] == 0 || s[length] == '(') return true;
    return false;
}

static bool params_match(const struct call_pattern *pattern, const struct metadata *md, struct span signature, struct text *scratch)
{
    text_clear(scratch);
    if (!signature_method_text(md, signature, "", false, NULL, scratch)) return false;
    if (pattern->params && !glob(pattern->params, text_cstr(scratch))) return false;
    return !pattern->excepts || !is_excepted(pattern->excepts, text_cstr(scratch));
}

bool call_pattern_matches(const struct call_pattern *pattern, const struct metadata *md, uint32_t token, struct text *scratch)
{
    enum metadata_column column = metadata_token_table(token) == METADATA_METHOD_DEF ? METADATA_METHOD_DEF_SIGNATURE
                                                                                     : METADATA_MEMBER_REF_SIGNATURE;
    struct span signature;

    if (!glob(pattern->method, metadata_member_name(md, token))) return false;
    signature = metadata_column_blob(md, column, metadata_token_rid(token));
    if (signature.size && (signature.data[0] & SIGNATURE_KIND) == SIGNATURE_FIELD) return false;
    if (pattern->type && !type_matches(pattern->type, md, metadata_member_type(md, token), scratch)) return false;
    return (!pattern->params && !pattern->excepts) || params_match(pattern, md, signature, scratch);
}

bool call_pattern_matches_origin(const struct call_pattern *pattern, const struct metadata *md, uint32_t method_rid,
                                 struct text *scratch)
{
    struct method_origin origin;

    method_origin(md, method_rid, &origin);
    if (origin.name == metadata_column_string(md, METADATA_METHOD_DEF_NAME, method_rid)) return false;
    text_clear(scratch);
    text_append(scratch, origin.name, origin.name_length);
    if (scratch->failed || !glob(pattern->method, text_cstr(scratch))) return false;
    return !pattern->type || type_matches(pattern->type, md, metadata_token(METADATA_TYPE_DEF, origin.type_rid), scratch);
}

/* ---- as people write them ---- */

/* The last "." or "::" that is not the first character; `ret` is behind it, and its length is cut off the front. */
static const char *split_member(char *name)
{
    char *dot = strrchr(name, '.'), *colons = strstr(name, "::");

    if (colons) {
        *colons = 0;
        return colons + 2;
    }
    if (dot && dot > name && dot[-1] == '.') dot--; /* "Type..ctor" */
    if (!dot || dot == name) return NULL;
    *dot = 0;
    return dot + 1;
}

size_t call_patterns_parse(const char *name, struct arena *arena, struct call_pattern ret[CALL_PATTERNS_OF_NAME])
{
    bool is_new = !strncmp(name, "new ", 4);
    const char *start = name + (is_new ? 4 : 0), *params = strchr(start, '(');
    size_t length = params ? (size_t)(params - start) : strlen(start);
    char *whole = arena_strndup(arena, start, length), *front = arena_strndup(arena, start, length);
    const char *member = NULL;
    size_t count = 0;

    if (!whole || !front || !length || (params && !(params = arena_strdup(arena, params)))) return 0;
    if (!is_new) {
        member = split_member(front);
        ret[count++] = (struct call_pattern) { .type = member ? front : NULL, .method = member ? member : front, .params = params };
    }
    /* "Type" alone asks who makes one. */
    if (is_new || !member || *member != '.')
        ret[count++] = (struct call_pattern) { .type = whole, .method = ".ctor", .params = params };
    return count;
}
