#include "rules/keeping.h"

#include <string.h>

#include "managed/place.h"

/* Delegates that wrap a delegate, and dominators between what was handed over and what keeps it. */
enum { WRAPPERS_MAX = 4, DOMINATORS_MAX = 6 };

static bool is_delegate(struct clr *clr, const struct clr_type *type)
{
    struct clr_type *parent = type->parent_addr ? clr_type_get(clr, type->parent_addr) : NULL;

    return parent && !strcmp(clr_type_name(clr, parent->mt_addr), "System.MulticastDelegate");
}

uint64_t delegate_subject(struct clr *clr, uint64_t addr)
{
    struct clr_object object;

    for (unsigned i = 0; i < WRAPPERS_MAX; i++) {
        uint64_t target;

        if (!clr_object_try(clr, addr, &object) || !is_delegate(clr, object.type)) break;
        target = managed_follow_object(clr, addr, "_target");
        /* A delegate on a static method is its own target. */
        if (target == addr) return 0;
        addr = target;
    }
    return addr;
}

bool is_kept_alone(const struct retained *retained, uint64_t addr, uint64_t keeper)
{
    for (unsigned i = 0; i < DOMINATORS_MAX && addr; i++) {
        if (addr == keeper) return true;
        addr = retained_dominator(retained, addr);
    }
    return false;
}

void keeping_groups_init(struct keeping_groups *groups)
{
    *groups = (struct keeping_groups) { 0 };
}

void keeping_groups_deinit(struct keeping_groups *groups)
{
    vec_deinit(&groups->list);
    map_deinit(&groups->by_mt);
    map_deinit(&groups->objects);
}

static struct keeping_group *group_of(struct keeping_groups *groups, uint64_t mt_addr)
{
    uint64_t *slot = map_slot(&groups->by_mt, mt_addr, NULL);
    struct keeping_group group = { .mt_addr = mt_addr };

    if (!slot) return NULL;
    if (!*slot) {
        if (!vec_push(&groups->list, group)) return NULL;
        *slot = groups->list.count;
    }
    return &groups->list.data[*slot - 1];
}

bool keeping_groups_add(struct keeping_groups *groups, struct clr *clr, const struct retained *retained, uint64_t addr,
                        uint64_t keeper, struct keeping_group **ret)
{
    struct clr_object object;
    struct keeping_group *group;
    bool added = false;

    *ret = NULL;
    if (!addr || !clr_object_try(clr, addr, &object)) return true;
    if (!map_slot(&groups->objects, addr, &added)) return false;
    if (!added) return true;
    group = group_of(groups, object.type->mt_addr);
    if (!group) return false;
    if (!group->count++) {
        group->example = addr;
        group->keeper = keeper;
    }
    if (retained && is_kept_alone(retained, addr, keeper)) {
        group->alone++;
        group->bytes += retained_size(retained, addr);
    }
    *ret = group;
    return true;
}

static int compare_groups(const void *a, const void *b)
{
    const struct keeping_group *left = a, *right = b;

    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return left->mt_addr < right->mt_addr ? -1 : left->mt_addr > right->mt_addr;
}

void keeping_groups_sort(struct keeping_groups *groups)
{
    vec_sort(&groups->list, compare_groups);
}

bool is_framework_type(struct clr *clr, uint64_t mt_addr)
{
    const char *name = clr_type_name(clr, mt_addr);

    return !strncmp(name, "System.", 7) || !strncmp(name, "Microsoft.", 10) || !strncmp(name, "Internal.", 9);
}
