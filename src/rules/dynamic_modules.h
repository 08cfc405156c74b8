/*
 * A survey of the modules that no file stands behind: made by reflection emit, or loaded from bytes. They are grouped by what made
 * them, and their types by name with the running numbers taken out, so that "the same thing again and again" shows.
 *
 *     generator  Castle DynamicProxy, XmlSerializer, ..., or the assembly's own name
 *       pattern  Castle.Proxies.IPatientServiceProxy: 91 types in 91 modules
 */
#ifndef CLRTRAIL_RULES_DYNAMIC_MODULES_H
#define CLRTRAIL_RULES_DYNAMIC_MODULES_H

#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"
#include "base/vec.h"
#include "clr/method_table.h"

struct session;

/* What is known of a library that makes assemblies. */
struct generator_kind {
    const char *name;       /* "Castle DynamicProxy" */
    const char *assembly;   /* its assemblies' names begin like this, NULL: not told by that */
    const char *name_space; /* a type of it lies in this namespace, NULL */
    const char *interface;  /* the types to count implement this, NULL: all types */
    const char *why, *fix;  /* how it comes to make one after the other, and what to do; NULL: nothing special known */
};

struct dynamic_pattern {
    uint64_t key;           /* hash of folded name and interfaces */
    const char *name;       /* one of the types' names, as written */
    const char *folded;     /* with running numbers as # */
    const char *extends;    /* base type, "" when it is none or System.Object */
    const char *interfaces; /* what it implements, without the generator's own interface; ", " between */
    uint64_t type_count, module_count;
    uint64_t last_module;                                  /* for counting modules once */
    uint64_t loaded_count, instance_count, instance_bytes; /* filled by dynamic_survey_instances */
};

struct dynamic_generator {
    const struct generator_kind *kind; /* NULL: unknown, told by the assembly's name */
    const char *name;                  /* kind's, or the assembly's */
    const char *assembly;              /* name of the first one */
    bool from_bytes;
    uint64_t module_count, type_count, metadata_bytes, collectible_count;
    uint64_t example_module, largest_module, largest_module_types;
    VEC(struct dynamic_pattern) patterns; /* most types first */
    struct map by_key;                    /* pattern's key -> index + 1 */
    struct map instance_types;            /* MethodTables of the patterns' types that have objects; see dynamic_survey_instances */
};

struct dynamic_survey {
    struct clr *clr;
    struct arena arena;
    VEC(struct dynamic_generator) generators; /* most modules first */
    uint64_t module_count;                    /* all modules of the process */
    uint64_t dynamic_count;                   /* those made by reflection emit */
    uint64_t unread_count;                    /* of these, without readable metadata */
    struct map generator_of_module;           /* module address -> index in generators */
};

/* The result is the caller's: dynamic_survey_deinit. */
struct error *dynamic_survey_init(struct session *session, struct dynamic_survey *ret);
void dynamic_survey_deinit(struct dynamic_survey *survey);

/* Objects of the generator's types, from the histogram; nothing where the dump has no heap. */
struct error *dynamic_survey_instances(struct session *session, struct dynamic_survey *survey, struct dynamic_generator *generator);

/* Bytes of the loader heap blocks that hold structures of the generator's modules and types. */
struct error *dynamic_survey_loader_bytes(struct session *session, struct dynamic_survey *survey,
                                          const struct dynamic_generator *generator, uint64_t *ret);

extern const struct generator_kind generator_castle;

#endif
