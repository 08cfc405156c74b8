#include "clr/eh_info.h"
#include "clr/method_desc.h"
#include "relations/code_at.h"
#include "relations/relation.h"
#include "session/session.h"

/* The exception handlers of one method's code. */
struct ehinfo_cursor {
    struct clr *clr;
    struct code_block code;
    struct eh_info info;
    size_t index;
    struct text type;
};

enum { CLAUSE, TRY_START, TRY_END, HANDLER_START, HANDLER_END, HANDLER, TYPE, TOKEN, FILTER, DUPLICATE };

static struct error *ehinfo_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct ehinfo_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;

    text_init(&cursor->type);
    TRY(session_clr(session, &cursor->clr));
    TRY(code_at(cursor->clr, addr, &cursor->code));
    if (eh_info_read(cursor->clr, &cursor->code, &cursor->info)) return NULL;
    return error_fault(addr, "the exception handlers of '%llx' are not in the dump", (unsigned long long)addr);
}

/* The class that a typed handler catches. */
static void fill_class(struct ehinfo_cursor *cursor, const struct eh_clause *clause, struct value *row)
{
    struct clr_method method;
    struct clr_type *type;
    struct clr_module *module;
    const struct metadata *md;

    if (clause->flags & EH_TYPE_HANDLE) {
        value_text(&row[TYPE], clr_type_name(cursor->clr, clause->type));
        return;
    }
    value_u64(&row[TOKEN], clause->type);
    if (!clr_method_at(cursor->clr, cursor->code.method_desc_addr, &method)) return;
    type = clr_type_get(cursor->clr, method.mt_addr);
    module = type ? clr_module_get(cursor->clr, type->module_addr) : NULL;
    md = module ? clr_module_metadata(cursor->clr, module) : NULL;
    if (md && metadata_type_token_name(md, (uint32_t)clause->type, &cursor->type)) value_text(&row[TYPE], text_cstr(&cursor->type));
}

static struct error *ehinfo_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct ehinfo_cursor *cursor = cursor_;
    const struct eh_clause *clause;

    *more_ret = cursor->index < cursor->info.clauses.count;
    if (!*more_ret) return NULL;
    clause = &cursor->info.clauses.data[cursor->index++];
    text_clear(&cursor->type);
    value_text(&row[CLAUSE], clause->flags & EH_FILTER    ? "filter"
                             : clause->flags & EH_FINALLY ? "finally"
                             : clause->flags & EH_FAULT   ? "fault"
                                                          : "catch");
    value_u64(&row[TRY_START], clause->try_start);
    value_u64(&row[TRY_END], clause->try_end);
    value_u64(&row[HANDLER_START], clause->handler_start);
    value_u64(&row[HANDLER_END], clause->handler_end);
    value_u64(&row[HANDLER], cursor->code.start + clause->handler_start);
    value_u64(&row[DUPLICATE], clause->flags & EH_DUPLICATE);
    if (clause->flags & EH_FILTER)
        value_u64(&row[FILTER], clause->type);
    else if (!(clause->flags & (EH_FINALLY | EH_FAULT)))
        fill_class(cursor, clause, row);
    return NULL;
}

static void ehinfo_end(void *cursor_)
{
    struct ehinfo_cursor *cursor = cursor_;

    eh_info_deinit(&cursor->info);
    text_deinit(&cursor->type);
}

static const struct column columns[] = {
    { "clause", COLUMN_TEXT, "catch, filter, finally, fault" },
    { "try_start", COLUMN_NUMBER, "offset in the code of what is guarded" },
    { "try_end", COLUMN_NUMBER, "its end, exclusive" },
    { "handler_start", COLUMN_NUMBER, "offset of the handler" },
    { "handler_end", COLUMN_NUMBER, "its end, exclusive" },
    { "handler", COLUMN_ADDRESS, "address of the handler" },
    { "type", COLUMN_TEXT, "what a catch catches" },
    { "token", COLUMN_TOKEN, "the same in the metadata of the method's module", COLUMN_VERBOSE },
    { "filter", COLUMN_NUMBER, "offset of the code that decides" },
    { "duplicate", COLUMN_BOOL, "a handler's own copy of a clause around it", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, true, "of code, or of a MethodDesc" },
};

const struct relation relation_ehinfo = {
    .name = "ehinfo",
    .summary = "the exception handlers of a method's code",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "ehinfo" } },
    .empty = "the method has no exception handlers",
    .cursor_size = sizeof(struct ehinfo_cursor),
    .begin = ehinfo_begin,
    .next = ehinfo_next,
    .end = ehinfo_end,
};
