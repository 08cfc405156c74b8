#include <stdio.h>
#include <string.h>

#include "clr/call_search.h"
#include "clr/method_body.h"
#include "clr/method_desc.h"
#include "formats/signature.h"
#include "relations/relation.h"
#include "session/session.h"

/* The IL of one method, or of all that have a name. */
struct il_method {
    struct clr_module *module;
    uint32_t rid;
};

/* Rows before the first instruction. */
enum il_step { STEP_METHOD, STEP_STACK, STEP_LOCALS, STEP_CODE };

struct il_cursor {
    struct session *session;
    struct clr *clr;
    VEC(struct il_method) methods;
    size_t index;
    const struct il_method *method; /* the current one, NULL between two */
    const struct metadata *md;
    struct metadata_method_def def;
    struct method_bodies bodies;
    struct il_body body;
    bool has_body;
    struct signature_names names;
    enum il_step step;
    uint32_t offset;
    struct source_lines lines;
    const struct clr_module *lines_module;
    bool with_lines;
    struct text name, operand, path;
    char label[16];
};

enum { METHOD, LABEL, OFFSET, OPCODE, OPERAND, FILE_NAME, LINE, TOKEN, MODULE };
enum { ARGUMENT_METHOD_DESC, ARGUMENT_NAME, ARGUMENT_TOKEN, ARGUMENT_MODULE };

static const char what_to_give[] = "il wants a MethodDesc's address, -name Type.Method, or -token with -module";

/* ---- which methods ---- */

static struct error *add_method_desc(struct il_cursor *cursor, uint64_t addr)
{
    struct clr_method method;
    struct clr_type *type;
    struct il_method found = { 0 };

    if (!clr_method_at(cursor->clr, addr, &method))
        return error_fault(addr, "no method at '%llx': not in the dump, or no MethodDesc", (unsigned long long)addr);
    if (method.classification == METHOD_DYNAMIC)
        return error_create(ERROR_UNSUPPORTED, "method '%llx' was made at run time (DynamicMethod): it has no IL in a module",
                            (unsigned long long)addr);
    type = clr_type_get(cursor->clr, method.mt_addr);
    found.module = type ? clr_module_get(cursor->clr, type->module_addr) : NULL;
    found.rid = metadata_token_rid(method.token);
    if (!found.module) return error_fault(addr, "cannot read the module of method '%llx'", (unsigned long long)addr);
    return vec_push(&cursor->methods, found) ? NULL : &error_enomem;
}

static struct error *add_matching(struct il_cursor *cursor, struct clr_module *module, const struct call_pattern *patterns,
                                  size_t count)
{
    struct metadata md;
    struct il_method found = { .module = module };

    if (!clr_module_try_metadata(cursor->clr, module, &md)) return NULL;
    for (found.rid = 1; found.rid <= metadata_row_count(&md, METADATA_METHOD_DEF); found.rid++) {
        bool matches = false;

        for (size_t i = 0; i < count && !matches; i++)
            matches = call_pattern_matches(&patterns[i], &md, metadata_token(METADATA_METHOD_DEF, found.rid), &cursor->operand) ||
                      call_pattern_matches_origin(&patterns[i], &md, found.rid, &cursor->operand);
        if (matches && !vec_push(&cursor->methods, found)) return &error_enomem;
    }
    return NULL;
}

static struct error *add_named(struct il_cursor *cursor, const char *name, uint64_t only_module)
{
    struct call_pattern patterns[CALL_PATTERNS_OF_NAME];
    size_t count = call_patterns_parse(name, session_arena(cursor->session), patterns);
    struct clr_module_iterator modules;
    struct clr_module *module;
    bool more;

    if (!count) return *name ? &error_enomem : error_create(ERROR_USAGE, "%s", what_to_give);
    TRY(clr_module_iterator_init(cursor->clr, &modules));
    for (;;) {
        TRY(clr_module_iterator_next(&modules, &module, &more));
        if (!more) return NULL;
        if (!only_module || module->addr == only_module) TRY(add_matching(cursor, module, patterns, count));
    }
}

static struct error *add_token(struct il_cursor *cursor, uint64_t token, uint64_t module_addr)
{
    struct il_method found = { .module = clr_module_get(cursor->clr, module_addr), .rid = metadata_token_rid((uint32_t)token) };

    if (!found.module) return error_fault(module_addr, "no module at '%llx'", (unsigned long long)module_addr);
    if (token > UINT32_MAX || metadata_token_table((uint32_t)token) != METADATA_METHOD_DEF)
        return error_create(ERROR_USAGE, "'0x%08llx' is no token of a method (0x06......)", (unsigned long long)token);
    return vec_push(&cursor->methods, found) ? NULL : &error_enomem;
}

static struct error *il_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct il_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;
    uint64_t module = arguments[ARGUMENT_MODULE].given ? arguments[ARGUMENT_MODULE].u : 0;

    cursor->session = session;
    cursor->with_lines = request->columns_needed & (1u << FILE_NAME | 1u << LINE);
    TRY(session_clr(session, &cursor->clr));
    if (arguments[ARGUMENT_METHOD_DESC].given) return add_method_desc(cursor, arguments[ARGUMENT_METHOD_DESC].u);
    if (arguments[ARGUMENT_NAME].given) return add_named(cursor, arguments[ARGUMENT_NAME].s, module);
    if (arguments[ARGUMENT_TOKEN].given && module) return add_token(cursor, arguments[ARGUMENT_TOKEN].u, module);
    return error_create(ERROR_USAGE, "%s", what_to_give);
}

/* ---- one method ---- */

static void open_lines(struct il_cursor *cursor)
{
    const struct clr_module *module = cursor->method->module;

    if (!cursor->with_lines || cursor->lines_module == module) return;
    source_lines_deinit(&cursor->lines);
    source_lines_init(cursor->clr, module, &cursor->lines);
    cursor->lines_module = module;
    if (!cursor->lines.is_found)
        gaps_add(session_gaps(cursor->session), "source lines", module->base, 1, "no PDB of this build found: %s",
                 *module->path ? module->path : "(loaded from bytes)");
}

static void open_body(struct il_cursor *cursor)
{
    const struct clr_module *module = cursor->method->module;
    bool has_image = method_bodies_init(cursor->clr, module, &cursor->bodies);

    cursor->has_body = has_image && method_has_body(&cursor->def) &&
                       method_bodies_read(&cursor->bodies, cursor->def.rva, &cursor->body);
    if (cursor->has_body || !method_has_body(&cursor->def)) return;
    if (module->is_dynamic)
        gaps_add(session_gaps(cursor->session), "il", module->addr, 1, "methods of reflection emit: their IL is not read");
    else
        gaps_add(session_gaps(cursor->session), "il", module->base, 1,
                 "methods not in the dump, and no file with them was found: %s",
                 *module->path ? module->path : "(loaded from bytes)");
}

/* The next method that metadata knows; false at the end. */
static bool open_method(struct il_cursor *cursor)
{
    while (cursor->index < cursor->methods.count) {
        uint32_t rid;

        cursor->method = &cursor->methods.data[cursor->index++];
        rid = cursor->method->rid;
        cursor->md = clr_module_metadata(cursor->clr, cursor->method->module);
        if (!cursor->md || !metadata_method_def(cursor->md, rid, &cursor->def)) continue;
        signature_names_init(&cursor->names, cursor->md, metadata_method_type(cursor->md, rid), rid);
        text_clear(&cursor->name);
        il_method_text(cursor->md, metadata_token(METADATA_METHOD_DEF, rid), false, &cursor->names.context, &cursor->name);
        open_body(cursor);
        open_lines(cursor);
        cursor->step = STEP_METHOD;
        cursor->offset = 0;
        return true;
    }
    cursor->method = NULL;
    return false;
}

static void close_method(struct il_cursor *cursor)
{
    if (cursor->method) method_bodies_deinit(&cursor->bodies);
    cursor->method = NULL;
}

/* "(System.Int32, System.String)" */
static void locals_text(struct il_cursor *cursor)
{
    struct span sig = metadata_column_blob(cursor->md, METADATA_STAND_ALONE_SIG_SIGNATURE,
                                           metadata_token_rid(cursor->body.locals_token));
    uint32_t count;

    text_putc(&cursor->operand, '(');
    if (sig.size && sig.data[0] == SIGNATURE_LOCALS) {
        sig = span_from(sig, 1);
        for (uint32_t i = 0; i == 0 ? metadata_compressed(&sig, &count) && count : i < count; i++) {
            if (i) text_puts(&cursor->operand, ", ");
            if (cursor->operand.length > LIMIT_TYPE_NAME ||
                !signature_type_text(cursor->md, &sig, &cursor->names.context, &cursor->operand))
                break;
        }
    }
    text_putc(&cursor->operand, ')');
}

/* What stands before the code; false when this step has nothing to say. */
static bool fill_directive(struct il_cursor *cursor, enum il_step step, struct value *row)
{
    static const char *const names[] = { ".method", ".maxstack", ".locals" };

    if (step != STEP_METHOD && !cursor->has_body) return false;
    if (step == STEP_LOCALS && !cursor->body.locals_token) return false;
    switch (step) {
    case STEP_METHOD:
        text_puts(&cursor->operand, text_cstr(&cursor->name));
        break;
    case STEP_STACK:
        text_printf(&cursor->operand, "%u", cursor->body.max_stack);
        break;
    default:
        locals_text(cursor);
    }
    value_text(&row[OPCODE], names[step]);
    return true;
}

static bool fill_instruction(struct il_cursor *cursor, struct value *row)
{
    struct il_instruction instruction;
    uint32_t line;

    if (!cursor->has_body) return false;
    if (!il_next(cursor->body.code, &cursor->offset, &instruction)) {
        if (cursor->offset < cursor->body.code.size)
            gaps_add(session_gaps(cursor->session), "il", cursor->method->module->addr, 1, "no instruction at IL_%04x",
                     cursor->offset);
        return false;
    }
    il_operand_text(cursor->md, &instruction, &cursor->names.context, &cursor->operand);
    snprintf(cursor->label, sizeof(cursor->label), "IL_%04x", instruction.offset);
    value_text(&row[LABEL], cursor->label);
    value_u64(&row[OFFSET], instruction.offset);
    value_text(&row[OPCODE], instruction.name);
    text_clear(&cursor->path);
    if (cursor->with_lines && source_lines_find(&cursor->lines, cursor->method->rid, instruction.offset, &cursor->path, &line)) {
        value_text(&row[FILE_NAME], text_cstr(&cursor->path));
        value_u64(&row[LINE], line);
    }
    return true;
}

static bool fill_step(struct il_cursor *cursor, struct value *row)
{
    text_clear(&cursor->operand);
    while (cursor->step != STEP_CODE)
        if (fill_directive(cursor, cursor->step++, row)) return true;
    return fill_instruction(cursor, row);
}

static struct error *il_next_row(void *cursor_, struct value *row, bool *more_ret)
{
    struct il_cursor *cursor = cursor_;

    while (!cursor->method || !fill_step(cursor, row)) {
        close_method(cursor);
        *more_ret = open_method(cursor);
        if (!*more_ret) return NULL;
    }
    value_text(&row[METHOD], text_cstr(&cursor->name));
    if (cursor->operand.length) value_text(&row[OPERAND], text_cstr(&cursor->operand));
    value_u64(&row[TOKEN], metadata_token(METADATA_METHOD_DEF, cursor->method->rid));
    value_text(&row[MODULE], clr_module_simple_name(cursor->clr, cursor->method->module));
    *more_ret = true;
    return NULL;
}

static void il_end(void *cursor_)
{
    struct il_cursor *cursor = cursor_;

    close_method(cursor);
    source_lines_deinit(&cursor->lines);
    vec_deinit(&cursor->methods);
    text_deinit(&cursor->name);
    text_deinit(&cursor->operand);
    text_deinit(&cursor->path);
}

static const struct column columns[] = {
    { "method", COLUMN_TEXT, "that the instruction is of", COLUMN_VERBOSE },
    { "label", COLUMN_TEXT, "offset of the instruction as branches name it, IL_0012; none for what stands before the code" },
    { "offset", COLUMN_NUMBER, "the same as a number", COLUMN_VERBOSE },
    { "opcode", COLUMN_TEXT, "instruction; .method, .maxstack, .locals say what the body's header says" },
    { "operand", COLUMN_TEXT, "with names" },
    { "file", COLUMN_TEXT, "source, when a portable PDB is found", COLUMN_VERBOSE },
    { "line", COLUMN_NUMBER, "of the source", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "method_def", COLUMN_VERBOSE },
    { "module", COLUMN_TEXT, "its assembly", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "method_desc", NULL, PARAMETER_ADDRESS, false, "of the method" },
    { "name", "-name", PARAMETER_TEXT, false,
      "Type.Method, as `callers` takes it: all methods of that name, and the lambdas and state machines in them" },
    { "token", "-token", PARAMETER_NUMBER, false, "method_def in -module, e.g. 0x06000012" },
    { "module", "-module", PARAMETER_ADDRESS, false, "only methods of this module" },
};

const struct relation relation_il = {
    .name = "il",
    .summary = "the IL of a method",
    .description =
        "Lists the instructions of a method with the names of what they use. The IL is taken from the dump; heap dumps of "
        "createdump leave it out, then from the dll on disk (--images).",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "il" }, { "dumpil", .help = "SOS's name" } },
    .empty = "no such method, or its module's metadata is not in the dump",
    .cursor_size = sizeof(struct il_cursor),
    .begin = il_begin,
    .next = il_next_row,
    .end = il_end,
};
