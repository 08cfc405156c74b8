#include "clr/code_lines.h"

#include <stdlib.h>
#include <string.h>

#include "clr/call_search.h"
#include "clr/method_origin.h"
#include "clr/ready_to_run.h"
#include "formats/debug_info.h"
#include "formats/r2r.h"

void code_lines_init(struct code_lines *lines, struct clr *clr)
{
    *lines = (struct code_lines) { .clr = clr };
    text_init(&lines->path);
}

void code_lines_deinit(struct code_lines *lines)
{
    for (size_t i = 0; i < lines->modules.count; i++) {
        source_lines_deinit(&lines->modules.data[i].lines);
        free((void *)(uintptr_t)lines->modules.data[i].r2r_debug_info.data);
    }
    vec_deinit(&lines->modules);
    text_deinit(&lines->path);
}

/* NULL: no memory. Valid until the next call. */
static struct code_lines_module *module_of(struct code_lines *lines, uint64_t module_addr)
{
    for (size_t i = 0; i < lines->modules.count; i++)
        if (lines->modules.data[i].module_addr == module_addr) return &lines->modules.data[i];
    if (!vec_push(&lines->modules, (struct code_lines_module) { .module_addr = module_addr })) return NULL;
    return &lines->modules.data[lines->modules.count - 1];
}

/* ---- IL offsets ---- */

/* At most DEBUG_INFO_HEAD_MAX bytes at `addr`, as many as there are. */
static struct span read_head(const struct clr *clr, uint64_t addr, uint8_t bytes[DEBUG_INFO_HEAD_MAX])
{
    uint64_t size;
    size_t done = 0;

    while (done < DEBUG_INFO_HEAD_MAX) {
        const uint8_t *view = memory_view(clr->memory, addr + done, DEBUG_INFO_HEAD_MAX - done, &size);

        if (!view) break;
        if (size > DEBUG_INFO_HEAD_MAX - done) size = DEBUG_INFO_HEAD_MAX - done;
        memcpy(bytes + done, view, size);
        done += size;
    }
    return (struct span) { bytes, done };
}

/* Steps over what precedes the head; flags say what is there. Source: DebugInfoStore, ICorDebugInfo in src/coreclr/inc. */
static bool skip_preamble(const struct clr *clr, uint64_t *addr)
{
    enum { HAS_PATCHPOINTS = 1, HAS_RICH_INFO = 2, LOCALS_MAX = 1 << 20, RICH_MAX = 1 << 28, LOCAL_SIZE = 4 };
    uint8_t flags;
    uint32_t count;

    if (!memory_try_read(clr->memory, *addr, &flags, 1) || flags > (HAS_PATCHPOINTS | HAS_RICH_INFO)) return false;
    *addr += 1;
    if (flags & HAS_PATCHPOINTS) {
        if (!layout_has(&clr->layout, FIELD_PatchpointInfo_SIZE) ||
            !clr_try_u32(clr, *addr, FIELD_PatchpointInfo_NumberOfLocals, &count) || count > LOCALS_MAX)
            return false;
        *addr += (uint64_t)clr->layout.offset[FIELD_PatchpointInfo_SIZE] + LOCAL_SIZE * (uint64_t)count;
    }
    if (flags & HAS_RICH_INFO) {
        if (!memory_try_u32(clr->memory, *addr, &count) || count > RICH_MAX) return false;
        *addr += sizeof(count) + (uint64_t)count;
    }
    return true;
}

static bool jitted_il_offset(const struct clr *clr, const struct code_block *code, uint32_t native_off, uint32_t *ret)
{
    enum { BOUNDS_MAX = 1 << 24 };
    uint8_t head[DEBUG_INFO_HEAD_MAX], *bounds;
    uint64_t addr;
    uint32_t off, size;
    bool found;

    if (!clr_try_u64(clr, code->header_addr, FIELD_RealCodeHeader_DebugInfo, &addr) || !addr || !skip_preamble(clr, &addr) ||
        !debug_info_bounds(read_head(clr, addr, head), &off, &size) || !size || size > BOUNDS_MAX)
        return false;
    bounds = malloc(size);
    if (!bounds) return false;
    found = memory_try_read(clr->memory, addr + off, bounds, size) &&
            debug_info_il_offset((struct span) { bounds, size }, clr->layout.constant[CONSTANT_DebugInfoBoundsPacked], native_off,
                                 ret);
    free(bounds);
    return found;
}

static bool r2r_il_offset(struct code_lines *lines, const struct code_block *code, uint32_t native_off, uint32_t *ret)
{
    struct code_lines_module *module = module_of(lines, code->module_addr);
    struct span section, bounds;
    uint32_t element, off, back, size;

    if (!module || code->is_cold) return false;
    if (!module->r2r_done) {
        module->r2r_done = true;
        if (!ready_to_run_section(lines->clr, code, R2R_SECTION_DEBUG_INFO, &module->r2r_debug_info))
            module->r2r_debug_info = (struct span) { 0 };
    }
    section = module->r2r_debug_info;
    if (!section.data || !r2r_array_get(section, 0, code->table_index - code->function_index, &element)) return false;
    off = element;
    if (!r2r_varint(section, &off, &back) || back > element) return false;
    if (back) off = element - back;
    if (!debug_info_bounds(span_from(section, off), &element, &size)) return false;
    return span_slice(section, (uint64_t)off + element, size, &bounds) &&
           debug_info_il_offset(bounds, lines->clr->layout.constant[CONSTANT_DebugInfoBoundsPacked], native_off, ret);
}

bool code_lines_il_offset(struct code_lines *lines, const struct code_block *code, uint64_t ip, bool is_exact, uint32_t *ret)
{
    uint64_t off = ip - code->start - !is_exact;

    if (off > UINT32_MAX) return false;
    if (code->kind == CODE_JITTED) return jitted_il_offset(lines->clr, code, (uint32_t)off, ret);
    return r2r_il_offset(lines, code, (uint32_t)off, ret);
}

/* ---- lines ---- */

static struct code_lines_module *module_lines(struct code_lines *lines, uint64_t module_addr)
{
    struct clr_module *module = clr_module_get(lines->clr, module_addr);
    struct code_lines_module *known = module ? module_of(lines, module_addr) : NULL;

    if (!known) return NULL;
    if (!known->lines_done) {
        known->lines_done = true;
        /* The framework comes without PDBs; to look for them would only tell of files that are not there. */
        if (clr_module_is_framework(lines->clr, module)) return known;
        source_lines_init(lines->clr, module, &known->lines);
        if (!known->lines.is_found && !module->is_dynamic)
            gaps_add(lines->clr->gaps, "source lines", module->base, 1, "no PDB of this build found: %s",
                     *module->path ? module->path : "(loaded from bytes)");
    }
    return known;
}

bool code_lines_find(struct code_lines *lines, const struct clr_method *method, uint32_t il_offset, const char **file_ret,
                     uint32_t *line_ret)
{
    struct clr_type *type = clr_type_get(lines->clr, method->mt_addr);
    struct code_lines_module *module = type && metadata_token_rid(method->token) ? module_lines(lines, type->module_addr) : NULL;

    text_clear(&lines->path);
    *file_ret = NULL;
    if (!module || !module->lines.is_found ||
        !source_lines_find(&module->lines, metadata_token_rid(method->token), il_offset, &lines->path, line_ret))
        return false;
    *file_ret = text_cstr(&lines->path);
    return true;
}

bool code_lines_of_ip(struct code_lines *lines, const struct clr_method *method, uint64_t ip, bool is_exact, const char **file_ret,
                      uint32_t *line_ret)
{
    struct clr_type *type = clr_type_get(lines->clr, method->mt_addr);
    struct code_lines_module *module = type && metadata_token_rid(method->token) ? module_lines(lines, type->module_addr) : NULL;
    struct code_block code;
    uint32_t il_offset;

    *file_ret = NULL;
    /* Most methods are the framework's, which has no PDB: these need no IL map. */
    if (!module || !module->lines.is_found || !ip || !code_find(lines->clr, ip - !is_exact, &code)) return false;
    return code_lines_il_offset(lines, &code, ip, is_exact, &il_offset) &&
           code_lines_find(lines, method, il_offset, file_ret, line_ret);
}

void code_place_init(struct code_place *place)
{
    *place = (struct code_place) { 0 };
    text_init(&place->method);
    text_init(&place->source);
}

void code_place_deinit(struct code_place *place)
{
    text_deinit(&place->method);
    text_deinit(&place->source);
}

void code_lines_describe(struct code_lines *lines, uint64_t method_desc_addr, uint64_t ip, bool is_exact, struct code_place *place)
{
    struct clr_method method;

    text_clear(&place->method);
    text_clear(&place->source);
    place->file = NULL;
    if (!clr_method_at(lines->clr, method_desc_addr, &method)) return;
    if (!clr_method_name(lines->clr, &method, &place->method)) text_clear(&place->method);
    if (!code_lines_of_ip(lines, &method, ip, is_exact, &place->file, &place->line)) return;
    text_printf(&place->source, "%s:%u", code_lines_file_name(place->file), place->line);
}

void code_lines_describe_await(struct code_lines *lines, uint64_t machine_mt, int64_t state, struct code_place *place)
{
    struct clr_type *type = clr_type_get(lines->clr, machine_mt);
    struct clr_module *module = type ? clr_module_get(lines->clr, type->module_addr) : NULL;
    const struct metadata *md = module ? clr_module_metadata(lines->clr, module) : NULL;
    uint32_t move_next = md ? metadata_find_method(md, metadata_token_rid(type->token), "MoveNext") : 0, il_offset;
    struct code_lines_module *known;

    text_clear(&place->method);
    text_clear(&place->source);
    text_clear(&lines->path);
    place->file = NULL;
    if (!move_next) return;
    method_origin_text(md, move_next, &place->method);
    known = module_lines(lines, type->module_addr);
    if (!known || !known->lines.is_found || state < 0 || state > UINT32_MAX ||
        !portable_pdb_await(&known->lines.pdb, move_next, (uint32_t)state, &il_offset) ||
        !source_lines_find(&known->lines, move_next, il_offset, &lines->path, &place->line))
        return;
    place->file = text_cstr(&lines->path);
    text_printf(&place->source, "%s:%u", code_lines_file_name(place->file), place->line);
}

const char *code_lines_file_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *backslash = strrchr(path, '\\');
    const char *last = slash > backslash ? slash : backslash;

    return last ? last + 1 : path;
}
