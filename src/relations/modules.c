#include <string.h>

#include "clr/loader.h"
#include "clr/loader_heap.h"
#include "relations/relation.h"
#include "session/session.h"

/* Managed modules: one a row, in the order in which they were loaded. */
struct modules_cursor {
    struct clr *clr;
    const struct loader_heap_blocks *blocks; /* NULL: not asked for */
    struct clr_module_iterator iterator;
    struct text name, mvid;
    uint64_t columns_needed;
    uint64_t only_addr, only_assembly;
    uint64_t count, dynamic_count;
};

enum {
    ADDRESS,
    NAME,
    PATH,
    ASSEMBLY,
    DYNAMIC,
    COLLECTIBLE,
    BASE,
    SIZE,
    TYPE_COUNT,
    LOADER_BYTES,
    MVID,
    KIND,
    LOADER_ALLOCATOR,
    LOAD_CONTEXT,
    METADATA_BYTES,
};

static struct error *modules_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct modules_cursor *cursor = cursor_;

    text_init(&cursor->name);
    text_init(&cursor->mvid);
    cursor->columns_needed = request->columns_needed;
    if (request->arguments[0].given) cursor->only_addr = request->arguments[0].u;
    if (request->arguments[1].given) cursor->only_assembly = request->arguments[1].u;
    TRY(session_clr(session, &cursor->clr));
    if (request->columns_needed & 1 << LOADER_BYTES) TRY(session_loader_heaps(session, &cursor->blocks));
    return clr_module_iterator_init(cursor->clr, &cursor->iterator);
}

/* What a collectible module's own LoaderAllocator has committed; the other modules share the global one, which tells nothing of
 * each. */
static bool loader_bytes(const struct loader_heap_blocks *blocks, const struct clr_module *module, uint64_t *ret)
{
    if (!blocks || !module->is_collectible) return false;
    *ret = 0;
    for (size_t i = 0; i < blocks->list.count; i++)
        if (blocks->list.data[i].allocator_addr == module->loader_allocator_addr) *ret += blocks->list.data[i].committed_size;
    return true;
}

static const char *module_kind(const struct clr_module *module)
{
    if (module->is_dynamic) return "dynamic";
    if (module->is_from_bytes) return "memory";
    return *module->path ? "file" : NULL;
}

static void fill_metadata(struct modules_cursor *cursor, struct clr_module *module, struct value *row)
{
    static const unsigned order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    struct metadata md;
    uint8_t mvid[16];

    if (!(cursor->columns_needed & (1 << TYPE_COUNT | 1 << MVID | 1 << METADATA_BYTES))) return;
    if (!clr_module_try_metadata(cursor->clr, module, &md)) {
        const struct metadata *gathered = module->is_dynamic ? NULL : clr_module_metadata(cursor->clr, module);
        if (!gathered) return;
        md = *gathered;
    }
    /* Row 1 is <Module>, the holder of global members: no type. */
    if (metadata_row_count(&md, METADATA_TYPE_DEF)) value_u64(&row[TYPE_COUNT], metadata_row_count(&md, METADATA_TYPE_DEF) - 1);
    value_u64(&row[METADATA_BYTES], md.root.size);
    if (!metadata_module_mvid(&md, mvid)) return;
    text_clear(&cursor->mvid);
    for (size_t i = 0; i < 16; i++)
        text_printf(&cursor->mvid, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", mvid[order[i]]);
    value_text(&row[MVID], text_cstr(&cursor->mvid));
}

static struct error *modules_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct modules_cursor *cursor = cursor_;
    struct clr_module *module;
    uint64_t bytes;

    do {
        TRY(clr_module_iterator_next(&cursor->iterator, &module, more_ret));
        if (!*more_ret) return NULL;
    } while ((cursor->only_addr && module->addr != cursor->only_addr && module->base != cursor->only_addr) ||
             (cursor->only_assembly && module->assembly_addr != cursor->only_assembly));
    cursor->count++;
    cursor->dynamic_count += module->is_dynamic;
    value_u64(&row[ADDRESS], module->addr);
    if (cursor->columns_needed & 1 << NAME) value_text(&row[NAME], clr_module_simple_name(cursor->clr, module));
    value_text(&row[PATH], *module->path ? module->path : NULL);
    value_u64(&row[ASSEMBLY], module->assembly_addr);
    value_u64(&row[DYNAMIC], module->is_dynamic);
    value_u64(&row[COLLECTIBLE], module->is_collectible);
    if (module->base) value_u64(&row[BASE], module->base);
    if (module->size) value_u64(&row[SIZE], module->size);
    if (loader_bytes(cursor->blocks, module, &bytes)) value_u64(&row[LOADER_BYTES], bytes);
    value_text(&row[KIND], module_kind(module));
    if (module->loader_allocator_addr) value_u64(&row[LOADER_ALLOCATOR], module->loader_allocator_addr);
    if (cursor->columns_needed & 1 << LOAD_CONTEXT) {
        bytes = clr_module_load_context(cursor->clr, module);
        if (bytes) value_u64(&row[LOAD_CONTEXT], bytes);
    }
    fill_metadata(cursor, module, row);
    return NULL;
}

static void modules_end(void *cursor_)
{
    struct modules_cursor *cursor = cursor_;

    text_deinit(&cursor->name);
    text_deinit(&cursor->mvid);
}

static void modules_footer(void *cursor_, struct text *ret)
{
    const struct modules_cursor *cursor = cursor_;

    text_number(ret, cursor->count);
    text_puts(ret, " modules, ");
    text_number(ret, cursor->dynamic_count);
    text_puts(ret, " of them dynamic");
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the Module structure" },
    { "name", COLUMN_TEXT, "simple name of its assembly" },
    { "path", COLUMN_TEXT, "file it was loaded from; only a name for those loaded from bytes, none for dynamic ones" },
    { "assembly", COLUMN_ADDRESS, "the Assembly structure", COLUMN_VERBOSE },
    { "dynamic", COLUMN_BOOL, "made by reflection emit" },
    { "collectible", COLUMN_BOOL, "can be unloaded" },
    { "base", COLUMN_ADDRESS, "of its image", COLUMN_VERBOSE },
    { "size", COLUMN_BYTES, "of its image" },
    { "type_count", COLUMN_COUNT, "types that its metadata defines", COLUMN_VERBOSE },
    { "loader_bytes", COLUMN_BYTES, "committed by its own LoaderAllocator; only collectible modules have one of their own",
      COLUMN_VERBOSE },
    { "mvid", COLUMN_TEXT, "identity of its build", COLUMN_VERBOSE },
    { "kind", COLUMN_TEXT, "file, memory (loaded from bytes) or dynamic", COLUMN_VERBOSE },
    { "loader_allocator", COLUMN_ADDRESS, "who owns its loader heaps", COLUMN_VERBOSE },
    { "load_context", COLUMN_ADDRESS, "managed AssemblyLoadContext object", COLUMN_VERBOSE },
    { "metadata_bytes", COLUMN_BYTES, "size of its metadata", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "module", NULL, PARAMETER_ADDRESS, false, "only the module at this address (Module or image base)" },
    { "assembly", "-assembly", PARAMETER_ADDRESS, false, "only modules of this assembly" },
};

const struct relation relation_modules = {
    .name = "modules",
    .summary = "managed modules: loaded from files, from bytes, or made by reflection emit",
    .topic = "loader",
    .growth = { .kind = "module", .key = "name", .rank = 5 },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "modules" },
                  { "clrmodules", .where = "not dynamic", .columns = "base,size,path", .help = "modules that have an image" },
                  { "dumpmodule", .layout = LAYOUT_RECORD,
                    .columns = "name,path,kind,assembly,address,base,size,collectible,loader_allocator,load_context,type_count,"
                               "metadata_bytes,mvid",
                    .help = "everything about one module" } },
    .group_by = "name",
    .empty = "the application domain lists no modules",
    .cursor_size = sizeof(struct modules_cursor),
    .begin = modules_begin,
    .next = modules_next,
    .end = modules_end,
    .footer = modules_footer,
};
