#include "clr/method_origin.h"

#include <ctype.h>
#include <string.h>

#include "formats/signature.h"

struct piece {
    const char *data;
    size_t length;
};

/* What stands between the first "<" and the ">" that closes it; false when there is none, or nothing in it. */
static bool between_brackets(struct piece *name)
{
    size_t depth = 0;

    if (name->length < 3 || name->data[0] != '<') return false;
    for (size_t i = 0; i < name->length; i++) {
        if (name->data[i] == '<') depth++;
        if (name->data[i] != '>' || --depth) continue;
        if (i == 1) return false;
        name->data++;
        name->length = i - 1;
        return true;
    }
    return false;
}

/* The innermost name in brackets: "<<Main>$>b__0" is made of "Main". */
static bool csharp_origin(struct piece *name)
{
    bool found = false;

    while (between_brackets(name))
        found = true;
    return found;
}

/* "VB$StateMachine_4_Resolve" */
static bool visual_basic_origin(struct piece *name)
{
    static const char prefix[] = "VB$StateMachine_";
    size_t at = sizeof(prefix) - 1;

    if (name->length <= at || memcmp(name->data, prefix, at) != 0) return false;
    while (at < name->length && isdigit((unsigned char)name->data[at]))
        at++;
    if (at + 1 >= name->length || name->data[at] != '_') return false;
    name->data += at + 1;
    name->length -= at + 1;
    return true;
}

/* "resolve@41", "resolve@41-1" */
static bool fsharp_origin(struct piece *name)
{
    const char *at = memchr(name->data, '@', name->length);

    if (!at || at == name->data || at + 1 == name->data + name->length || !isdigit((unsigned char)at[1])) return false;
    name->length = (size_t)(at - name->data);
    return true;
}

static struct piece type_name(const struct metadata *md, uint32_t type_rid)
{
    const char *name = metadata_column_string(md, METADATA_TYPE_DEF_NAME, type_rid);

    return (struct piece) { name, strlen(name) };
}

/* Types that compilers make stand inside of the one that was written. */
static bool is_made(struct piece type)
{
    return type.length && (type.data[0] == '<' || strchr(type.data, '@') || !strncmp(type.data, "VB$StateMachine_", 16) ||
                           !strncmp(type.data, "_Closure$__", 11));
}

void method_origin(const struct metadata *md, uint32_t method_rid, struct method_origin *ret)
{
    const char *written = metadata_column_string(md, METADATA_METHOD_DEF_NAME, method_rid);
    struct piece name = { written, strlen(written) }, type, made;
    uint32_t outer;
    bool found = csharp_origin(&name);

    ret->type_rid = metadata_method_type(md, method_rid);
    for (unsigned depth = 0; depth < LIMIT_TYPE_DEPTH; depth++) {
        type = made = type_name(md, ret->type_rid);
        outer = metadata_enclosing_type(md, ret->type_rid);
        if (!outer || !is_made(type)) break;
        if (!found && (csharp_origin(&made) || visual_basic_origin(&made) || fsharp_origin(&made))) {
            name = made;
            found = true;
        }
        ret->type_rid = outer;
    }
    ret->name = name.data;
    ret->name_length = name.length;
}

void method_origin_text(const struct metadata *md, uint32_t method_rid, struct text *out)
{
    struct method_origin origin;
    struct signature_names names;
    struct text type;

    method_origin(md, method_rid, &origin);
    text_init(&type);
    if (origin.type_rid) metadata_type_def_name(md, origin.type_rid, &type);
    if (type.length) {
        signature_names_init(&names, md, origin.type_rid, 0);
        signature_append_generic(out, text_cstr(&type), names.context.type_args, names.context.type_arg_count);
        text_putc(out, '.');
    }
    text_append(out, origin.name, origin.name_length);
    text_deinit(&type);
}
