/*
 * The common shape of most leaks: very many live objects of one kind, held in one place, where there should be few.
 *
 *     objects of the named types -> those that count (alive, not disposed, ...) -> most of them below one root -> one finding
 *
 * A rule of this shape is a row of data, and at most two small functions. Many alone is never proof: it is proven when there are
 * very many below one root and their names say why one would have done (rules/labels.h), or the rule itself knows why; it is a hint
 * only when their names have nothing in common.
 */
#ifndef CLRTRAIL_RULES_MANY_H
#define CLRTRAIL_RULES_MANY_H

#include "clr/call_search.h"
#include "heap/graph.h"
#include "managed/instances.h"
#include "rules/labels.h"
#include "rules/rule.h"

struct session;

struct many_found {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    const struct graph *graph;
    const struct many *many;
    address_list live;           /* that count */
    uint64_t total;              /* objects of the types, dead ones and those that do not count included */
    uint64_t held;               /* of the live ones, by the root that holds most */
    struct labels labels;        /* empty without `label` */
    enum labels_verdict verdict; /* of these */
};

struct many {
    const char *rule, *doc, *kind;
    const char *const *types; /* names, as type_name_matches has them */
    uint64_t least;           /* objects below one root from which on it is told */
    uint64_t proven;          /* and from which on it may be proven; UINT64_MAX: never */
    const char *noun;         /* "file system watchers" */
    const char *state;        /* "are alive and not disposed" */
    const char *cause, *fix;
    const char *label;      /* paths "a.b" or "a|b" to a string that tells them apart; NULL: none */
    const char *label_noun; /* "folders" */
    bool label_is_secret;   /* it holds passwords: only what they have in common is told */
    const struct call_pattern *calls;
    size_t call_count;
    bool (*counts)(struct clr *clr, uint64_t addr); /* NULL: all live ones do */
    /* Adds evidence, changes certainty. *drop_ret: it is no leak after all. NULL: nothing to add. */
    struct error *(*tell)(struct many_found *found, struct finding *finding, bool *drop_ret);
    bool label_is_no_reason; /* equal names do not say that one would have done */
};

struct error *many_run(struct session *session, struct findings *findings, const struct many *many);

/* Did a finding before tell of objects of this type? */
bool findings_tell_of(const struct findings *findings, const char *type);
/* How many of the list lie in generation 2, LOH or POH: they outlived GCs. */
uint64_t count_old(const struct gc_heaps *heaps, const uint64_t *addrs, size_t count);
/* Tells how many of the live ones outlived GCs ("...in generation 2: `meaning`"); proven when nearly all did and `proven` are held.
 */
struct error *many_tell_old(struct many_found *found, struct finding *finding, uint64_t proven, const char *meaning);
/* Marks a sample of the objects as explained (struct finding.claims). */
void finding_claim_many(struct finding *finding, const uint64_t *addrs, size_t count);
/* What they lead to, which is never less than what they retain, and found much faster. Errors: out of memory, cancelled, no heap.
 */
struct error *reached_sum(struct session *session, const uint64_t *addrs, size_t count, uint64_t *bytes_ret);
/* What they retain, without those that another one of them keeps. Errors: out of memory, cancelled; else a gap. */
struct error *retained_sum(struct session *session, const uint64_t *addrs, size_t count, uint64_t *bytes_ret);

#endif
