#include "elf_library_writer.h"

#include <elf.h>
#include <stdlib.h>

enum { NOTE = 0x200, SYMBOLS = 0x300, STRINGS = 0x380, HASH = 0x400, RELA = 0x500, PLT = 0x580, RELR = 0x600, DYNAMIC = 0x2100 };

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

static const char strings[] = "\0answer\0import";

static void put(uint8_t *file, uint64_t off, const void *bytes, size_t size)
{
    memcpy(file + off, bytes, size);
}

static void put_headers(uint8_t *file, const struct elf_library_writer *writer)
{
    const Elf64_Ehdr start = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = writer->build_id_byte ? 5 : 4,
    };
    const Elf64_Phdr headers[5] = {
        { PT_LOAD, PF_R, 0, 0, 0, 0x1000, 0x1000, 0x1000 },
        { PT_LOAD, PF_R | PF_W, 0x1000, 0x2000, 0x2000, 0x1800, 0x2000, 0x1000 },
        { PT_DYNAMIC, PF_R | PF_W, 0x1100, DYNAMIC, DYNAMIC, 0x100, 0x100, 8 },
        { PT_GNU_RELRO, PF_R, 0x1000, 0x2000, 0x2000, 0x1000, 0x1000, 1 },
        { PT_NOTE, PF_R, NOTE, NOTE, NOTE, 36, 36, 4 },
    };
    const uint32_t note[4] = { 4, 20, NT_GNU_BUILD_ID, 0x00554e47 };

    put(file, 0, &start, sizeof(start));
    put(file, sizeof(start), headers, sizeof(headers));
    put(file, NOTE, note, sizeof(note));
    memset(file + NOTE + 16, writer->build_id_byte, 20);
}

static void put_symbols(uint8_t *file)
{
    const Elf64_Sym symbols[3] = {
        { 0 },
        { .st_name = 8, .st_info = 0x11 },                                                /* import */
        { .st_name = 1, .st_info = 0x11, .st_shndx = 7, .st_value = ELF_LIBRARY_ANSWER }, /* answer */
    };
    /* One bucket, symbols from 2 on, one bloom word; the hash of "answer" with the end bit. */
    uint32_t hash = 5381, table[4 + 2 + 1 + 1] = { 1, 2, 1, 0, UINT32_MAX, UINT32_MAX, 2 };

    for (const char *c = "answer"; *c; c++)
        hash = hash * 33 + (uint8_t)*c;
    table[7] = hash | 1;
    put(file, SYMBOLS, symbols, sizeof(symbols));
    put(file, STRINGS, strings, sizeof(strings));
    put(file, HASH, table, sizeof(table));
}

static void put_relocations(uint8_t *file)
{
    const Elf64_Rela rela[] = {
        { ELF_LIBRARY_RELRO, ELF64_R_INFO(0, R_X86_64_RELATIVE), ELF_LIBRARY_TEXT },
        { ELF_LIBRARY_RELRO + 8, ELF64_R_INFO(2, R_X86_64_64), 0 },
        { ELF_LIBRARY_DATA, ELF64_R_INFO(0, R_X86_64_RELATIVE), ELF_LIBRARY_TEXT },
    };
    const Elf64_Rela plt = { ELF_LIBRARY_RELRO + 16, ELF64_R_INFO(1, R_X86_64_JUMP_SLOT), 0 };
    const uint64_t relr[2] = { ELF_LIBRARY_RELRO + 24, 1 << 2 | 1 }, addends[3] = { 0x900, 0xdead, 0xa00 };

    put(file, RELA, rela, sizeof(rela));
    put(file, PLT, &plt, sizeof(plt));
    put(file, RELR, relr, sizeof(relr));
    put(file, 0x1018, addends, sizeof(addends));
}

static void put_dynamic(uint8_t *file, const struct elf_library_writer *writer)
{
    const uint64_t bias = writer->loaded_at;
    const Elf64_Dyn entries[] = {
        { DT_SYMTAB, { SYMBOLS + bias } },
        { DT_STRTAB, { STRINGS + bias } },
        { writer->no_gnu_hash ? DT_DEBUG : DT_GNU_HASH, { HASH + bias } },
        { DT_RELA, { RELA + bias } },
        { DT_RELASZ, { 3 * sizeof(Elf64_Rela) } },
        { DT_JMPREL, { PLT + bias } },
        { DT_PLTRELSZ, { sizeof(Elf64_Rela) } },
        { DT_RELR, { RELR + bias } },
        { DT_RELRSZ, { 16 } },
        { DT_NULL, { 0 } },
    };

    put(file, 0x1100, entries, sizeof(entries));
}

struct span elf_library_file(const struct elf_library_writer *writer)
{
    uint8_t *file = calloc(1, ELF_LIBRARY_FILE_SIZE);

    if (!file) abort();
    put_headers(file, writer);
    put_symbols(file);
    put_relocations(file);
    put_dynamic(file, writer);
    for (uint32_t off = ELF_LIBRARY_TEXT; off < 0x1000; off++)
        file[off] = (uint8_t)(off * 5);
    memset(file + 0x2008, 0x11, 0x7f8);
    return (struct span) { file, ELF_LIBRARY_FILE_SIZE };
}
