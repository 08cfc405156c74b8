#include "clr/loader.h"

#include <string.h>

#include "base/limits.h"

/* More elements than bytes of dump could hold assemblies is a list that lies; an Assembly takes well over 64 bytes. */
static uint64_t assembly_limit(const struct clr *clr)
{
    return limit_from_size(clr->target->dump->file ? clr->target->dump->file->bytes.size : 0, 64);
}

uint64_t clr_assembly_list_addr(const struct clr *clr, uint64_t domain)
{
    bool is_direct = layout_has(&clr->layout, FIELD_AppDomain_AssemblyList);

    return clr_field_addr(clr, domain, is_direct ? FIELD_AppDomain_AssemblyList : FIELD_AppDomain_DomainAssemblyList);
}

bool clr_assembly_of_element(const struct clr *clr, uint64_t element, uint64_t *ret)
{
    *ret = element;
    if (layout_has(&clr->layout, FIELD_AppDomain_AssemblyList)) return true;
    /* The first member of a DomainAssembly where nothing else is known. */
    if (!layout_has(&clr->layout, FIELD_DomainAssembly_Assembly)) return memory_try_u64(clr->memory, element, ret);
    return clr_try_u64(clr, element, FIELD_DomainAssembly_Assembly, ret);
}

struct error *clr_module_iterator_init(struct clr *clr, struct clr_module_iterator *ret)
{
    uint64_t domain, list;
    uint32_t count;

    if (!clr_try_global(clr, GLOBAL_AppDomain, &domain) || !domain)
        return error_create(ERROR_FAULT, "cannot read the application domain: its address is not in the dump");
    list = clr_assembly_list_addr(clr, domain);
    if (!clr_try_u32(clr, list, FIELD_ArrayListBase_Count, &count))
        return error_fault(list, "cannot read the assembly list of application domain '%llx': address not in dump",
                           (unsigned long long)domain);
    if (count > assembly_limit(clr))
        return error_create_at(ERROR_BAD_DATA, list, __FILE__, __LINE__,
                               "assembly list of application domain '%llx' claims %u elements", (unsigned long long)domain, count);
    *ret = (struct clr_module_iterator) { .clr = clr, .remaining = count };
    ret->block_addr = clr_field_addr(clr, list, FIELD_ArrayListBase_FirstBlock);
    return NULL;
}

/* Enters the block at block_addr; false when it cannot be read. */
static bool iterator_enter_block(struct clr_module_iterator *it)
{
    uint32_t size;

    if (!it->block_addr || !clr_try_u32(it->clr, it->block_addr, FIELD_ArrayListBlock_Size, &size) || size == 0) return false;
    it->block_size = size;
    it->block_index = 0;
    it->array_addr = clr_field_addr(it->clr, it->block_addr, FIELD_ArrayListBlock_ArrayStart);
    return true;
}

static bool iterator_element(struct clr_module_iterator *it, uint64_t *ret)
{
    if (it->block_index == it->block_size) {
        if (it->block_size && !clr_try_u64(it->clr, it->block_addr, FIELD_ArrayListBlock_Next, &it->block_addr)) return false;
        if (!iterator_enter_block(it)) return false;
    }
    /* A pointer that cannot be read is a null element: the next ones may be there. */
    if (!memory_try_u64(it->clr->memory, it->array_addr + 8ull * it->block_index, ret)) *ret = 0;
    it->block_index++;
    it->remaining--;
    return true;
}

struct error *clr_module_iterator_next(struct clr_module_iterator *it, struct clr_module **ret, bool *more_ret)
{
    while (it->remaining) {
        uint64_t element, assembly, module_addr;
        struct clr_module *module;

        if (!iterator_element(it, &element)) {
            gaps_add(it->clr->gaps, "assemblies", it->block_addr, it->remaining, "block of the assembly list not in the dump");
            break;
        }
        if (!element) continue;
        if (!clr_assembly_of_element(it->clr, element, &assembly) ||
            !clr_try_u64(it->clr, assembly, FIELD_Assembly_Module, &module_addr)) {
            gaps_add(it->clr->gaps, "assemblies", element, 1, "assembly not in the dump");
            continue;
        }
        module = clr_module_get(it->clr, module_addr);
        if (!module) {
            gaps_add(it->clr->gaps, "modules", module_addr, 1, "module not in the dump");
            continue;
        }
        *ret = module;
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

/* UTF-16 text at `addr` as arena text; "" when it cannot be read (dynamic modules point at an empty string in .rodata). */
static const char *read_path(struct clr *clr, uint64_t addr)
{
    struct text text;
    const char *ret = "";

    text_init(&text);
    if (addr && memory_try_utf16(clr->memory, addr, LIMIT_PATH_LENGTH, &text) && text.length) {
        ret = arena_strndup(&clr->arena, text.data, text.length);
        if (!ret) ret = "";
    }
    text_deinit(&text);
    return ret;
}

/* The path of the image's file; where it has none (bundled in a single file, loaded from bytes) the file name in its metadata. */
static const char *module_path(struct clr *clr, uint64_t addr, uint64_t pe_image)
{
    const char *path = "";
    uint64_t at;

    if (clr_try_u64(clr, addr, FIELD_Module_Path, &at)) path = read_path(clr, at);
    if (!*path && clr_try_u64(clr, pe_image, FIELD_PEImage_Path, &at)) path = read_path(clr, at);
    if (!*path && clr_try_u64(clr, addr, FIELD_Module_FileName, &at)) path = read_path(clr, at);
    if (!*path && clr_try_u64(clr, pe_image, FIELD_PEImage_FileNameHint, &at)) path = read_path(clr, at);
    return path;
}

/*
 * An image that was handed to the runtime as bytes: neither it nor what the dump says is mapped at its place has a folder in its
 * name (createdump lists such images among the mapped files, by their bare names).
 */
static bool is_from_bytes(const struct clr *clr, const struct clr_module *module)
{
    const struct dump_file_map *map = dump_file_map_at(clr->target->dump, module->base);
    const struct target_module *image = target_module_at(clr->target, module->base);

    return module->base && !strpbrk(module->path, "/\\") && !(map && strchr(map->path, '/')) &&
           !(image && strpbrk(image->path, "/\\"));
}

static void module_read_image(struct clr *clr, struct clr_module *module, uint64_t pe_image)
{
    uint64_t layout;
    uint32_t size = 0, flags;

    if (!clr_try_u64(clr, pe_image, FIELD_PEImage_LoadedImageLayout, &layout) || !layout) return;
    if (!clr_try_u64(clr, layout, FIELD_PEImageLayout_Base, &module->base)) return;
    if (clr_try_u32(clr, layout, FIELD_PEImageLayout_Size, &size)) module->size = size;
    /* Bit 0 of the flags: mapped by sections (src/coreclr/vm/peimagelayout.h, FLAG_MAPPED). */
    if (clr_try_u32(clr, layout, FIELD_PEImageLayout_Flags, &flags)) module->is_flat = !(flags & 1);
}

static uint64_t module_loader_allocator(const struct clr *clr, const struct clr_module *module)
{
    uint64_t addr = 0;

    if (clr_try_u64(clr, module->addr, FIELD_Module_LoaderAllocator, &addr)) return addr;
    if (clr_try_u64(clr, module->assembly_addr, FIELD_Assembly_LoaderAllocator, &addr)) return addr;
    return 0;
}

static uint64_t global_loader_allocator(const struct clr *clr)
{
    uint64_t domain;

    if (!layout_has(&clr->layout, FIELD_SystemDomain_GlobalLoaderAllocator)) return 0;
    if (!clr_try_global(clr, GLOBAL_SystemDomain, &domain) || !domain) return 0;
    return clr_field_addr(clr, domain, FIELD_SystemDomain_GlobalLoaderAllocator);
}

struct clr_module *clr_module_get(struct clr *clr, uint64_t addr)
{
    uint64_t cached, pe_image = 0, global;
    struct clr_module *module;
    struct clr_module read = { .addr = addr, .path = "" };

    if (!addr) return NULL;
    if (map_get(&clr->modules, addr, &cached)) return (struct clr_module *)(uintptr_t)cached;
    if (!clr_try_u64(clr, addr, FIELD_Module_Assembly, &read.assembly_addr) ||
        !clr_try_u64(clr, addr, FIELD_Module_PEAssembly, &read.pe_assembly_addr))
        return NULL;
    /* Mini dumps may lack the PEAssembly: then nothing says that the module is dynamic, and nothing is claimed. */
    if (clr_try_u64(clr, read.pe_assembly_addr, FIELD_PEAssembly_PEImage, &pe_image)) read.is_dynamic = pe_image == 0;
    if (pe_image) {
        read.path = module_path(clr, addr, pe_image);
        module_read_image(clr, &read, pe_image);
        read.is_from_bytes = is_from_bytes(clr, &read);
    }
    read.loader_allocator_addr = module_loader_allocator(clr, &read);
    global = global_loader_allocator(clr);
    read.is_collectible = read.loader_allocator_addr && global && read.loader_allocator_addr != global;
    module = arena_alloc(&clr->arena, sizeof(*module));
    if (!module) return NULL;
    *module = read;
    if (!map_put(&clr->modules, addr, (uint64_t)(uintptr_t)module)) return NULL;
    return module;
}

struct error *clr_modules(struct clr *clr, struct clr_module *const **ret, size_t *count_ret)
{
    if (!clr->module_list_done) {
        struct clr_module_iterator iterator;

        clr->module_list.count = 0;
        TRY(clr_module_iterator_init(clr, &iterator));
        for (;;) {
            struct clr_module *module;
            bool more;

            TRY(clr_module_iterator_next(&iterator, &module, &more));
            if (!more) break;
            if (!vec_push(&clr->module_list, module)) return &error_enomem;
        }
        clr->module_list_done = true;
    }
    *ret = clr->module_list.data;
    *count_ret = clr->module_list.count;
    return NULL;
}

uint64_t clr_module_load_context(const struct clr *clr, const struct clr_module *module)
{
    uint64_t host, binder = 0, handle, object;

    /* Before 10.0 a file module names its binder through its host assembly, and a dynamic one that of its maker. */
    if (clr_try_u64(clr, module->pe_assembly_addr, FIELD_PEAssembly_HostAssembly, &host) && host)
        clr_try_u64(clr, host, FIELD_HostAssembly_Binder, &binder);
    if (!binder) clr_try_u64(clr, module->pe_assembly_addr, FIELD_PEAssembly_AssemblyBinder, &binder);
    if (!binder) return 0;
    if (!clr_try_u64(clr, binder, FIELD_AssemblyBinder_AssemblyLoadContext, &handle) || !handle) return 0;
    return memory_try_u64(clr->memory, handle, &object) ? object : 0;
}

struct error *clr_app_domain(const struct clr *clr, uint64_t *addr_ret, const char **name_ret)
{
    uint64_t domain, name;

    if (!clr_try_global(clr, GLOBAL_AppDomain, &domain) || !domain)
        return error_create(ERROR_FAULT, "cannot read the application domain: its address is not in the dump");
    *addr_ret = domain;
    *name_ret = "";
    if (clr_try_u64(clr, domain, FIELD_AppDomain_FriendlyName, &name)) *name_ret = read_path((struct clr *)clr, name);
    return NULL;
}
