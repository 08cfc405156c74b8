#include "clr/method_body.h"

/* More code than that is no method; the largest known ones, generated tables, have a few MiB. */
enum { CODE_SIZE_MAX = 1 << 26 };

bool method_bodies_init(const struct clr *clr, const struct clr_module *module, struct method_bodies *ret)
{
    *ret = (struct method_bodies) { .clr = clr, .module = module };
    return !module->is_dynamic && module_image_headers(clr, module, &ret->headers);
}

void method_bodies_deinit(struct method_bodies *bodies)
{
    vec_deinit(&bodies->copy);
}

/* Exactly `size` bytes, in one piece or as a copy. */
static bool read_bytes(struct method_bodies *bodies, uint64_t addr, uint32_t size, struct span *ret)
{
    const uint8_t *bytes = memory_try_span(bodies->clr->memory, addr, size);

    if (!bytes) {
        if (!memory_has(bodies->clr->memory, addr, size) || !vec_reserve(&bodies->copy, size) ||
            !memory_try_read(bodies->clr->memory, addr, bodies->copy.data, size))
            return false;
        bytes = bodies->copy.data;
    }
    *ret = (struct span) { bytes, size };
    return true;
}

bool method_bodies_read(struct method_bodies *bodies, uint32_t rva, struct il_body *ret)
{
    uint64_t addr = rva ? module_image_address(bodies->module, &bodies->headers, rva) : 0;
    struct span bytes;
    struct il_body body;

    if (!addr) return false;
    /* A tiny body at the end of an image may be shorter than a fat header. */
    if (!read_bytes(bodies, addr, IL_HEADER_MAX, &bytes) && !read_bytes(bodies, addr, 1, &bytes)) return false;
    if (!il_body(bytes, &body) || body.code_size > CODE_SIZE_MAX) return false;
    if (!read_bytes(bodies, addr, body.header_size + body.code_size, &bytes)) return false;
    return il_body(bytes, ret);
}

bool method_has_body(const struct metadata_method_def *method)
{
    enum { CODE_TYPE_MASK = 3, ABSTRACT = 0x400, PINVOKE = 0x2000, INTERNAL_CALL = 0x1000 }; /* II.23.1.11, II.23.1.10 */

    return method->rva && !(method->impl_flags & (CODE_TYPE_MASK | INTERNAL_CALL)) && !(method->flags & (ABSTRACT | PINVOKE));
}
