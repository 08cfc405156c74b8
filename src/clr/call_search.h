/*
 * Which methods call a given one: the IL of the process's assemblies is searched for calls whose operand names it.
 *
 *     assembly -> method_def and member_ref rows that match (none: its IL is not looked at) -> bodies -> call, newobj, ldftn, ...
 *
 * Only what is written as a call is found: nothing that goes through reflection, an interface of another name, or code made at run
 * time.
 */
#ifndef CLRTRAIL_CLR_CALL_SEARCH_H
#define CLRTRAIL_CLR_CALL_SEARCH_H

#include "clr/loader.h"
#include "clr/source_line.h"

/*
 * What is called. Names are compared with case; `*` stands for anything; a type may be the last parts of its name only; marks of
 * generic arity may be left out, and "+" is the same as ".".
 */
struct call_pattern {
    const char *type;    /* "Castle.DynamicProxy.ProxyGenerator"; NULL: any */
    const char *method;  /* ".ctor", "add_*" */
    const char *params;  /* "(System.Byte[]*"; NULL: any */
    const char *excepts; /* parameters that do not match, e.g. "(System.Type)"; several one after the other; NULL: none */
};

struct call_site {
    struct clr_module *module;
    uint32_t method_rid;   /* whose IL it is */
    uint32_t callee_token; /* the instruction's operand */
    uint32_t il_offset;
    uint32_t pattern; /* index */
    const char *opcode;
    bool in_static_constructor; /* of a type: runs once */
    bool in_lazy;               /* the method is handed to a Lazy or LazyInitializer of the same module: runs once for each */
    bool runs_once;             /* either, and the Lazy is one of a static constructor or field */
};

enum call_scope {
    CALLS_OF_APPLICATION, /* and of its libraries, without .NET's own assemblies */
    CALLS_FROM_OUTSIDE,   /* the same, without the assembly that defines the callee */
    CALLS_OF_ALL,
};

struct call_search {
    struct clr *clr;
    const struct call_pattern *patterns; /* borrowed */
    size_t pattern_count;
    enum call_scope scope;
    VEC(struct call_site) sites;         /* by module in load order, method, offset */
    VEC(struct clr_module *) unread;     /* those that name the callee, but whose IL, or a part of it, cannot be had */
    uint64_t module_count, method_count; /* that were searched */
};

/* Errors: ERROR_NOMEM, and those of the list of modules. What cannot be read is a gap, and in `unread`. Fills caches. */
struct error *call_search_run(struct clr *clr, const struct call_pattern *patterns, size_t pattern_count, enum call_scope scope,
                              struct call_search *ret);
void call_search_deinit(struct call_search *search);

/* .NET's own assemblies: from a shared framework's folder, or of Microsoft under the names System.* and Microsoft.*. */
bool clr_module_is_framework(struct clr *clr, struct clr_module *module);

/* Does the method_def or member_ref match? `scratch` is any text. */
bool call_pattern_matches(const struct call_pattern *pattern, const struct metadata *md, uint32_t token, struct text *scratch);
/* The same for the method that a compiler-made one was written in (clr/method_origin.h), whatever its parameters; false for others.
 */
bool call_pattern_matches_origin(const struct call_pattern *pattern, const struct metadata *md, uint32_t method_rid,
                                 struct text *scratch);
/* Appends the full name of a type token without generic arguments; false when there is none. */
bool call_type_name(const struct metadata *md, uint32_t token, struct text *out);
/*
 * The patterns that a name as people write it may mean: "Type.Method", "Namespace.Type::Method(System.String)", "Method",
 * "new Type", "Type..ctor", "Type". At most CALL_PATTERNS_OF_NAME; texts are in `arena`. 0: out of memory, or empty.
 */
enum { CALL_PATTERNS_OF_NAME = 2 };
size_t call_patterns_parse(const char *name, struct arena *arena, struct call_pattern ret[CALL_PATTERNS_OF_NAME]);

/* A site in words. Texts are valid until the next site is described. */
struct call_description {
    struct clr *clr;
    const struct clr_module *module; /* whose lines are open */
    struct source_lines lines;
    struct text method; /* that was written: "His.Aop.ServiceLocator.Resolve" */
    struct text body;   /* that holds the IL: "His.Aop.ServiceLocator+<>c.<Resolve>b__0()" */
    struct text calls;  /* "Castle.DynamicProxy.ProxyGenerator..ctor()" */
    struct text brief;  /* "ProxyGenerator..ctor" */
    struct text path;   /* of the source, "" when not known */
    uint32_t line;
};
void call_description_init(struct call_description *description, struct clr *clr);
void call_description_deinit(struct call_description *description);
void call_describe(struct call_description *description, const struct call_site *site);
/* The source's base name, NULL when not known. */
const char *call_description_file(const struct call_description *description);

#endif
