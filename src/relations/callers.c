#include <string.h>

#include "clr/call_search.h"
#include "relations/relation.h"
#include "session/session.h"

/* Calls of a method, in the IL of the application's assemblies. */
struct callers_cursor {
    struct session *session;
    struct clr *clr;
    struct call_pattern patterns[CALL_PATTERNS_OF_NAME];
    struct call_search search;
    struct call_description description;
    size_t index;
};

enum { METHOD, CALLS, KIND, IL_OFFSET, FILE_NAME, LINE, MODULE, IN_STATIC_CONSTRUCTOR, IN_LAZY, RUNS_ONCE, BODY, PATH, TOKEN };

static struct error *callers_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct callers_cursor *cursor = cursor_;
    enum call_scope scope = request->arguments[1].given ? CALLS_OF_ALL : CALLS_OF_APPLICATION;
    size_t count;

    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    call_description_init(&cursor->description, cursor->clr);
    if (!*request->arguments[0].s) return error_create(ERROR_USAGE, "callers wants the name of a method");
    count = call_patterns_parse(request->arguments[0].s, session_arena(session), cursor->patterns);
    if (!count) return &error_enomem;
    return call_search_run(cursor->clr, cursor->patterns, count, scope, &cursor->search);
}

static struct error *callers_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct callers_cursor *cursor = cursor_;
    const struct call_description *description = &cursor->description;
    const struct call_site *site;

    *more_ret = cursor->index < cursor->search.sites.count;
    if (!*more_ret) return NULL;
    site = &cursor->search.sites.data[cursor->index++];
    call_describe(&cursor->description, site);
    value_text(&row[METHOD], text_cstr(&description->method));
    value_text(&row[CALLS], text_cstr(&description->calls));
    value_text(&row[KIND], site->opcode);
    value_u64(&row[IL_OFFSET], site->il_offset);
    value_text(&row[FILE_NAME], call_description_file(description));
    if (description->line) value_u64(&row[LINE], description->line);
    value_text(&row[MODULE], clr_module_simple_name(cursor->clr, site->module));
    value_u64(&row[IN_STATIC_CONSTRUCTOR], site->in_static_constructor);
    value_u64(&row[IN_LAZY], site->in_lazy);
    value_u64(&row[RUNS_ONCE], site->runs_once);
    value_text(&row[BODY], text_cstr(&description->body));
    if (description->path.length) value_text(&row[PATH], text_cstr(&description->path));
    value_u64(&row[TOKEN], metadata_token(METADATA_METHOD_DEF, site->method_rid));
    return NULL;
}

static void callers_end(void *cursor_)
{
    struct callers_cursor *cursor = cursor_;

    call_description_deinit(&cursor->description);
    call_search_deinit(&cursor->search);
}

static void callers_footer(void *cursor_, struct text *ret)
{
    struct callers_cursor *cursor = cursor_;
    const struct call_search *search = &cursor->search;

    text_puts(ret, "Searched ");
    text_number(ret, search->method_count);
    text_puts(ret, " methods; only assemblies that name it, of ");
    text_number(ret, search->module_count);
    text_puts(ret, "\n");
    for (size_t i = 0; i < search->unread.count; i++) {
        const char *name = clr_module_simple_name(cursor->clr, search->unread.data[i]);

        text_puts(ret, "Not searched: ");
        text_append_safe(ret, name, strlen(name));
        text_puts(ret, " names it, but not all of its IL is in the dump; pass --images DIR with its dll\n");
    }
}

static const struct column columns[] = {
    { "method", COLUMN_TEXT, "that calls; for lambdas, async methods and iterators the one that they were written in" },
    { "calls", COLUMN_TEXT, "what it calls" },
    { "kind", COLUMN_TEXT, "call, callvirt, newobj, or ldftn: as a delegate" },
    { "il_offset", COLUMN_NUMBER, "of the instruction in its method's IL" },
    { "file", COLUMN_TEXT, "source, when a portable PDB of the assembly is found" },
    { "line", COLUMN_NUMBER, "of the source" },
    { "module", COLUMN_TEXT, "assembly of the caller" },
    { "in_static_constructor", COLUMN_BOOL, "runs once for its type", COLUMN_VERBOSE },
    { "in_lazy", COLUMN_BOOL, "in the factory of a Lazy: runs once for it", COLUMN_VERBOSE },
    { "runs_once", COLUMN_BOOL, "either of these, and the Lazy is static: not what repeats" },
    { "body", COLUMN_TEXT, "the method that holds the IL, as the compiler named it", COLUMN_VERBOSE },
    { "path", COLUMN_TEXT, "of the source, as the compiler knew it", COLUMN_VERBOSE },
    { "token", COLUMN_TOKEN, "method_def of the body", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "name", NULL, PARAMETER_TEXT, true,
      "of a method: Type.Method, Namespace.Type::Method(System.String), Method; a type's alone asks for its constructors; * stands "
      "for "
      "anything" },
    { "all", "-all", PARAMETER_SWITCH, false, "search .NET's own assemblies, too" },
};

const struct relation relation_callers = {
    .name = "callers",
    .summary = "which code calls a method",
    .description =
        "Searches the IL of the application's assemblies for calls of a method, and for delegates that are made of it. The IL is "
        "taken from the dump, or from the dlls on disk (--images). With a portable PDB (beside the dll, embedded in it, or in "
        "--images) rows have file and line. Calls through reflection or through an interface are not found by the method's "
        "name.",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "callers" } },
    .empty =
        "no calls: nobody names this method, or the IL of those who do is not in the dump (--images DIR says where the dlls are)",
    .cursor_size = sizeof(struct callers_cursor),
    .begin = callers_begin,
    .next = callers_next,
    .end = callers_end,
    .footer = callers_footer,
};
