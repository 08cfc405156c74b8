#include "clr/global_shape.h"

#include "base/limits.h"
#include "clr/gc_heap.h"
#include "clr/loader.h"

enum shape shape_of_app_domain(struct clr *clr, uint64_t addr)
{
    enum { INLINE_BLOCK_SIZE = 5 }; /* ArrayListBase, src/coreclr/inc/arraylist.h */
    uint64_t list, block, element, assembly, module, back;
    uint32_t count, size;

    if (!addr || (addr & 7)) return SHAPE_WRONG;
    list = clr_assembly_list_addr(clr, addr);
    block = clr_field_addr(clr, list, FIELD_ArrayListBase_FirstBlock);
    if (!clr_try_u32(clr, list, FIELD_ArrayListBase_Count, &count) || !clr_try_u32(clr, block, FIELD_ArrayListBlock_Size, &size))
        return SHAPE_UNREADABLE;
    if (count == 0 || count > limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 64))
        return SHAPE_WRONG;
    if (size != INLINE_BLOCK_SIZE) return SHAPE_WRONG;
    for (uint32_t i = 0; i < count && i < size; i++) {
        if (!memory_try_u64(clr->memory, clr_field_addr(clr, block, FIELD_ArrayListBlock_ArrayStart) + 8ull * i, &element) ||
            !element)
            continue;
        if (!clr_assembly_of_element(clr, element, &assembly)) continue;
        if (!clr_try_u64(clr, assembly, FIELD_Assembly_Module, &module)) continue;
        if (!clr_try_u64(clr, module, FIELD_Module_Assembly, &back)) continue;
        return back == assembly ? SHAPE_RIGHT : SHAPE_WRONG;
    }
    return SHAPE_UNREADABLE;
}

static bool is_thread_of_dump(const struct clr *clr, uint32_t os_id)
{
    for (size_t i = 0; i < clr->target->dump->threads.count; i++)
        if (clr->target->dump->threads.data[i].os_id == os_id) return true;
    return false;
}

/* Walks the chain; *known_ret: how many of its threads the dump knows. */
static enum shape walk_threads(const struct clr *clr, uint64_t addr, uint32_t *known_ret)
{
    uint64_t link;
    uint32_t count, os_id;

    *known_ret = 0;
    if (!addr || (addr & 7)) return SHAPE_WRONG;
    if (!clr_try_u64(clr, addr, FIELD_ThreadStore_FirstThreadLink, &link) ||
        !clr_try_u32(clr, addr, FIELD_ThreadStore_ThreadCount, &count))
        return SHAPE_UNREADABLE;
    if (count == 0 || count > LIMIT_THREADS) return SHAPE_WRONG;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t thread = link - (uint64_t)(int64_t)clr->layout.offset[FIELD_Thread_LinkNext];

        if (!link || (link & 7)) return SHAPE_WRONG;
        if (clr_try_u32(clr, thread, FIELD_Thread_OSId, &os_id)) *known_ret += is_thread_of_dump(clr, os_id);
        if (!clr_try_u64(clr, thread, FIELD_Thread_LinkNext, &link)) return SHAPE_UNREADABLE;
    }
    return link == 0 ? SHAPE_RIGHT : SHAPE_WRONG;
}

enum shape shape_of_thread_store(struct clr *clr, uint64_t addr)
{
    uint32_t known;

    /* None may be known: ids of a container look different from outside. */
    return walk_threads(clr, addr, &known);
}

enum shape shape_of_system_domain(struct clr *clr, uint64_t addr)
{
    struct clr_module_iterator iterator;
    struct clr_module *module = NULL;
    bool more = false;
    struct error *err = clr_module_iterator_init(clr, &iterator);

    if (!err) err = clr_module_iterator_next(&iterator, &module, &more);
    error_destroy(err);
    if (!more || !module->loader_allocator_addr) return SHAPE_UNREADABLE;
    return addr && clr_field_addr(clr, addr, FIELD_SystemDomain_GlobalLoaderAllocator) == module->loader_allocator_addr
               ? SHAPE_RIGHT
               : SHAPE_WRONG;
}

static enum shape shape_of_gc_vars(struct clr *clr, uint64_t addr)
{
    struct gc_vars vars;

    return gc_vars_check(clr->memory, addr, &vars) ? SHAPE_RIGHT : SHAPE_WRONG;
}

/* In the order in which they can be found: the system domain is told by what the application domain leads to. */
static const struct global_shape {
    enum global global;
    enum field needed; /* the shape says nothing without it */
    enum shape (*shape)(struct clr *clr, uint64_t addr);
} shapes[] = {
    { GLOBAL_AppDomain, FIELD_Module_Assembly, shape_of_app_domain },
    { GLOBAL_SystemDomain, FIELD_SystemDomain_GlobalLoaderAllocator, shape_of_system_domain },
    { GLOBAL_ThreadStore, FIELD_Thread_LinkNext, shape_of_thread_store },
    { GLOBAL_GcDacVars, FIELD_ThreadStore_ThreadCount, shape_of_gc_vars },
};

/* A chain of one thread is easily met: one that was not looked for at its place must have threads of the dump. */
static bool is_sure(struct clr *clr, const struct global_shape *shape, uint64_t value)
{
    uint32_t known = 1;

    if (shape->global == GLOBAL_ThreadStore) walk_threads(clr, value, &known);
    return known > 0;
}

static bool leads_to(struct clr *clr, const struct global_shape *shape, uint64_t variable)
{
    uint64_t value;

    return variable && memory_try_u64(clr->memory, variable, &value) && shape->shape(clr, value) == SHAPE_RIGHT &&
           is_sure(clr, shape, value);
}

static bool set_by_shape(struct clr *clr, enum global global, uint64_t variable)
{
    clr->global[global] = variable;
    clr->global_source[global] = GLOBAL_FROM_SHAPE;
    return true;
}

/* Every word of a piece of the image's writable memory may be the variable. */
static bool find_in_range(struct clr *clr, const struct global_shape *shape, uint64_t start, uint64_t end)
{
    for (uint64_t addr = (start + 7) & ~UINT64_C(7); addr + 8 <= end;) {
        uint64_t size, off;
        const uint8_t *view = memory_view_dumped(clr->memory, addr, end - addr, &size);

        if (!view) {
            addr = (addr | 0xfff) + 1;
            continue;
        }
        for (off = 0; off + 8 <= size && addr + off + 8 <= end; off += 8) {
            uint64_t value = load_u64(view + off);

            if (value > 0xffff && !(value & 7) && shape->shape(clr, value) == SHAPE_RIGHT && is_sure(clr, shape, value))
                return set_by_shape(clr, shape->global, addr + off);
        }
        addr += off ? off : 8;
    }
    return false;
}

static bool find_by_shape(struct clr *clr, const struct global_shape *shape)
{
    const struct target_module *module = clr->module;

    for (uint32_t i = 0; i < clr->dac.count; i++)
        if (leads_to(clr, shape, clr->dac.words[i])) return set_by_shape(clr, shape->global, clr->dac.words[i]);
    for (size_t i = 0; i < clr->target->dump->ranges.count; i++) {
        const struct dump_range *range = &clr->target->dump->ranges.data[i];
        uint64_t start = range->start > module->base ? range->start : module->base;
        uint64_t end = range->end < module->end ? range->end : module->end;

        if (start < end && (range->protection & PROTECTION_WRITE) && find_in_range(clr, shape, start, end)) return true;
    }
    return false;
}

void clr_check_globals(struct clr *clr)
{
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        const struct global_shape *shape = &shapes[i];
        enum shape is = SHAPE_UNREADABLE;
        uint64_t value = 0;

        if (!layout_has(&clr->layout, shape->needed)) continue;
        if (clr_try_global(clr, shape->global, &value)) is = shape->shape(clr, value);
        /* Of a system domain nothing can be told as long as the core library cannot be read. */
        if (is == SHAPE_RIGHT || (shape->global == GLOBAL_SystemDomain && shape->shape(clr, value) == SHAPE_UNREADABLE)) continue;
        find_by_shape(clr, shape);
    }
}
