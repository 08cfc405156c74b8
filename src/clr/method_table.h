/*
 * MethodTable: the identity of a type, the first word of every object.
 *
 *     +0 u32 flags   +4 u32 base size   flags2 / token   #virtuals   #interfaces   parent   module   ...   EEClass or canonical MT
 * element
 *
 * Component size (arrays, strings) is in the low 16 bits of the flags when bit 31 is set.
 * Source: src/coreclr/vm/methodtable.h; docs/design/datacontracts/RuntimeTypeSystem.md.
 */
#ifndef CLRTRAIL_CLR_METHOD_TABLE_H
#define CLRTRAIL_CLR_METHOD_TABLE_H

#include "clr/clr.h"
#include "clr/loader.h"

enum {
    MT_FLAG_HAS_COMPONENT_SIZE = 0x80000000u,
    MT_FLAG_CONTAINS_POINTERS = 0x01000000,
    MT_FLAG_HAS_FINALIZER = 0x00100000,
    MT_FLAG_CATEGORY_MASK = 0x000f0000,
    MT_FLAG_CATEGORY_ARRAY_MASK = 0x000c0000,
    MT_FLAG_CATEGORY_ARRAY = 0x00080000,
    MT_FLAG_CATEGORY_SZARRAY = 0x000a0000,
    MT_FLAG_CATEGORY_INTERFACE = 0x000c0000,
    MT_FLAG_GENERICS_MASK = 0x00000030, /* meaningful without a component size only */
    MT_FLAG_GENERICS_TYPICAL = 0x00000030,
};

/* A type as read from the dump, cached in clr->types. */
struct clr_type {
    uint64_t mt_addr;
    uint32_t flags, flags2;
    uint32_t base_size;
    uint32_t component_size; /* 0: not an array or string */
    uint32_t token;          /* type_def; 0x02000000 for arrays */
    uint16_t virtual_count, interface_count;
    uint64_t parent_addr;
    uint64_t canonical_addr; /* MethodTable that has the EEClass: itself, or the canonical one */
    uint64_t class_addr;     /* EEClass, 0 when it cannot be read */
    uint64_t module_addr;
    uint64_t element_addr; /* element TypeHandle of arrays, else PerInstInfo */
    const char *name;      /* arena; NULL until asked */
    uint8_t naming;        /* name is being built: a type that contains itself ends here */
};

/* Size in bytes of an object with `components`, unrounded but at least the minimum: what the field reports. */
static inline uint64_t clr_object_size(const struct clr_type *type, uint64_t components)
{
    uint64_t size = type->base_size + components * type->component_size;
    return size < 24 ? 24 : size;
}

static inline bool clr_type_is_array(const struct clr_type *type)
{
    return (type->flags & MT_FLAG_HAS_COMPONENT_SIZE) && (type->flags & MT_FLAG_CATEGORY_ARRAY_MASK) == MT_FLAG_CATEGORY_ARRAY;
}

static inline bool clr_type_is_collectible(const struct clr *clr, const struct clr_type *type)
{
    return type->flags & clr->layout.constant[CONSTANT_CollectibleFlag];
}

/* Reads the MethodTable at `mt_addr` without caching; false when it is not in the dump or cannot be one. */
bool clr_type_try_read(const struct clr *clr, uint64_t mt_addr, struct clr_type *ret);

/* The same, cached for the life of `clr`; NULL when it cannot be one. Fills a cache. */
struct clr_type *clr_type_get(struct clr *clr, uint64_t mt_addr);

/* Does mt -> EEClass -> canonical MethodTable come back to itself? What tells a MethodTable from other memory. */
bool clr_type_is_consistent(const struct clr *clr, const struct clr_type *type);

/*
 * Full name ("System.Collections.Generic.Dictionary<System.String, System.Int32>"), never NULL: where metadata cannot be had it is
 * "module!0x02000012" or "<unknown 0x7f...>". Fills caches (type_name.c).
 */
const char *clr_type_name(struct clr *clr, uint64_t mt_addr);
/* Appends the name of a TypeHandle (MethodTable or TypeDesc). False when it cannot be read. */
bool clr_type_handle_name(struct clr *clr, uint64_t handle, unsigned depth, struct text *ret);
/* Rank of an array type: 1 for SZ arrays. */
uint32_t clr_array_rank(const struct clr *clr, const struct clr_type *type);

/* MethodTables of the types that `module` defines, by token: one for each loaded type_def. */
struct clr_type_map_iterator {
    const struct clr *clr;
    uint64_t map_addr, table_addr;
    uint32_t rid, block_count, block_index, missing_pages;
    uint64_t mask, budget;
};
void clr_type_map_begin(const struct clr *clr, const struct clr_module *module, struct clr_type_map_iterator *ret);
/* False at the end. */
bool clr_type_map_next(struct clr_type_map_iterator *iterator, uint64_t *mt_ret, uint32_t *rid_ret);

#endif
