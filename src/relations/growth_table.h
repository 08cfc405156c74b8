/*
 * Several dumps of a program side by side: what each relation's rows say of a thing (relation.h, struct growth) in every dump.
 *
 *     thing                          dump 0              dump 1
 *     type Labs.Cases.AuditEntry     10,000  320,000     30,000  960,000
 *     module DynamicProxyGen...         100       -         300       -
 *
 * Only these numbers are kept, so dumps are read one after the other and closed again.
 */
#ifndef CLRTRAIL_RELATIONS_GROWTH_TABLE_H
#define CLRTRAIL_RELATIONS_GROWTH_TABLE_H

#include "base/text_map.h"
#include "base/vec.h"
#include "relations/relation.h"

enum { GROWTH_DUMPS_MAX = 8 };

struct growth_cell {
    uint64_t rows, count, bytes;
    bool has_count, has_bytes;
    const char *certainty; /* of a relation that has this column; borrowed from the table */
};

struct growth_thing {
    const struct relation *relation;
    const char *name;                /* borrowed from the table */
    const struct growth_cell *cells; /* one for each dump; rows 0: not there */
};

struct growth_options {
    const char *kinds; /* "type,collection"; NULL: all that need not be asked for */
    bool retained;
};

struct gaps;
struct growth_part;

struct growth_table {
    const struct growth_options *options; /* borrowed */
    unsigned dump_count;
    VEC(struct growth_part *) parts; /* one for each relation, by rank */
    struct text_map certainties;
};

/* Errors: ERROR_USAGE (a kind that no relation has), out of memory. */
struct error *growth_table_init(struct growth_table *ret, const struct relation *const *relations,
                                const struct growth_options *options, unsigned dump_count);
void growth_table_deinit(struct growth_table *table);

/*
 * Reads all relations of dump `dump` (0-based). One that cannot be read is a gap, called by `label`, and nothing of it is compared.
 * Errors: out of memory, cancelled.
 */
struct error *growth_table_read(struct growth_table *table, unsigned dump, struct session *session, const char *label,
                                struct gaps *gaps);

/* All things, by rank of their kind; `user` is handed through. */
struct error *growth_table_visit(const struct growth_table *table,
                                 struct error *(*visit)(void *user, const struct growth_thing *thing), void *user);

#endif
