#include "heap/edge.h"

#include <inttypes.h>

#include "heap/starts.h"

static void element_name(struct clr *clr, const struct clr_type *type, uint64_t offset, bool any_index, struct text *ret)
{
    uint64_t data = clr_array_data_off(clr, type), value_mt;

    if (offset < data || !type->component_size) {
        text_printf(ret, "+0x%" PRIx64, offset);
        return;
    }
    if (any_index)
        text_puts(ret, "[*]");
    else
        text_printf(ret, "[%" PRIu64 "]", (offset - data) / type->component_size);
    if (clr_array_element(clr, type, &value_mt) != ELEMENT_VALUETYPE) return;
    text_putc(ret, '.');
    clr_field_path(clr, value_mt, (uint32_t)((offset - data) % type->component_size), ret);
}

void edge_name(struct clr *clr, const struct clr_type *type, uint64_t offset, bool any_index, struct text *ret)
{
    if (offset == REFERENCE_LOADER)
        text_puts(ret, "(loader allocator)");
    else if (offset == REFERENCE_DEPENDENT)
        text_puts(ret, "(dependent handle)");
    else if (clr_type_is_array(type))
        element_name(clr, type, offset, any_index, ret);
    else
        clr_field_path(clr, type->mt_addr, (uint32_t)(offset - 8), ret);
}

void edge_full_name(struct clr *clr, const struct clr_type *type, uint64_t offset, bool any_index, struct text *ret)
{
    text_puts(ret, clr_type_name(clr, type->mt_addr));
    if (!clr_type_is_array(type)) text_putc(ret, '.');
    edge_name(clr, type, offset, any_index, ret);
}

bool edge_object(struct clr *clr, const struct heap_starts *starts, uint64_t addr, struct clr_object *ret)
{
    uint64_t start, free_mt;

    if (!heap_starts_before(starts, addr, &start) || !clr_object_try(clr, start, ret)) return false;
    if (addr - start < 8 || addr - start >= ret->size) return false;
    return !clr_try_global(clr, GLOBAL_FreeObjectMethodTable, &free_mt) || free_mt != ret->type->mt_addr;
}

static inline void add_edge(void *user, uint64_t offset, uint64_t target)
{
    struct edges *edges = user;
    struct edge edge = { offset, target };

    if (!vec_push(&edges->list, edge)) edges->failed = true;
}

void edges_add(struct edges *edges, const struct reference_type *type, const uint8_t *bytes, const struct dependents *dependents,
               uint64_t addr)
{
    references_visit(type, bytes, reference_object_size(type, bytes), add_edge, edges);
    if (!dependents || !dependents_may_have(dependents, addr)) return;
    for (size_t i = dependents_find(dependents, addr); i < dependents->list.count && dependents->list.data[i].primary == addr; i++)
        add_edge(edges, REFERENCE_DEPENDENT, dependents->list.data[i].secondary);
}
