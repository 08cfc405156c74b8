/*
 * Async methods that are suspended, and who goes on when they are done.
 *
 *     state machine box (a Task, or a value task's source) {StateMachine {<>1__state, <>u__N awaiters, ...}, m_continuationObject}
 *       m_continuationObject    the box that awaits it; a delegate of one; an object with one in m_action or m_task; a list of
 * them; another task (WhenAll and the like) that has a continuation of its own
 *
 * A state of 0 or more is the number of the await at which the method waits. Source: AsyncTaskMethodBuilderT.cs, Task.cs,
 * TaskContinuation.cs, ManualResetValueTaskSourceCore.cs of System.Private.CoreLib.
 */
#ifndef CLRTRAIL_MANAGED_ASYNC_H
#define CLRTRAIL_MANAGED_ASYNC_H

#include "managed/instances.h"

struct async_box {
    uint64_t addr;
    uint64_t machine_mt; /* type of the state machine */
    int64_t state;
    uint64_t next_addr;   /* the box that awaits this one, 0: none */
    uint64_t waiter_addr; /* what stands at the end when no box does: an object that waits, 0: nobody */
    bool is_awaited_by_box;
    bool awaits_box; /* another suspended box stands before it */
};

struct async_boxes {
    struct clr *clr; /* borrowed */
    VEC(struct async_box) list;
    struct map by_addr; /* -> index in list */
    struct map types;   /* MethodTable -> 1: a box, 2: not */
};

enum { ASYNC_BOXES_MAX = 1 << 24 };

/* All boxes that are suspended at an await. Errors: out of memory. Fills caches. */
struct error *async_boxes_find(struct clr *clr, const struct gc_heaps *heaps, struct async_boxes *ret);
void async_boxes_deinit(struct async_boxes *boxes);
/* NULL: no suspended box at that address. */
struct async_box *async_box_at(const struct async_boxes *boxes, uint64_t addr);

/* The object that a box's await waits for: a task as a rule. 0: not known. */
uint64_t async_awaited_object(struct clr *clr, const struct async_box *box);

/* Task.m_stateFlags; false when the object is no task. */
bool task_state_flags(struct clr *clr, uint64_t task_addr, uint32_t *ret);
/* "waiting for activation", "running", "ran to completion", "faulted", "canceled", ...: TaskStatus in words. */
const char *task_status_text(uint32_t state_flags);
bool task_is_completed(uint32_t state_flags);

#endif
