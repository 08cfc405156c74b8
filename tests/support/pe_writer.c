#include "pe_writer.h"

#include <stdlib.h>
#include <string.h>

enum { HEADERS = 0x400, NT = 0x80, RSRC = 0x3000, RELOC = 0x4000 };

struct image {
    uint8_t *data; /* the file */
};

static const struct section {
    char name[8];
    uint32_t rva, virtual_size, off, size, characteristics;
} sections[] = {
    { ".text", 0x1000, 0x1000, 0x400, 0x1000, 0x60000020 },
    { ".data", 0x2000, 0x800, 0x1400, 0x400, 0xc0000040 },
    { ".rsrc", 0x3000, 0x800, 0x1800, 0x800, 0x40000040 },
    { ".reloc", 0x4000, 0x200, 0x2000, 0x200, 0x42000040 },
};

enum { SECTION_COUNT = sizeof(sections) / sizeof(*sections) };

static uint8_t *at(struct image *image, uint32_t rva)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (rva >= sections[i].rva && rva - sections[i].rva < sections[i].size)
            return image->data + sections[i].off + (rva - sections[i].rva);
    }
    return image->data + rva;
}

static void put16(struct image *image, uint32_t rva, uint16_t value)
{
    memcpy(at(image, rva), &value, 2);
}

static void put32(struct image *image, uint32_t rva, uint32_t value)
{
    memcpy(at(image, rva), &value, 4);
}

static void put64(struct image *image, uint32_t rva, uint64_t value)
{
    memcpy(at(image, rva), &value, 8);
}

static void put_text(struct image *image, uint32_t rva, const char *text)
{
    memcpy(at(image, rva), text, strlen(text) + 1);
}

static void put_sections(struct image *image, uint32_t off)
{
    for (size_t i = 0; i < SECTION_COUNT; i++, off += 40) {
        memcpy(image->data + off, sections[i].name, 8);
        put32(image, off + 8, sections[i].virtual_size);
        put32(image, off + 12, sections[i].rva);
        put32(image, off + 16, sections[i].size);
        put32(image, off + 20, sections[i].off);
        put32(image, off + 36, sections[i].characteristics);
    }
}

/* Returns the offset of the data directories. */
static uint32_t put_headers(struct image *image, const struct pe_writer *writer)
{
    uint32_t optional = NT + 24, directories = optional + (writer->is_32 ? 96 : 112);

    memcpy(image->data, "MZ", 2);
    put32(image, 0x3c, NT);
    memcpy(image->data + NT, "PE", 2);
    put16(image, NT + 4, writer->is_32 ? 0x14c : 0x8664);
    put16(image, NT + 6, SECTION_COUNT);
    put32(image, NT + 8, writer->timestamp);
    put16(image, NT + 20, (uint16_t)(directories + 128 - optional));
    put16(image, NT + 22, 0x2022);
    put16(image, optional, writer->is_32 ? 0x10b : 0x20b);
    if (writer->is_32) {
        put32(image, optional + 28, (uint32_t)PE_WRITER_BASE);
    } else {
        put64(image, optional + 24, PE_WRITER_BASE);
    }
    put32(image, optional + 32, 0x1000);
    put32(image, optional + 36, 0x200);
    put32(image, optional + 56, PE_WRITER_IMAGE_SIZE);
    put32(image, optional + 60, HEADERS);
    put32(image, directories - 4, 16);
    put_sections(image, directories + 128);
    return directories;
}

static void put_directory(struct image *image, uint32_t directories, uint32_t index, uint32_t rva, uint32_t size)
{
    put32(image, directories + 8 * index, rva);
    put32(image, directories + 8 * index + 4, size);
}

/* Directory, then the tables of functions, names and ordinals for up to 16 exports, then the names. */
static void put_exports(struct image *image, const struct pe_writer *writer, uint32_t directories)
{
    enum {
        DIRECTORY = PE_WRITER_TEXT,
        FUNCTIONS = DIRECTORY + 40,
        NAMES = FUNCTIONS + 64,
        ORDINALS = NAMES + 64,
        TEXT = ORDINALS + 32
    };
    uint32_t text = TEXT;

    if (!writer->export_count) return;
    put_directory(image, directories, 0, DIRECTORY, 0x400);
    put32(image, DIRECTORY + 20, (uint32_t)writer->export_count);
    put32(image, DIRECTORY + 24, (uint32_t)writer->export_count);
    put32(image, DIRECTORY + 28, FUNCTIONS);
    put32(image, DIRECTORY + 32, NAMES);
    put32(image, DIRECTORY + 36, ORDINALS);
    for (uint32_t i = 0; i < writer->export_count; i++) {
        const char *name = writer->exports[i];
        bool forwards = name[0] == '*';
        uint32_t reversed = (uint32_t)writer->export_count - 1 - i; /* ordinals in another order than names */
        name += forwards;
        put32(image, FUNCTIONS + 4 * reversed, forwards ? text : PE_WRITER_CODE + 16 * i);
        put32(image, NAMES + 4 * i, text);
        put16(image, ORDINALS + 2 * i, (uint16_t)reversed);
        put_text(image, text, name);
        text += (uint32_t)strlen(name) + 1;
    }
}

static void put_debug_entry(struct image *image, uint32_t index, uint32_t type, uint16_t minor, uint32_t rva, uint32_t size)
{
    uint32_t entry = 0x1400 + 28 * index;

    put32(image, entry + 4, 0xfeedf00d);
    put16(image, entry + 10, minor);
    put32(image, entry + 12, type);
    put32(image, entry + 16, size);
    put32(image, entry + 20, rva);
    put32(image, entry + 24, rva ? (uint32_t)(at(image, rva) - image->data) : 0);
}

static void put_debug(struct image *image, const struct pe_writer *writer, uint32_t directories)
{
    uint32_t count = 2;

    if (!writer->pdb_path) return;
    put_debug_entry(image, 0, 16, 0, 0, 0);
    put_debug_entry(image, 1, 2, 0x504d, 0x1480, 24 + (uint32_t)strlen(writer->pdb_path) + 1);
    memcpy(at(image, 0x1480), "RSDS", 4);
    for (uint8_t i = 0; i < 16; i++)
        at(image, 0x1484)[i] = (uint8_t)(i + 1);
    put32(image, 0x1494, 1);
    put_text(image, 0x1498, writer->pdb_path);
    if (writer->embedded_pdb) {
        put_debug_entry(image, count++, 17, 0, 0x1500, 8 + (uint32_t)writer->embedded_pdb_size);
        memcpy(at(image, 0x1500), "MPDB", 4);
        put32(image, 0x1504, 4321);
        memcpy(at(image, 0x1508), writer->embedded_pdb, writer->embedded_pdb_size);
    }
    put_directory(image, directories, 6, 0x1400, 28 * count);
}

static void put_cli(struct image *image, uint32_t directories)
{
    put_directory(image, directories, 14, 0x1600, 72);
    put32(image, 0x1600, 72);
    put32(image, 0x1608, 0x1700);
    put32(image, 0x160c, 32);
    put32(image, 0x1610, 9);
    put32(image, 0x1614, 0x06000001);
    put32(image, 0x1640, 0x1780);
    put32(image, 0x1644, 16);
    memcpy(at(image, 0x1700), "BSJB", 4);
}

static uint32_t put_utf16(struct image *image, uint32_t rva, const char *text)
{
    for (; *text; text++, rva += 2)
        put16(image, rva, (uint8_t)*text);
    return rva + 2;
}

static uint32_t align4(uint32_t rva)
{
    return (rva + 3) & ~3u;
}

/* Starts a node of VS_VERSIONINFO; returns where its value goes. */
static uint32_t put_node(struct image *image, uint32_t rva, uint16_t value_length, uint16_t type, const char *key)
{
    put16(image, rva + 2, value_length);
    put16(image, rva + 4, type);
    return align4(put_utf16(image, rva + 6, key));
}

static uint32_t put_version(struct image *image, const struct pe_writer *writer, uint32_t start)
{
    uint32_t value = put_node(image, start, 52, 0, "VS_VERSION_INFO"), strings = align4(value + 52), table, entry, end;

    put32(image, value, 0xfeef04bd);
    put16(image, value + 8, writer->version[1]);
    put16(image, value + 10, writer->version[0]);
    put16(image, value + 12, writer->version[3]);
    put16(image, value + 14, writer->version[2]);
    table = put_node(image, strings, 0, 1, "StringFileInfo");
    entry = put_node(image, table, 0, 1, "000004b0");
    end = put_utf16(image, put_node(image, entry, 4, 1, "CompanyName"), "Us.");
    put16(image, entry, (uint16_t)(end - entry));
    entry = align4(end);
    end = put_utf16(image, put_node(image, entry, (uint16_t)(strlen(writer->version_text) + 1), 1, "FileVersion"),
                    writer->version_text);
    put16(image, entry, (uint16_t)(end - entry));
    put16(image, table, (uint16_t)(end - table));
    put16(image, strings, (uint16_t)(end - strings));
    put16(image, start, (uint16_t)(end - start));
    return end - start;
}

/* A directory with one entry: `key` -> `value`, the latter with the high bit for a directory. */
static void put_resource_directory(struct image *image, uint32_t off, uint32_t key, uint32_t value)
{
    bool is_named = key >> 31;

    put16(image, RSRC + off + 12, is_named);
    put16(image, RSRC + off + 14, !is_named);
    put32(image, RSRC + off + 16, key);
    put32(image, RSRC + off + 20, value);
}

/* Root with types 10 and 16; for each a name, a language, an entry. */
static void put_resources(struct image *image, const struct pe_writer *writer, uint32_t directories)
{
    enum { NAME = 0x200, BYTES = 0x300, VERSION = 0x400 };
    const uint32_t high = UINT32_C(1) << 31;
    uint16_t count = 0;

    if (!writer->resource_name && !writer->version_text) return;
    put_directory(image, directories, 2, RSRC, 0x800);
    if (writer->resource_name) {
        put32(image, RSRC + 16, 10);
        put32(image, RSRC + 20, high | 0x40);
        count++;
        put_resource_directory(image, 0x40, high | NAME, high | 0x60);
        put_resource_directory(image, 0x60, 1033, 0x80);
        put32(image, RSRC + 0x80, RSRC + BYTES);
        put32(image, RSRC + 0x84, (uint32_t)writer->resource_size);
        put16(image, RSRC + NAME, (uint16_t)strlen(writer->resource_name));
        put_utf16(image, RSRC + NAME + 2, writer->resource_name);
        memcpy(at(image, RSRC + BYTES), writer->resource, writer->resource_size);
    }
    if (writer->version_text) {
        put32(image, RSRC + 16 + 8u * count, 16);
        put32(image, RSRC + 20 + 8u * count, high | 0x100);
        count++;
        put_resource_directory(image, 0x100, 1, high | 0x120);
        put_resource_directory(image, 0x120, 1033, 0x140);
        put32(image, RSRC + 0x140, RSRC + VERSION);
        put32(image, RSRC + 0x144, put_version(image, writer, RSRC + VERSION));
    }
    put16(image, RSRC + 14, count);
}

static void put_relocations(struct image *image, const struct pe_writer *writer, uint32_t directories)
{
    uint16_t type = writer->is_32 ? 3 : 10;

    put_directory(image, directories, 5, RELOC, 24);
    put32(image, RELOC, 0x1000);
    put32(image, RELOC + 4, 12);
    put16(image, RELOC + 8, (uint16_t)(type << 12 | 0xf00));
    put32(image, RELOC + 12, 0x2000);
    put32(image, RELOC + 16, 12);
    put16(image, RELOC + 20, (uint16_t)(type << 12));
    if (writer->is_32) {
        put32(image, PE_WRITER_CONSTANT_POINTER, (uint32_t)PE_WRITER_BASE + 0x2000);
        put32(image, PE_WRITER_DATA, (uint32_t)PE_WRITER_BASE + 0x1800);
    } else {
        put64(image, PE_WRITER_CONSTANT_POINTER, PE_WRITER_BASE + 0x2000);
        put64(image, PE_WRITER_DATA, PE_WRITER_BASE + 0x1800);
    }
}

struct span pe_writer_file(const struct pe_writer *writer)
{
    struct image image = { calloc(1, PE_WRITER_FILE_SIZE) };
    uint32_t directories;

    if (!image.data) abort();
    directories = put_headers(&image, writer);
    for (uint32_t rva = PE_WRITER_CODE; rva < PE_WRITER_CONSTANT_POINTER; rva++)
        *at(&image, rva) = (uint8_t)(rva * 7);
    put_exports(&image, writer, directories);
    put_debug(&image, writer, directories);
    if (writer->is_managed) put_cli(&image, directories);
    put_resources(&image, writer, directories);
    put_relocations(&image, writer, directories);
    return (struct span) { image.data, PE_WRITER_FILE_SIZE };
}

struct span pe_writer_mapped(const struct pe_writer *writer)
{
    struct span file = pe_writer_file(writer);
    uint8_t *mapped = calloc(1, PE_WRITER_IMAGE_SIZE);

    if (!mapped) abort();
    memcpy(mapped, file.data, HEADERS);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        memcpy(mapped + sections[i].rva, file.data + sections[i].off, sections[i].size);
    free((void *)(uintptr_t)file.data);
    return (struct span) { mapped, PE_WRITER_IMAGE_SIZE };
}
