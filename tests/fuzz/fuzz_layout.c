/*
 * Any bytes as a contract descriptor's JSON, over each built-in table: offsets stay where the readers may use them.
 */
#include <stdlib.h>
#include <string.h>

#include "clr/layout.h"

static void require(bool what)
{
    if (!what) abort();
}

static void check(const struct layout *layout)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        require(layout->offset[i] >= -1 && layout->offset[i] <= 1 << 20);
        if (!strcmp(field_type_name((enum field)i), "MethodTable")) require(layout->offset[i] <= LAYOUT_METHOD_TABLE_SIZE - 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t pointers[4] = { 0, 0x1000, 0x2000, 0x3000 };

    for (const struct layout_builtin *table = layouts_builtin; table->name; table++) {
        struct layout layout;
        struct error *err;

        layout_init(&layout);
        err = layout_read(&layout, (struct span) { (const uint8_t *)table->json, table->json_size }, LAYOUT_BUILT_IN);
        require(!err);
        err = layout_read_descriptor(&layout, (struct span) { data, size }, pointers, 4);
        if (!err) check(&layout);
        error_destroy(err);
    }
    return 0;
}
