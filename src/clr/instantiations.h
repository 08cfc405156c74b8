/*
 * The constructed types of a module: generic instances, arrays, pointers that the loader keeps in Module.AvailableTypeParams.
 *
 *     EETypeHashTable {..., Buckets, Count}
 *       Buckets: word 0 number of buckets, word 1 older buckets, word 2 end marker, then one chain a bucket
 *         entry {TypeHandle, next, hash}; a chain ends with a word whose bit 0 is set
 *
 * Before 8.0 the buckets have no head words: their number is in the table. Source: src/coreclr/vm/dacenumerablehash.inl,
 * typehash.h.
 */
#ifndef CLRTRAIL_CLR_INSTANTIATIONS_H
#define CLRTRAIL_CLR_INSTANTIATIONS_H

#include "clr/loader.h"

struct clr_instantiation_iterator {
    const struct clr *clr;
    uint64_t buckets_addr;
    uint64_t bucket, bucket_count;
    uint64_t entry_addr; /* the next one of the chain, 0: go on to the next bucket */
    uint64_t budget;
};

void clr_instantiations_begin(const struct clr *clr, const struct clr_module *module, struct clr_instantiation_iterator *ret);
/* The next MethodTable; TypeDescs are left out. False at the end. */
bool clr_instantiations_next(struct clr_instantiation_iterator *iterator, uint64_t *mt_ret);

#endif
