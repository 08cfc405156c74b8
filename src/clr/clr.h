/*
 * The CLR of one process, read without a DAC.
 *
 *     runtime module (libcoreclr.so, coreclr.dll, or the single-file executable)
 *       -> layout: built-in table of its version, overridden by its own data descriptor
 *       -> globals: addresses of AppDomain*, ThreadStore*, ... from the descriptor's pointer data or the DAC table
 *       -> self-check: the structures that these lead to must make sense, else the next table is tried
 *
 * Everything else hangs off `struct clr`; each subject has its own file. Addresses are the target's. All functions read a frozen
 * target; those that fill a cache say so and must not run in two threads at once.
 */
#ifndef CLRTRAIL_CLR_CLR_H
#define CLRTRAIL_CLR_CLR_H

#include "base/arena.h"
#include "base/error.h"
#include "base/gaps.h"
#include "base/map.h"
#include "base/vec.h"
#include "clr/layout.h"
#include "target/target.h"

enum global_source {
    GLOBAL_UNKNOWN,
    GLOBAL_FROM_DESCRIPTOR,
    GLOBAL_FROM_DAC_TABLE,
    GLOBAL_FROM_DAC_SCAN, /* the DAC table was found by its shape */
    GLOBAL_FROM_SHAPE,    /* the one variable of the runtime that leads to a thing of its shape */
};

/* How the built-in table was chosen; every choice passed the self-check (layout_choice.c). */
enum layout_choice {
    LAYOUT_BY_BUILD,   /* the runtime's build is one that it was proven with */
    LAYOUT_BY_VERSION, /* by the major version, which is that of other builds */
    LAYOUT_NEAREST,    /* no table is for this version: the nearest one that the structures agree with */
};

enum { DAC_TABLE_MAX = 1024 };

/* The runtime's table of addresses of its global variables, in the order of src/coreclr/inc/dacvars.h. */
struct dac_table {
    uint64_t addr; /* of the table, 0 when found by a scan or a resource */
    uint32_t count;
    enum global_source source;
    uint64_t words[DAC_TABLE_MAX]; /* absolute addresses, 0 for null entries */
};

struct clr_type;
struct clr_module;

struct clr {
    struct target *target; /* borrowed, as are the next two */
    const struct memory *memory;
    struct gaps *gaps;
    struct arena arena;
    const struct target_module *module; /* of the runtime itself */
    bool is_single_file;
    struct layout layout;
    const char *layout_name; /* "linux-x64-10.0" */
    const char *version;     /* "10.0.12", "10.0" when only the major is sure */
    enum layout_choice layout_choice;
    bool version_is_family;     /* not LAYOUT_BY_BUILD: provenance for the reader */
    uint64_t descriptor_addr;   /* DotNetRuntimeContractDescriptor, 0 when not readable */
    uint32_t descriptor_fields; /* fields that came from it */
    struct dac_table dac;
    uint64_t global[GLOBAL_COUNT]; /* address of the variable itself, 0 when unknown */
    uint8_t global_source[GLOBAL_COUNT];

    /* Caches, see the files named. */
    struct map modules;                   /* module address -> struct clr_module * (loader.c) */
    VEC(struct clr_module *) module_list; /* all, in load order; filled by clr_modules */
    bool module_list_done;
    struct map types;     /* MethodTable address -> struct clr_type * (method_table.c) */
    struct map fields;    /* MethodTable address -> struct clr_fields * (field_desc.c) */
    uint64_t field_count; /* kept in it, for its limit */
    struct map generics;  /* hash of a generic instance -> MethodTable (type_lookup.c) */
    bool generics_done;
};

/* Runtimes of one process that can be opened; those beyond are only counted. */
enum { CLR_RUNTIMES_MAX = 16 };

/*
 * The runtimes of a process: indices into target->modules. Single-file executables are found by their exports.
 * Those of .NET Framework, which clr_open refuses, come last. Returns how many there are; at most `max` are stored.
 */
size_t clr_find_runtimes(const struct target *target, size_t *indices, size_t max);

/* A module's version by its file's resource, as the dump tells it ("10.0.1426.52326"); borrowed, NULL when it does not. */
const char *clr_file_version(const struct target *target, const struct target_module *module);

/* Opens the `n`-th runtime (0-based). Errors say what was tried and what is missing. */
struct error *clr_open(struct target *target, unsigned n, struct clr **ret);
/* Opens the first runtime that can be read; a gap says so when it is not the first of all. Errors: that of the first one. */
struct error *clr_open_any(struct target *target, struct clr **ret);
void clr_close(struct clr *clr);

/* Offset of a field that the layout is known to have; a missing one is our own mistake in a table and reads as a fault. */
static inline uint64_t clr_field_addr(const struct clr *clr, uint64_t base, enum field field)
{
    return base + (uint64_t)(int64_t)clr->layout.offset[field];
}

/* Reads of a field; false when the structure has no such field, or its bytes are not in the dump. */
bool clr_try_u8(const struct clr *clr, uint64_t base, enum field field, uint8_t *ret);
bool clr_try_u16(const struct clr *clr, uint64_t base, enum field field, uint16_t *ret);
bool clr_try_u32(const struct clr *clr, uint64_t base, enum field field, uint32_t *ret);
bool clr_try_u64(const struct clr *clr, uint64_t base, enum field field, uint64_t *ret);
/* The value of a global pointer variable. */
bool clr_try_global(const struct clr *clr, enum global global, uint64_t *ret);

/*
 * layout_choice.c: sets layout, globals and what says where they came from. `descriptors` may hold none. Errors: no table's
 * structures make sense.
 */
struct descriptors;
struct error *clr_choose_layout(struct clr *clr, const struct descriptors *descriptors);
/* Forgets what was read with another layout. */
void clr_caches_clear(struct clr *clr);

/* global_shape.c: replaces globals that do not lead to what they should by those that do, if there are such. */
void clr_check_globals(struct clr *clr);

/* dac_table.c: false when neither the export nor a scan gives one. */
bool dac_table_read(const struct target *target, const struct target_module *module, struct dac_table *ret);

#endif
