/* Sites of calls in words, with the lines of their sources. */
#include <string.h>

#include "clr/call_search.h"
#include "clr/method_origin.h"
#include "formats/il.h"
#include "formats/signature.h"

void call_description_init(struct call_description *description, struct clr *clr)
{
    *description = (struct call_description) { .clr = clr };
}

void call_description_deinit(struct call_description *description)
{
    source_lines_deinit(&description->lines);
    text_deinit(&description->method);
    text_deinit(&description->body);
    text_deinit(&description->calls);
    text_deinit(&description->brief);
    text_deinit(&description->path);
}

static void open_lines(struct call_description *description, struct clr_module *module)
{
    if (description->module == module) return;
    source_lines_deinit(&description->lines);
    source_lines_init(description->clr, module, &description->lines);
    description->module = module;
    if (!description->lines.is_found && !clr_module_is_framework(description->clr, module))
        gaps_add(description->clr->gaps, "source lines", module->base, 1, "no PDB of this build found: %s",
                 *module->path ? module->path : "(loaded from bytes)");
}

/* A state machine's MoveNext stands for the method that it carries out: what the PDB says is better than what its name says. */
static uint32_t written_method(const struct source_lines *lines, uint32_t method_rid)
{
    uint32_t kickoff = lines->is_found ? portable_pdb_kickoff_method(&lines->pdb, method_rid) : 0;

    return kickoff ? kickoff : method_rid;
}

/* "Type.Member": the type without namespace, enclosing types and marks of arity. */
static void describe_briefly(struct call_description *description, const struct metadata *md, uint32_t token)
{
    struct text type;
    const char *name, *last;

    text_init(&type);
    if (call_type_name(md, metadata_member_type(md, token), &type)) {
        name = text_cstr(&type);
        for (const char *s = name; (s = strpbrk(s, ".+")) != NULL;)
            name = ++s;
        last = strchrnul(name, '`');
        text_append(&description->brief, name, (size_t)(last - name));
        text_putc(&description->brief, '.');
    }
    text_puts(&description->brief, metadata_member_name(md, token));
    text_deinit(&type);
}

void call_describe(struct call_description *description, const struct call_site *site)
{
    const struct metadata *md = clr_module_metadata(description->clr, site->module);
    struct signature_names names;

    text_clear(&description->method);
    text_clear(&description->body);
    text_clear(&description->calls);
    text_clear(&description->brief);
    text_clear(&description->path);
    description->line = 0;
    open_lines(description, site->module);
    if (!md) return;
    signature_names_init(&names, md, metadata_method_type(md, site->method_rid), site->method_rid);
    method_origin_text(md, written_method(&description->lines, site->method_rid), &description->method);
    il_method_text(md, metadata_token(METADATA_METHOD_DEF, site->method_rid), true, &names.context, &description->body);
    il_method_text(md, site->callee_token, true, &names.context, &description->calls);
    describe_briefly(description, md, site->callee_token);
    source_lines_find(&description->lines, site->method_rid, site->il_offset, &description->path, &description->line);
}

const char *call_description_file(const struct call_description *description)
{
    const char *path = text_cstr(&description->path), *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
    const char *last = slash > backslash ? slash : backslash;

    if (!*path) return NULL;
    return last ? last + 1 : path;
}
