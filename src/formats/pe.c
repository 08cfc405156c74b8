#include "formats/pe.h"

#include <string.h>
#include <strings.h>

enum { COFF_HEADER_SIZE = 20, SECTION_SIZE = 40, DEBUG_ENTRY_SIZE = 28, MAX_DEBUG_ENTRIES = 64 };

/* Offset of "PE\0\0". */
static bool signature_off(struct span bytes, uint32_t *ret)
{
    uint16_t magic;
    uint32_t off, signature;

    if (!span_u16(bytes, 0, &magic) || magic != 0x5a4d) return false;
    if (!span_u32(bytes, 0x3c, &off) || !span_u32(bytes, off, &signature) || signature != 0x4550) return false;
    *ret = off;
    return true;
}

bool pe_probe(struct span bytes)
{
    uint32_t off;

    return signature_off(bytes, &off);
}

static void read_directories(struct pe *pe, struct span optional, uint32_t directories_off)
{
    uint32_t count = load_u32(optional.data + directories_off - 4);

    for (uint32_t i = 0; i < count && i < PE_DIRECTORY_COUNT; i++) {
        struct span entry;
        if (!span_slice(optional, directories_off + 8 * i, 8, &entry)) return;
        pe->directories[i] = (struct pe_directory) { load_u32(entry.data), load_u32(entry.data + 4) };
    }
}

static bool read_optional_header(struct pe *pe, struct span optional)
{
    uint16_t magic;
    uint32_t directories_off;

    if (!span_u16(optional, 0, &magic) || (magic != 0x10b && magic != 0x20b)) return false;
    pe->is_64 = magic == 0x20b;
    directories_off = pe->is_64 ? 112 : 96;
    if (!span_holds(optional, 0, directories_off)) return false;
    pe->preferred_base = pe->is_64 ? load_u64(optional.data + 24) : load_u32(optional.data + 28);
    pe->section_alignment = load_u32(optional.data + 32);
    pe->file_alignment = load_u32(optional.data + 36);
    pe->image_size = load_u32(optional.data + 56);
    pe->headers_size = load_u32(optional.data + 60);
    read_directories(pe, optional, directories_off);
    return true;
}

struct error *pe_open(struct span bytes, enum pe_layout layout, struct pe *ret)
{
    struct pe pe = { .bytes = bytes, .layout = layout };
    struct span coff, optional;
    uint32_t off;

    if (!signature_off(bytes, &off)) return error_create(ERROR_BAD_DATA, "not a PE image: no MZ and PE signatures");
    if (!span_slice(bytes, (uint64_t)off + 4, COFF_HEADER_SIZE, &coff)) {
        return error_create(ERROR_BAD_DATA, "damaged PE image: it ends in the COFF header");
    }
    pe.machine = load_u16(coff.data);
    pe.section_count = load_u16(coff.data + 2);
    pe.timestamp = load_u32(coff.data + 4);
    pe.characteristics = load_u16(coff.data + 18);
    pe.section_table_off = (uint64_t)off + 4 + COFF_HEADER_SIZE + load_u16(coff.data + 16);
    if (!span_slice(bytes, (uint64_t)off + 4 + COFF_HEADER_SIZE, load_u16(coff.data + 16), &optional) ||
        !read_optional_header(&pe, optional)) {
        return error_create(ERROR_BAD_DATA, "damaged PE image: no optional header of PE32 or PE32+");
    }
    if (pe.section_count > PE_MAX_SECTIONS) {
        return error_create(ERROR_BAD_DATA, "damaged PE image: %u sections, at most %d are allowed", pe.section_count,
                            PE_MAX_SECTIONS);
    }
    *ret = pe;
    return NULL;
}

bool pe_section(const struct pe *pe, uint32_t index, struct pe_section *ret)
{
    struct span entry;

    if (index >= pe->section_count) return false;
    if (!span_slice(pe->bytes, pe->section_table_off + (uint64_t)index * SECTION_SIZE, SECTION_SIZE, &entry)) return false;
    *ret = (struct pe_section) {
        .virtual_size = load_u32(entry.data + 8),
        .rva = load_u32(entry.data + 12),
        .raw_size = load_u32(entry.data + 16),
        .raw_off = load_u32(entry.data + 20),
        .characteristics = load_u32(entry.data + 36),
    };
    memcpy(ret->name, entry.data, 8);
    return true;
}

bool pe_section_at(const struct pe *pe, uint32_t rva, struct pe_section *ret)
{
    struct pe_section section;

    for (uint32_t i = 0; pe_section(pe, i, &section); i++) {
        uint32_t size = section.virtual_size > section.raw_size ? section.virtual_size : section.raw_size;
        if (rva >= section.rva && rva - section.rva < size) {
            *ret = section;
            return true;
        }
    }
    return false;
}

/* The part of `bytes` that begins at `off` and has at most `size` bytes; false when empty. */
static bool slice_at_most(struct span bytes, uint64_t off, uint64_t size, struct span *ret)
{
    struct span rest = span_from(bytes, off);

    if (rest.size > size) rest.size = (size_t)size;
    if (rest.size == 0) return false;
    *ret = rest;
    return true;
}

bool pe_rva_rest(const struct pe *pe, uint32_t rva, struct span *ret)
{
    struct pe_section section;

    if (pe->layout == PE_LAYOUT_MAPPED) {
        if (rva >= pe->image_size) return false;
        return slice_at_most(pe->bytes, rva, pe->image_size - rva, ret);
    }
    if (pe_section_at(pe, rva, &section)) {
        uint32_t skipped = rva - section.rva;
        if (skipped >= section.raw_size) return false; /* zeros that the loader adds */
        return slice_at_most(pe->bytes, (uint64_t)section.raw_off + skipped, section.raw_size - skipped, ret);
    }
    if (rva >= pe->headers_size) return false;
    return slice_at_most(pe->bytes, rva, pe->headers_size - rva, ret);
}

bool pe_rva_span(const struct pe *pe, uint32_t rva, uint64_t size, struct span *ret)
{
    struct span rest;

    return pe_rva_rest(pe, rva, &rest) && span_slice(rest, 0, size, ret);
}

bool pe_directory_span(const struct pe *pe, enum pe_directory_index index, struct span *ret)
{
    const struct pe_directory *directory = &pe->directories[index];

    return directory->rva != 0 && directory->size != 0 && pe_rva_span(pe, directory->rva, directory->size, ret);
}

static struct pe_directory load_directory(const uint8_t *p)
{
    return (struct pe_directory) { load_u32(p), load_u32(p + 4) };
}

bool pe_cli(const struct pe *pe, struct pe_cli *ret)
{
    struct span header;

    if (!pe->directories[PE_DIRECTORY_CLI].rva || !pe_rva_span(pe, pe->directories[PE_DIRECTORY_CLI].rva, 72, &header))
        return false;
    *ret = (struct pe_cli) {
        .metadata = load_directory(header.data + 8),
        .flags = load_u32(header.data + 16),
        .entry_point = load_u32(header.data + 20),
        .resources = load_directory(header.data + 24),
        .managed_native_header = load_directory(header.data + 64),
    };
    return true;
}

bool pe_metadata(const struct pe *pe, struct span *ret)
{
    struct pe_cli cli;

    return pe_cli(pe, &cli) && cli.metadata.size != 0 && pe_rva_span(pe, cli.metadata.rva, cli.metadata.size, ret);
}

struct export_table {
    uint32_t function_count, name_count;
    struct span functions, names, ordinals;
};

static bool export_table_read(const struct pe *pe, struct export_table *ret)
{
    struct span directory;

    if (!pe->directories[PE_DIRECTORY_EXPORT].rva) return false;
    if (!pe_rva_span(pe, pe->directories[PE_DIRECTORY_EXPORT].rva, 40, &directory)) return false;
    ret->function_count = load_u32(directory.data + 20);
    ret->name_count = load_u32(directory.data + 24);
    return pe_rva_span(pe, load_u32(directory.data + 28), 4 * (uint64_t)ret->function_count, &ret->functions) &&
           pe_rva_span(pe, load_u32(directory.data + 32), 4 * (uint64_t)ret->name_count, &ret->names) &&
           pe_rva_span(pe, load_u32(directory.data + 36), 2 * (uint64_t)ret->name_count, &ret->ordinals);
}

static bool rva_cstr(const struct pe *pe, uint32_t rva, const char **ret)
{
    struct span rest;

    return pe_rva_rest(pe, rva, &rest) && span_cstr(rest, 0, ret, NULL);
}

/* An address inside the export directory is the text "dll.symbol" instead of code. */
static bool is_forwarder(const struct pe *pe, uint32_t rva)
{
    const struct pe_directory *directory = &pe->directories[PE_DIRECTORY_EXPORT];

    return rva >= directory->rva && rva - directory->rva < directory->size;
}

/* The function behind the `index`th name. */
static bool export_rva(const struct pe *pe, const struct export_table *table, uint32_t index, uint32_t *ret)
{
    uint16_t ordinal = load_u16(table->ordinals.data + 2 * (size_t)index);
    uint32_t rva;

    if (ordinal >= table->function_count) return false;
    rva = load_u32(table->functions.data + 4 * (size_t)ordinal);
    if (rva == 0 || is_forwarder(pe, rva)) return false;
    *ret = rva;
    return true;
}

/* The names are sorted by byte value. */
bool pe_export(const struct pe *pe, const char *name, uint32_t *ret)
{
    struct export_table table;
    uint32_t low = 0, high;

    if (!export_table_read(pe, &table)) return false;
    high = table.name_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const char *found;
        int order;
        if (!rva_cstr(pe, load_u32(table.names.data + 4 * (size_t)middle), &found)) return false;
        order = strcmp(name, found);
        if (order == 0) return export_rva(pe, &table, middle, ret);
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

/*
 * Resources are a tree of three levels: type, name, language. An entry is {name or id, offset}; the high bit of the first says that
 * it is the offset of a counted UTF-16 string, of the second that another directory follows. Offsets count from the tree's start.
 */
enum { RESOURCE_HIGH = INT32_MIN };

static bool resource_name_is(struct span tree, uint32_t name_off, const char *wanted)
{
    size_t length = strlen(wanted);
    uint16_t count;
    struct span units;

    if (!span_u16(tree, name_off, &count) || count != length) return false;
    if (!span_slice(tree, (uint64_t)name_off + 2, 2 * (uint64_t)count, &units)) return false;
    for (size_t i = 0; i < length; i++) {
        char unit[2] = { (char)units.data[2 * i], 0 }, letter[2] = { wanted[i], 0 };
        if (units.data[2 * i + 1] != 0 || strcasecmp(unit, letter) != 0) return false;
    }
    return true;
}

/* Looks in the directory at `off` for `name` or, when it is NULL, for `id`; id 0 takes the first. */
static bool resource_find(struct span tree, uint32_t off, uint32_t id, const char *name, uint32_t *ret)
{
    struct span directory, entry;
    uint32_t count;

    if (!span_slice(tree, off, 16, &directory)) return false;
    count = load_u16(directory.data + 12) + (uint32_t)load_u16(directory.data + 14);
    for (uint32_t i = 0; i < count && span_slice(tree, (uint64_t)off + 16 + 8 * (uint64_t)i, 8, &entry); i++) {
        uint32_t key = load_u32(entry.data);
        bool is_name = key & (uint32_t)RESOURCE_HIGH;
        if (name ? is_name && resource_name_is(tree, key & ~(uint32_t)RESOURCE_HIGH, name) : id == 0 || (!is_name && key == id)) {
            *ret = load_u32(entry.data + 4);
            return true;
        }
    }
    return false;
}

static bool resource_descend(struct span tree, uint32_t *off, uint32_t id, const char *name)
{
    uint32_t found;

    if (!(*off & (uint32_t)RESOURCE_HIGH)) return false;
    if (!resource_find(tree, *off & ~(uint32_t)RESOURCE_HIGH, id, name, &found)) return false;
    *off = found;
    return true;
}

bool pe_resource(const struct pe *pe, uint32_t type, const char *name, struct span *ret)
{
    uint32_t off = (uint32_t)RESOURCE_HIGH;
    struct span tree, entry;

    if (!pe->directories[PE_DIRECTORY_RESOURCE].rva || !pe_rva_rest(pe, pe->directories[PE_DIRECTORY_RESOURCE].rva, &tree))
        return false;
    if (!resource_descend(tree, &off, type, NULL) || !resource_descend(tree, &off, 0, name)) return false;
    if (!resource_descend(tree, &off, 0, NULL) || off & (uint32_t)RESOURCE_HIGH) return false;
    return span_slice(tree, off, 16, &entry) && pe_rva_span(pe, load_u32(entry.data), load_u32(entry.data + 4), ret);
}

/*
 * A node of VS_VERSIONINFO: u16 length of all, u16 length of the value, u16 type, UTF-16 key with its NUL, value, children; value
 * and children are aligned to 4 from the resource's start.
 */
struct version_node {
    struct span key;   /* without the NUL */
    struct span value; /* to the node's end, for text nodes; its length is counted in units or bytes, writers disagree */
    uint64_t children_off;
    uint64_t end_off;
    uint16_t value_length;
};

static uint64_t align4(uint64_t off)
{
    return (off + 3) & ~UINT64_C(3);
}

static bool version_node_read(struct span info, uint64_t off, uint64_t end, struct version_node *ret)
{
    uint16_t length, value_length, type, unit;
    uint64_t key_off = off + 6, at = key_off, value_off;

    if (!span_u16(info, off, &length) || !span_u16(info, off + 2, &value_length) || !span_u16(info, off + 4, &type)) return false;
    if (length < 6 || length > end - off) return false;
    end = off + length;
    do {
        if (at + 2 > end || !span_u16(info, at, &unit)) return false;
        at += 2;
    } while (unit != 0);
    value_off = align4(at);
    if (value_off > end) value_off = end;
    *ret = (struct version_node) { .value_length = value_length, .end_off = end };
    ret->children_off = align4(value_off + (type == 1 ? 2 : 1) * (uint64_t)value_length);
    return span_slice(info, key_off, at - 2 - key_off, &ret->key) && span_slice(info, value_off, end - value_off, &ret->value);
}

static bool version_key_is(const struct version_node *node, const char *wanted)
{
    size_t length = strlen(wanted);

    if (node->key.size != 2 * length) return false;
    for (size_t i = 0; i < length; i++) {
        if (node->key.data[2 * i] != (uint8_t)wanted[i] || node->key.data[2 * i + 1] != 0) return false;
    }
    return true;
}

/* The first child of `parent` with that key; NULL takes the first of all. */
static bool version_child(struct span info, const struct version_node *parent, const char *key, struct version_node *ret)
{
    uint64_t off = parent->children_off;

    while (off < parent->end_off && version_node_read(info, off, parent->end_off, ret)) {
        if (!key || version_key_is(ret, key)) return true;
        off = align4(ret->end_off);
    }
    return false;
}

static bool version_root(const struct pe *pe, struct span *info_ret, struct version_node *ret)
{
    struct span info;

    if (!pe_resource(pe, PE_RESOURCE_VERSION, NULL, &info)) return false;
    *info_ret = info;
    return version_node_read(info, 0, info.size, ret) && version_key_is(ret, "VS_VERSION_INFO");
}

bool pe_file_version(const struct pe *pe, struct text *ret)
{
    struct version_node root;
    struct span info;

    if (!version_root(pe, &info, &root) || root.value.size < 16 || load_u32(root.value.data) != 0xfeef04bd) return false;
    text_printf(ret, "%u.%u.%u.%u", load_u16(root.value.data + 10), load_u16(root.value.data + 8), load_u16(root.value.data + 14),
                load_u16(root.value.data + 12));
    return true;
}

bool pe_version_string(const struct pe *pe, const char *key, struct text *ret)
{
    struct version_node root, strings, table, entry;
    struct span info;
    size_t count = 0;

    if (!version_root(pe, &info, &root) || !version_child(info, &root, "StringFileInfo", &strings)) return false;
    if (!version_child(info, &strings, NULL, &table) || !version_child(info, &table, key, &entry)) return false;
    while (2 * count + 2 <= entry.value.size && load_u16(entry.value.data + 2 * count) != 0)
        count++;
    text_append_utf16(ret, entry.value.data, count);
    return true;
}

void pe_relocs_begin(const struct pe *pe, struct pe_relocs *relocs)
{
    *relocs = (struct pe_relocs) { 0 };
    if (!pe_directory_span(pe, PE_DIRECTORY_RELOC, &relocs->table)) relocs->table = (struct span) { 0 };
}

/* A block: u32 RVA of a page, u32 size of all, then u16 entries of 4 bits type and 12 bits offset. */
static bool next_block(struct pe_relocs *relocs)
{
    uint32_t size;

    if (!span_u32(relocs->table, 0, &relocs->block_rva) || !span_u32(relocs->table, 4, &size)) return false;
    if (size < 8 || !span_slice(relocs->table, 8, size - 8, &relocs->block)) return false;
    relocs->table = span_from(relocs->table, size);
    return true;
}

bool pe_relocs_next(struct pe_relocs *relocs, struct pe_reloc *ret)
{
    uint16_t entry;

    while (!span_u16(relocs->block, 0, &entry)) {
        if (!next_block(relocs)) return false;
    }
    relocs->block = span_from(relocs->block, 2);
    *ret = (struct pe_reloc) { relocs->block_rva + (entry & 0xfffu), (uint8_t)(entry >> 12) };
    return true;
}

uint32_t pe_debug_count(const struct pe *pe)
{
    uint32_t count = pe->directories[PE_DIRECTORY_DEBUG].size / DEBUG_ENTRY_SIZE;

    if (pe->directories[PE_DIRECTORY_DEBUG].rva == 0) return 0;
    return count < MAX_DEBUG_ENTRIES ? count : MAX_DEBUG_ENTRIES;
}

bool pe_debug_entry(const struct pe *pe, uint32_t index, struct pe_debug *ret)
{
    uint32_t size, rva, off;
    struct span table, entry;

    if (index >= pe_debug_count(pe) || !pe_rva_rest(pe, pe->directories[PE_DIRECTORY_DEBUG].rva, &table)) return false;
    if (!span_slice(table, (uint64_t)index * DEBUG_ENTRY_SIZE, DEBUG_ENTRY_SIZE, &entry)) return false;
    *ret = (struct pe_debug) {
        .timestamp = load_u32(entry.data + 4),
        .major = load_u16(entry.data + 8),
        .minor = load_u16(entry.data + 10),
        .type = load_u32(entry.data + 12),
    };
    size = load_u32(entry.data + 16);
    rva = load_u32(entry.data + 20);
    off = load_u32(entry.data + 24);
    if (pe->layout == PE_LAYOUT_MAPPED ? !rva || !pe_rva_span(pe, rva, size, &ret->data)
                                       : !span_slice(pe->bytes, off, size, &ret->data)) {
        ret->data = (struct span) { 0 };
    }
    return true;
}

static bool find_debug(const struct pe *pe, uint32_t type, struct pe_debug *ret)
{
    for (uint32_t i = 0; pe_debug_entry(pe, i, ret); i++) {
        if (ret->type == type) return true;
    }
    return false;
}

bool pe_codeview(const struct pe *pe, struct pe_codeview *ret)
{
    struct pe_debug debug;
    const char *path;

    if (!find_debug(pe, PE_DEBUG_CODEVIEW, &debug) || debug.data.size < 24) return false;
    if (memcmp(debug.data.data, "RSDS", 4) != 0 || !span_cstr(debug.data, 24, &path, NULL)) return false;
    *ret = (struct pe_codeview) {
        .age = load_u32(debug.data.data + 20),
        .timestamp = debug.timestamp,
        .is_portable = debug.minor == 0x504d,
        .path = path,
    };
    memcpy(ret->guid, debug.data.data + 4, 16);
    return true;
}

bool pe_embedded_pdb(const struct pe *pe, struct span *deflated_ret, uint32_t *size_ret)
{
    struct pe_debug debug;

    if (!find_debug(pe, PE_DEBUG_EMBEDDED_PDB, &debug) || debug.data.size <= 8) return false;
    if (memcmp(debug.data.data, "MPDB", 4) != 0) return false;
    *size_ret = load_u32(debug.data.data + 4);
    *deflated_ret = span_from(debug.data, 8);
    return true;
}

bool pe_is_reproducible(const struct pe *pe)
{
    struct pe_debug debug;

    return find_debug(pe, PE_DEBUG_REPRODUCIBLE, &debug);
}
