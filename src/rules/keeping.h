/*
 * What rules about forgotten references ask: what is behind a delegate, how many of a type, and whether an object would be gone
 * without the one that was forgotten.
 */
#ifndef CLRTRAIL_RULES_KEEPING_H
#define CLRTRAIL_RULES_KEEPING_H

#include "clr/object.h"
#include "heap/retained.h"

struct collection_types;
struct findings;

/*
 * The object that a delegate calls into; of a delegate that only calls another one, that one's. 0: a static method. Anything that
 * is no delegate is its own.
 */
uint64_t delegate_subject(struct clr *clr, uint64_t addr);

/* Would `addr` be gone if `keeper` was? A walk up the dominators, of a few steps: what was handed over lies near. */
bool is_kept_alone(const struct retained *retained, uint64_t addr, uint64_t keeper);

/* Objects by their type. */
struct keeping_group {
    uint64_t mt_addr;
    uint64_t count;   /* different objects */
    uint64_t alone;   /* of these, kept alive by nothing else */
    uint64_t marked;  /* as the rule likes */
    uint64_t example; /* the first one */
    uint64_t keeper;  /* what keeps that */
    uint64_t bytes;   /* retained by those that are kept alone */
};
struct keeping_groups {
    VEC(struct keeping_group) list;
    struct map by_mt;   /* index + 1 */
    struct map objects; /* seen */
};
void keeping_groups_init(struct keeping_groups *groups);
void keeping_groups_deinit(struct keeping_groups *groups);
/*
 * Counts the object at `addr`, kept by `keeper`, once. *ret: its group, NULL when there is no object or it was counted before.
 * `retained` may be NULL: then none is known to be kept alone. False: out of memory.
 */
bool keeping_groups_add(struct keeping_groups *groups, struct clr *clr, const struct retained *retained, uint64_t addr,
                        uint64_t keeper, struct keeping_group **ret);
/* The largest group first. */
void keeping_groups_sort(struct keeping_groups *groups);

/* Types of the runtime and the class library, which keep things for others and know why. */
bool is_framework_type(struct clr *clr, uint64_t mt_addr);

#endif
