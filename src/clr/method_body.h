/*
 * The IL of a module's methods: from the image in the target, else from the file that was mapped.
 *
 *     method_def.RVA -> address in the image -> header, code
 *
 * createdump leaves the pages of dlls out of heap dumps but for their metadata, so there the IL is had only when target/images.h
 * finds the file (--images, or its own path on this machine). Methods of reflection emit have no image: their IL is not read.
 */
#ifndef CLRTRAIL_CLR_METHOD_BODY_H
#define CLRTRAIL_CLR_METHOD_BODY_H

#include "base/vec.h"
#include "clr/module_image.h"
#include "formats/il.h"

struct method_bodies {
    const struct clr *clr;
    const struct clr_module *module;
    struct pe headers;
    VEC(uint8_t) copy; /* of a body that lies in several pieces */
};

/* False when the module has no image with headers. */
bool method_bodies_init(const struct clr *clr, const struct clr_module *module, struct method_bodies *ret);
void method_bodies_deinit(struct method_bodies *bodies);

/* The body at `rva`, borrowed until the next call; false when its bytes cannot be had, or are no body. */
bool method_bodies_read(struct method_bodies *bodies, uint32_t rva, struct il_body *ret);

/* Is the method's body IL in this image? Not so for abstract, native and runtime methods. */
bool method_has_body(const struct metadata_method_def *method);

#endif
