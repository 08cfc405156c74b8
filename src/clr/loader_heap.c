#include "clr/loader_heap.h"

#include "base/limits.h"

struct heap_kind {
    enum field field;
    const char *name;
};

/* In the words of SOS and ClrMD. */
static const struct heap_kind allocator_heaps[] = {
    { FIELD_LoaderAllocator_LowFrequencyHeap, "LowFrequencyHeap" },
    { FIELD_LoaderAllocator_HighFrequencyHeap, "HighFrequencyHeap" },
    { FIELD_LoaderAllocator_StaticsHeap, "StaticsHeap" },
    { FIELD_LoaderAllocator_StubHeap, "StubHeap" },
    { FIELD_LoaderAllocator_ExecutableHeap, "ExecutableHeap" },
    { FIELD_LoaderAllocator_FixupPrecodeHeap, "FixupPrecodeHeap" },
    { FIELD_LoaderAllocator_NewStubPrecodeHeap, "NewStubPrecodeHeap" },
};

static const struct heap_kind stub_manager_heaps[] = {
    { FIELD_VirtualCallStubManager_IndcellHeap, "IndirectionCellHeap" },
    { FIELD_VirtualCallStubManager_CacheEntryHeap, "CacheEntryHeap" },
    { FIELD_VirtualCallStubManager_LookupHeap, "LookupHeap" },
    { FIELD_VirtualCallStubManager_DispatchHeap, "DispatchHeap" },
    { FIELD_VirtualCallStubManager_ResolveHeap, "ResolveHeap" },
};

struct heap_reader {
    struct clr *clr;
    struct loader_heap_blocks *blocks;
    struct map seen; /* addresses of heaps and blocks already listed */
    uint64_t limit;
};

static struct error *read_block(struct heap_reader *r, uint64_t block, uint64_t committed_end, bool is_first, uint64_t allocator,
                                bool collectible, const char *kind, uint64_t *next_ret)
{
    struct loader_heap_block row = { .allocator_addr = allocator, .kind = kind, .is_collectible = collectible };
    bool added;

    *next_ret = 0;
    if (!clr_try_u64(r->clr, block, FIELD_LoaderHeapBlock_VirtualAddress, &row.start) ||
        !clr_try_u64(r->clr, block, FIELD_LoaderHeapBlock_VirtualSize, &row.reserved_size)) {
        gaps_add(r->clr->gaps, "loader heaps", block, 1, "block of a %s not in the dump", kind);
        return NULL;
    }
    if (!clr_try_u64(r->clr, block, FIELD_LoaderHeapBlock_Next, next_ret)) *next_ret = 0;
    if (!map_slot(&r->seen, row.start, &added)) return &error_enomem;
    if (!added) return NULL;
    row.committed_size = row.reserved_size;
    if (is_first && committed_end >= row.start && committed_end - row.start <= row.reserved_size)
        row.committed_size = committed_end - row.start;
    return vec_push(&r->blocks->list, row) ? NULL : &error_enomem;
}

static struct error *read_heap(struct heap_reader *r, uint64_t heap, uint64_t allocator, bool collectible, const char *kind)
{
    uint64_t block, committed_end = 0;
    bool is_first = true;

    if (!heap) return NULL;
    if (!clr_try_u64(r->clr, heap, FIELD_LoaderHeap_FirstBlock, &block)) {
        gaps_add(r->clr->gaps, "loader heaps", heap, 1, "%s not in the dump", kind);
        return NULL;
    }
    clr_try_u64(r->clr, heap, FIELD_LoaderHeap_CommittedEnd, &committed_end);
    while (block) {
        if (r->blocks->list.count > r->limit) {
            gaps_add(r->clr->gaps, "loader heaps", block, 1, "more blocks than the dump could hold: the list of a %s has a cycle",
                     kind);
            return NULL;
        }
        size_t before = r->blocks->list.count;
        TRY(read_block(r, block, committed_end, is_first, allocator, collectible, kind, &block));
        /* A block seen before means that the rest of the chain was, too. */
        if (r->blocks->list.count == before) return NULL;
        is_first = false;
    }
    return NULL;
}

static struct error *read_heaps_of(struct heap_reader *r, uint64_t base, const struct heap_kind *kinds, size_t count,
                                   uint64_t allocator, bool collectible)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t heap;

        if (!layout_has(&r->clr->layout, kinds[i].field)) continue;
        if (clr_try_u64(r->clr, base, kinds[i].field, &heap))
            TRY(read_heap(r, heap, allocator, collectible, kinds[i].name));
        else
            gaps_add(r->clr->gaps, "loader heaps", base, 1, "pointer to %s not in the dump", kinds[i].name);
    }
    return NULL;
}

static struct error *read_allocator(struct heap_reader *r, uint64_t allocator, bool collectible)
{
    uint64_t manager;
    bool added;

    if (!map_slot(&r->seen, allocator, &added)) return &error_enomem;
    if (!added) return NULL;
    r->blocks->allocator_count++;
    TRY(read_heaps_of(r, allocator, allocator_heaps, ARRAY_LENGTH(allocator_heaps), allocator, collectible));
    if (!clr_try_u64(r->clr, allocator, FIELD_LoaderAllocator_VirtualCallStubManager, &manager) || !manager) return NULL;
    return read_heaps_of(r, manager, stub_manager_heaps, ARRAY_LENGTH(stub_manager_heaps), allocator, collectible);
}

static struct error *read_all(struct heap_reader *r)
{
    uint64_t domain;
    struct clr_module *const *modules;
    size_t count;

    if (clr_try_global(r->clr, GLOBAL_SystemDomain, &domain) && domain &&
        layout_has(&r->clr->layout, FIELD_SystemDomain_GlobalLoaderAllocator))
        TRY(read_allocator(r, clr_field_addr(r->clr, domain, FIELD_SystemDomain_GlobalLoaderAllocator), false));
    TRY(clr_modules(r->clr, &modules, &count));
    for (size_t i = 0; i < count; i++)
        if (modules[i]->is_collectible) TRY(read_allocator(r, modules[i]->loader_allocator_addr, true));
    return NULL;
}

struct error *loader_heap_blocks_init(struct clr *clr, struct loader_heap_blocks *ret)
{
    struct heap_reader reader = { .clr = clr, .blocks = ret };
    struct error *err;

    *ret = (struct loader_heap_blocks) { 0 };
    map_init(&reader.seen);
    reader.limit = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 32);
    err = read_all(&reader);
    map_deinit(&reader.seen);
    if (err) loader_heap_blocks_deinit(ret);
    return err;
}

void loader_heap_blocks_deinit(struct loader_heap_blocks *blocks)
{
    vec_deinit(&blocks->list);
}

/* By what it points at: builds of one version differ in the places of the vtables. `start` is the code's, inside the heap. */
static const char *code_heap_kind_by_shape(const struct clr *clr, uint64_t heap, uint64_t start)
{
    enum { PAGE_MASK = 4095 };
    uint64_t block, base, size, end;

    if (clr_try_u64(clr, heap, FIELD_HostCodeHeap_Base, &base) && clr_try_u64(clr, heap, FIELD_HostCodeHeap_CommittedEnd, &end) &&
        base <= start && start < end && !((base | end) & PAGE_MASK))
        return "HostCodeHeap";
    if (clr_try_u64(clr, heap, FIELD_LoaderCodeHeap_FirstBlock, &block) &&
        clr_try_u64(clr, block, FIELD_LoaderHeapBlock_VirtualAddress, &base) &&
        clr_try_u64(clr, block, FIELD_LoaderHeapBlock_VirtualSize, &size) && base <= start && start - base < size &&
        !((base | size) & PAGE_MASK))
        return "LoaderCodeHeap";
    return "CodeHeap";
}

/* The kind of a code heap by its vtable: the DAC table has the vtables' addresses (src/coreclr/inc/vptr_list.h). */
static const char *code_heap_kind(const struct clr *clr, uint64_t heap, uint64_t start)
{
    uint64_t vtable;

    if (!memory_try_u64(clr->memory, heap, &vtable)) return "CodeHeap";
    if (vtable == clr->global[GLOBAL_LoaderCodeHeapVtable]) return "LoaderCodeHeap";
    if (vtable == clr->global[GLOBAL_HostCodeHeapVtable]) return "HostCodeHeap";
    return code_heap_kind_by_shape(clr, heap, start);
}

static void read_code_heap(const struct clr *clr, struct code_heap *heap)
{
    uint64_t block, end;

    if (heap->kind[0] == 'L' && clr_try_u64(clr, heap->addr, FIELD_LoaderCodeHeap_FirstBlock, &block) &&
        clr_try_u64(clr, block, FIELD_LoaderHeapBlock_VirtualAddress, &heap->start) &&
        clr_try_u64(clr, block, FIELD_LoaderHeapBlock_VirtualSize, &heap->reserved_size)) {
        if (clr_try_u64(clr, heap->addr, FIELD_LoaderCodeHeap_CommittedEnd, &end) && end >= heap->start &&
            end - heap->start <= heap->reserved_size) {
            heap->committed_size = end - heap->start;
            heap->committed_known = true;
        }
    } else if (heap->kind[0] == 'H' && clr_try_u64(clr, heap->addr, FIELD_HostCodeHeap_Base, &heap->start)) {
        if (clr_try_u64(clr, heap->addr, FIELD_HostCodeHeap_CommittedEnd, &end) && end >= heap->start) {
            heap->committed_size = end - heap->start;
            heap->reserved_size = heap->committed_size;
            heap->committed_known = true;
        }
    }
}

static struct error *read_code_heaps(struct clr *clr, struct code_heaps *ret)
{
    uint64_t manager, node, start, end;
    uint64_t limit = limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 64);

    if (!clr_try_global(clr, GLOBAL_EEJitManager, &manager) || !manager)
        return error_create(ERROR_FAULT, "cannot read the JIT's code manager: address not in dump");
    if (!clr_try_u64(clr, manager, FIELD_EEJitManager_CodeHeapList, &node))
        return error_fault(manager, "cannot read the list of code heaps: address not in dump");
    while (node && ret->list.count < limit) {
        struct code_heap heap = { 0 };

        if (!clr_try_u64(clr, node, FIELD_CodeHeapListNode_Heap, &heap.addr) ||
            !clr_try_u64(clr, node, FIELD_CodeHeapListNode_StartAddress, &start) ||
            !clr_try_u64(clr, node, FIELD_CodeHeapListNode_EndAddress, &end)) {
            gaps_add(clr->gaps, "code heaps", node, 1, "node of the list not in the dump");
            break;
        }
        heap.kind = code_heap_kind(clr, heap.addr, start);
        heap.start = start;
        heap.reserved_size = end > start ? end - start : 0;
        read_code_heap(clr, &heap);
        if (!vec_push(&ret->list, heap)) return &error_enomem;
        if (!clr_try_u64(clr, node, FIELD_CodeHeapListNode_Next, &node)) break;
    }
    return NULL;
}

struct error *code_heaps_init(struct clr *clr, struct code_heaps *ret)
{
    struct error *err;

    *ret = (struct code_heaps) { 0 };
    err = read_code_heaps(clr, ret);
    if (err) code_heaps_deinit(ret);
    return err;
}

void code_heaps_deinit(struct code_heaps *heaps)
{
    vec_deinit(&heaps->list);
}
