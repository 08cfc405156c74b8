/*
 * What keeps objects alive from outside of the heap.
 *
 *     static         static field by declaring type and name: its slot lies in an object[] that a handle holds, named here on top
 *     thread_static  the same by thread
 *     handle         strong, pinned, async pinned, ref counted, sized: each kind by its name
 *     stack          a register or slot that the GC info of a method on the stack calls live (clr/stack_roots.h); where the stack
 *                      cannot be walked whole, a word of it that looks like the address of an object: conservative
 *     finalizer      found dead, waits for its finalizer to run (f-reachable)
 *     finalizer_queue  has a finalizer that has not run; not a root for the GC, but what an object that nobody holds is seen
 *                      through
 *
 * In the order in which a path prefers them.
 */
#ifndef CLRTRAIL_HEAP_ROOTS_H
#define CLRTRAIL_HEAP_ROOTS_H

#include "clr/finalizer.h"
#include "clr/handle_table.h"
#include "clr/statics.h"
#include "heap/starts.h"

enum root_kind { ROOT_STATIC, ROOT_HANDLE, ROOT_THREAD_STATIC, ROOT_STACK, ROOT_FINALIZER, ROOT_FINALIZER_QUEUE, ROOT_KIND_COUNT };

struct root {
    uint64_t addr;                 /* of the slot; 0: a register */
    uint64_t object;               /* where it leads; of a pointer into an object, the object */
    const struct clr_field *field; /* statics; borrowed from the clr */
    uint64_t type_addr;            /* statics: the type; stacks: MethodDesc of the frame, 0: not known */
    uint32_t os_id;                /* thread statics and stacks, 0 else */
    uint8_t kind;                  /* enum root_kind */
    uint8_t handle_kind;           /* enum handle_kind of handles; number of the register of stacks without addr */
    bool is_interior;              /* stacks: points into the object, not at its start */
    bool is_conservative;          /* stacks: may be anything else than a reference, or dead */
    bool is_pinned;                /* stacks */
};

struct roots {
    VEC(struct root) list; /* by kind, in the order found in each */
};

/* Errors: out of memory. Kinds that cannot be read are gaps. Fills caches of the clr. */
struct error *roots_init(struct roots *ret, struct clr *clr, const struct handle_table *handles,
                         const struct finalizables *finalizables, const struct heap_starts *starts);
void roots_deinit(struct roots *roots);
/* Equal for equal lists. */
uint64_t roots_hash(const struct roots *roots);

/* "static", "thread_static", "strong", "pinned", ..., "stack", "stack (conservative)", "finalizer", "finalizer_queue". */
const char *root_kind_name(const struct root *root);
/* Appends the name: "His.Aop.ServiceLocator.cache", "thread 4711, rsp+0x28"; nothing where there is none. */
void root_name(struct clr *clr, const struct root *root, struct text *ret);

#endif
