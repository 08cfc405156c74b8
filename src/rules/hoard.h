/*
 * The other common shape: one object of a known type whose own collection holds very many, and nothing bounds it.
 *
 *     LoggerFactory {_loggers: Dictionary<string, Logger>}     the owner, the path to its collection, a name for each element
 */
#ifndef CLRTRAIL_RULES_HOARD_H
#define CLRTRAIL_RULES_HOARD_H

#include "clr/call_search.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "rules/labels.h"
#include "rules/rule.h"

struct session;

struct hoard_found {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    const struct hoard *hoard;
    struct collection_types types;
    uint64_t owner, collection; /* being looked at */
    uint64_t count;             /* elements */
    address_list elements;      /* the objects, as far as they were looked at */
    struct labels labels;
    enum labels_verdict verdict;
};

struct hoard {
    const char *rule, *doc, *kind;
    const char *const *owners; /* names, as type_name_matches has them */
    const char *path;          /* to the collection */
    uint64_t least, proven;    /* elements; UINT64_MAX: never */
    const char *noun, *place;  /* "entries", "are in one MemoryCache without a size limit" */
    const char *cause, *fix;
    const char *element;    /* path from an element's value to the object that counts; NULL: the value itself */
    const char *label;      /* path from that object to its name; "": the element's key */
    const char *label_noun; /* NULL: names are not looked at */
    bool label_is_secret;   /* it holds passwords: only what they have in common is told */
    const struct call_pattern *calls;
    size_t call_count;
    /* Is this owner one to look at? NULL: all. */
    bool (*counts)(struct clr *clr, uint64_t owner);
    struct error *(*tell)(struct hoard_found *found, struct finding *finding, bool *drop_ret);
};

struct error *hoard_run(struct session *session, struct findings *findings, const struct hoard *hoard);

#endif
