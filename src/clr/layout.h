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

/* Bytes of a MethodTable that are read at once; all its fields lie in them. */
enum { LAYOUT_METHOD_TABLE_SIZE = 64 };

enum layout_source { LAYOUT_NONE, LAYOUT_BUILT_IN, LAYOUT_DESCRIPTOR };

struct layout_global {
    bool has_dac_index;
    uint32_t dac_index; /* in the runtime's DAC table: built-in tables */
    uint64_t addr;      /* of the variable: the dump's own descriptor; 0 when it names none */
};

struct layout {
    const char *name;            /* "linux-x64-10.0"; borrowed */
    int32_t offset[FIELD_COUNT]; /* -1: this runtime has no such field */
    uint8_t offset_source[FIELD_COUNT];
    uint64_t constant[CONSTANT_COUNT];
    uint8_t constant_source[CONSTANT_COUNT];
    struct layout_global global[GLOBAL_COUNT];
};

/* A table built in; layouts_builtin is generated from the files, `name` NULL at the end. */
struct layout_builtin {
    const char *name; /* "linux-x64-10.0" */
    const char *os, *arch;
    uint32_t major;
    const char *json;
    uint32_t json_size;
};
extern const struct layout_builtin layouts_builtin[];

/* A build that a table was proven with; layout_builds is generated from the files, sorted by id, `id` NULL at the end. */
struct layout_build {
    const char *id; /* ELF build-id in hex, or a PE image's timestamp and size, as symbol servers write them: "6ADAEE43-47a000" */
    const char *version; /* "10.0.14" */
    const char *table;   /* "windows-x64-10.0" */
};
extern const struct layout_build layout_builds[];

void layout_init(struct layout *layout);
/* Reads a built-in table into `layout`, over what is there. Errors: ERROR_BAD_DATA when the document is none. */
struct error *layout_read(struct layout *layout, struct span json, enum layout_source source);
/*
 * The same of a runtime's own descriptor, whose pointer globals index its pointer data.
 * Errors: ERROR_BAD_DATA when the document is none, or puts fields where they cannot be.
 */
struct error *layout_read_descriptor(struct layout *layout, struct span json, const uint64_t *pointers, uint32_t pointer_count);

const char *field_type_name(enum field field);
const char *field_name(enum field field);
const char *global_name(enum global global);

/* Has it what a MethodTable cannot be read without? */
bool layout_has_method_table(const struct layout *layout);

static inline bool layout_has(const struct layout *layout, enum field field)
{
    return layout->offset[field] >= 0;
}

#endif
