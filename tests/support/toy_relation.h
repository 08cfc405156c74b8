/*
 * A relation over a plain array, for tests of everything between relations and people.
 */
#ifndef CLRTRAIL_TESTS_TOY_RELATION_H
#define CLRTRAIL_TESTS_TOY_RELATION_H

#include "relations/relation.h"
#include "surfaces/output.h"

enum toy_column {
    TOY_ADDRESS,
    TOY_NAME,
    TOY_SIZE,
    TOY_COUNT,
    TOY_ID,
    TOY_TOKEN,
    TOY_LIVE,
    TOY_SHARE,
    TOY_EXTRA, /* JSON */
    TOY_NOTE,  /* verbose */
    TOY_COLUMNS,
};

struct toy {
    uint64_t address;
    const char *name; /* NULL: unknown */
    int64_t size;     /* negative: unknown */
    uint64_t count, id, token;
    int live; /* negative: unknown */
    double share;
    const char *extra, *note;
};

/* What relation_toy shows, from the next `begin` on. Its `next` fails at row `fail_at` unless that is negative. */
struct toy_rows {
    const struct toy *rows;
    size_t count;
    long fail_at;
    bool begin_fails;
    uint64_t columns_needed; /* as `begin` was told */
    size_t pulled;           /* rows handed out so far */
    bool ended;
};
extern struct toy_rows toy_rows;

extern const struct relation relation_toy;
/* The first finding is proven and critical, the second a hint, and its costs are no JSON. */
extern const struct relation relation_toy_findings, relation_toy_ledger;
extern unsigned toy_finding_count;
extern const struct relation *const toy_relations[]; /* the toys, and some that need no dump */

void toy_set(const struct toy *rows, size_t count);

/* Standard output in memory. */
struct capture {
    struct output output;
    char *data; /* valid after capture_end */
    size_t size;
};
void capture_begin(struct capture *capture);
/* What was printed, until capture_deinit. */
const char *capture_end(struct capture *capture);
void capture_deinit(struct capture *capture);

#endif
