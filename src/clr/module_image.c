#include "clr/module_image.h"

bool module_image_headers(const struct clr *clr, const struct clr_module *module, struct pe *ret)
{
    enum { HEADERS_VIEW = 1 << 16 };
    uint64_t size;
    const uint8_t *view = module->base ? memory_view(clr->memory, module->base, HEADERS_VIEW, &size) : NULL;
    struct error *err;

    if (!view) return false;
    if (size > HEADERS_VIEW) size = HEADERS_VIEW;
    err = pe_open((struct span) { view, size }, module->is_flat ? PE_LAYOUT_FLAT : PE_LAYOUT_MAPPED, ret);
    if (!err) return true;
    error_destroy(err);
    return false;
}

uint64_t module_image_address(const struct clr_module *module, const struct pe *headers, uint32_t rva)
{
    struct pe_section section;

    if (!module->is_flat) return module->base + rva;
    if (!pe_section_at(headers, rva, &section)) return rva < headers->headers_size ? module->base + rva : 0;
    return module->base + section.raw_off + (rva - section.rva);
}
