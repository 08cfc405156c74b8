#include <stdlib.h>
#include <string.h>

#include "clr/instantiations.h"
#include "clr/method_table.h"
#include "heap/histogram.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * Types: those that modules define and have loaded (their TypeDef maps), their generic instances and arrays, then those of the heap
 * that no module's tables have.
 */
struct types_cursor {
    struct session *session;
    struct clr *clr;
    const struct histogram *histogram; /* NULL: not needed, or no heap in this dump */
    struct clr_module_iterator modules;
    struct clr_module *module;
    struct clr_type_map_iterator map;
    struct clr_instantiation_iterator instances;
    struct map seen;
    struct text interfaces;
    uint64_t columns_needed;
    uint64_t only_mt, only_module;
    const char *name_filter;
    struct text module_filter; /* empty: any */
    bool from_modules_done;
    bool only_done;
    size_t heap_index;
};

enum {
    METHOD_TABLE,
    NAME,
    MODULE,
    TOKEN,
    BASE_SIZE,
    COMPONENT_SIZE,
    PARENT,
    INTERFACES,
    INSTANCE_COUNT,
    INSTANCE_BYTES,
    CLASS,
    CANONICAL,
    MODULE_NAME,
    COLLECTIBLE,
    VIRTUAL_COUNT,
    INTERFACE_COUNT,
    FLAGS,
};

enum { PARAMETER_MT, PARAMETER_MODULE, PARAMETER_NAME, PARAMETER_MODULE_NAME, PARAMETER_CLASS };

/* MODULE, or as SOS has it MODULE!TYPE. */
static void read_module_filter(struct types_cursor *cursor, const char *filter)
{
    size_t length = strcspn(filter, "!");

    if (filter[length]) cursor->name_filter = filter + length + 1;
    if (length != 1 || *filter != '*') text_append(&cursor->module_filter, filter, length);
}

static bool needs_heap(const struct types_cursor *cursor)
{
    return cursor->columns_needed & (1 << INSTANCE_COUNT | 1 << INSTANCE_BYTES) || (!cursor->only_mt && !cursor->only_module);
}

static struct error *types_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct types_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    struct error *err;

    text_init(&cursor->interfaces);
    text_init(&cursor->module_filter);
    map_init(&cursor->seen);
    cursor->session = session;
    cursor->columns_needed = request->columns_needed;
    if (arguments[PARAMETER_MT].given) cursor->only_mt = arguments[PARAMETER_MT].u;
    if (arguments[PARAMETER_MODULE].given) cursor->only_module = arguments[PARAMETER_MODULE].u;
    if (arguments[PARAMETER_NAME].given) cursor->name_filter = arguments[PARAMETER_NAME].s;
    if (arguments[PARAMETER_MODULE_NAME].given) read_module_filter(cursor, arguments[PARAMETER_MODULE_NAME].s);
    if (cursor->module_filter.failed) return &error_enomem;
    TRY(session_clr(session, &cursor->clr));
    if (arguments[PARAMETER_CLASS].given &&
        !clr_try_u64(cursor->clr, arguments[PARAMETER_CLASS].u, FIELD_EEClass_MethodTable, &cursor->only_mt))
        return error_fault(arguments[PARAMETER_CLASS].u, "no EEClass at '%llx': address not in dump",
                           (unsigned long long)arguments[PARAMETER_CLASS].u);
    if (needs_heap(cursor)) {
        err = session_histogram(session, &cursor->histogram);
        if (err && err->code == ERROR_CANCELLED) return err;
        gaps_add_error(session_gaps(session), "objects of types", err);
    }
    return clr_module_iterator_init(cursor->clr, &cursor->modules);
}

/* Interfaces that the type's own metadata declares, separated by ", ". */
static void append_interfaces(struct types_cursor *cursor, const struct clr_type *type)
{
    struct clr_module *module = clr_module_get(cursor->clr, type->module_addr);
    const struct metadata *md = module && !clr_type_is_array(type) ? clr_module_metadata(cursor->clr, module) : NULL;
    struct metadata_rows rows;

    text_clear(&cursor->interfaces);
    if (!md) return;
    rows = metadata_rows_where(md, METADATA_INTERFACE_IMPL_CLASS, metadata_token_rid(type->token));
    while (metadata_rows_next(md, &rows) && cursor->interfaces.length < 65536) {
        size_t before = cursor->interfaces.length;

        if (before) text_puts(&cursor->interfaces, ", ");
        if (!metadata_type_token_name(md, metadata_column_token(md, METADATA_INTERFACE_IMPL_INTERFACE, rows.rid),
                                      &cursor->interfaces))
            cursor->interfaces.length = before;
    }
}

static const struct histogram_row *histogram_find(const struct histogram *histogram, uint64_t mt)
{
    size_t low = 0, high = histogram->rows.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (histogram->rows.data[middle].mt_addr < mt)
            low = middle + 1;
        else
            high = middle;
    }
    return low < histogram->rows.count && histogram->rows.data[low].mt_addr == mt ? &histogram->rows.data[low] : NULL;
}

static void fill_instances(const struct types_cursor *cursor, const struct clr_type *type, struct value *row)
{
    const struct histogram_row *found;

    if (!cursor->histogram) return;
    found = histogram_find(cursor->histogram, type->mt_addr);
    value_u64(&row[INSTANCE_COUNT], found ? found->count : 0);
    value_u64(&row[INSTANCE_BYTES], found ? found->bytes : 0);
}

static void fill_row(struct types_cursor *cursor, struct clr_type *type, struct value *row)
{
    struct clr_module *module = clr_module_get(cursor->clr, type->module_addr);

    value_u64(&row[METHOD_TABLE], type->mt_addr);
    if (cursor->columns_needed & 1 << NAME) value_text(&row[NAME], clr_type_name(cursor->clr, type->mt_addr));
    if (type->module_addr) value_u64(&row[MODULE], type->module_addr);
    value_u64(&row[TOKEN], type->token);
    value_u64(&row[BASE_SIZE], type->base_size);
    value_u64(&row[COMPONENT_SIZE], type->component_size);
    if (type->parent_addr) value_u64(&row[PARENT], type->parent_addr);
    if (type->class_addr) value_u64(&row[CLASS], type->class_addr);
    value_u64(&row[CANONICAL], type->canonical_addr);
    value_u64(&row[COLLECTIBLE], clr_type_is_collectible(cursor->clr, type));
    value_u64(&row[VIRTUAL_COUNT], type->virtual_count);
    value_u64(&row[INTERFACE_COUNT], type->interface_count);
    value_u64(&row[FLAGS], type->flags);
    if (cursor->columns_needed & 1 << INTERFACES) {
        append_interfaces(cursor, type);
        value_text(&row[INTERFACES], text_cstr(&cursor->interfaces));
    }
    if (module && cursor->columns_needed & 1 << MODULE_NAME)
        value_text(&row[MODULE_NAME], clr_module_simple_name(cursor->clr, module));
    fill_instances(cursor, type, row);
}

/* The next MethodTable; false at the end. */
static struct error *next_method_table(struct types_cursor *cursor, uint64_t *mt_ret, bool *more_ret)
{
    uint32_t rid;

    *more_ret = false;
    if (cursor->only_mt) {
        *more_ret = !cursor->only_done;
        cursor->only_done = true;
        *mt_ret = cursor->only_mt;
        return NULL;
    }
    while (!cursor->from_modules_done) {
        if (cursor->module && (clr_type_map_next(&cursor->map, mt_ret, &rid) ||
                               (!cursor->only_module && clr_instantiations_next(&cursor->instances, mt_ret)))) {
            *more_ret = true;
            return NULL;
        }
        TRY(clr_module_iterator_next(&cursor->modules, &cursor->module, more_ret));
        if (!*more_ret) {
            cursor->from_modules_done = true;
            cursor->module = NULL;
            break;
        }
        if (cursor->only_module && cursor->module->addr != cursor->only_module) {
            cursor->module = NULL;
            continue;
        }
        clr_type_map_begin(cursor->clr, cursor->module, &cursor->map);
        clr_instantiations_begin(cursor->clr, cursor->module, &cursor->instances);
    }
    if (cursor->only_module || !cursor->histogram || cursor->heap_index >= cursor->histogram->rows.count) return NULL;
    *mt_ret = cursor->histogram->rows.data[cursor->heap_index++].mt_addr;
    *more_ret = true;
    return NULL;
}

static bool type_is_asked(struct types_cursor *cursor, const struct clr_type *type)
{
    const char *filter = text_cstr(&cursor->module_filter);
    struct clr_module *module;

    if (cursor->name_filter && strcmp(clr_type_name(cursor->clr, type->mt_addr), cursor->name_filter) != 0) return false;
    if (!*filter) return true;
    module = clr_module_get(cursor->clr, type->module_addr);
    if (!module) return false;
    return strcasestr(module->path, filter) || !strcasecmp(clr_module_simple_name(cursor->clr, module), filter);
}

/* Whatever lies at the address that the user gave is read as a MethodTable. Not every dump has the EEClass that would prove one. */
static struct error *check_asked(struct types_cursor *cursor, uint64_t mt, const struct clr_type *type)
{
    uint64_t free_mt;

    if (!type) return error_fault(mt, "no type at '%llx': address not in dump", (unsigned long long)mt);
    if (clr_try_global(cursor->clr, GLOBAL_FreeObjectMethodTable, &free_mt) && mt == free_mt) return NULL;
    if (clr_type_is_consistent(cursor->clr, type) || clr_module_get(cursor->clr, type->module_addr)) return NULL;
    return error_fault(mt, "no MethodTable at '%llx': its class and module lead nowhere", (unsigned long long)mt);
}

static struct error *types_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct types_cursor *cursor = cursor_;

    for (;;) {
        uint64_t mt;
        struct clr_type *type;
        bool added;

        TRY(next_method_table(cursor, &mt, more_ret));
        if (!*more_ret) return NULL;
        if (!map_slot(&cursor->seen, mt, &added)) return &error_enomem;
        if (!added) continue;
        type = clr_type_get(cursor->clr, mt);
        if (cursor->only_mt) TRY(check_asked(cursor, mt, type));
        if (!type) {
            gaps_add(session_gaps(cursor->session), "types", mt, 1, "MethodTable not in the dump");
            continue;
        }
        if (!type_is_asked(cursor, type)) continue;
        fill_row(cursor, type, row);
        return NULL;
    }
}

static void types_end(void *cursor_)
{
    struct types_cursor *cursor = cursor_;

    text_deinit(&cursor->interfaces);
    text_deinit(&cursor->module_filter);
    map_deinit(&cursor->seen);
}

static const struct column columns[] = {
    { "method_table", COLUMN_ADDRESS, "identity of the type" },
    { "name", COLUMN_TEXT, "full name with generic arguments" },
    { "module", COLUMN_ADDRESS, "module that defines it", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "type_def in its module's metadata" },
    { "base_size", COLUMN_BYTES, "bytes of an instance, without array elements" },
    { "component_size", COLUMN_BYTES, "bytes of an array element or character", COLUMN_VERBOSE },
    { "parent", COLUMN_ADDRESS, "MethodTable of the base type", COLUMN_VERBOSE },
    { "interfaces", COLUMN_TEXT, "interfaces that the type itself declares", COLUMN_VERBOSE },
    { "instance_count", COLUMN_COUNT, "objects on the heap" },
    { "instance_bytes", COLUMN_BYTES, "bytes of these objects" },
    { "class", COLUMN_ADDRESS, "EEClass", COLUMN_VERBOSE },
    { "canonical", COLUMN_ADDRESS, "canonical MethodTable", COLUMN_VERBOSE },
    { "module_name", COLUMN_TEXT, "simple name of the defining assembly", COLUMN_VERBOSE },
    { "collectible", COLUMN_BOOL, "can be unloaded", COLUMN_VERBOSE },
    { "virtual_count", COLUMN_COUNT, "virtual methods", COLUMN_VERBOSE },
    { "interface_count", COLUMN_COUNT, "interfaces, inherited ones included", COLUMN_VERBOSE },
    { "flags", COLUMN_TOKEN, "flags of the MethodTable", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "method_table", NULL, PARAMETER_ADDRESS, false, "only this type" },
    { "module", "-mt", PARAMETER_ADDRESS, false, "only types that this module defines" },
    { "name", "-name", PARAMETER_TEXT, false, "only types with exactly this name" },
    { "in", "-in", PARAMETER_TEXT, false, "only types of modules with this in their name; * is any" },
    { "class", "-class", PARAMETER_ADDRESS, false, "only the type of this EEClass" },
};

const struct relation relation_types = {
    .name = "types",
    .summary = "loaded types, with the number and bytes of their objects",
    .description =
        "Types that modules define and have loaded, generic instances and arrays among them. Names come from the modules' "
        "metadata; for types of dynamic modules from the copy that the runtime keeps of it.",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "types", .sort = "instance_bytes desc" },
                  { "dumpmodule -mt", .bare = "module", .columns = "method_table,token,name,interfaces",
                    .titles = "MT|TypeDef|Name|Interfaces", .help = "types that a module defines" },
                  { "dumpmt", .layout = LAYOUT_RECORD,
                    .columns = "name,class,canonical,module,module_name,token,base_size,component_size,parent,virtual_count,"
                               "interface_count,interfaces,collectible,instance_count,instance_bytes",
                    .help = "everything about one type" },
                  { "name2ee", .bare = "in,name", .columns = "module,module_name,token,method_table,class,name",
                    .help = "find a type: name2ee MODULE TYPE or MODULE!TYPE; * is any module" } },
    .empty = "no such type is loaded (names are whole: Namespace.Outer+Inner; --where 'name ~ Part' looks for a part)",
    .group_by = "module_name",
    .cursor_size = sizeof(struct types_cursor),
    .begin = types_begin,
    .next = types_next,
    .end = types_end,
};
