#include "clr/method_code.h"
#include "relations/relation.h"
#include "session/session.h"

/* Methods of one type, of the types of one module, or of all types that modules define. */
struct methods_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_module_iterator modules;
    struct clr_module *module;
    struct clr_type_map_iterator types;
    struct clr_method_iterator methods;
    uint64_t only_mt, only_module;
    bool only_done, in_type, with_code;
    struct text name;
};

enum { METHOD_DESC, NAME, METHOD_TABLE, TOKEN, CODE, CODE_SIZE, TIER, VERSIONS, KIND, SLOT };

static struct error *methods_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct methods_cursor *cursor = cursor_;

    text_init(&cursor->name);
    cursor->session = session;
    cursor->with_code = request->columns_needed & (1u << CODE | 1u << CODE_SIZE | 1u << TIER | 1u << VERSIONS);
    if (request->arguments[0].given) cursor->only_mt = request->arguments[0].u;
    if (request->arguments[1].given) cursor->only_module = request->arguments[1].u;
    TRY(session_clr(session, &cursor->clr));
    return clr_module_iterator_init(cursor->clr, &cursor->modules);
}

/* The next type into cursor->methods; *more_ret false at the end. */
static struct error *next_type(struct methods_cursor *cursor, bool *more_ret)
{
    struct clr_type *type;
    uint64_t mt;
    uint32_t rid;

    *more_ret = false;
    if (cursor->only_mt) {
        if (cursor->only_done) return NULL;
        cursor->only_done = true;
        type = clr_type_get(cursor->clr, cursor->only_mt);
        if (!type)
            return error_fault(cursor->only_mt, "no type at '%llx': address not in dump", (unsigned long long)cursor->only_mt);
        clr_methods_begin(cursor->clr, type, &cursor->methods);
        *more_ret = true;
        return NULL;
    }
    for (;;) {
        if (cursor->module && clr_type_map_next(&cursor->types, &mt, &rid)) {
            type = clr_type_get(cursor->clr, mt);
            if (!type) continue;
            clr_methods_begin(cursor->clr, type, &cursor->methods);
            *more_ret = true;
            return NULL;
        }
        TRY(clr_module_iterator_next(&cursor->modules, &cursor->module, more_ret));
        if (!*more_ret) return NULL;
        if (cursor->only_module && cursor->module->addr != cursor->only_module)
            cursor->module = NULL;
        else
            clr_type_map_begin(cursor->clr, cursor->module, &cursor->types);
    }
}

static void fill_code(const struct clr *clr, const struct clr_method *method, struct value *row)
{
    struct method_code code;

    if (!method_code(clr, method, &code)) return;
    value_u64(&row[CODE], code.block.start);
    value_u64(&row[CODE_SIZE], code.block.size);
    value_text(&row[TIER], code.tier);
    value_u64(&row[VERSIONS], code.version_count);
}

static struct error *methods_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct methods_cursor *cursor = cursor_;
    struct clr_method method;
    bool broken = false;

    while (!cursor->in_type || !clr_methods_next(&cursor->methods, &method, &broken)) {
        if (broken)
            gaps_add(session_gaps(cursor->session), "methods", cursor->methods.next_addr, 1, "MethodDesc chunk not in the dump");
        TRY(next_type(cursor, more_ret));
        if (!*more_ret) return NULL;
        cursor->in_type = true;
        broken = false;
    }
    text_clear(&cursor->name);
    value_u64(&row[METHOD_DESC], method.addr);
    if (clr_method_name(cursor->clr, &method, &cursor->name)) value_text(&row[NAME], text_cstr(&cursor->name));
    value_u64(&row[METHOD_TABLE], method.mt_addr);
    value_u64(&row[TOKEN], method.token);
    if (cursor->with_code) fill_code(cursor->clr, &method, row);
    value_text(&row[KIND], method_classification_name(method.classification));
    value_u64(&row[SLOT], method.slot);
    *more_ret = true;
    return NULL;
}

static void methods_end(void *cursor_)
{
    struct methods_cursor *cursor = cursor_;

    text_deinit(&cursor->name);
}

static const struct column columns[] = {
    { "method_desc", COLUMN_ADDRESS, "identity of the method" },
    { "name", COLUMN_TEXT, "type, name and parameters" },
    { "method_table", COLUMN_ADDRESS, "its type", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "method_def in its module's metadata" },
    { "code", COLUMN_ADDRESS, "its native code as of now; none when it was never prepared" },
    { "code_size", COLUMN_BYTES, "of it, with its handlers", COLUMN_VERBOSE },
    { "tier", COLUMN_TEXT, "how it was compiled: ready_to_run, tier0, tier1, optimized (never again), ...", COLUMN_VERBOSE },
    { "versions", COLUMN_COUNT, "how often it was compiled", COLUMN_VERBOSE },
    { "kind", COLUMN_TEXT, "il, pinvoke, generic, dynamic, ..." },
    { "slot", COLUMN_NUMBER, "in the vtable", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "method_table", NULL, PARAMETER_ADDRESS, false, "only methods of this type" },
    { "module", "-module", PARAMETER_ADDRESS, false, "only methods of types that this module defines" },
};

const struct relation relation_methods = {
    .name = "methods",
    .summary = "methods of loaded types",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "methods" },
                  { "dumpmt -md", .columns = "method_desc,token,kind,code,name", .titles = "MethodDesc|Token|Kind|Code|Name",
                    .help = "methods of a type" } },
    .group_by = "method_table",
    .empty = "no methods: the type has none of its own, or this runtime's table does not describe them",
    .cursor_size = sizeof(struct methods_cursor),
    .begin = methods_begin,
    .next = methods_next,
    .end = methods_end,
};
