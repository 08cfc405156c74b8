/*
 * The references that an object holds.
 *
 *     GCDesc, below the MethodTable    i64 n at -8
 *       n > 0   n series {i64 size, u64 start} downwards from -24: pointers in [start, start + size + object size)
 *       n < 0   arrays of structs: u64 start at -16, then -n items {u32 pointers, u32 bytes to skip} downwards from -24, repeated
 *               while a position lies before object size - 8, for the size counts the header of the next object
 *     types that can be unloaded hold, from each object, the managed LoaderAllocator of the module that they were loaded for
 *     dependent handles are no fields: see dependents below
 *
 * Source: src/coreclr/gc/gcdesc.h; go_through_object in gc.cpp.
 */
#ifndef CLRTRAIL_HEAP_REFERENCES_H
#define CLRTRAIL_HEAP_REFERENCES_H

#include "clr/clr.h"
#include "clr/handle_table.h"
#include "clr/method_table.h"

struct reference_series {
    uint32_t start; /* of the pointers, from the object's address */
    uint32_t skip;  /* arrays of structs: bytes behind them */
    int64_t size;   /* of the run of pointers less the object's size; arrays of structs: bytes of pointers */
};

enum reference_form { REFERENCES_NONE, REFERENCES_SERIES, REFERENCES_STRUCTS };

/* What the passes over the graph need of a type: one probe of a table. 48 bytes. */
struct reference_type {
    uint64_t mt_addr; /* 0: free slot */
    uint32_t base_size, component_size;
    uint32_t series_count;
    uint8_t form;   /* enum reference_form */
    bool is_valid;  /* false: no MethodTable */
    uint32_t index; /* dense number of the type in its table */
    uint32_t start; /* REFERENCES_STRUCTS: offset of the first struct */
    const struct reference_series *series;
    uint64_t loader_object; /* managed LoaderAllocator, 0 when the type cannot be unloaded */
};

/* Types by MethodTable; not to be shared between threads. */
struct reference_types {
    const struct clr *clr;
    struct arena arena;
    uint64_t free_mt;
    struct reference_type *slots;
    size_t mask, count;
};

bool reference_types_init(struct reference_types *types, const struct clr *clr);
void reference_types_deinit(struct reference_types *types);
/* Slow path: adds what is not there yet. NULL: out of memory. */
const struct reference_type *reference_types_add(struct reference_types *types, uint64_t mt_addr);

/* The type of an object's first word, mark bits removed; NULL only when memory is exhausted. Valid until the next look-up. */
static inline const struct reference_type *reference_types_get(struct reference_types *types, uint64_t mt_addr)
{
    size_t i = (size_t)map_hash(mt_addr) & types->mask;

    for (; types->slots[i].mt_addr; i = (i + 1) & types->mask)
        if (types->slots[i].mt_addr == mt_addr) return &types->slots[i];
    return reference_types_add(types, mt_addr);
}

/* Size of the object whose first bytes (16 or more) are `bytes`: unrounded, as the GC's series count it. */
static inline uint64_t reference_object_size(const struct reference_type *type, const uint8_t *bytes)
{
    return type->base_size + (type->component_size ? (uint64_t)type->component_size * load_u32(bytes + 8) : 0);
}

typedef void reference_visit(void *user, uint64_t offset, uint64_t target);

static inline __attribute__((always_inline)) void references_run(const uint8_t *bytes, uint64_t start, uint64_t end,
                                                                 reference_visit *visit, void *user)
{
    for (uint64_t offset = start; offset < end; offset += 8) {
        uint64_t target = load_u64(bytes + offset);
        if (target) visit(user, offset, target);
    }
}

static inline __attribute__((always_inline)) void references_of_series(const struct reference_type *type, const uint8_t *bytes,
                                                                       uint64_t size, reference_visit *visit, void *user)
{
    for (uint32_t i = 0; i < type->series_count; i++) {
        const struct reference_series *series = &type->series[i];
        uint64_t length = (uint64_t)(series->size + (int64_t)size);

        /* Inside the object, whatever the description says. */
        if (series->start > size || length > size - series->start) continue;
        references_run(bytes, series->start, series->start + (length & ~UINT64_C(7)), visit, user);
    }
}

static inline __attribute__((always_inline)) void references_of_structs(const struct reference_type *type, const uint8_t *bytes,
                                                                        uint64_t size, reference_visit *visit, void *user)
{
    uint64_t at = type->start;

    while (at + 8 < size) {
        for (uint32_t i = 0; i < type->series_count && at + 8 < size; i++) {
            uint64_t end = at + (uint64_t)type->series[i].size;

            if (end > size) end = size & ~UINT64_C(7);
            references_run(bytes, at, end, visit, user);
            at = end + type->series[i].skip;
        }
    }
}

/*
 * Calls `visit` with offset and value of every reference that is not null. `bytes`: the whole object, `size` its unrounded size.
 * The LoaderAllocator comes last, with the offset REFERENCE_LOADER. Inlined: pass a static inline function.
 */
enum { REFERENCE_LOADER = UINT32_MAX };
static inline __attribute__((always_inline)) void references_visit(const struct reference_type *type, const uint8_t *bytes,
                                                                   uint64_t size, reference_visit *visit, void *user)
{
    if (type->form == REFERENCES_SERIES)
        references_of_series(type, bytes, size, visit, user);
    else if (type->form == REFERENCES_STRUCTS)
        references_of_structs(type, bytes, size, visit, user);
    if (type->loader_object) visit(user, REFERENCE_LOADER, type->loader_object);
}

/* Dependent handles by their primary: what else the primary keeps alive. */
struct dependent {
    uint64_t primary, secondary;
};
enum { DEPENDENTS_FILTER_BITS = 1 << 16 };
struct dependents {
    VEC(struct dependent) list; /* by primary, then secondary */
    uint64_t filter[DEPENDENTS_FILTER_BITS / 64];
};
struct error *dependents_init(struct dependents *ret, const struct handle_table *handles);
void dependents_deinit(struct dependents *dependents);
/* Index of the first one of `primary`; the list's count when it has none. */
size_t dependents_find(const struct dependents *dependents, uint64_t primary);

/* False: `primary` has no dependents; true: it may have. Answers nearly every question without leaving the first-level cache. */
static inline bool dependents_may_have(const struct dependents *dependents, uint64_t primary)
{
    uint64_t bit = map_hash(primary) & (DEPENDENTS_FILTER_BITS - 1);
    return dependents->filter[bit / 64] >> (bit % 64) & 1;
}

#endif
