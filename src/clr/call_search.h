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
    bool is_own;                /* the callee is defined in the same module */
    bool in_static_constructor; /* of a type: runs once */
    bool in_lazy;               /* the method is handed to a Lazy or LazyInitializer of the same module: runs once for each */
};

/* A module whose IL, or a part of it, cannot be had. */
struct call_unread {
    struct clr_module *module;
    bool is_own; /* the callee is its own, and no other that matches is named in it */
};

struct call_search {
    struct clr *clr;
    const struct call_pattern *patterns; /* borrowed */
    size_t pattern_count;
    VEC(struct call_site) sites;         /* by module in load order, method, offset */
    VEC(struct call_unread) unread;      /* those that name the callee */
    uint64_t module_count, method_count; /* that were searched */
};

enum call_scope { CALLS_OF_APPLICATION, CALLS_OF_ALL };

/* Errors: ERROR_NOMEM, and those of the list of modules. What cannot be read is a gap, and in `unread`. Fills caches. */
struct error *call_search_run(struct clr *clr, const struct call_pattern *patterns, size_t pattern_count, enum call_scope scope,
                              struct call_search *ret);
void call_search_deinit(struct call_search *search);

/* .NET's own assemblies: from a shared framework's folder, or of Microsoft under the names System.* and Microsoft.*. */
bool clr_module_is_framework(struct clr *clr, struct clr_module *module);

/* Does the method_def or member_ref match? `scratch` is any text. */
bool call_pattern_matches(const struct call_pattern *pattern, const struct metadata *md, uint32_t token, struct text *scratch);
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
    struct text path;   /* of the source, "" when not known */
    uint32_t line;
};
void call_description_init(struct call_description *description, struct clr *clr);
void call_description_deinit(struct call_description *description);
void call_describe(struct call_description *description, const struct call_site *site);
/* The source's base name, NULL when not known. */
const char *call_description_file(const struct call_description *description);

#endif
