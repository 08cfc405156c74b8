#include "clr/loader.h"
#include "relations/relation.h"
#include "session/session.h"

struct assemblies_cursor {
    struct clr *clr;
    struct clr_module_iterator iterator;
    uint64_t only_addr;
};

enum { ADDRESS, NAME, DYNAMIC, COLLECTIBLE, LOAD_CONTEXT, MODULE_COUNT, MODULE, PATH };

static struct error *assemblies_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct assemblies_cursor *cursor = cursor_;

    if (request->arguments[0].given) cursor->only_addr = request->arguments[0].u;
    TRY(session_clr(session, &cursor->clr));
    return clr_module_iterator_init(cursor->clr, &cursor->iterator);
}

static struct error *assemblies_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct assemblies_cursor *cursor = cursor_;
    struct clr_module *module;
    uint64_t load_context;

    do {
        TRY(clr_module_iterator_next(&cursor->iterator, &module, more_ret));
        if (!*more_ret) return NULL;
    } while (cursor->only_addr && module->assembly_addr != cursor->only_addr);
    load_context = clr_module_load_context(cursor->clr, module);
    value_u64(&row[ADDRESS], module->assembly_addr);
    value_text(&row[NAME], clr_module_simple_name(cursor->clr, module));
    value_u64(&row[DYNAMIC], module->is_dynamic);
    value_u64(&row[COLLECTIBLE], module->is_collectible);
    if (load_context) value_u64(&row[LOAD_CONTEXT], load_context);
    value_u64(&row[MODULE_COUNT], 1); /* the runtime does not support more than one module an assembly */
    value_u64(&row[MODULE], module->addr);
    value_text(&row[PATH], *module->path ? module->path : NULL);
    return NULL;
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the Assembly structure" },
    { "name", COLUMN_TEXT, "simple name" },
    { "dynamic", COLUMN_BOOL, "made by reflection emit" },
    { "collectible", COLUMN_BOOL, "can be unloaded" },
    { "load_context", COLUMN_ADDRESS, "managed AssemblyLoadContext object", COLUMN_VERBOSE },
    { "module_count", COLUMN_COUNT, "modules", COLUMN_VERBOSE },
    { "module", COLUMN_ADDRESS, "its module" },
    { "path", COLUMN_TEXT, "file it was loaded from" },
};

static const struct parameter parameters[] = {
    { "assembly", NULL, PARAMETER_ADDRESS, false, "only this one" },
};

const struct relation relation_assemblies = {
    .name = "assemblies",
    .summary = "assemblies of the application domain",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "assemblies" },
                  { "dumpdomain", .columns = "address,dynamic,name,module,path", .titles = "Assembly|Dynamic|Name|Module|Path",
                    .help = "assemblies with their modules" },
                  { "dumpassembly", .layout = LAYOUT_RECORD, .columns = "name,address,dynamic,collectible,load_context,module,path",
                    .help = "everything about one assembly" } },
    .group_by = "name",
    .empty = "no such assembly, or the list of assemblies is not in this dump (assemblies lists them)",
    .cursor_size = sizeof(struct assemblies_cursor),
    .begin = assemblies_begin,
    .next = assemblies_next,
};
