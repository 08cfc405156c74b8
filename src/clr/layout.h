/*
 * Where the fields of the runtime's structures lie, for one runtime. Built from documents in the form of .NET's own data
 * descriptors (docs/design/datacontracts/data_descriptor.md in dotnet/runtime): the tables built in
 * (layouts/<os>-<arch>-<major>.json), overridden by the dump's own descriptor where it has one. Everything above asks for a field
 * by name, never for a version.
 */
#ifndef CLRTRAIL_CLR_LAYOUT_H
#define CLRTRAIL_CLR_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

enum field {
#define FIELD(type, field) FIELD_##type##_##field,
#include "clr/fields.def"
    FIELD_COUNT
};

enum global {
#define GLOBAL(name) GLOBAL_##name,
#include "clr/fields.def"
    GLOBAL_COUNT
};

enum constant {
#define CONSTANT(name) CONSTANT_##name,
#include "clr/fields.def"
    CONSTANT_COUNT
};

enum layout_source { LAYOUT_NONE, LAYOUT_BUILT_IN, LAYOUT_DESCRIPTOR };

enum global_form {
    GLOBAL_ABSENT,
    GLOBAL_DAC_INDEX,     /* index into the runtime's DAC table */
    GLOBAL_POINTER_INDEX, /* index into the descriptor's pointer data */
};

struct layout_global {
    enum global_form form;
    uint32_t index;
};

struct layout {
    const char *name;            /* "linux-x64-10.0"; borrowed */
    int32_t offset[FIELD_COUNT]; /* -1: this runtime has no such field */
    uint8_t offset_source[FIELD_COUNT];
    uint64_t constant[CONSTANT_COUNT];
    uint8_t constant_source[CONSTANT_COUNT];
    struct layout_global global[GLOBAL_COUNT];     /* from the built-in table */
    struct layout_global own_global[GLOBAL_COUNT]; /* from the dump's descriptor */
};

/* A table built in; layouts_builtin is generated from the files, `json` NULL at the end. */
struct layout_builtin {
    const char *name; /* "linux-x64-10.0" */
    const char *os, *arch;
    uint32_t major;
    const char *json;
    uint32_t json_size;
};
extern const struct layout_builtin layouts_builtin[];

void layout_init(struct layout *layout);
/*
 * Reads one document into `layout`, over what is there. `source` tells where it came from: a descriptor's pointer globals index its
 * pointer data, a built-in table's the DAC table.
 * Errors: ERROR_BAD_DATA when the document is no descriptor.
 */
struct error *layout_read(struct layout *layout, struct span json, enum layout_source source);

const char *field_type_name(enum field field);
const char *field_name(enum field field);
const char *global_name(enum global global);

static inline bool layout_has(const struct layout *layout, enum field field)
{
    return layout->offset[field] >= 0;
}

#endif
