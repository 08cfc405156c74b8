/*
 * Application domain -> assemblies -> modules.
 *
 *     AppDomain.DomainAssemblyList (ArrayListBase)     {u32 count; first block}
 *       block {next, u32 size, ptr[size]} -> ...        5, 10, 20, ... elements
 *         element -> Assembly -> Module -> PEAssembly -> PEImage -> PEImageLayout {base, size, flags}
 *
 * The list holds file-backed, in-memory, reflection-emit and collectible assemblies of all load contexts; each has one module.
 * Source: src/coreclr/vm/appdomain.hpp, ceeload.h, assembly.hpp; docs/design/datacontracts/Loader.md.
 */
#ifndef CLRTRAIL_CLR_LOADER_H
#define CLRTRAIL_CLR_LOADER_H

#include "clr/clr.h"
#include "formats/metadata.h"

struct clr_module {
    uint64_t addr;
    uint64_t assembly_addr;
    uint64_t pe_assembly_addr;
    uint64_t loader_allocator_addr;
    uint64_t base, size; /* of the loaded image, 0 when there is none */
    const char *path;    /* "" for dynamic modules and those loaded from bytes */
    bool is_dynamic;     /* made by reflection emit: PEAssembly has no PEImage */
    bool is_from_bytes;  /* Assembly.Load(byte[]) and its like: an image in memory that no file was mapped for */
    bool is_flat;        /* image lies as in the file, not mapped by sections */
    bool is_collectible;
    bool metadata_tried;
    struct metadata *metadata; /* NULL: not read yet, or cannot be had (module_metadata.c) */
    const char *simple_name;   /* assembly's name from metadata; NULL until asked */
};

struct clr_module_iterator {
    struct clr *clr;
    uint64_t block_addr;
    uint32_t remaining;  /* elements of the list not yet seen */
    uint32_t block_size; /* elements of this block */
    uint32_t block_index;
    uint64_t array_addr;
};

/* Walks the list without keeping anything but what clr_module_get caches. */
struct error *clr_module_iterator_init(struct clr *clr, struct clr_module_iterator *ret);
/* *more_ret false at the end. Elements that cannot be read are gaps and skipped. */
struct error *clr_module_iterator_next(struct clr_module_iterator *iterator, struct clr_module **ret, bool *more_ret);

/* All modules in load order; borrowed, lives as long as `clr`. Fills a cache. */
struct error *clr_modules(struct clr *clr, struct clr_module *const **ret, size_t *count_ret);

/* The module at `addr`, read once and cached; NULL when its bytes are not in the dump. Fills a cache. */
struct clr_module *clr_module_get(struct clr *clr, uint64_t addr);

/*
 * The module's metadata, borrowed; NULL when it cannot be had (a gap says why). For dynamic modules the copy that the runtime
 * keeps, else the one being written. module_metadata.c; fills a cache.
 */
const struct metadata *clr_module_metadata(struct clr *clr, struct clr_module *module);
/* The same into the caller's storage, cached nowhere: for one look at each of very many modules. False: cannot be had. */
bool clr_module_try_metadata(struct clr *clr, const struct clr_module *module, struct metadata *ret);

/* Name of the assembly by its metadata ("DynamicProxyGenAssembly2"), else by its path; "" when neither is known. */
const char *clr_module_simple_name(struct clr *clr, struct clr_module *module);

/* The managed AssemblyLoadContext object, 0 when there is none or it cannot be read. */
uint64_t clr_module_load_context(const struct clr *clr, const struct clr_module *module);

/* Address of the domain's list of assemblies, and the assembly that an element of it stands for. */
uint64_t clr_assembly_list_addr(const struct clr *clr, uint64_t domain);
bool clr_assembly_of_element(const struct clr *clr, uint64_t element, uint64_t *ret);

/* The application domain and its name. */
struct error *clr_app_domain(const struct clr *clr, uint64_t *addr_ret, const char **name_ret);

/* Makes clr->version exact ("10.0.12") from the core library's attributes, where its metadata can be read. */
void clr_version_from_core_library(struct clr *clr);

#endif
