#include "target/symbol_at.h"

#include <elf.h>
#include <string.h>

#include "target/elf_image.h"

enum { SYMBOLS_MAX = 1 << 20, NAME_MAX_LENGTH = 1024, DYNAMIC_MAX = 512 };

struct tables {
    uint64_t symbols, strings, strings_size;
};

/* ld.so writes addresses into the dynamic section of most images; in a file and in some images they are link-time ones. */
static uint64_t as_vaddr(const struct elf_image *image, uint64_t value)
{
    return value >= image->bias + image->low && value < image->bias + image->high ? value - image->bias : value;
}

static bool find_tables(const struct elf_image *image, struct tables *ret)
{
    *ret = (struct tables) { 0 };
    for (unsigned i = 0; i < DYNAMIC_MAX && (i + 1) * sizeof(Elf64_Dyn) <= image->dynamic_size; i++) {
        Elf64_Dyn entry;

        if (!elf_image_read(image, image->dynamic + i * sizeof(entry), &entry, sizeof(entry)) || entry.d_tag == DT_NULL) break;
        if (entry.d_tag == DT_SYMTAB) ret->symbols = as_vaddr(image, entry.d_un.d_ptr);
        if (entry.d_tag == DT_STRTAB) ret->strings = as_vaddr(image, entry.d_un.d_ptr);
        if (entry.d_tag == DT_STRSZ) ret->strings_size = entry.d_un.d_val;
    }
    /* Linkers put the names behind the symbols, which have no count of their own. */
    return ret->symbols && ret->strings > ret->symbols;
}

static bool find_symbol(const struct elf_image *image, const struct tables *tables, uint64_t vaddr, Elf64_Sym *ret)
{
    uint64_t count = (tables->strings - tables->symbols) / sizeof(Elf64_Sym);

    if (count > SYMBOLS_MAX) count = SYMBOLS_MAX;
    for (uint64_t i = 1; i < count; i++) {
        if (!elf_image_read(image, tables->symbols + i * sizeof(*ret), ret, sizeof(*ret))) return false;
        if (ret->st_shndx == SHN_UNDEF || !ret->st_size || ret->st_name >= tables->strings_size) continue;
        if (vaddr >= ret->st_value && vaddr - ret->st_value < ret->st_size) return true;
    }
    return false;
}

static bool append_name(const struct elf_image *image, const struct tables *tables, const Elf64_Sym *symbol, struct text *ret)
{
    size_t before = ret->length;

    for (uint64_t i = symbol->st_name; i < tables->strings_size && ret->length - before < NAME_MAX_LENGTH; i++) {
        char c;

        if (!elf_image_read(image, tables->strings + i, &c, 1)) return false;
        if (!c) return ret->length > before;
        text_putc(ret, c);
    }
    return true;
}

static bool append_symbol(const struct target *target, const struct target_module *module, uint64_t addr, struct text *ret)
{
    struct elf_image image;
    struct tables tables;
    Elf64_Sym symbol;

    if (module->is_pe || !elf_image_from_memory(&target->memory, module->base, false, &image) || addr < image.bias) return false;
    if (!find_tables(&image, &tables) || !find_symbol(&image, &tables, addr - image.bias, &symbol)) return false;
    text_putc(ret, '!');
    if (!append_name(&image, &tables, &symbol, ret)) return false;
    if (addr - image.bias != symbol.st_value)
        text_printf(ret, "+0x%llx", (unsigned long long)(addr - image.bias - symbol.st_value));
    return true;
}

bool target_describe_addr(const struct target *target, uint64_t addr, struct text *ret)
{
    const struct target_module *module = target_module_at(target, addr);

    if (!module) return false;
    text_puts(ret, module->name);
    if (!append_symbol(target, module, addr, ret)) text_printf(ret, "+0x%llx", (unsigned long long)(addr - module->base));
    return true;
}
