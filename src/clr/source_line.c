#include "clr/source_line.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "clr/module_image.h"
#include "target/images.h"

enum {
    PDB_SIZE_MAX = 1 << 28,   /* of an embedded one; those of the largest programs have some ten MiB */
    IMAGE_SIZE_MAX = 1 << 28, /* of an image that is put together to look at its debug directory */
    DEFLATE_RATIO = 1032,     /* the most that deflate gains (zlib's technical notes) */
};

/* What the dll says of its PDB. */
struct wanted {
    uint8_t id[PORTABLE_PDB_ID_SIZE];
    const char *path;
};

/* ---- the dll ---- */

struct dll {
    struct pe pe;
    uint8_t *owned;
};

/* The image from memory; missing pages read as zeros. */
static bool gather_image(const struct clr *clr, const struct clr_module *module, struct dll *ret)
{
    struct error *err;

    if (!module->base || !module->size || module->size > IMAGE_SIZE_MAX) return false;
    ret->owned = calloc(1, module->size);
    if (!ret->owned) return false;
    for (uint64_t done = 0; done < module->size;) {
        uint64_t piece, step = 4096 - (module->base + done) % 4096;
        const uint8_t *view = memory_view(clr->memory, module->base + done, module->size - done, &piece);

        if (view) step = piece;
        if (step > module->size - done) step = module->size - done;
        if (view) memcpy(ret->owned + done, view, step);
        done += step;
    }
    err = pe_open((struct span) { ret->owned, module->size }, module->is_flat ? PE_LAYOUT_FLAT : PE_LAYOUT_MAPPED, &ret->pe);
    error_destroy(err);
    return !err;
}

/* The whole file on disk. */
static bool open_file(const struct clr *clr, const struct clr_module *module, struct dll *ret)
{
    struct pe headers;
    struct image_identity identity = { 0 };
    struct span file;
    struct error *err;

    if (!*module->path) return false;
    if (module_image_headers(clr, module, &headers)) {
        identity.timestamp = headers.timestamp;
        identity.image_size = headers.image_size;
    }
    if (!images_file_span(clr->target->images, module->path, &identity, &file)) return false;
    err = pe_open(file, PE_LAYOUT_FLAT, &ret->pe);
    error_destroy(err);
    return !err;
}

/* ---- the PDB ---- */

static bool open_pdb(struct span bytes, const uint8_t *want, struct metadata *ret)
{
    uint8_t id[PORTABLE_PDB_ID_SIZE];

    return metadata_try_open(bytes, ret) && portable_pdb_id(ret, id) && (!want || !memcmp(id, want, sizeof(id)));
}

static bool open_embedded(const struct dll *dll, struct source_lines *lines)
{
    struct span deflated;
    uint32_t size;
    z_stream stream = { 0 };
    int result;

    if (!pe_embedded_pdb(&dll->pe, &deflated, &size) || size > PDB_SIZE_MAX || size / DEFLATE_RATIO > deflated.size) return false;
    lines->owned = malloc(size ? size : 1);
    if (!lines->owned || inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
    stream.next_in = (Bytef *)(uintptr_t)deflated.data;
    stream.avail_in = (uInt)deflated.size;
    stream.next_out = lines->owned;
    stream.avail_out = size;
    result = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (result != Z_STREAM_END && stream.avail_out) return false;
    return open_pdb((struct span) { lines->owned, size }, NULL, &lines->pdb);
}

static bool accept_pdb(void *user, struct span bytes)
{
    struct metadata pdb;

    return open_pdb(bytes, ((const struct wanted *)user)->id, &pdb);
}

static bool try_path(const struct clr *clr, const char *path, struct wanted *wanted, struct source_lines *lines)
{
    struct span bytes;

    return images_find_file(clr->target->images, path, accept_pdb, wanted, &bytes) && open_pdb(bytes, wanted->id, &lines->pdb);
}

/* Behind the last separator of either kind. */
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
    const char *last = slash > backslash ? slash : backslash;

    return last ? last + 1 : path;
}

static bool find_beside(const struct clr *clr, const struct clr_module *module, struct wanted *wanted, struct source_lines *lines)
{
    const char *name = file_name(module->path), *dot = strrchr(name, '.');
    struct text path;
    bool found;

    text_init(&path);
    text_append(&path, module->path, dot ? (size_t)(dot - module->path) : strlen(module->path));
    text_puts(&path, ".pdb");
    found = try_path(clr, text_cstr(&path), wanted, lines);
    if (!found) {
        text_clear(&path);
        text_append(&path, module->path, (size_t)(name - module->path));
        text_puts(&path, file_name(wanted->path));
        found = try_path(clr, text_cstr(&path), wanted, lines);
    }
    text_deinit(&path);
    return found || try_path(clr, wanted->path, wanted, lines);
}

static bool find_file(const struct clr *clr, const struct clr_module *module, const struct dll *dll, struct source_lines *lines)
{
    struct pe_codeview codeview;
    struct wanted wanted;

    if (!pe_codeview(&dll->pe, &codeview) || !codeview.is_portable || strlen(codeview.path) > LIMIT_PATH_LENGTH) return false;
    memcpy(wanted.id, codeview.guid, sizeof(codeview.guid));
    memcpy(wanted.id + sizeof(codeview.guid), &codeview.timestamp, sizeof(codeview.timestamp));
    wanted.path = codeview.path;
    return find_beside(clr, module, &wanted, lines);
}

/* Does the debug directory say where the PDB is, and that it is not in the dll itself? */
static bool is_elsewhere(const struct dll *dll)
{
    struct pe_codeview codeview;
    struct pe_debug debug;

    for (uint32_t i = 0; pe_debug_entry(&dll->pe, i, &debug); i++)
        if (debug.type == PE_DEBUG_EMBEDDED_PDB) return false;
    return pe_codeview(&dll->pe, &codeview);
}

void source_lines_init(const struct clr *clr, const struct clr_module *module, struct source_lines *ret)
{
    struct dll dll = { 0 };
    bool is_done = false;

    *ret = (struct source_lines) { 0 };
    if (module->is_dynamic) return;
    /* What the target has of the image is enough as a rule, and asks for no file. */
    if (gather_image(clr, module, &dll)) {
        ret->is_found = open_embedded(&dll, ret) || find_file(clr, module, &dll, ret);
        is_done = ret->is_found || is_elsewhere(&dll);
    }
    free(dll.owned);
    if (is_done) return;
    source_lines_deinit(ret);
    if (open_file(clr, module, &dll)) ret->is_found = open_embedded(&dll, ret) || find_file(clr, module, &dll, ret);
}

void source_lines_deinit(struct source_lines *lines)
{
    free(lines->owned);
    *lines = (struct source_lines) { 0 };
}

bool source_lines_find(const struct source_lines *lines, uint32_t method_rid, uint32_t il_offset, struct text *path,
                       uint32_t *line_ret)
{
    struct sequence_point point;

    if (!lines->is_found || !portable_pdb_find(&lines->pdb, method_rid, il_offset, &point)) return false;
    if (!portable_pdb_document(&lines->pdb, point.document_rid, path)) return false;
    *line_ret = point.start_line;
    return true;
}
