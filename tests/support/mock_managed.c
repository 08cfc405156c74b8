#include "support/mock_managed.h"

#include <string.h>

static struct clr_type *add_type(struct mock_clr *mock, uint64_t mt_addr, const char *name)
{
    struct clr_type *type = clr_type_get(&mock->clr, mt_addr);

    type->name = name;
    return type;
}

uint64_t mock_class(struct mock_clr *mock, const char *name, const struct mock_field *fields, size_t count)
{
    uint64_t mt_addr = mock_method_table(mock, 64, 0);
    struct clr_fields *known = arena_alloc(&mock->clr.arena, sizeof(*known));
    struct clr_field *instance = arena_array(&mock->clr.arena, count ? count : 1, sizeof(*instance));

    for (size_t i = 0; i < count; i++)
        instance[i] = (struct clr_field) {
            .name = fields[i].name, .declaring_mt = mt_addr, .offset = fields[i].offset, .element_type = fields[i].element_type
        };
    *known = (struct clr_fields) { .own = instance, .own_count = count, .instance = instance, .instance_count = count };
    add_type(mock, mt_addr, name);
    map_put(&mock->clr.fields, mt_addr, (uintptr_t)known);
    return mt_addr;
}

uint64_t mock_array_class(struct mock_clr *mock, const char *name, uint64_t element_mt, uint8_t element_type, uint16_t size)
{
    uint64_t mt_addr = mock_method_table(mock, 24, size);
    struct clr_type *element = clr_type_get(&mock->clr, element_mt), *type;
    uint64_t kind_addr = element->class_addr + (uint64_t)mock->clr.layout.offset[FIELD_EEClass_InternalCorElementType];

    mock->bytes[kind_addr - MOCK_BASE] = element_type;
    mock_u32(mock, mt_addr + (uint64_t)mock->clr.layout.offset[FIELD_MethodTable_MTFlags],
             0x80000000u | MT_FLAG_CATEGORY_SZARRAY | size);
    type = add_type(mock, mt_addr, name);
    type->element_addr = element_mt;
    return mt_addr;
}

uint64_t mock_object(struct mock_clr *mock, uint64_t mt_addr, uint64_t size)
{
    uint64_t addr = mock_alloc(mock, 16 + size) + 8;

    mock_u64(mock, addr, mt_addr);
    return addr;
}

uint64_t mock_array(struct mock_clr *mock, uint64_t mt_addr, uint32_t count)
{
    uint64_t addr = mock_object(mock, mt_addr, 8 + (uint64_t)count * clr_type_get(&mock->clr, mt_addr)->component_size);

    mock_u32(mock, addr + OBJECT_COUNT_OFF, count);
    return addr;
}

void mock_managed_deinit(struct mock_clr *mock)
{
    map_deinit(&mock->clr.fields);
    mock->clr.fields = (struct map) { 0 };
}
