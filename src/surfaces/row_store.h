/*
 * Rows kept for sorting or grouping, compactly: 8 bytes a cell, and every different text once.
 *
 *     row: | order | known bits | cell 0 | cell 1 | ...        text cell: pointer to { length, bytes }
 *
 * Built for a few million rows of a few cells whose texts (type names) repeat. With a limit only the best rows are kept, in a heap
 * whose root is the worst of them, so that the largest 10 of 100 million objects cost 10 rows.
 */
#ifndef CLRTRAIL_SURFACES_ROW_STORE_H
#define CLRTRAIL_SURFACES_ROW_STORE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "relations/relation.h"

/* Longer texts are cut when rows are stored, and counted in `cut`: memory a row stays bounded whatever the dump says. */
enum { ROW_STORE_TEXT_MAX = 65536 };

struct sort_key {
    unsigned cell;
    bool descending;
};

struct stored_row {
    uint64_t order; /* place in the input: ties keep it */
    uint64_t known;
    uint64_t cells[];
};

struct row_store {
    const enum column_kind *kinds; /* borrowed, one a cell */
    unsigned cell_count;
    const struct sort_key *keys; /* borrowed */
    unsigned key_count;
    uint64_t limit; /* keep so many, 0: all */
    uint64_t added; /* rows seen */
    uint64_t cut;
    struct arena arena;
    struct map texts; /* hash -> chain of texts */
    VEC(struct stored_row *) rows;
};

void row_store_init(struct row_store *store, const enum column_kind *kinds, unsigned cell_count);
void row_store_deinit(struct row_store *store);
void row_store_sort_by(struct row_store *store, const struct sort_key *keys, unsigned key_count, uint64_t limit);
/* Copies `cells`, or drops the row when `limit` better ones are there. Errors: ERROR_NOMEM. */
struct error *row_store_add(struct row_store *store, const struct value *cells);
/* The same without a limit; the row may be changed in place (cells of groups). NULL: no memory. */
struct stored_row *row_store_append(struct row_store *store, const struct value *cells);
/* Puts the rows in order. Until then they stand as they came (without a limit). */
void row_store_sort(struct row_store *store);
/* The values of row `index`; texts are borrowed from the store. */
void row_store_get(const struct row_store *store, size_t index, struct value *cells);
void stored_row_get(const struct row_store *store, const struct stored_row *row, unsigned cell, struct value *ret);

/* A hash of a value, for grouping; equal values have equal hashes. */
uint64_t value_hash(enum column_kind kind, const struct value *value);

#endif
