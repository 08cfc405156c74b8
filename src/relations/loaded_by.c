#include "clr/object.h"
#include "relations/relation.h"
#include "session/session.h"

/* Where an object's type comes from: module, assembly, load context, domain. */
struct loaded_by_cursor {
    struct clr *clr;
    struct clr_object object;
    bool done;
};

enum {
    OBJECT,
    TYPE,
    METHOD_TABLE,
    MODULE,
    ASSEMBLY,
    ASSEMBLY_NAME,
    PATH,
    LOAD_CONTEXT,
    LOAD_CONTEXT_TYPE,
    COLLECTIBLE,
    DOMAIN,
    DOMAIN_NAME
};

static struct error *loaded_by_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct loaded_by_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;

    TRY(session_clr(session, &cursor->clr));
    if (clr_object_try(cursor->clr, addr, &cursor->object)) return NULL;
    return error_fault(addr, "no object at '%llx'", (unsigned long long)addr);
}

static void fill_module(struct clr *clr, struct clr_module *module, struct value *row)
{
    const char *name = clr_module_simple_name(clr, module);
    uint64_t context = clr_module_load_context(clr, module);

    value_u64(&row[MODULE], module->addr);
    value_u64(&row[ASSEMBLY], module->assembly_addr);
    value_text(&row[ASSEMBLY_NAME], *name ? name : NULL);
    value_text(&row[PATH], *module->path ? module->path : NULL);
    value_u64(&row[COLLECTIBLE], module->is_collectible);
    if (!context) return;
    value_u64(&row[LOAD_CONTEXT], context);
    value_text(&row[LOAD_CONTEXT_TYPE], clr_object_type_name(clr, context));
}

static struct error *loaded_by_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct loaded_by_cursor *cursor = cursor_;
    const struct clr_type *type = cursor->object.type;
    struct clr_module *module;
    const char *name;
    uint64_t domain;

    *more_ret = !cursor->done;
    if (cursor->done) return NULL;
    cursor->done = true;
    value_u64(&row[OBJECT], cursor->object.addr);
    value_text(&row[TYPE], clr_type_name(cursor->clr, type->mt_addr));
    value_u64(&row[METHOD_TABLE], type->mt_addr);
    module = type->module_addr ? clr_module_get(cursor->clr, type->module_addr) : NULL;
    if (module) fill_module(cursor->clr, module, row);
    TRY(clr_app_domain(cursor->clr, &domain, &name));
    value_u64(&row[DOMAIN], domain);
    value_text(&row[DOMAIN_NAME], *name ? name : NULL);
    return NULL;
}

static const struct column columns[] = {
    { "object", COLUMN_ADDRESS, "the object asked for" },
    { "type", COLUMN_TEXT, "its type" },
    { "method_table", COLUMN_ADDRESS, "identity of the type" },
    { "module", COLUMN_ADDRESS, "the Module that defines the type" },
    { "assembly", COLUMN_ADDRESS, "its Assembly structure" },
    { "assembly_name", COLUMN_TEXT, "its name" },
    { "path", COLUMN_TEXT, "its file; none of dynamic ones" },
    { "load_context", COLUMN_ADDRESS, "managed AssemblyLoadContext that it was loaded into" },
    { "load_context_type", COLUMN_TEXT, "type of that object" },
    { "collectible", COLUMN_BOOL, "can be unloaded" },
    { "app_domain", COLUMN_ADDRESS, "the application domain; .NET has one" },
    { "app_domain_name", COLUMN_TEXT, "its name" },
};

static const struct parameter parameters[] = {
    { "object", NULL, PARAMETER_ADDRESS, true, "the object" },
};

const struct relation relation_loaded_by = {
    .name = "loaded_by",
    .summary = "where an object's type comes from: module, assembly, load context, domain",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "loaded_by", .layout = LAYOUT_RECORD },
                  { "dumpalc", .layout = LAYOUT_RECORD,
                    .columns = "object,type,load_context,load_context_type,collectible,assembly_name",
                    .help = "the AssemblyLoadContext" },
                  { "findappdomain", .layout = LAYOUT_RECORD, .columns = "object,type,app_domain,app_domain_name",
                    .help = "the application domain" } },
    .cursor_size = sizeof(struct loaded_by_cursor),
    .begin = loaded_by_begin,
    .next = loaded_by_next,
};
