#include "clr/code_manager.h"
#include "clr/method_desc.h"
#include "clr/precode.h"
#include "clr/ready_to_run.h"
#include "formats/signature.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* What the code at one address belongs to. */
struct ip2md_cursor {
    struct session *session;
    uint64_t addr;
    bool done;
    struct text name;
};

enum { ADDRESS, KIND, METHOD_DESC, NAME, MODULE, METHOD_TABLE, TOKEN, START, SIZE, OFFSET, FUNCLET, TARGET };

static struct error *ip2md_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct ip2md_cursor *cursor = cursor_;

    text_init(&cursor->name);
    cursor->session = session;
    cursor->addr = request->arguments[0].u;
    return NULL;
}

static void fill_method(struct ip2md_cursor *cursor, struct clr *clr, uint64_t method_desc_addr, struct value *row)
{
    struct clr_method method;
    struct clr_type *type;
    struct clr_module *module;

    if (!clr_method_at(clr, method_desc_addr, &method)) return;
    value_u64(&row[METHOD_DESC], method.addr);
    value_u64(&row[METHOD_TABLE], method.mt_addr);
    if (method.classification != METHOD_DYNAMIC) value_u64(&row[TOKEN], method.token);
    if (clr_method_name(clr, &method, &cursor->name)) value_text(&row[NAME], text_cstr(&cursor->name));
    type = clr_type_get(clr, method.mt_addr);
    module = type ? clr_module_get(clr, type->module_addr) : NULL;
    if (module) value_text(&row[MODULE], clr_module_simple_name(clr, module));
}

/* R2R code that never ran has no MethodDesc to speak of: what the image says. */
static void fill_unprepared(struct ip2md_cursor *cursor, struct clr *clr, const struct code_block *block, struct value *row)
{
    uint32_t token = ready_to_run_method_token(clr, block);
    struct clr_module *module = token ? clr_module_get(clr, block->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(clr, module) : NULL;
    struct metadata_method_def def;
    struct signature_names names;
    uint32_t rid = metadata_token_rid(token), type;

    if (module) value_text(&row[MODULE], clr_module_simple_name(clr, module));
    if (!md || !metadata_method_def(md, rid, &def)) return;
    value_u64(&row[TOKEN], token);
    type = metadata_method_type(md, rid);
    metadata_type_def_name(md, type, &cursor->name);
    text_putc(&cursor->name, '.');
    signature_names_init(&names, md, type, rid);
    names.context.short_primitives = true;
    signature_method_text(md, def.signature, def.name, false, &names.context, &cursor->name);
    value_text(&row[NAME], text_cstr(&cursor->name));
}

static bool fill_code(struct ip2md_cursor *cursor, struct clr *clr, uint64_t addr, struct value *row)
{
    struct code_block block;

    if (!code_find(clr, addr, &block)) return false;
    if (!row[KIND].known) value_text(&row[KIND], block.kind == CODE_JITTED ? "jitted" : "ready_to_run");
    value_u64(&row[START], block.start);
    value_u64(&row[SIZE], block.size);
    if (addr == cursor->addr) value_u64(&row[OFFSET], addr - block.start);
    value_u64(&row[FUNCLET], block.function_index != 0);
    if (block.method_desc_addr)
        fill_method(cursor, clr, block.method_desc_addr, row);
    else
        fill_unprepared(cursor, clr, &block, row);
    return true;
}

static bool fill_stub(struct ip2md_cursor *cursor, struct clr *clr, struct value *row)
{
    struct code_section section;
    struct stub stub;

    /* What is in none of the runtime's ranges may be a stub none the less (before 8.0 they are not listed), if it leads to a
     * method. */
    if (!stub_at(clr, cursor->addr, &stub)) {
        if (!code_section_find(clr, cursor->addr, &section)) return false;
        value_text(&row[KIND], section.kind == CODE_SECTION_STUBS ? "stub" : "padding");
        return true;
    }
    value_text(&row[KIND], stub_kind_name(stub.kind));
    value_u64(&row[TARGET], stub.target_addr);
    if (stub.method_desc_addr)
        fill_method(cursor, clr, stub.method_desc_addr, row);
    else
        fill_code(cursor, clr, stub.target_addr, row);
    return true;
}

static void fill_native(struct ip2md_cursor *cursor, struct value *row)
{
    const struct target_module *module = target_module_at(session_target(cursor->session), cursor->addr);

    value_text(&row[KIND], module ? "native" : "unknown");
    if (module) value_text(&row[MODULE], module->name);
}

static struct error *ip2md_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct ip2md_cursor *cursor = cursor_;
    struct clr *clr;

    *more_ret = !cursor->done;
    if (cursor->done) return NULL;
    cursor->done = true;
    TRY(session_clr(cursor->session, &clr));
    value_u64(&row[ADDRESS], cursor->addr);
    if (!fill_code(cursor, clr, cursor->addr, row) && !fill_stub(cursor, clr, row)) fill_native(cursor, row);
    return NULL;
}

static void ip2md_end(void *cursor_)
{
    struct ip2md_cursor *cursor = cursor_;

    text_deinit(&cursor->name);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "as asked" },
    { "kind", COLUMN_TEXT, "jitted, ready_to_run, a stub's kind, padding, native, unknown" },
    { "method_desc", COLUMN_ADDRESS, "identity of the method" },
    { "method", COLUMN_TEXT, "type, name and parameters" },
    { "module", COLUMN_TEXT, "assembly of the method, or native module" },
    { "method_table", COLUMN_ADDRESS, "the method's type" },
    { "token", COLUMN_TOKEN, "method_def in its module's metadata" },
    { "start", COLUMN_ADDRESS, "first byte of the method's code" },
    { "size", COLUMN_BYTES, "of the code with its funclets" },
    { "offset", COLUMN_NUMBER, "of the address from the start" },
    { "funclet", COLUMN_BOOL, "in a handler or cold part, not in the main body" },
    { "target", COLUMN_ADDRESS, "where a stub jumps to" },
};

static const struct parameter parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, true, "of code: an instruction pointer, a method's entry point, a stub" },
};

const struct relation relation_ip2md = {
    .name = "ip2md",
    .summary = "the method that an address of code belongs to",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "ip2md", .layout = LAYOUT_RECORD } },
    .cursor_size = sizeof(struct ip2md_cursor),
    .begin = ip2md_begin,
    .next = ip2md_next,
    .end = ip2md_end,
};
