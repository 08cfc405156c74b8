#include "support/mock_clr.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

static void mock_start(struct mock_clr *mock)
{
    *mock = (struct mock_clr) { .next = MOCK_BASE + PAGE };
    mock->bytes = calloc(1, MOCK_SIZE);
    mock->file.bytes = (struct span) { mock->bytes, MOCK_SIZE };
    mock->dump.file = &mock->file;
    mock->target.dump = &mock->dump;
    gaps_init(&mock->gaps);
    mock->target.gaps = mock->clr.gaps = &mock->gaps;
    mock->clr.target = &mock->target;
    mock->clr.memory = &mock->target.memory;
    arena_init(&mock->clr.arena);
    memory_init(&mock->target.memory, NULL);
    layout_init(&mock->clr.layout);
    for (const struct layout_builtin *table = layouts_builtin; table->name; table++)
        if (!strcmp(table->name, "linux-x64-10.0"))
            error_destroy(
                layout_read(&mock->clr.layout, (struct span) { (const uint8_t *)table->json, table->json_size }, LAYOUT_BUILT_IN));
}

void mock_clr_init(struct mock_clr *mock)
{
    mock_start(mock);
    error_destroy(memory_add(&mock->target.memory, MOCK_BASE, MOCK_SIZE, mock->bytes, 0));
    error_destroy(memory_freeze(&mock->target.memory));
}

void mock_clr_init_without_page(struct mock_clr *mock, uint64_t addr)
{
    uint64_t off = (addr - MOCK_BASE) & ~(uint64_t)(PAGE - 1);

    mock_start(mock);
    error_destroy(memory_add(&mock->target.memory, MOCK_BASE, off, mock->bytes, 0));
    error_destroy(
        memory_add(&mock->target.memory, MOCK_BASE + off + PAGE, MOCK_SIZE - off - PAGE, mock->bytes + off + PAGE, off + PAGE));
    error_destroy(memory_freeze(&mock->target.memory));
}

void mock_clr_deinit(struct mock_clr *mock)
{
    map_deinit(&mock->clr.fields);
    map_deinit(&mock->clr.types);
    map_deinit(&mock->clr.modules);
    vec_deinit(&mock->clr.module_list);
    arena_deinit(&mock->clr.arena);
    memory_deinit(&mock->target.memory);
    gaps_deinit(&mock->gaps);
    free(mock->bytes);
}

uint64_t mock_alloc(struct mock_clr *mock, uint64_t size)
{
    uint64_t addr = mock->next;

    mock->next += (size + 7) & ~UINT64_C(7);
    return addr;
}

void mock_u64(struct mock_clr *mock, uint64_t addr, uint64_t value)
{
    memcpy(mock->bytes + (addr - MOCK_BASE), &value, sizeof(value));
}

void mock_u32(struct mock_clr *mock, uint64_t addr, uint32_t value)
{
    memcpy(mock->bytes + (addr - MOCK_BASE), &value, sizeof(value));
}

uint64_t mock_method_table(struct mock_clr *mock, uint32_t base_size, uint16_t component_size)
{
    const struct layout *layout = &mock->clr.layout;
    uint64_t mt = mock_alloc(mock, 64), class_addr = mock_alloc(mock, 96);

    mock_u32(mock, mt + (uint64_t)layout->offset[FIELD_MethodTable_MTFlags], component_size ? 0x80000000u | component_size : 0);
    mock_u32(mock, mt + (uint64_t)layout->offset[FIELD_MethodTable_BaseSize], base_size);
    mock_u64(mock, mt + (uint64_t)layout->offset[FIELD_MethodTable_EEClassOrCanonMT], class_addr);
    mock_u64(mock, class_addr + (uint64_t)layout->offset[FIELD_EEClass_MethodTable], mt);
    return mt;
}

void mock_global(struct mock_clr *mock, enum global global, uint64_t value)
{
    uint64_t variable = mock_alloc(mock, 8);

    mock_u64(mock, variable, value);
    mock->clr.global[global] = variable;
}
