#include "managed/async.h"

#include <string.h>

#include "clr/type_lookup.h"

enum { /* Task.TaskStateFlags */
       TASK_STARTED = 0x10000,
       TASK_DELEGATE_INVOKED = 0x20000,
       TASK_FAULTED = 0x200000,
       TASK_CANCELED = 0x400000,
       TASK_WAITING_ON_CHILDREN = 0x800000,
       TASK_RAN_TO_COMPLETION = 0x1000000,
       TASK_WAITING_FOR_ACTIVATION = 0x2000000,
};

enum { TYPE_IS_BOX = 1, TYPE_IS_NOT = 2 };

static bool is_box_type(struct async_boxes *boxes, uint64_t mt_addr)
{
    bool added;
    uint64_t *known = map_slot(&boxes->types, mt_addr, &added);

    if (!known) return false;
    if (added) {
        struct clr_field field;
        bool is = strstr(clr_type_name(boxes->clr, mt_addr), "StateMachineBox<") &&
                  clr_field_find(boxes->clr, mt_addr, "StateMachine", &field);

        *known = is ? TYPE_IS_BOX : TYPE_IS_NOT;
    }
    return *known == TYPE_IS_BOX;
}

static bool wanted(void *user, uint64_t mt_addr)
{
    return is_box_type(user, mt_addr);
}

bool task_state_flags(struct clr *clr, uint64_t task_addr, uint32_t *ret)
{
    int64_t flags;

    if (!managed_follow_number(clr, task_addr, "m_stateFlags", &flags)) return false;
    *ret = (uint32_t)flags;
    return true;
}

bool task_is_completed(uint32_t state_flags)
{
    return state_flags & (TASK_FAULTED | TASK_CANCELED | TASK_RAN_TO_COMPLETION);
}

/* As Task.Status decides it. */
const char *task_status_text(uint32_t state_flags)
{
    if (state_flags & TASK_FAULTED) return "faulted";
    if (state_flags & TASK_CANCELED) return "canceled";
    if (state_flags & TASK_RAN_TO_COMPLETION) return "ran to completion";
    if (state_flags & TASK_WAITING_ON_CHILDREN) return "waiting for children to complete";
    if (state_flags & TASK_DELEGATE_INVOKED) return "running";
    if (state_flags & TASK_STARTED) return "waiting to run";
    if (state_flags & TASK_WAITING_FOR_ACTIVATION) return "waiting for activation";
    return "created";
}

/* ---- continuations ---- */

/* The first element of a List<object>, which several continuations are kept in. */
static uint64_t first_of_list(struct clr *clr, uint64_t list)
{
    enum { LOOKED_AT = 64 };
    uint64_t items = managed_follow_object(clr, list, "_items"), item;
    struct clr_object array;

    if (!items || !clr_object_try(clr, items, &array) || !clr_type_is_array(array.type)) return 0;
    for (uint32_t i = 0; i < array.count && i < LOOKED_AT; i++)
        if (memory_try_u64(clr->memory, items + ARRAY_DATA_OFF + 8ull * i, &item) && item) return item;
    return 0;
}

/* What a task, or a value task's source, calls when it is done. */
static uint64_t continuation_of(struct clr *clr, uint64_t addr)
{
    static const char *const paths[] = {
        "m_continuationObject",
        "_valueTaskSource._continuationState",
        "StateMachine.<>v__promiseOfValueOrEnd._continuationState",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        uint64_t next = managed_follow_object(clr, addr, paths[i]);

        if (next) return next;
    }
    return 0;
}

/* One step from something that is called towards the box behind it; 0: this is the end. */
static uint64_t step_towards_box(struct clr *clr, uint64_t addr)
{
    static const char *const paths[] = { "_target", "m_action", "m_task", "_items", "m_continuationObject" };

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        uint64_t next = paths[i][0] == '_' && paths[i][1] == 'i' ? first_of_list(clr, addr)
                                                                 : managed_follow_object(clr, addr, paths[i]);

        if (next && next != addr) return next;
    }
    return 0;
}

static void find_next(struct async_boxes *boxes, struct async_box *box)
{
    enum { HOPS_MAX = 16 };
    uint64_t at = continuation_of(boxes->clr, box->addr);
    struct clr_object object;

    for (unsigned hop = 0; at && hop < HOPS_MAX; hop++) {
        uint64_t further;

        if (!clr_object_try(boxes->clr, at, &object)) return;
        if (is_box_type(boxes, object.type->mt_addr)) {
            box->next_addr = at;
            return;
        }
        further = step_towards_box(boxes->clr, at);
        if (!further) box->waiter_addr = at;
        at = further;
    }
}

/* ---- boxes ---- */

/* The last argument of the box's type. */
static uint64_t machine_type(struct clr *clr, const struct clr_type *type)
{
    uint64_t args[CLR_TYPE_ARGS_MAX];
    size_t count = clr_type_args(clr, type, args);

    return count && !(args[count - 1] & 2) ? args[count - 1] : 0;
}

static struct error *add_box(struct async_boxes *boxes, uint64_t addr)
{
    struct async_box box = { .addr = addr };
    struct clr_object object;
    uint32_t flags;

    if (!clr_object_try(boxes->clr, addr, &object)) return NULL;
    if (!managed_follow_number(boxes->clr, addr, "StateMachine.<>1__state", &box.state) || box.state < 0) return NULL;
    if (task_state_flags(boxes->clr, addr, &flags) && task_is_completed(flags)) return NULL;
    box.machine_mt = machine_type(boxes->clr, object.type);
    find_next(boxes, &box);
    return map_put(&boxes->by_addr, addr, boxes->list.count) && vec_push(&boxes->list, box) ? NULL : &error_enomem;
}

struct async_box *async_box_at(const struct async_boxes *boxes, uint64_t addr)
{
    uint64_t index;

    return addr && map_get(&boxes->by_addr, addr, &index) ? &boxes->list.data[index] : NULL;
}

struct error *async_boxes_find(struct clr *clr, const struct gc_heaps *heaps, struct async_boxes *ret)
{
    address_list found = { 0 };
    struct error *err;

    *ret = (struct async_boxes) { .clr = clr };
    map_init(&ret->by_addr);
    map_init(&ret->types);
    err = instances_find(clr, heaps, wanted, ret, ASYNC_BOXES_MAX, &found);
    for (size_t i = 0; i < found.count && !err; i++)
        err = add_box(ret, found.data[i]);
    if (found.count >= ASYNC_BOXES_MAX) gaps_add(clr->gaps, "async methods", 0, 1, "limit of %d state machines", ASYNC_BOXES_MAX);
    vec_deinit(&found);
    for (size_t i = 0; i < ret->list.count && !err; i++) {
        struct async_box *next = async_box_at(ret, ret->list.data[i].next_addr);

        ret->list.data[i].is_awaited_by_box = next != NULL;
        if (next) next->awaits_box = true;
    }
    return err;
}

void async_boxes_deinit(struct async_boxes *boxes)
{
    vec_deinit(&boxes->list);
    map_deinit(&boxes->by_addr);
    map_deinit(&boxes->types);
}

uint64_t async_awaited_object(struct clr *clr, const struct async_box *box)
{
    static const char awaiter[] = "StateMachine.<>u__";
    struct clr_value_iterator values;
    struct clr_value value;
    struct clr_object object;
    uint64_t found = 0, to;

    if (!clr_object_try(clr, box->addr, &object)) return 0;
    clr_values_begin(clr, &object, &values);
    while (!found && clr_values_next(&values, &value)) {
        if (value.element_type != ELEMENT_CLASS || strncmp(value.name, awaiter, sizeof(awaiter) - 1)) continue;
        if (memory_try_u64(clr->memory, value.addr, &to) && to && clr_object_try(clr, to, &object)) found = to;
    }
    clr_values_end(&values);
    return found;
}
