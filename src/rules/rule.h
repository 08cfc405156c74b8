/*
 * A leak pattern. One file per rule in this folder; rules_all is generated from the files. A rule looks at the session and adds
 * findings; it never prints. What it cannot read becomes a gap, never a guess.
 */
#ifndef CLRTRAIL_RULES_RULE_H
#define CLRTRAIL_RULES_RULE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"

struct session;

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_CRITICAL };
enum certainty { CERTAINTY_HINT, CERTAINTY_LIKELY, CERTAINTY_PROVEN };

struct finding_cost {
    const char *use; /* "loader heap" */
    uint64_t bytes;
};

struct finding_type {
    const char *name;
    uint64_t count;
    uint64_t bytes;
    bool bytes_known;
};

/* A part of the keys by which things are told apart, and so not reused. */
struct finding_key {
    const char *field; /* "CoreOptionsExtension._memoryCache" */
    uint64_t distinct, of;
    bool differs;
};

/* A call in the application's code that makes what leaks. */
struct finding_code {
    const char *method; /* "His.Aop.ServiceLocator.Resolve" */
    const char *calls;  /* "ProxyGenerator..ctor" */
    const char *file;   /* "ServiceLocator.cs", NULL: not known */
    uint32_t line;
};

/* All texts live in the arena of the list. */
struct finding {
    const char *rule;
    enum severity severity;
    enum certainty certainty;
    const char *title, *cause;
    const char *kind; /* "managed", "loader", "native", "handles", "threads", "pool" */
    uint64_t count;
    VEC(struct finding_cost) costs;
    VEC(struct finding_type) types;
    VEC(struct finding_key) keys;
    VEC(struct finding_code) code;
    VEC(const char *) evidence;
    VEC(const char *) look;            /* commands that show more, without "clrtrail FILE" */
    const char *root_kind, *root_name; /* holder; NULL when nobody was found */
    VEC(const char *) path;
    VEC(uint64_t) claims; /* objects that are explained by it: general rules do not tell of what holds them again */
    const char *fix, *doc;
    bool incomplete; /* memory ran out while it was written */
};

struct findings {
    struct arena *arena; /* borrowed */
    VEC(struct finding) list;
};

struct rule {
    const char *name;    /* "castle-proxy-generator" */
    const char *summary; /* one line */
    const char *refines; /* name of the general rule whose finding this one makes superfluous, NULL for none */
    bool is_general;     /* runs when all others have, and leaves out what they claim */
    struct error *(*run)(struct session *session, struct findings *findings);
};

extern const struct rule *const rules_all[];

/* A finding with rule, severity and so on taken from `proto`, added to the list; NULL when memory is exhausted. */
struct finding *findings_add(struct findings *findings, const struct finding *proto);
void findings_deinit(struct findings *findings);
/* Takes back the finding that was added last. */
void findings_drop_last(struct findings *findings);

/* Text in the arena of the list; "" when memory is exhausted. finding_number groups digits: "190,214". */
const char *finding_text(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *finding_number(struct findings *findings, uint64_t number);

/* Add to a finding; texts are borrowed and must live in the arena or be static. A cost of 0 bytes is not added. */
void finding_evidence(struct finding *finding, const char *text);
void finding_look(struct finding *finding, const char *command);
void finding_claim(struct finding *finding, uint64_t object_addr);
void finding_cost(struct finding *finding, const char *use, uint64_t bytes);
void finding_key(struct finding *finding, const char *field, uint64_t distinct, uint64_t of);
/* `file` may be NULL. What is there already is not added again. */
void finding_code(struct finding *finding, const char *method, const char *calls, const char *file, uint32_t line);
void finding_type(struct finding *finding, const char *name, uint64_t count, uint64_t bytes, bool bytes_known);

#endif
