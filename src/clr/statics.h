/*
 * Static fields: where they lie.
 *
 *     MethodTableAuxiliaryData, in front of it
 *       DynamicStaticsInfo {GC statics, other statics, MethodTable}     bit 0 of a pointer: the class constructor has not run
 *       ThreadStaticsInfo  {u32 index of other statics, u32 index of GC statics, DynamicStaticsInfo}
 *
 *     GC statics     references and boxed structs: slots inside an object[] that a handle holds (of collectible types: their
 *                    LoaderAllocator)
 *     thread statics index 0 << 24 | n: element n - 2 of the thread's object[]; 1 << 24 | n: handle n of its list for collectible
 *                    types; 2 << 24 | n: byte n of the thread's ThreadLocalData
 *
 * Source: src/coreclr/vm/methodtable.h, threadstatics.h; docs/design/datacontracts/RuntimeTypeSystem.md, Thread.md. The form of
 * .NET 9 and later; the layouts of earlier runtimes have no such fields, and then nothing is found here.
 */
#ifndef CLRTRAIL_CLR_STATICS_H
#define CLRTRAIL_CLR_STATICS_H

#include "clr/field_desc.h"
#include "clr/instantiations.h"
#include "clr/thread.h"

struct clr_statics {
    uint64_t gc_base, other_base; /* 0: not allocated yet, or the type has none */
    bool is_initialized;          /* the class constructor has run, or there is none */
    uint32_t gc_tls, other_tls;   /* UINT32_MAX: none */
};

enum { TLS_INDEX_NONE = UINT32_MAX };

/* False when the type has no statics of its own, or this runtime keeps them in a way that is not known. */
bool clr_type_statics(const struct clr *clr, const struct clr_type *type, struct clr_statics *ret);
/* Address of a static field's slot, 0 when it has none now: not allocated, or a thread static. */
uint64_t clr_static_addr(struct clr *clr, const struct clr_statics *statics, const struct clr_field *field);

/* What a thread keeps its statics in. */
struct clr_thread_locals {
    uint64_t data_addr;           /* its ThreadLocalData, 0: none */
    uint64_t array_addr;          /* the object[] of types that cannot be unloaded */
    uint64_t handles_addr;        /* list of handles of collectible types */
    uint32_t count, handle_count; /* of both */
};
bool clr_thread_locals_read(const struct clr *clr, const struct clr_thread *thread, struct clr_thread_locals *ret);
/* The object that holds the statics with this index, 0 when the thread has none. */
uint64_t clr_thread_static_holder(const struct clr *clr, const struct clr_thread_locals *locals, uint32_t tls_index);
/* Address of a thread static's slot of one thread; 0 when it has none, or lies in the runtime's own block (numbers only). */
uint64_t clr_thread_static_addr(const struct clr *clr, const struct clr_thread_locals *locals, const struct clr_statics *statics,
                                const struct clr_field *field);

/* Every static field of the loaded types, generic instances included; shared code and open types have none. */
struct clr_static_iterator {
    struct clr *clr;
    struct clr_module *const *modules;
    size_t module_count, module; /* module: index of the next one */
    enum { STATICS_OF_TYPE_DEFS, STATICS_OF_INSTANCES } stage;
    struct clr_type_map_iterator type_defs;
    struct clr_instantiation_iterator instances;
    bool inside; /* type_defs or instances has been begun */
    struct clr_type *type;
    struct clr_statics statics;
    const struct clr_fields *fields;
    size_t field;
};
struct error *clr_statics_begin(struct clr *clr, struct clr_static_iterator *ret);
/* The next field; its type and where the type keeps its statics are in the iterator. False at the end. */
bool clr_statics_next(struct clr_static_iterator *it, const struct clr_field **ret);

#endif
